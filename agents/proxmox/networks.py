"""Bridges, bonds, VLANs and cards of nodes, and the zones and nets of SDN, as resources.  Pure."""

from collections.abc import Collection, Iterable
from typing import Final

from pydantic import JsonValue

from agents.proxmox import cluster, parse, redaction
from agents.proxmox.wire_slow import NetworkRow, VnetRow, ZoneRow
from schemas.resources import Kind, Relation, Resource, SourceRef, Status

SCOPE: Final = "networks"
VNET: Final = "sdn/vnet/"


def key(source: SourceRef, node: str, bridge: str, vnets: Collection[str]) -> str:
    """Return what a guest's card is attached to: on a node, a net of SDN is a bridge of its name."""
    return source.key(Kind.NETWORK, f"{VNET}{bridge}" if bridge in vnets else f"{node}/{bridge}")


def networks(source: SourceRef, node: str, rows: Iterable[NetworkRow]) -> list[Resource]:
    rows = list(rows)
    there = {row.iface for row in rows}
    return [_network(source, node, row, there) for row in rows]


def _network(source: SourceRef, node: str, row: NetworkRow, there: Collection[str]) -> Resource:
    below = {*_members(row), row.vlan_raw_device} & {*there}
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NETWORK,
        native_id=f"{node}/{row.iface}",
        name=row.iface,
        native_kind=row.type,
        scope=SCOPE,
        status=Status.RUNNING if row.active else Status.STOPPED,
        native_status="active" if row.active else "inactive",
        parent=source.key(Kind.NODE, node),
        relations=tuple(
            Relation(type="uses", key=source.key(Kind.NETWORK, f"{node}/{name}")) for name in sorted(below)
        ),
        addresses=tuple(sorted({address.partition("/")[0] for address in (_address(row), _address6(row)) if address})),
        spec=_spec(row),
    )


def _spec(row: NetworkRow) -> dict[str, JsonValue]:
    return {
        "type": row.type,
        "autostart": row.autostart,
        "method": row.method or None,
        "address": _address(row),
        "gateway": row.gateway or None,
        "method6": row.method6 or None,
        "address6": _address6(row),
        "gateway6": row.gateway6 or None,
        "mtu": row.mtu,
        "members": [*_members(row)],
        "vlan_aware": row.bridge_vlan_aware,
        "vlans": [*parse.names(row.bridge_vids)],
        "bond_mode": row.bond_mode or None,
        "bond_primary": row.bond_primary or None,
        "bond_hash_policy": row.bond_xmit_hash_policy or None,
        "vlan": row.vlan_id if row.ovs_tag is None else row.ovs_tag,
        "vlan_of": row.vlan_raw_device or None,
        "ovs_bridge": row.ovs_bridge or None,
        "ovs_options": row.ovs_options or None,
        "comments": redaction.text(row.comments).rstrip() or None,
    }


def _address(row: NetworkRow) -> str | None:
    return row.cidr or row.address or None


def _address6(row: NetworkRow) -> str | None:
    return row.cidr6 or row.address6 or None


def _members(row: NetworkRow) -> tuple[str, ...]:
    """Return the ports of a bridge or the members of a bond; ``none`` is how none is written."""
    found = parse.names(f"{row.bridge_ports} {row.slaves} {row.ovs_ports} {row.ovs_bonds}")
    return tuple(name for name in found if name != "none")


def zone(source: SourceRef, row: ZoneRow) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NETWORK,
        native_id=f"sdn/zone/{row.zone}",
        name=row.zone,
        native_kind="sdn-zone",
        scope=SCOPE,
        parent=cluster.key(source),
        spec={
            "type": row.type,
            "bridge": row.bridge or None,
            "tag": row.tag,
            "vlan_protocol": row.vlan_protocol or None,
            "mtu": row.mtu,
            "nodes": [*parse.names(row.nodes)],
            "peers": [*parse.names(row.peers)],
            "controller": row.controller or None,
            "vrf_vxlan": row.vrf_vxlan,
            "vxlan_port": row.vxlan_port,
            "exit_nodes": [*parse.names(row.exitnodes)],
            "ipam": row.ipam or None,
            "dhcp": row.dhcp or None,
            "dns": row.dns or None,
            "dns_zone": row.dnszone or None,
        },
    )


def vnet(source: SourceRef, row: VnetRow) -> Resource:
    return Resource(
        provider=source.provider,
        source=source.name,
        kind=Kind.NETWORK,
        native_id=f"{VNET}{row.vnet}",
        name=row.vnet,
        native_kind="sdn-vnet",
        scope=SCOPE,
        parent=source.key(Kind.NETWORK, f"sdn/zone/{row.zone}") if row.zone else cluster.key(source),
        spec={
            "zone": row.zone or None,
            "tag": row.tag,
            "alias": row.alias or None,
            "vlan_aware": row.vlanaware,
            "isolate_ports": row.isolate_ports,
        },
    )


def path(one: Resource) -> str:
    """Return where the rights to see a zone or a net are looked up."""
    zone = "" if one.native_kind == "sdn-zone" else f"{one.spec.get('zone')}/"
    return f"/sdn/zones/{zone}{one.name}"
