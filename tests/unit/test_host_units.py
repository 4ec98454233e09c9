"""Which systemd units are resources, and what is made of what ``systemctl`` says."""

import asyncio
import os

import pytest

from agents.errors import Malformed, Unauthorized, Unreachable
from agents.host import mapping, systemd
from agents.host.systemd import Loaded, Unit, UnitFile
from schemas.resources import Health, SourceRef, Status
from tests.support import waiting

SOURCE = SourceRef(provider="host", name="case")


def loaded(unit, load="loaded", active="active", sub="running", description="What it is"):
    return Loaded(unit=unit, load=load, active=active, sub=sub, description=description)


def names(rows, files):
    return [unit.name for unit in systemd.merged(rows, [UnitFile(unit_file=f, state=s) for f, s in files.items()])]


@pytest.fixture
def program(tmp_path):
    """A function that writes a program to stand where ``systemctl`` stands."""

    def write(*lines):
        path = tmp_path / "systemctl"
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)
        return str(path)

    return write


def test_a_service_that_systemd_forgot_is_still_there():
    assert names([loaded("a.service")], {"a.service": "enabled", "b.service": "disabled"}) == ["a.service", "b.service"]


def test_what_containers_and_logins_bring_is_no_unit_of_ours():
    rows = [loaded("run-u1.service"), loaded("run-docker-netns-1.mount"), loaded("session.mount")]

    assert names(rows, {"run-u1.service": "transient"}) == []


def test_an_instance_is_there_when_its_template_is():
    rows = [loaded("getty@tty1.service"), loaded("odd@1.service")]

    (unit,) = systemd.merged(rows, [UnitFile(unit_file="getty@.service", state="enabled")])

    assert (unit.name, unit.enabled) == ("getty@tty1.service", "enabled")


def test_another_name_of_a_unit_is_no_second_unit():
    assert names([loaded("ssh.service")], {"ssh.service": "enabled", "sshd.service": "alias"}) == ["ssh.service"]


def test_a_unit_that_is_only_mentioned_is_not_there():
    assert names([loaded("gone.service", load="not-found")], {}) == []


def test_looking_at_a_stopped_unit_changes_nothing():
    """systemd loads a unit to show it and forgets it later; only then has it a description."""
    files = [UnitFile(unit_file="a.service", state="disabled")]

    assert systemd.merged([], files) == systemd.merged([loaded("a.service", active="inactive", sub="dead")], files)


@pytest.mark.parametrize(
    ("active", "status", "health"),
    [
        ("active", Status.RUNNING, Health.OK),
        ("reloading", Status.RUNNING, Health.OK),
        ("activating", Status.PENDING, Health.UNKNOWN),
        ("deactivating", Status.PENDING, Health.UNKNOWN),
        ("inactive", Status.STOPPED, Health.UNKNOWN),
        ("failed", Status.FAILED, Health.FAILING),
        ("a-word-of-tomorrow", Status.UNKNOWN, Health.UNKNOWN),
    ],
)
def test_a_unit_has_one_of_our_states_and_keeps_systemd_s_word(active, status, health):
    row = Unit(name="a.timer", type="timer", active=active, sub="x", enabled="enabled", description="")

    found = mapping.unit(SOURCE, "host/case/node/n", row)

    assert (found.status, found.health, found.native_status) == (status, health, f"{active} (x)")
    assert (found.native_kind, found.spec) == ("timer", {"enabled": "enabled"})


async def test_both_listings_are_joined(program):
    systemctl = program(
        "case $1 in",
        """list-units) echo '[{"unit":"a.service","load":"loaded","active":"failed","sub":"failed"}]';;""",
        """*) echo '[{"unit_file":"a.service","state":"enabled"}, {"unit_file":"b.timer","state":"static"}]';;""",
        "esac",
    )

    units = await systemd.units(systemctl, ["b.*"])

    assert [(unit.name, unit.active, unit.enabled) for unit in units] == [("a.service", "failed", "enabled")]


async def test_a_machine_without_units_is_not_malformed(program):
    assert await systemd.units(program("echo '[]'")) == []


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["echo 'Failed to connect to bus: Host is down' >&2", "exit 1"], Unreachable),
        (["echo 'Failed to list units: Access denied' >&2", "exit 1"], Unauthorized),
        (["echo 'Failed to connect to bus: Operation not permitted' >&2", "exit 1"], Unauthorized),
        (["exit 3"], Unreachable),
        (["echo '<html>'"], Malformed),
        (["echo '[1]'"], Malformed),
        (["echo '[{'"], Malformed),
        (["kill -9 $$"], Unreachable),
    ],
)
async def test_a_refusal_is_one_of_our_reasons(program, lines, reason):
    with pytest.raises(reason, match="systemctl"):
        await systemd.units(program(*lines))


async def test_a_program_that_is_not_there_is_unreachable(tmp_path):
    with pytest.raises(Unreachable, match="cannot be run"):
        await systemd.units(str(tmp_path / "systemctl"))


async def test_a_systemctl_that_hangs_is_ended_when_the_reading_is_cancelled(program, tmp_path):
    note = tmp_path / "pid"
    systemctl = program(f"echo $$ > {note}.new && mv {note}.new {note}", "exec sleep 600")

    reading = asyncio.ensure_future(systemd.units(systemctl))
    await waiting.until(note.exists)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)
