"""Saying over MCP what should be: what is becomes it, a deviation is accepted, or a manifest is applied."""

import json
from collections.abc import Iterator
from datetime import datetime

from pydantic import Field, JsonValue

from daemon.api.answers import Answers, Refused
from schemas import expected_queries as e
from schemas import queries as q
from schemas import selectors
from schemas.answers import Answer
from schemas.selectors import BadSelector

WHO = "mcp"
_FIELDS = 8


class ExpectedStateAnswer(Answer):
    """What is expected now, in words."""

    done: tuple[str, ...] = ()
    skipped: dict[str, str] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()


async def adopt(
    answers: Answers, keys: list[str], selector: str, cluster: str | None, *, dry_run: bool
) -> ExpectedStateAnswer:
    try:
        chosen = selectors.parse(selector)
    except BadSelector as error:
        raise Refused("bad_query", f"selector: {error}") from error
    more = {"keys": (*chosen.keys, *keys), "cluster": cluster, "dry_run": dry_run}
    query = q.AdoptQuery(**chosen.model_dump() | more)
    answer = await answers.adopt(query)
    done = tuple(f"{one.key}: {_fields(one.fields)}" for one in answer.adopted if one.changed)
    same = len(answer.adopted) - len(done)
    hint = "; ".join(filter(None, (answer.hint, f"{same} already were as expected" if same else "")))
    return ExpectedStateAnswer(as_of=answer.as_of, done=done, skipped=answer.skipped, hint=hint)


def _fields(values: dict[str, JsonValue]) -> str:
    more = len(values) - _FIELDS
    return ", ".join([*values][:_FIELDS]) + (f" and {more} more" if more > 0 else "")


async def accept(answers: Answers, deviation: str, reason: str) -> ExpectedStateAnswer:
    query = e.DeviationActQuery(id=deviation, act="accept", reason=reason, by=WHO)
    answer = await answers.deviation_act(query)
    one = answer.deviation
    return ExpectedStateAnswer(as_of=answer.as_of, done=(f"{one.key}: {one.type} {one.path}".rstrip(),))


async def apply(answers: Answers, manifest: str, *, dry_run: bool) -> ExpectedStateAnswer:
    try:
        said = json.loads(manifest)
    except ValueError as error:
        raise Refused("bad_query", f"manifest: not JSON: {error}") from error
    if not isinstance(said, dict):
        raise Refused("bad_query", "manifest: one JSON object with apiVersion, kind, metadata, spec")
    answer = await answers.expect_apply(e.ExpectApplyQuery(documents=(e.Document(manifest=said),), dry_run=dry_run))
    if answer.faults:
        raise Refused("bad_query", "; ".join(map(str, answer.faults)))
    return ExpectedStateAnswer(
        as_of=answer.as_of, done=tuple(_applied(answer.applied)), warnings=tuple(map(str, answer.warnings))
    )


def _applied(applied: tuple[e.Applied, ...]) -> Iterator[str]:
    for one in applied:
        yield f"{one.name}: {one.change}, means {one.matches} resources"


async def operator_state(answers: Answers, query: e.OperatorStateQuery, now: datetime) -> e.OperatorStateAnswer:
    if query.until_at is not None and query.until_at <= now:
        raise Refused("bad_query", "until: that is over already")
    return await answers.operator_state(query)
