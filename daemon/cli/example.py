"""What `homelab config init` writes: a commented configuration.  With every # taken away it passes the check, too."""

TEXT = """\
# homelab.yaml: what homelabd watches.  Check it with `homelab config check`, try it with `homelab probe`.
# Without `sources` it finds what this machine has.  Every line that begins with # is optional.
#
# A duration is 500ms, 30s, 5m, 2h or 7d.  A secret is never written here, only where it is:
#   env:NAME    an environment variable
#   file:PATH   the content of a file
#   cred:NAME   a systemd credential (LoadCredential=)

sources:
  # This machine: CPU, memory, disks, network, systemd units.
  - provider: host
    # name: my-host            # default: the host's name
    # interval: 1m

  # A Docker engine, or Podman's socket.
  - provider: docker
    name: local
    url: unix:///var/run/docker.sock
    # interval: 1m             # it is also told at once what changes
    # unmanaged: true          # report what nobody expects as a deviation

  # An engine on another host, with certificates.
  # - provider: docker
  #   name: nas
  #   url: tcp://nas.lan:2376
  #   tls:
  #     ca: /etc/homelab/docker/ca.pem
  #     cert: /etc/homelab/docker/cert.pem
  #     key: /etc/homelab/docker/key.pem

  # A Proxmox VE cluster; several nodes of it may be asked: url: [https://pve1.lan:8006, https://pve2.lan:8006].
  # It may stand in the environment, or in a .env file beside this one, instead: PROXMOX_API_URL, PROXMOX_TOKEN_ID,
  # PROXMOX_TOKEN_SECRET; of several: PROXMOX_CLUSTERS=prod,lab, PROXMOX_CLUSTER_prod_API_URL, ...
  # - provider: proxmox
  #   name: lab
  #   url: https://pve1.lan:8006
  #   token_id: homelab@pve!daemon
  #   token_secret: env:PVE_TOKEN_SECRET
  #   ca: /etc/homelab/pve-root-ca.pem     # or fingerprint: of the certificate, or verify: false in a laboratory

# Which of several Proxmox VE clusters is meant by a name or a vmid: the longest pattern, the narrowest range count.
# clusters:
#   patterns: {prod-: lab, "*-test": lab}
#   vmids: {100-199: lab}
#   default: lab               # to read from; a change is never made by default

# Manifests that say what should be: a folder, or a list of them.  Watched; each is in force as a whole.
# expectations:
#   folder: /etc/homelab/expectations

# nats:
#   port: 4222                 # of the bus that `homelab up` starts; 0 takes any free one
#   url: nats://bus.lan:4222   # a bus that is there already
#   creds: /etc/homelab/daemon.json

# http:
#   listen: 127.0.0.1          # anything else needs a token
#   port: 8420
#   token: env:HOMELAB_HTTP_TOKEN

# retention:
#   state_log: 400d
#   samples: 7d

# log:
#   level: info
"""
