"""The parent's end of a worker process: started on demand, asked one thing at a time, killed without ceremony."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, Self

import orjson

from daemon.store.sandbox.errors import BY_NAME, SqlError, SqlFailed, SqlTimeout, SqlTooLarge
from daemon.store.sandbox.limits import Limits

LENGTH = 4
STREAM_BYTES = 1024 * 1024
PACKAGES = Path(__file__).parents[3]
GRACE_SECONDS = 0.3  # between the worker's own interrupt and the kill


class WorkerProcess:
    """Whatever goes wrong in ``ask``, a cancelled caller included, the process is killed: another is cheap."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._killed = False

    @classmethod
    async def start(cls, limits: Limits) -> Self:
        settings = {"parent": os.getpid(), "memory_mb": limits.memory_mb, "threads": limits.threads}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-m", "daemon.store.sandbox.worker", orjson.dumps(settings).decode()),
            stdin=PIPE,
            stdout=PIPE,
            env={"PYTHONPATH": str(PACKAGES), "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,  # Ctrl-C is for the parent
            limit=STREAM_BYTES,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._killed and self._process.returncode is None

    async def ask(self, request: dict[str, Any], *, within: float) -> dict[str, Any]:
        """Return the answer, or raise one of ``SqlError``."""
        try:
            async with asyncio.timeout(within + GRACE_SECONDS):
                answer = await self._exchange(request)
        except TimeoutError as error:
            self.kill()
            raise SqlTimeout("") from error
        except (OSError, asyncio.IncompleteReadError) as error:
            self.kill()
            raise await self._post_mortem() from error
        except BaseException:
            self.kill()
            raise
        if answer.pop("spent"):
            self.kill()
        if "trouble" in answer:
            raise BY_NAME[answer["trouble"]](answer["text"])
        return answer

    async def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        to, of = self._process.stdin, self._process.stdout
        assert to is not None  # noqa: S101 - both are pipes, above
        assert of is not None  # noqa: S101
        frame = orjson.dumps(request)
        to.write(len(frame).to_bytes(LENGTH, "big") + frame)
        await to.drain()
        length = int.from_bytes(await of.readexactly(LENGTH), "big")
        answer: dict[str, Any] = orjson.loads(await of.readexactly(length))
        return answer

    async def _post_mortem(self) -> SqlError:
        """Say what ended a process that ended by itself."""
        code = await self._process.wait()
        if code == -signal.SIGXCPU:
            return SqlTimeout("")
        if code in {-signal.SIGABRT, -signal.SIGKILL, -signal.SIGBUS}:
            return SqlTooLarge("")  # an allocation that nobody caught, or the kernel's own choice
        return SqlFailed(f"The query ended its process ({code}). Nothing else is harmed; ask another way.")

    def kill(self) -> None:
        self._killed = True
        if self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        self.kill()
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
