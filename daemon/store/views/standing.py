"""How each source stands, for who has to know what "it is not there" is worth."""

from typing import NamedTuple

from daemon.store.database import Connection


class Standing(NamedTuple):
    provider: str
    source: str
    status: str
    detail: str
    was_read: bool
    """Something of it has been listed at least once."""

    @property
    def is_whole(self) -> bool:
        return self.status == "ok"

    def __str__(self) -> str:
        why = f": {self.detail}" if self.detail else ""
        return f"{self.provider}/{self.source} is {self.status}{why}"


def fetch(con: Connection) -> list[Standing]:
    found = con.execute(
        "SELECT provider, source, status, detail, coalesce(was_read, false) FROM sources LEFT JOIN"
        " (SELECT provider, source, bool_or(observed_at IS NOT NULL) AS was_read FROM scopes_ GROUP BY ALL)"
        " USING (provider, source) ORDER BY provider, source"
    ).fetchall()
    return [Standing(*row) for row in found]
