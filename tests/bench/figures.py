"""A measured figure, the promise beside it, and the table of them.

A bench prints its table, or with ``--json`` one JSON line per figure, which ``python -m tests.bench`` gathers.
"""

import argparse
import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

import orjson
import structlog
from rich.console import Console
from rich.table import Table

from daemon.runtime import serving

DEADLINE = 170.0
"""Seconds one bench may take before it is given up."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``limit`` is the promise: the value is below it, or above it where ``at_least``; None is no promise."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.limit is None:
            return None
        return self.value > self.limit if self.at_least else self.value < self.limit


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


def spread(name: str, milliseconds: Sequence[float], limits: tuple[float, float] | None = None) -> list[Figure]:
    """p50 and p99 of ``milliseconds``."""
    p50, p99 = limits or (None, None)
    note = f"{len(milliseconds)} times"
    return [
        Figure(f"{name}, p50", percentile(milliseconds, 0.5), "ms", p50),
        Figure(f"{name}, p99", percentile(milliseconds, 0.99), "ms", p99, note=note),
    ]


def table(figures: Sequence[Figure]) -> Table:
    made = Table(box=None, pad_edge=False)
    for title, justify in (("what", "left"), ("measured", "right"), ("promised", "right"), ("", "left"), ("", "left")):
        made.add_column(title, justify=justify)
    for one in figures:
        promised = "" if one.limit is None else f"{'>' if one.at_least else '<'} {_number(one.limit)} {one.unit}"
        mark = {None: "", True: "ok", False: "MISSED"}[one.met]
        made.add_row(one.name, f"{_number(one.value)} {one.unit}", promised, mark, one.note)
    return made


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(figures: Sequence[Figure]) -> None:
    Console(width=None if sys.stdout.isatty() else 140, highlight=False).print(table(figures))


def main(bench: Callable[[], AsyncIterator[Figure]]) -> None:
    """Run ``bench`` for a command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true", help="one JSON line per figure")
    as_json = parser.parse_args().json

    async def run() -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        figures = []
        async with asyncio.timeout(DEADLINE):
            async with contextlib.aclosing(bench()) as measured:
                async for figure in measured:
                    figures.append(figure)
                    if as_json:
                        print(orjson.dumps(asdict(figure)).decode(), flush=True)
        if not as_json:
            show(figures)

    serving.run(run())


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds that ``work`` takes."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await work()
    return (loop.time() - began) * 1000
