"""Real Docker engines for tests: the machine's own, a second one to be killed, and one that never answers.

The image every test container is made of is built here from a static busybox (Debian: ``busybox-static``, which
``.ci/run`` installs): no registry is asked.  Where no engine answers, a test is skipped and says why; with ``CI=true``
it fails instead.  What a test made is named after it alone and removed with it.
"""

import asyncio
import contextlib
import http.client
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiodocker
import pytest

IMAGE = "homelabd-test:1"
LABEL = "homelabd-test"
SOCKET = "/var/run/docker.sock"
_SPARE = ("/bin/busybox", "/usr/bin/busybox")


def unavailable(reason: str) -> None:
    """Skip, or fail where the engine has to be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and {reason}")
    pytest.skip(reason)


def static_busybox() -> Path:
    for name in (shutil.which("busybox"), *_SPARE):
        if name and Path(name).is_file() and b"/ld-linux" not in Path(name).read_bytes():
            return Path(name)
    unavailable("no static busybox on PATH (Debian: busybox-static)")
    raise AssertionError


def answers(path: str) -> bool:
    """Say whether an engine answers a ping at this socket within three seconds."""
    connection = http.client.HTTPConnection("localhost", timeout=3)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.settimeout(3)
            made.connect(path)
            connection.sock = made
            connection.request("GET", "/_ping")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def _image_archive() -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(static_busybox(), "bin/busybox", filter=_dateless)
        for name in ("sh", "sleep", "true", "false"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    buffer.seek(0)
    return buffer


def _dateless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid = 0, 0, 0
    return member


class RealEngine:
    """An engine that answers, and what one test made in it."""

    def __init__(self, url: str, docker: aiodocker.Docker) -> None:
        self.url = url
        self.docker = docker
        self.mark = uuid.uuid4().hex[:12]

    @property
    def labels(self) -> dict[str, str]:
        return {LABEL: self.mark}

    def name(self, text: str = "c") -> str:
        return f"hlt-{text}-{uuid.uuid4().hex[:8]}"

    async def create(self, name: str, *, labels: dict[str, str] | None = None, **config: object) -> str:
        """Make a container; ``config`` is the API's own.  Returns its id."""
        body = {"Image": IMAGE, "Cmd": ["sleep", "600"], "StopSignal": "SIGKILL", **config}
        body["Labels"] = {**self.labels, **(labels or {})}
        return (await self.docker.containers.create(body, name=name)).id

    async def run(self, name: str, **config: object) -> str:
        container_id = await self.create(name, **config)
        await self.docker.containers.container(container_id).start()
        return container_id

    async def post(self, path: str, **params: str) -> None:
        await self.docker._query_json(path, method="POST", params=params)

    async def remove(self, container_id: str) -> None:
        await self.docker.containers.container(container_id).delete(force=True, v=True)

    async def volume(self, name: str, **config: object) -> None:
        await self.docker.volumes.create({"Name": name, "Labels": self.labels, **config})

    async def network(self, name: str, **config: object) -> str:
        return (await self.docker.networks.create({"Name": name, "Labels": self.labels, **config})).id

    async def build_image(self) -> None:
        with contextlib.suppress(aiodocker.DockerError):
            await self.docker.images.inspect(IMAGE)
            return
        repository, tag = IMAGE.split(":")
        params = {"fromSrc": "-", "repo": repository, "tag": tag, "changes": 'CMD ["/bin/sleep","600"]'}
        async with self.docker._query("images/create", "POST", params=params, data=_image_archive()) as answer:
            await answer.read()
        await self.docker.images.inspect(IMAGE)

    async def clean(self) -> None:
        ours = {"filters": f'{{"label":["{LABEL}={self.mark}"]}}'}
        for row in await self.docker._query_json("containers/json", params={"all": "1", **ours}):
            await self._quietly("DELETE", f"containers/{row['Id']}", force="1", v="1")
        for row in (await self.docker._query_json("volumes", params=ours))["Volumes"] or ():
            await self._quietly("DELETE", f"volumes/{row['Name']}", force="1")
        for row in await self.docker._query_json("networks", params=ours):
            await self._quietly("DELETE", f"networks/{row['Id']}")

    async def _quietly(self, method: str, path: str, **params: str) -> None:
        with contextlib.suppress(aiodocker.DockerError):
            async with self.docker._query(path, method, params=params) as answer:
                await answer.read()


