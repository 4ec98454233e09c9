"""All benches, one after the other, each in its own process; then one table.  ``--json`` prints JSON Lines instead."""

import argparse
import subprocess
import sys

import orjson

from tests.bench import figures
from tests.bench.figures import Figure

BENCHES = ("latency", "ingest", "scale", "expected", "pictures", "proxmox", "idle")


def measure(name: str, *, as_json: bool) -> list[Figure]:
    command = [sys.executable, "-m", f"tests.bench.{name}", "--json"]
    found = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            found.append(Figure(**orjson.loads(line)))
            if as_json:
                print(line, end="", flush=True)
    if process.returncode:
        print(f"{name}: ended with {process.returncode}", file=sys.stderr)
    return found


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--json", action="store_true", help="JSON Lines")
    given = parser.parse_args()
    found: list[Figure] = []
    for name in given.names or BENCHES:
        if not given.json:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
        found += measure(name, as_json=given.json)
    if not given.json:
        figures.show(found)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
