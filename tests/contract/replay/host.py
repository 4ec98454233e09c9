"""A recorded machine: its files below a temporary root, and a program in the place of ``systemctl``."""

import json
import shlex
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

from agents.errors import Malformed, Unauthorized, Unreachable
from agents.host import Host
from agents.host.config import HostConfig
from agents.host.files import Root
from schemas.resources import SourceRef
from tests.conftest import FakeClock

SECRETS = ("hunter2-of-the-share", "hunter2-of-the-backup", "0123456789abcdef0123456789abcdef")
BREAKAGES = {
    "no /proc": Unreachable,
    "no /sys": Unreachable,
    "no systemctl": Unreachable,
    "systemd is down": Unreachable,
    "unauthorized": Unauthorized,
    "no processor": Malformed,
    "no memory": Malformed,
    "garbled mounts": Malformed,
    "garbled interface": Malformed,
    "not json": Malformed,
    "other shape": Malformed,
    "hangs": Unreachable,
}
_FILES = {
    "no processor": ("proc/cpuinfo", "flags: fpu\n"),
    "no memory": ("proc/meminfo", "MemTotal: much\n"),
    "garbled mounts": ("proc/1/mountinfo", "27 1 254:0 /\n"),
    "garbled interface": ("sys/class/net/eth0/flags", "up and running"),
}
_FOLDERS = {"no /proc": "proc", "no /sys": "sys"}
_SYSTEMCTL = {
    "systemd is down": "echo 'Failed to connect to bus: Host is down' >&2; exit 1",
    "unauthorized": "echo 'Failed to list units: Access denied' >&2; exit 1",
    "not json": "echo '<html>'",
    "other shape": """echo '[{"name": "ssh"}]'""",
    "hangs": "exec sleep 600",
}


def requests(case):
    needed = [
        "proc/cpuinfo",
        "proc/meminfo",
        "proc/1/mountinfo",
        "proc/sys/kernel/hostname",
        "sys/block",
        "sys/class/net",
    ]
    return needed + [f"systemctl {question}" for question in case.get("systemctl", ())]


@asynccontextmanager
async def connect(case, *, breakage=None, failing=None):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        _write_files(root, case, breakage, failing)
        yield Host(
            source=SourceRef(provider="host", name="case"),
            config=HostConfig.model_validate({"name": "case", **case["config"]}),
            clock=FakeClock(),
            root=Root(root),
            systemctl=_systemctl(Path(folder), case, breakage, failing) if "systemctl" in case else None,
            addresses=lambda: case["addresses"],
        )


def _write_files(root, case, breakage, failing):
    broken = dict([_FILES[breakage]] if breakage in _FILES else [])
    without = tuple(filter(None, (_FOLDERS.get(breakage), failing)))
    files = {name: ("file", text) for name, text in {**case["files"], **broken}.items()}
    links = {name: ("link", end) for name, end in case["links"].items()}
    for name, (what, content) in {**files, **links}.items():
        path = root / name
        if any(name == gone or name.startswith(f"{gone}/") for gone in without):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(content) if what == "link" else path.write_text(content)


def _systemctl(folder, case, breakage, failing):
    if breakage == "no systemctl":
        return str(folder / "none")
    lines = ["#!/bin/sh", _SYSTEMCTL.get(breakage, ""), "case $1 in"]
    for question, answer in case["systemctl"].items():
        text = answer if isinstance(answer, str) else json.dumps(answer)
        refusal = "echo 'Failed to list: Connection timed out' >&2; exit 1"
        lines.append(
            f"{question}) {refusal if failing == f'systemctl {question}' else f'printf %s {shlex.quote(text)}'};;"
        )
    program = folder / "systemctl"
    program.write_text("\n".join([*lines, "esac", ""]))
    program.chmod(0o755)
    return str(program)
