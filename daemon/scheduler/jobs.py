"""What is due when: lateness, endings, rollups, retention.  APScheduler keeps the times.

No job takes input and each may be missed or run twice: what is to be done stands in the store.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from daemon.runtime.clock import Clock
from daemon.runtime.metrics import Metrics
from daemon.store import retention, samples, scans
from daemon.store.database import Connection, Database, StoreUnavailable
from daemon.store.views import figures
from schemas.config import RetentionConfig


@dataclass(slots=True)
class Jobs:
    """``live`` says whether ingest has caught up: before that, silence proves nothing."""

    database: Database
    clock: Clock
    metrics: Metrics
    moved: Callable[[list[str]], None]
    """Told which sources (``<provider>/<name>``) turned late."""
    retention: RetentionConfig
    live: Callable[[], bool]
    tick: Callable[[], Awaitable[None]]
    """Asked every few seconds whether a state, window or mute has ended."""

    async def lateness(self) -> None:
        """Mark scopes late that nothing was heard of for three intervals."""
        if self.live() and await self.database.read(partial(scans.any_late, now=self.clock.now())):
            sources = await self.database.write(partial(_mark_late, now=self.clock.now()))
            self.moved(sources)

    async def endings(self) -> None:
        await self.tick()

    async def rollups(self) -> None:
        await self.database.write(partial(samples.roll_up, now=self.clock.now()))

    async def forget(self) -> None:
        now = self.clock.now()
        gone = await self.database.write(partial(retention.forget, keep=self.retention, now=now))
        await self.database.write(partial(scans.forget_staged, now=now))
        if any(gone.values()):
            log.info("forgotten", **{table: count for table, count in gone.items() if count})

    async def gauges(self) -> None:
        """Bring the gauges up to now: when somebody scrapes, not before."""
        now = self.clock.now()
        seen = await self.database.read(partial(figures.gauges, now=now))
        for gauge, values in (
            (self.metrics.scan_age_seconds, seen.scan_ages),
            (self.metrics.scan_ok, seen.scans_ok),
            (self.metrics.resources, seen.resources),
            (self.metrics.open_deviations, seen.open_deviations),
        ):
            gauge.clear()
            for labels, value in values.items():
                gauge.labels(*labels).set(value)


def _mark_late(con: Connection, now: datetime) -> list[str]:
    late = scans.mark_late(con, now=now)
    if late:
        scans.log_source_changes(con, at=now, cause="late")
    return sorted({f"{provider}/{source}" for provider, source, _ in late})


@asynccontextmanager
async def scheduled(jobs: Jobs) -> AsyncIterator[None]:
    """Run the jobs in the background while the block runs; a job that fails is logged and comes again."""
    scheduler = AsyncIOScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 60}
    )
    for job, seconds in (
        (jobs.lateness, 3),
        (jobs.endings, 3),
        (jobs.rollups, 60),
        (jobs.forget, 3600),
    ):
        name = job.__name__
        scheduler.add_job(
            partial(_told, name, job), "interval", seconds=seconds, id=name, next_run_time=jobs.clock.now()
        )
    logging.getLogger("apscheduler.executors").setLevel(logging.CRITICAL)  # it calls our stopping an error of the job
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)


async def _told(name: str, job: Callable[[], Awaitable[None]]) -> None:
    try:
        await job()
    except StoreUnavailable as error:
        log.debug("job_waits", job=name, reason=str(error))
    except Exception:
        log.exception("job_failed", job=name)


log = structlog.get_logger(__name__)
