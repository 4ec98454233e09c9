"""`homelab config`: check, show, begin a configuration; write what a nats-server of your own needs."""

import json
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
import yaml
from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from daemon.cli import configured, example, tables, words
from daemon.cli.connection import JsonOption
from daemon.cli.exits import Failure, say, told
from daemon.cli.processes import ConfigOption
from daemon.cli.tables import Column
from daemon.runtime.config import Loaded
from schemas.config import SourceConfig
from schemas.resources import SourceRef

app = typer.Typer(help="Check, show or begin the configuration.", no_args_is_help=True)


@app.command()
@told
def check(
    file: Annotated[Path | None, typer.Argument(help="The file; default: as --config of the other commands.")] = None,
    given: ConfigOption = None,
) -> None:
    """Check the configuration, and that its secrets are there, without network.  Exit 78 where something is wrong.

    homelab config check homelab.yaml
    """
    from daemon import allinone  # noqa: PLC0415 - it imports everything

    loaded, watched = configured.checked(file or given)
    of_environment = [origin for origin in watched.origins.values() if origin != allinone.FOUND_HERE]
    secrets = words.count(len(loaded.secrets) + len(of_environment), "secret")
    if loaded.file is None:
        say("there is no configuration file: `homelab up` finds what this machine has")
    elif loaded.sources is None:
        say(f"{loaded.file}: ok: finds what this machine has, {secrets} found")
    else:
        say(f"{loaded.file}: ok: {words.count(len(watched.sources), 'source')}, {secrets} found")
    rows = [(name, watched.origins.get(name, str(loaded.file))) for name in map(_name, watched.sources)]
    if rows:
        tables.show(tables.table((Column("SOURCE", keep=True), Column("FROM")), rows))


def _name(source: SourceConfig) -> str:
    return f"{source.provider}/{source.name}"


@app.command()
@told
def show(file: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show the configuration that takes effect, defaults included; a secret is shown as its reference."""
    from daemon import allinone  # noqa: PLC0415 - it imports everything

    loaded = configured.loaded(file)
    say(f"from {loaded.file or 'the defaults'}" + ("" if loaded.sources is not None else "; sources: found here"))
    found = allinone.watched(loaded.config)
    for line in allinone.told(found):
        say(line)
    shown = effective(loaded, found.sources)
    if as_json:
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)


@app.command()
@told
def init(
    file: Annotated[Path, typer.Argument(help="Where to; `-` is standard output.")] = Path("homelab.yaml"),
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented example to begin with."""
    text = example.TEXT
    if str(file) == "-":
        typer.echo(text, nl=False)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise Failure(f"{file} is there already: --force writes over it") from error
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    say(f"wrote {file}: edit it, then `homelab config check {file}`")


@app.command()
@told
def users(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if it is not there.")],
    sources: Annotated[list[str] | None, typer.Argument(metavar="[PROVIDER/NAME]...", help="A user for each.")] = None,
) -> None:
    """Write nats.conf and users.conf for a nats-server of your own, and each user's file for --creds.

    Run it again with every source to add one: passwords stay.

    homelab config users /etc/homelab/nats docker/nas host/nas
    """
    from daemon.runtime import users as writer  # noqa: PLC0415

    for name in sources or ():
        try:
            SourceRef.parse(name)
        except ValidationError as error:
            raise typer.BadParameter(f"{name!r} is not PROVIDER/NAME, such as docker/nas") from error
    try:
        writer.main([str(directory), *(sources or ())])
    except OSError as error:
        raise Failure(f"{directory}: {error.strerror}") from error


def effective(loaded: Loaded, sources: Iterable[SourceConfig]) -> dict[str, object]:
    """The configuration as a person would write it in full."""
    shown = _written(loaded.config)
    if not isinstance(shown, dict):
        raise TypeError("a configuration is a mapping")
    return {**shown, "sources": [_written(source) for source in sources]}


def _written(value: object) -> object:
    match value:
        case BaseModel():
            fields = type(value).model_fields
            return {info.alias or name: _written(getattr(value, name)) for name, info in fields.items()}
        case dict():
            return {str(key): _written(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_written(inner) for inner in value]
    return _scalar(value)


def _scalar(value: object) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case timedelta():
            return duration(value)
        case SecretStr() | SecretBytes():
            return "(not shown)"
    return _without_password(str(value))


def duration(span: timedelta) -> str:
    """As it is written: `90s` is `1m 30s`."""
    left = round(span.total_seconds() * 1000)
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, left = divmod(left, size)
        parts += [f"{number}{unit}"] if number else []
    return " ".join(parts) or "0s"


def _without_password(text: str) -> str:
    if "://" not in text or "@" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return "(not shown)"
    return parts._replace(netloc=f"(not shown)@{parts.netloc.rpartition('@')[2]}").geturl()
