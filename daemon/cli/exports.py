"""`homelab export template`: what one resource teaches for the next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from daemon.cli import pages, tables, words
from daemon.cli.connection import CredsOption, JsonOption, NatsOption, StateOption, Where, ask
from daemon.cli.exits import Failure, say, told
from daemon.cli.folders import as_yaml
from daemon.cli.resources import ClusterOption
from schemas.expected_queries import TemplateAnswer, TemplateQuery

app = typer.Typer(help="Make manifests of what is there.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Make manifests of what is there."""


@app.command()
@told
def template(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A key, or a name or vmid.")],
    cluster: ClusterOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write there.")] = None,
    *,
    as_json: JsonOption = False,
    state: StateOption = None,
    nats: NatsOption = None,
    creds: CredsOption = None,
) -> None:
    """Make a manifest with variables of one resource, and say how far the facts carry it.

    homelab export template docker/local/container/web -o web.template.yaml
    """
    answer = ask(Where(state, nats, creds), lambda answers: answers.template(TemplateQuery(key=key, cluster=cluster)))
    if as_json:
        tables.show_json(answer)
    elif output is None:
        typer.echo(text(answer), nl=False)
    else:
        try:
            output.write_text(text(answer), encoding="utf-8")
        except OSError as error:
            raise Failure(f"{output}: {error.strerror}") from error
        say(f"{output}: confidence {answer.confidence:g}")
    if answer.hint:
        say(answer.hint)
    for caveat in pages.caveats(answer):
        say(caveat)


def text(answer: TemplateAnswer) -> str:
    """The manifest under a comment that tells its variables and what is known of the resource."""
    return "".join(f"# {line}\n" for line in _head(answer)) + as_yaml(answer.manifest)


def _head(answer: TemplateAnswer) -> Iterator[str]:
    yield f"A template made of {words.plain(answer.key)}, {words.utc(answer.as_of)}; confidence {answer.confidence:g}:"
    yield ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in answer.facts.items())
    yield "${...} stands for these, with the values they had; $${ is a plain ${."
    for name, value in answer.variables.items():
        yield f"  {name}: {words.plain(value)}"
