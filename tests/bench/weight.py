"""What a process tree weighs: memory (RSS counts shared pages in each process, PSS once) and processor time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MB = 1_000_000


@dataclass(slots=True)
class Weight:
    rss: int = 0
    pss: int = 0
    uss: int = 0


def weigh(tree: Sequence[psutil.Process]) -> Weight:
    whole = Weight()
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info()
            whole.rss += memory.rss
            whole.pss += memory.pss
            whole.uss += memory.uss
    return whole


def cpu_seconds(tree: Sequence[psutil.Process]) -> dict[str, float]:
    """By the process's name."""
    found: dict[str, float] = {}
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.name()] = found.get(process.name(), 0.0) + times.user + times.system
    return found


def peak_rss(tree: Sequence[psutil.Process]) -> int:
    """The sum of the peaks that the kernel kept (VmHWM): an upper bound of the tree's own peak."""
    peak = 0
    for process in tree:
        with suppress(OSError):
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak += int(line.split()[1]) * 1024
    return peak


async def cpu_share(tree: Sequence[psutil.Process], seconds: float) -> dict[str, float]:
    """Share of one core in per cent that each process takes over ``seconds``, by name."""
    loop = asyncio.get_running_loop()
    before, began = cpu_seconds(tree), loop.time()
    await asyncio.sleep(seconds)
    after, took = cpu_seconds(tree), loop.time() - began
    return {name: 100 * (after[name] - before[name]) / took for name in after if name in before}
