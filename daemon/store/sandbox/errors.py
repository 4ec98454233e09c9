"""Why a question in SQL has no answer.  The text is shown to the person who asked: what happened, and what to do."""


class SqlError(Exception):
    """Base; a concrete reason is always raised."""


class SqlRefused(SqlError):
    """Not a query, or one that reaches for something outside the tables."""


class SqlTimeout(SqlError):
    """Ended by the clock."""


class SqlTooLarge(SqlError):
    """It wanted more memory than the worker has, or one row of the answer is too big."""


class SqlFailed(SqlError):
    """DuckDB's own words: an unknown column with its suggestions, a syntax error, a failed cast."""


class SqlBusy(SqlError):
    """Others are being answered; ask again."""


BY_NAME: dict[str, type[SqlError]] = {
    kind.__name__: kind for kind in (SqlRefused, SqlTimeout, SqlTooLarge, SqlFailed, SqlBusy)
}
