"""What people write beside things is published without the secrets that they put into it."""

import pytest

from agents.proxmox import cluster, networks, pools, schedules, wire, wire_slow
from schemas.resources import SourceRef

SOURCE = SourceRef(provider="proxmox", name="lab")
WRITTEN = "password: hunter2"


def network():
    row = wire_slow.NetworkRow(iface="vmbr0", comments=WRITTEN)
    return networks.networks(SOURCE, "pve1", [row])[0].spec["comments"]


def pool():
    return pools.pools(SOURCE, [wire.PoolRow("lab")], {"lab": WRITTEN}, {})[0].spec["comment"]


def backup_job(entry):
    row = wire_slow.BackupJob.model_validate({"id": "a", "comment": WRITTEN, "notes-template": WRITTEN})
    job = schedules.backup_job(SOURCE, row, {}, {})
    return job.name if entry == "name" else job.spec[entry]


def replication_job(entry):
    job = schedules.replication_job(SOURCE, wire_slow.ReplicationJob(id="100-0", comment=WRITTEN), {})
    return job.name if entry == "name" else job.spec[entry]


@pytest.mark.parametrize(
    "published",
    [
        network,
        pool,
        lambda: backup_job("comment"),
        lambda: backup_job("notes_template"),
        lambda: backup_job("name"),
        lambda: replication_job("comment"),
        lambda: replication_job("name"),
        lambda: cluster.ha_resource(SOURCE, wire_slow.HaResource(sid="vm:1", comment=WRITTEN), None, {}).spec[
            "comment"
        ],
        lambda: cluster.ha_group(SOURCE, wire_slow.HaGroup(group="a", comment=WRITTEN)).spec["comment"],
        lambda: cluster.ha_rule(SOURCE, wire_slow.HaRule(rule="a", comment=WRITTEN), {}).spec["comment"],
    ],
)
def test_a_comment_has_no_secret_in_it(published):
    assert published() == "password: <redacted>"
