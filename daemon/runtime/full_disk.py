"""Whether nats-server met a full disk and could write again now.

Asked every second it sees a disk that is full; what happened in between stands in the server's log, if there was room.
"""

import shutil
from pathlib import Path

_FULL_BYTES, _ROOM_BYTES = 2 * 2**20, 32 * 2**20
_LOG_BYTES = 2**20
_WRITE_FAILED = b"Critical write error"


class FullDisk:
    def __init__(self, home: Path, server_log: Path) -> None:
        self._home = home
        self._log = server_log
        self._read = self._size()
        self._was_full = False

    def is_over(self) -> bool:
        """Say so once for each time it was full."""
        free, news = shutil.disk_usage(self._home).free, self._news()
        self._was_full = self._was_full or free < _FULL_BYTES or _WRITE_FAILED in news
        over = self._was_full and free >= _ROOM_BYTES
        self._was_full = self._was_full and not over
        return over

    def _news(self) -> bytes:
        """What the log says since the last look: a write may fail and room be made between two."""
        size = self._size()
        if size == self._read:
            return b""
        with self._log.open("rb") as file:
            file.seek(self._read if self._read < size else 0)
            self._read = size
            return file.read(_LOG_BYTES)

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0
