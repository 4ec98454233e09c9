"""Processes of `homelab` that begin where its code is loaded: most of a short command is spent on its imports.

One process of a test run imports the command line and forks for each command; a command is a process as any other,
with its own arguments, environment and directory.  Its input and output are files.
"""

import atexit
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

_STREAMS = ("in", "out", "err")
_INTERPRETER = (sys.executable, "-W", "error::ResourceWarning")


class Ended(NamedTuple):
    code: int
    out: bytes
    err: bytes


def run(arguments: tuple[str, ...], environment: Mapping[str, str], stdin: bytes, *, seconds: float) -> Ended:
    """Raise ``TimeoutError`` where it takes longer; it is gone then."""
    with tempfile.TemporaryDirectory(prefix="homelab-cli-") as folder:
        streams = [Path(folder, name) for name in _STREAMS]
        streams[0].write_bytes(stdin)
        request = {
            "arguments": arguments,
            "environment": dict(environment),
            "directory": str(Path.cwd()),
            "streams": [str(file) for file in streams],
            "seconds": seconds,
        }
        code = _loaded().ask(request)
        if code == -signal.SIGALRM:
            raise TimeoutError(f"homelab {' '.join(arguments)}: not ended after {seconds} s")
        return Ended(code, streams[1].read_bytes(), streams[2].read_bytes())


class _Loaded:
    """The process that has imported everything."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = subprocess.Popen(
            [*_INTERPRETER, "-m", "tests.support.forking"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ask(self, request: Mapping[str, object]) -> int:
        assert self._process.stdin
        assert self._process.stdout
        with self._one_at_a_time:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate()


@cache
def _loaded() -> _Loaded:
    made = _Loaded()
    atexit.register(made.end)
    return made


def _take_requests() -> None:
    """Come back in a new process, which is the command that was asked for."""
    with os.fdopen(os.dup(0)) as requests, os.fdopen(os.dup(1), "w") as answers:
        for line in requests:
            process = os.fork()
            if not process:
                _become(json.loads(line))
                return
            _, status = os.waitpid(process, 0)
            print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
    sys.exit()


def _become(request: Mapping[str, Any]) -> None:
    for number, file in enumerate(request["streams"]):
        opened = os.open(file, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]
    signal.setitimer(signal.ITIMER_REAL, request["seconds"])


if __name__ == "__main__":
    from daemon.cli import connection, main

    connection.load_bus("nats://")
    for name in ("daemon.api.bus_answers", "daemon.reconcile.manifests"):
        import_module(name)
    gc.collect()
    gc.freeze()  # else each of them looks through all of it when it ends
    _take_requests()
    main.main()
