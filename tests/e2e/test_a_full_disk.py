"""The disk fills up under the state directory: it says so, stops applying, and goes on when there is room."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from nats.errors import Error as NatsError

from daemon.runtime import bus
from tests.support.docker_engine import RealEngine, unavailable
from tests.support.instance import HOST, Instance, docker, get, prepared, running
from tests.support.waiting import until

pytestmark = pytest.mark.docker
MIB = 2**20
AWAY = (AssertionError, TimeoutError, OSError, NatsError, bus.BusError)
"""What asking meets while the bus is started anew."""


@contextmanager
def small_disk(at: Path, *, mib: int) -> Iterator[None]:
    at.mkdir(parents=True, mode=0o700)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", str(at)], check=False, capture_output=True
    )
    if made.returncode:
        unavailable(f"a small disk cannot be mounted: {made.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


def fill(file: Path, *, leave_mib: int) -> None:
    """Write until so much is left; with 0, until nothing more can be written."""
    with file.open("ab", buffering=0) as filler, suppress(OSError):
        for size in (MIB, 4096, 1):
            while shutil.disk_usage(file.parent).free > leave_mib * MIB and filler.write(bytes(size)) == size:
                pass


async def _ingest(lab: Instance) -> tuple[str, str]:
    status = await lab.ask("status")
    return status["ingest_state"], status["ingest_detail"]


async def _knows(lab: Instance, *names: str) -> bool:
    with suppress(*AWAY):
        answer = await lab.ask("resources", source="local", kind="container", status="running", limit=1000)
        return {row["name"] for row in answer["items"]} >= set(names)
    return False


async def _state_is(lab: Instance, wanted: str) -> bool:
    with suppress(*AWAY):
        return (await _ingest(lab))[0] == wanted
    return False


async def test_a_full_disk_stops_the_reader_and_room_lets_it_go_on(tmp_path: Path, real: RealEngine):
    lab = prepared(tmp_path, [HOST, docker("local", real.url)])
    filler = lab.state / "filler"
    with small_disk(lab.state, mib=160):
        async with running(lab):
            before, during, after = (real.name(word) for word in ("before", "during", "after"))
            await real.run(before)
            await until(lambda: _knows(lab, before))

            fill(filler, leave_mib=40)
            await real.run(during)
            await until(lambda: _state_is(lab, "stopped"))
            assert "make room" in (await _ingest(lab))[1]
            assert "MiB are free" in (await lab.cli("status")).out
            assert get(f"{lab.run.http.url}/readyz")[0] == 503
            assert get(lab.run.http.health)[0] == 200
            assert len(lab.said("store_unavailable")) >= 1
            assert not await _knows(lab, during)
            assert await _knows(lab, before), "what is known is still told"

            filler.unlink()
            await until(lambda: _state_is(lab, "live"), seconds=20)
            await until(lambda: _knows(lab, before, during), seconds=20)

            fill(filler, leave_mib=0)
            await real.run(after)
            await until(lambda: _is_stuck(lab), seconds=20)
            filler.unlink()
            await until(lambda: _knows(lab, before, during, after), seconds=60)
            await until(lambda: _state_is(lab, "live"))
            assert lab.process.poll() is None
            log = await lab.sql("select cause, key from state_log where cause like 'event %'")
            assert len(log) == len({(row["cause"], row["key"]) for row in log})


async def _is_stuck(lab: Instance) -> bool:
    """The bus or the store has said that it cannot write."""
    with suppress(*AWAY):
        return bool(lab.said("publishing_waits")) or (await _ingest(lab))[0] != "live"
    return True
