"""Proxmox VE clusters."""
