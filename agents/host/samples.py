"""Readings to samples.  Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from agents.host import counters
from agents.host.counters import Reading
from schemas.events import Sample
from schemas.resources import Kind, SourceRef

_DISK = ("disk_read_bytes_per_second", "disk_write_bytes_per_second")
_NETWORK = ("network_receive_bytes_per_second", "network_transmit_bytes_per_second")


def samples(source: SourceRef, node_key: str, before: Reading | None, after: Reading, at: datetime) -> list[Sample]:
    found = [(node_key, after.machine)]
    found += [(source.key(Kind.STORAGE, point), metrics) for point, metrics in after.storages.items()]
    if before is not None:
        seconds = after.seconds - before.seconds
        if (busy := counters.cpu_ratio(before, after)) is not None:
            found.append((node_key, {"cpu_ratio": busy}))
        for kind, names, old, new in (
            (Kind.DISK, _DISK, before.disk_bytes, after.disk_bytes),
            (Kind.INTERFACE, _NETWORK, before.network_bytes, after.network_bytes),
        ):
            rates = _rates(names, old, new, seconds)
            found += [(source.key(kind, native_id), metrics) for native_id, metrics in rates]
    return [
        Sample(key=key, metric=name, value=value, at=at) for key, metrics in found for name, value in metrics.items()
    ]


def _rates(
    names: tuple[str, str],
    before: Mapping[str, tuple[int, int]],
    after: Mapping[str, tuple[int, int]],
    seconds: float,
) -> Iterator[tuple[str, Mapping[str, float]]]:
    for native_id in before.keys() & after.keys():
        pairs = zip(names, before[native_id], after[native_id], strict=True)
        rates = {name: counters.rate(old, new, seconds) for name, old, new in pairs}
        yield native_id, {name: value for name, value in rates.items() if value is not None}
