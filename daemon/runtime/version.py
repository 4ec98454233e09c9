"""Which release this is."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

UNKNOWN = "0+unknown"


def version() -> str:
    return of("homelabd") or UNKNOWN


def of(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed."""
    try:
        return installed(distribution)
    except PackageNotFoundError:
        return None
