"""Garbage on the inventory subjects: refused with its reason, counted and shown; what follows is read."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from schemas.events import Observed
from schemas.resources import Kind, Resource, Status, hash_of
from tests.support.instance import Instance, asked
from tests.support.waiting import until


def observed(native_id: str, **changes: object) -> dict:
    resource = Resource(
        provider="test", source="bus", kind=Kind.VM, native_id=native_id, name=native_id, scope="all",
        status=Status.RUNNING,
    )  # fmt: skip
    now = datetime.now(UTC)
    event = Observed(time=now, agent="test", observed_at=now, hash=hash_of(resource), resource=resource)
    return event.model_dump(mode="json") | changes


def whole(native_id: str, **changes: object) -> bytes:
    return json.dumps(observed(native_id, **changes)).encode()


BAD = {
    "garbage": b"\x00\xff\xfe nothing to read",
    "nothing": b"",
    "truncated": whole("truncated")[:200],
    "another type": b'{"type": "rumour"}',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "not UTF-8": b'{"type": "observed", "agent": "\xc3\x28"}',
    "half a surrogate": whole("x").replace(b'"agent": "test"', b'"agent": "\\ud800"'),
    "wrong types": whole("wrong", resource={"provider": 7, "kind": ["vm"]}),
    "another's subject": whole("somebody-else"),
    "from the future": whole("x", observed_at=(datetime.now(UTC) + timedelta(days=400)).isoformat()),
    "a time without a zone": whole("x", observed_at="2026-11-20T08:00:00"),
    "a megabyte": b'{"type": "observed", "padding": "' + b"x" * 1024 * 1024 + b'"}',
    "deeply nested": b'{"type":' * 5000,
}


async def test_every_kind_of_garbage_is_refused_and_what_follows_is_read(homelab: Instance):
    before = (await homelab.json("status"))["quarantined"]
    async with homelab.nats("agent") as client:
        js = client.jetstream()
        for what, data in BAD.items():
            subject = "homelab.inv.test.bus.vm.x" if what != "wrong types" else "homelab.inv.test.bus.vm.wrong"
            await js.publish(subject, data, timeout=10)
        for subject in ("homelab.inv.test", "homelab.inv.test.bus.vm.x.y", "homelab.scan.test.bus.all"):
            await js.publish(subject, whole("x"), timeout=10)
        await js.publish("homelab.inv.test.bus.vm.good", whole("good"), timeout=10)
    count = len(BAD) + 3

    async def read() -> bool:
        async with homelab.nats() as viewer:
            return (await asked(viewer, "resources", keys=["test/bus/vm/good"]))["total"] == 1

    await until(read)
    now = await homelab.json("status")
    assert now["quarantined"] - before == count
    assert now["ingest_state"] == "live"
    assert (await homelab.ask("resources", keys=["test/bus/vm/x", "test/bus/vm/wrong"]))["total"] == 0
    screen = await homelab.cli("status")
    assert f"{now['quarantined']} messages could not be read" in screen.out
    rows = await homelab.sql("select subject, reason, bytes from quarantine order by sequence desc limit 50")
    assert len(rows) >= count
    assert all(row["reason"] for row in rows)
    assert max(row["bytes"] for row in rows) > 1024 * 1024
    assert homelab.said("messages_quarantined")


def resource(native_id: str, **fields: object) -> bytes:
    said = observed(native_id)
    said["resource"] |= fields
    return json.dumps(said).encode()


ODD: dict[str, dict[str, object]] = {
    "more bytes than BIGINT": {"size": {"memory_bytes": 2**63}},
    "far more": {"size": {"disk_bytes": 10**40}},
    "more GPUs than INTEGER": {"size": {"gpus": 2**31}},
    "an integer of 400 digits": {"spec": {"a": 10**400}},
    "an integer of 65 bits": {"native": {"a": 2**64}},
    "infinity": {"spec": {"a": float("inf")}},
    "not a number": {"spec": {"a": float("nan")}},
    "a NUL": {"name": "a\0b", "labels": {"a\0": "\0"}, "spec": {"\0": "\0"}},
    "the first day": {"created_at": "0001-01-01T00:00:00Z"},
    "the last day": {"created_at": "9999-12-31T23:59:59.999999-23:59"},
    "an empty label": {"labels": {"": ""}},
    "nothing but nesting": {"native": {"a": [[[[[[[[{}]]]]]]]]}},
    "a long name": {"name": "n" * 5_000},
    "a parent of no shape": {"parent": "///", "relations": [{"type": "", "key": ""}]},
}


async def test_values_that_no_column_takes_stop_nothing(homelab: Instance):
    """Each is stored or refused; whichever, it takes nobody with it."""
    async with homelab.nats("agent") as client:
        for number, fields in enumerate(ODD.values()):
            await client.jetstream().publish(f"homelab.inv.test.bus.vm.odd{number}", resource(f"odd{number}", **fields))
        await client.jetstream().publish("homelab.inv.test.bus.vm.after", whole("after"))

    async def read() -> bool:
        return (await homelab.ask("resources", keys=["test/bus/vm/after"]))["total"] == 1

    await until(read)
    assert homelab.process.poll() is None
    for arguments in (("resources",), ("resources", "--json"), ("history",), ("status",), ("watch", "--help")):
        said = await homelab.cli(*arguments)
        assert said.code == 0, said.err


@pytest.mark.parametrize("name", ["x' or 1=1 --", "]]]\u202e\x1b[31m", "名前"])
async def test_an_odd_name_is_a_name(homelab: Instance, name: str):
    native_id = f"odd-{abs(hash(name))}"
    data = json.loads(whole(native_id))
    data["resource"]["name"] = name
    async with homelab.nats("agent") as client:
        await client.jetstream().publish(f"homelab.inv.test.bus.vm.{native_id}", json.dumps(data).encode())

    async def known() -> bool:
        items = (await homelab.ask("resources", keys=[f"test/bus/vm/{native_id}"]))["items"]
        return [row["name"] for row in items] == [name]

    await until(known)
    shown = await homelab.cli("resources", "--provider", "test")
    assert shown.code == 0
    assert "\x1b[31m" not in shown.out
