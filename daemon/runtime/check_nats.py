"""``python -m daemon.runtime.check_nats``: whether nats-server accepts our ``nats.conf`` and the users we render."""

import subprocess
import sys
import tempfile
from pathlib import Path

from daemon.runtime import logins
from daemon.runtime.server import ServerFailed, binary
from schemas.resources import SourceRef


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        logins.write(Path(folder), [SourceRef(provider="docker", name="local")])
        try:
            command = [str(binary()), "--config", str(Path(folder) / "nats.conf"), "-t"]
        except ServerFailed as error:
            sys.stderr.write(f"{error}\n")
            return 1
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own binary
    sys.stderr.write("nats.conf is good\n" if done.returncode == 0 else done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
