"""The kernel's files, read below one root.  A file that must be there fails as one of our errors; any other is ``""``.

Nothing is decided here.  The root is ``/``, where a container sees the machine's ``/``, or a recorded tree.
"""

from dataclasses import dataclass
from pathlib import Path

from agents.errors import Unauthorized, Unreachable


@dataclass(frozen=True, slots=True)
class Root:
    path: Path = Path("/")

    @property
    def is_own(self) -> bool:
        """Whether this is the file system the process itself lives in."""
        return self.path == Path("/")

    @property
    def mount_table(self) -> Path:
        """The mounts of the process's own name space, or, from inside a container, of the machine's first process."""
        return self.path / "proc" / ("self" if self.is_own else "1") / "mountinfo"

    def required(self, name: str) -> str:
        """Return a file without which nothing can be said."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace")
        except PermissionError as error:
            raise Unauthorized(f"/{name} may not be read: run the agent as a user who may") from error
        except OSError as error:
            raise Unreachable(f"/{name} cannot be read ({error.strerror}): is it mounted here?") from error

    def text(self, name: str) -> str:
        """Return a file that may be missing or refuse to be read (a link that is down has no speed), stripped."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
        except OSError:
            return ""

    def number(self, name: str) -> int | None:
        try:
            return int(self.text(name))
        except ValueError:
            return None

    def required_names(self, name: str) -> tuple[str, ...]:
        """Return what a folder holds, sorted; the folder has to be there."""
        try:
            return tuple(sorted(entry.name for entry in (self.path / name).iterdir()))
        except PermissionError as error:
            raise Unauthorized(f"/{name} may not be listed: run the agent as a user who may") from error
        except OSError as error:
            raise Unreachable(f"/{name} cannot be listed ({error.strerror}): is it mounted here?") from error

    def names(self, name: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(entry.name for entry in (self.path / name).iterdir()))
        except OSError:
            return ()

    def exists(self, name: str) -> bool:
        try:
            return (self.path / name).exists()
        except OSError:
            return False

    def link(self, name: str) -> str:
        """Return where a symbolic link points, or an empty text."""
        try:
            return str((self.path / name).readlink())
        except OSError:
            return ""