@contextlib.asynccontextmanager
async def engine(path: str | None = None) -> AsyncIterator[RealEngine]:
    """The machine's engine (or the one at ``path``) with the test image in it; what the test made is removed."""
    given = os.environ.get("DOCKER_HOST", "")
    found = path or (given.removeprefix("unix://") if given.startswith("unix://") else SOCKET)
    if not await asyncio.to_thread(answers, found):
        unavailable(f"no Docker engine answers at {found}")
    async with aiodocker.Docker(f"unix://{found}") as docker:
        real = RealEngine(f"unix://{found}", docker)
        await real.build_image()
        try:
            yield real
        finally:
            if await asyncio.to_thread(answers, found):
                await real.clean()


class SpareEngine:
    """A second dockerd with its own socket and store, which may be stopped, killed and started again.

    It lives in a network namespace of its own: beside another engine, one with a bridge would fight over ``docker0``
    and one with ``--bridge none`` deletes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._containerd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = str(folder / "docker.sock")
        self.url = f"unix://{self.socket}"

    def _popen(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def start_containerd(self) -> None:
        """By itself, as systemd does it: it outlives a killed dockerd."""
        at = self.folder
        (at / "containerd.toml").write_text(
            f'version = 2\nroot = "{at}/cd-root"\nstate = "{at}/cd-state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{at}/cd.sock"\n'
        )
        self._containerd = self._popen("containerd", "--config", str(at / "containerd.toml"))

    async def start(self) -> None:
        at = self.folder
        self._process = self._popen(
            *("unshare", "--net", "sh", "-c", 'ip link set lo up; exec dockerd "$@"', "dockerd"),
            *("--data-root", f"{at}/data", "--exec-root", f"{at}/exec", "--pidfile", f"{at}/pid"),
            *("-H", self.url, "--iptables=false", "--containerd", f"{at}/cd.sock"),
        )
        for _ in range(300):
            if self._process.poll() is not None:
                break
            if await asyncio.to_thread(answers, self.socket):
                return
            await asyncio.sleep(0.05)
        unavailable(f"a second dockerd did not start: {(at / 'log').read_text()[-800:]}")

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """As the kernel does it: no word to anybody."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It accepts and answers nothing until ``thaw``."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def _end(self, number: int) -> None:
        if self._process is not None:
            self.thaw()
            self._process.send_signal(number)
            await asyncio.to_thread(self._process.wait, 30)

    def end_containerd(self) -> None:
        if self._containerd is not None:
            self._containerd.kill()
            self._containerd.wait(10)

    def clear(self) -> None:
        """End what an engine left (the shims of its containers) and unmount; only processes of this folder."""
        for pid in _processes_naming(str(self.folder)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for mount in reversed(_mounts_below(str(self.folder.resolve()))):
            subprocess.run(["umount", "-l", mount], check=False, capture_output=True)


def _processes_naming(text: str) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if text.encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                yield int(folder.name)


def _mounts_below(folder: str) -> list[str]:
    rows = Path("/proc/self/mounts").read_text().splitlines()
    return [path for path in (row.split()[1] for row in rows) if path.startswith(folder)]


@contextlib.asynccontextmanager
async def spare_engine() -> AsyncIterator[SpareEngine]:
    """A started second engine; needs root and ``dockerd`` on PATH."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        unavailable("a second dockerd needs root and dockerd on PATH")
    folder = Path("/tmp") / f"hlt-{uuid.uuid4().hex[:8]}"  # short: a socket's path has 107 bytes at most
    folder.mkdir(mode=0o700)
    spare = SpareEngine(folder)
    try:
        spare.start_containerd()
        await spare.start()
        yield spare
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            await spare.stop()
        spare.end_containerd()
        spare.clear()
        await asyncio.to_thread(_delete, folder)


def _delete(folder: Path) -> None:
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


@contextlib.asynccontextmanager
async def hung(path: Path) -> AsyncIterator[None]:
    """A socket that accepts and never answers."""
    writers: set[asyncio.StreamWriter] = set()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(65536):
                pass
        writer.close()

    server = await asyncio.start_unix_server(silence, path)
    try:
        yield
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()
