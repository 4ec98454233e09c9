"""``python -m daemon.runtime.users FOLDER [PROVIDER/NAME...]``: what a nats-server of your own needs.

Writes ``nats.conf``, ``users.conf`` and for each user ``creds/USER.json`` for ``--creds``.  Run it again with all
sources to add one: passwords stay.
"""

import sys
from pathlib import Path

from daemon.runtime import logins, state
from schemas.resources import SourceRef

_USAGE = 64


def main(arguments: list[str]) -> int:
    try:
        folder, *named = arguments
        sources = [SourceRef.parse(each) for each in named]
    except ValueError:
        sys.stderr.write("usage: python -m daemon.runtime.users FOLDER [PROVIDER/NAME...], e.g. docker/local\n")
        return _USAGE
    made = logins.write(Path(folder), sources)
    creds = Path(folder) / "creds"
    creds.mkdir(mode=0o700, exist_ok=True)
    for login in (*made.roles.values(), *made.sources.values()):
        state.write_private(creds / f"{login.user}.json", login.model_dump_json() + "\n")
    sys.stderr.write(f"{folder}: nats.conf and users.conf for nats-server; creds/USER.json for --creds\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
