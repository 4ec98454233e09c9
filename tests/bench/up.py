"""`homelab` as it is, with one more provider: ``python -m tests.bench.up up --config FILE ...``."""

import sys

from agents import registry
from daemon.cli.main import main
from tests.bench import synthetic

if __name__ == "__main__":
    registry.NAMES = (*registry.NAMES, "synthetic")  # type: ignore[assignment]
    sys.modules["agents.synthetic"] = synthetic
    sys.argv[0] = "homelab"
    main()
