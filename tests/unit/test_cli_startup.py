"""A short command is fast because it loads little; and the command line stands without a daemon."""

import json
import re
import subprocess
import sys

import pytest

from agents import registry
from daemon.cli import example
from daemon.cli.settings import duration
from daemon.runtime import config
from schemas.config import _duration

HEAVY = ("duckdb", "mcp", "agents", "aiohttp", "aiodocker", "uvicorn", "starlette", "apscheduler", "daemon.allinone")
RUN = """
import json, sys
from daemon.cli.main import app
try:
    app({arguments!r})
except SystemExit:
    pass
sys.stderr.write(json.dumps([name for name in {heavy!r} if name in sys.modules]))
"""


def loaded_by(*arguments: str) -> list[str]:
    code = RUN.format(arguments=arguments, heavy=HEAVY)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stderr[done.stderr.rindex("[") :])


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--help"),
        ("resources", "--nats", "nats://127.0.0.1:1"),
        ("watch", "--nats", "nats://127.0.0.1:1"),
        ("up", "--help"),
        ("version",),
    ],
    ids=" ".join,
)
def test_a_command_loads_nothing_heavy_that_it_does_not_need(arguments):
    assert loaded_by(*arguments) == []


def models(name):
    return registry.provider(name).config


def test_the_example_passes_the_check_as_it_is_and_with_every_line_in_effect(tmp_path):
    file = tmp_path / "homelab.yaml"
    file.write_text(example.TEXT)
    assert [source.provider for source in config.load(file, models).sources or ()] == ["host", "docker"]
    head, _, body = example.TEXT.partition("sources:\n")
    assert head
    file.write_text("sources:\n" + re.sub(r"(?m)^( *)# ( *(?:- )?[a-z_]+:.*)$", r"\1\2", body))
    loaded = config.load(file, models)
    assert [source.name for source in loaded.sources or ()] == ["my-host", "local", "nas", "lab"]
    assert loaded.config.clusters.patterns == {"prod-": "lab", "*-test": "lab"}
    assert loaded.config.http.token == "env:HOMELAB_HTTP_TOKEN"


@pytest.mark.parametrize("written", ["500ms", "30s", "1m 30s", "2h", "7d", "1d 1h 1m 1s"])
def test_a_duration_is_shown_as_it_is_written(written):
    assert duration(_duration(written)) == written
