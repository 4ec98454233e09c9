"""Numbered files, forward only, each in its own transaction.  A store of an older release opens in a newer one."""

from importlib.resources import files

import duckdb


class TooNew(Exception):
    """The store was written by a newer release."""


def migrations() -> list[tuple[int, str]]:
    """Return (number, SQL) in order."""
    found = sorted(
        file.name for file in files("daemon.store").joinpath("migrations").iterdir() if file.name[0].isdigit()
    )
    return [
        (int(name.partition("_")[0]), files("daemon.store").joinpath("migrations", name).read_text()) for name in found
    ]


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations_ (number INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)"
    )
    row = connection.execute("SELECT coalesce(max(number), 0) FROM migrations_").fetchone()
    done: int = row[0] if row else 0
    known = migrations()
    if done > known[-1][0]:
        raise TooNew(f"the store has schema {done}, this release knows {known[-1][0]}: install the newer release again")
    for number, sql in known:
        if number > done:
            connection.begin()
            try:
                connection.execute(sql)
                connection.execute("INSERT INTO migrations_ VALUES (?, now())", [number])
            except BaseException:
                connection.rollback()
                raise
            connection.commit()
