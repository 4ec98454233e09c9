"""What a running instance tells Prometheus, each figure a named object.  One registry per process, none global."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_BATCH_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ASK_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SOURCE = ("provider", "source")


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.build = Gauge("homelab_build", "1; the version is a label", ("version",), registry=registry)
        self.ingest_lag_messages = Gauge(
            "homelab_ingest_lag_messages", "inventory messages on the bus, not yet applied", registry=registry
        )
        self.ingest_lag_seconds = Gauge(
            "homelab_ingest_lag_seconds", "age of the last applied message when it was applied", registry=registry
        )
        self.batch_seconds = Histogram(
            "homelab_ingest_batch_seconds", "one transaction", registry=registry, buckets=_BATCH_SECONDS
        )
        self.applied = Counter("homelab_ingest_applied", "messages applied", ("type",), registry=registry)
        self.late = Counter("homelab_ingest_late", "observations older than the stored one", _SOURCE, registry=registry)
        self.quarantined = Counter("homelab_ingest_quarantined", "messages nobody could read", registry=registry)
        self.scan_age_seconds = Gauge(
            "homelab_scan_age_seconds", "since the last complete scan", (*_SOURCE, "scope"), registry=registry
        )
        self.scan_ok = Gauge(
            "homelab_scan_ok", "1 if the last scan was complete, 0 if it failed", (*_SOURCE, "scope"), registry=registry
        )
        self.resources = Gauge("homelab_resources", "resources by presence", (*_SOURCE, "presence"), registry=registry)
        self.open_deviations = Gauge("homelab_open_deviations", "deviations", ("severity",), registry=registry)
        self.bus_reconnects = Counter("homelab_bus_reconnects", "times the bus came back", registry=registry)
        self.ask_seconds = Histogram(
            "homelab_question_seconds", "one question", ("question", "outcome"), registry=registry, buckets=_ASK_SECONDS
        )
