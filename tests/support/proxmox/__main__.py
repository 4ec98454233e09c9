"""A cluster as a process: says where it is, then lives until its standard input ends or it is told to stop."""

import argparse
import json
import os
import signal
import sys
from threading import Event, Thread

from tests.support.proxmox.control import controlled
from tests.support.proxmox.server import Simulator
from tests.support.proxmox.world import standard


def main() -> None:
    options = _options()
    world = standard(options.guests, options.nodes, release=options.release, seed=options.seed)
    world.task_seconds = options.task_seconds
    simulator = Simulator(world, delay_401=options.delay_401, pvestatd=options.pvestatd)
    simulator.start()
    over = Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    try:
        with controlled(simulator) as control:
            _say(simulator, control, as_json=options.json)
            Thread(target=_await_end, args=(over,), daemon=True).start()
            over.wait()
    finally:
        simulator.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.proxmox")
    parser.add_argument("--guests", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--release", type=int, default=9, choices=(8, 9))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pvestatd", type=float, default=10.0, help="seconds between its cycles; 0: by command only")
    parser.add_argument("--task-seconds", type=float, default=0.0)
    parser.add_argument("--delay-401", type=float, default=0.0)
    parser.add_argument("--json", action="store_true", help="one line for a program")
    return parser.parse_args()


def _say(simulator: Simulator, control: str, *, as_json: bool) -> None:
    said = {
        "urls": simulator.urls,
        "ca": str(simulator.ca),
        "fingerprint": simulator.fingerprint,
        "token_id": simulator.token_id,
        "secret": simulator.secret,
        "control": control,
        "pid": os.getpid(),
    }
    print(json.dumps(said) if as_json else "\n".join(f"{key}: {value}" for key, value in said.items()), flush=True)


def _await_end(over: Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    over.set()


if __name__ == "__main__":
    main()
