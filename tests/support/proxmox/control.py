"""How another process changes a world: HTTP on loopback, one POST per call of a method.

`POST /world/stop {"args": [101]}`, `POST /faults/status {"args": [596, "nodes/pve2/*"], "named": {"times": 1}}`,
`POST /storm {"seed": 1, "count": 500}`, `GET /truth`, `GET /requests`, `DELETE /requests`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Thread
from typing import Any

from tests.support.proxmox.faults import Fault
from tests.support.proxmox.server import Simulator


@contextmanager
def controlled(simulator: Simulator) -> Iterator[str]:
    """The address to which changes are sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"/truth": simulator.world.truth, "/requests": lambda: list(simulator.requests)}[self.path]())

        def do_DELETE(self) -> None:
            simulator.requests.clear()
            self._answer(None)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                self._answer(_call(simulator, self.path, body))
            except Exception as error:  # noqa: BLE001 - whatever it is, the other process is told
                self._answer(f"{type(error).__name__}: {error}", 400)

        def log_message(self, *_: Any) -> None: ...

        def _answer(self, result: Any, status: int = 200) -> None:
            raw = json.dumps(_plain(result)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, name="proxmox-control", kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _call(simulator: Simulator, path: str, body: dict[str, Any]) -> Any:
    if path == "/storm":
        return simulator.world.storm(Random(body["seed"]), body["count"])
    _, whose, method = path.split("/")
    owner = {"world": simulator.world, "faults": simulator.faults}[whose]
    return getattr(owner, method)(*body.get("args", ()), **body.get("named", {}))


def _plain(result: Any) -> Any:
    if isinstance(result, Fault):
        return None
    if is_dataclass(result) and not isinstance(result, type):
        return _plain(asdict(result))
    if isinstance(result, dict):
        return {str(key): _plain(value) for key, value in result.items()}
    if isinstance(result, list | tuple | set | frozenset):
        return [_plain(each) for each in result]
    return result
