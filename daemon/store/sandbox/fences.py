"""The resource limits of the worker process.  The kernel holds them, whatever DuckDB's scalar functions do.

Soft limits only, since they are raised again: for the merge of a snapshot, and for each query's processor time.
"""

import ctypes
import os
import resource
import signal
from math import ceil
from pathlib import Path

PR_SET_PDEATHSIG = 1
MEBI = 1024 * 1024
SLACK_SECONDS = 5


def die_with(parent: int) -> None:
    """Have the kernel end this process when ``parent`` ends, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        raise SystemExit(0)


def settle() -> None:
    """Stand behind the daemon on the processor; leave no core file; hold few files."""
    os.nice(10)
    _soft(resource.RLIMIT_CORE, 0)
    _soft(resource.RLIMIT_NOFILE, 64)


def for_merge() -> None:
    for limit in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU):
        _soft(limit, resource.RLIM_INFINITY)


def for_query(*, address_space: int, cpu_seconds: float) -> None:
    """Allow ``address_space`` bytes in all, ``cpu_seconds`` from now, and no byte written to any file."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft(resource.RLIMIT_CPU, ceil(used.ru_utime + used.ru_stime + cpu_seconds) + SLACK_SECONDS)
    _soft(resource.RLIMIT_FSIZE, 0)
    _soft(resource.RLIMIT_AS, address_space)


def address_space() -> int:
    """Give the bytes of address space in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _soft(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    over = hard != resource.RLIM_INFINITY and (value == resource.RLIM_INFINITY or value > hard)
    resource.setrlimit(limit, (hard if over else value, hard))
