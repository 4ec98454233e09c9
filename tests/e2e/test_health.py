"""What is served over HTTP beside MCP, and to whom."""

import psutil
import pytest

from tests.support.instance import Instance, get
from tests.support.waiting import until


async def test_it_is_alive_and_ready(homelab: Instance):
    assert get(homelab.run.http.health) == (200, "ok\n")
    await until(lambda: get(f"{homelab.run.http.url}/readyz") == (200, "live\n"))


@pytest.mark.docker
async def test_the_metrics_tell_of_ingest_scans_drift_and_the_process(homelab: Instance):
    scanned = 'homelab_scan_ok{provider="docker",scope="containers",source="local"} 1.0'
    await until(lambda: scanned in get(homelab.run.http.metrics)[1])
    _, text = get(homelab.run.http.metrics)
    for figure in (
        'homelab_build{version="',
        "homelab_ingest_lag_messages ",
        "homelab_ingest_lag_seconds ",
        "homelab_ingest_batch_seconds_bucket{",
        'homelab_ingest_applied_total{type="observed"}',
        "homelab_ingest_quarantined_total ",
        'homelab_scan_age_seconds{provider="host",scope="machine",source="here"}',
        'homelab_resources{presence="present",provider="docker",source="local"}',
        'homelab_open_deviations{severity="high"}',
        "homelab_bus_reconnects_total ",
        "process_resident_memory_bytes ",
        "process_cpu_seconds_total ",
        "process_open_fds ",
    ):
        assert figure in text, figure


async def test_everything_listens_on_loopback_only(homelab: Instance):
    family = [psutil.Process(homelab.pid), *homelab.children()]
    listening = {
        connection.laddr.ip
        for process in family
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


async def test_what_is_not_there_is_not_found(homelab: Instance):
    assert get(f"{homelab.run.http.url}/nothing")[0] == 404
