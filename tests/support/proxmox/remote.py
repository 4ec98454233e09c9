"""A simulator in a process of its own, as benches and end-to-end tests use it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Remote:
    urls: tuple[str, ...]
    ca: Path
    fingerprint: str
    token_id: str
    secret: str
    control: str
    pid: int

    def world(self, method: str, *args: Any, **named: Any) -> Any:
        return self._send("POST", f"/world/{method}", {"args": args, "named": named})

    def faults(self, method: str, *args: Any, **named: Any) -> Any:
        return self._send("POST", f"/faults/{method}", {"args": args, "named": named})

    def storm(self, seed: int, count: int) -> list[dict[str, Any]]:
        return self._send("POST", "/storm", {"seed": seed, "count": count})

    def truth(self) -> dict[int, dict[str, Any]]:
        return {int(vmid): guest for vmid, guest in self._send("GET", "/truth").items()}

    def requests(self) -> list[dict[str, Any]]:
        return self._send("GET", "/requests")

    def forget_requests(self) -> None:
        self._send("DELETE", "/requests")

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        raw = None if body is None else json.dumps(body).encode()
        opener = build_opener(ProxyHandler({}))
        with opener.open(Request(self.control + path, raw, method=method), timeout=60) as answer:
            return json.loads(answer.read())


@contextmanager
def running(**options: Any) -> Iterator[Remote]:
    """``guests``, ``nodes``, ``release``, ``seed``, ``pvestatd``, ``task_seconds``: those of the command line."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = [sys.executable, "-m", "tests.support.proxmox", "--json", *flags]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        said = json.loads(process.stdout.readline())
        yield Remote(**said | {"urls": tuple(said["urls"]), "ca": Path(said["ca"])})
    finally:
        process.stdin.close()  # it ends with whoever started it
        process.stdout.close()
        process.wait(timeout=20)
