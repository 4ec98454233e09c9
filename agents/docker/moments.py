"""Engine times as ours: aware and in UTC; the zero time (year 1) is no time."""

from datetime import UTC, datetime


def moment(text: str) -> datetime | None:
    """Return None for what is no time: a date is never worth a failed listing."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return aware.astimezone(UTC) if aware.year > 1 else None


def epoch(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else None
