"""What a person reads of pools, 100 columns wide, and how a property is written."""

import pytest

from daemon.cli import pools
from daemon.cli.exits import Failure
from schemas.expected_queries import PoolsAnswer
from tests.support.answers import AT, pool
from tests.unit.test_cli_pictures import printed, same

GIB = 1 << 30
FULL = {
    "type": "compute", "members": 12, "running": 10, "drifting": 2, "used_cpu_cores": 3.256,
    "used_memory_bytes": 7 * GIB,
    "capacity": {"cpu_cores": 16.0, "memory_bytes": 64 * GIB, "disk_bytes": None, "gpus": 1},
}  # fmt: skip


def test_pools_are_a_tree(capsys):
    rows = [pool("/lab", **FULL), pool("/lab-2"), pool("/lab/compute", **FULL), pool("/lab/compute/gpu", members=0)]
    same(
        printed(capsys, pools.tree(rows)),
        """
        POOL        TYPE     MEMBERS  RUNNING  DRIFT  CORES  USED  MEMORY     USED
        /lab        compute       12       10      2   16.0  3.26  64 GiB  7.0 GiB
          /compute  compute       12       10      2   16.0  3.26  64 GiB  7.0 GiB
            /gpu                   0        1
        /lab-2                     2        1
        """,
    )


def test_one_pool_is_shown_with_who_says_what(capsys):
    properties = [
        {"name": "owner", "value": "ann", "origin": "/lab"},
        {"name": "rack", "value": {"row": 2}, "origin": "/lab/compute"},
    ]
    row = pool(
        "/lab/compute", **FULL, description="what computes", declared=True, place="lab.yaml:7", unmanaged=True,
        selectors=["kind=container label:tier=front", "kind=vm"], properties=properties,
    )  # fmt: skip
    members = ("docker/local/container/db", "docker/local/container/web")
    answer = PoolsAnswer(as_of=AT, total=12, items=(row,), members=members, next_cursor=members[1])
    same(
        printed(capsys, *pools.picture(answer)),
        """
        /lab/compute  compute
          description what computes
          declared in lab.yaml:7
          members     12 resources, 10 running, 2 drifting
          by selector kind=container label:tier=front
          by selector kind=vm
          unmanaged   members that nobody expects are deviations
          cores       3.26 used of 16.0
          memory      7.0 GiB used of 64 GiB
          GPUs        1
        properties
          NAME   VALUE  FROM
          owner  ann    /lab
          rack   row=2
        members
          docker/local/container/db
          docker/local/container/web
          and 10 more: homelab resources --pool /lab/compute
        """,
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("a=1", 1), ("a=x", "x"), ('a="1"', "1"), ("a=[1, 2]", [1, 2]), ("a=", None), ("a=b=c", "b=c"), ("a=true", True)],
)
def test_a_property_is_json_or_else_a_text(text, value):
    assert pools._property(text) == ("a", value)


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_a_property_without_name_or_equals_is_refused(text):
    with pytest.raises(Failure, match="NAME=VALUE"):
        pools._property(text)
