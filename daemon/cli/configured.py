"""The configuration that a command works with: the file, and the environment that goes with it."""

from pathlib import Path

from daemon.cli.exits import say
from daemon.runtime import config, options, secrets
from daemon.runtime.config import BadConfig, Loaded


def located(file: Path | None) -> Path | None:
    """Return the file that is in force; from now on the `.env` beside it counts as environment."""
    found = config.locate(file, secrets.environment())
    secrets.configured_by(found)
    return found


def loaded(file: Path | None) -> Loaded:
    """Read and check the configuration, each source by its provider."""
    from daemon import allinone  # noqa: PLC0415 - it imports everything

    found = located(file)
    return config.load(found, allinone.provider_models, allinone.cluster_names())


def checked(file: Path | None) -> tuple[Loaded, options.Discovered]:
    """As ``loaded``, and every secret must be there, and what the environment says must be good, too."""
    from daemon import allinone  # noqa: PLC0415

    found = located(file)
    try:
        good = config.check(found, allinone.provider_models, clusters=allinone.cluster_names())
    except BadConfig as error:
        raise BadConfig([*error.faults, *allinone.discover().faults]) from None
    watched = allinone.watched(good.config)
    for warning in watched.warnings:
        say(f"warning: {warning}")
    if watched.faults:
        raise BadConfig(watched.faults)
    return good, watched
