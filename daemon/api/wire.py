"""How a question and an error look on the bus.  Pure: bytes to models and back.

A question comes from a person or an agent, so an unknown field is a mistake here, although other messages drop it:
``{"providr": "docker"}`` must not list everything.
"""

from collections.abc import Iterable
from difflib import get_close_matches

import orjson
from pydantic import JsonValue, ValidationError

from daemon.api.answers import Refused
from schemas.base import Message
from schemas.queries import ErrorAnswer, Question

MAX_FAULTS = 5
HEADER_CHARS = 300


def parse(question: Question, body: bytes) -> Message:
    """Return the query in ``body``; nothing at all is the query without conditions.  Raises ``Refused``."""
    fields = _fields(body)
    check_names(fields, question.query.model_fields)
    try:
        return question.query.model_validate(fields)
    except ValidationError as error:
        raise Refused("bad_query", faults(error)) from error


def _fields(body: bytes) -> dict[str, JsonValue]:
    if not body.strip():
        return {}
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused("bad_query", f"the query is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Refused("bad_query", 'the query must be a JSON object such as {"limit": 10}')
    return fields


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that nobody knows, and say which was probably meant."""
    names = tuple(known)
    unknown = [name for name in given if name not in names]
    if not unknown:
        return
    meant = [close for name in unknown for close in get_close_matches(name, names, n=1)]
    text = f"unknown field: {', '.join(name[:60] for name in unknown[:MAX_FAULTS])}"
    if meant:
        text += f"; did you mean {', '.join(meant)}?"
    elif not names:
        text += "; this question has no fields"
    raise Refused("bad_query", text, candidates=tuple(meant) or names)


def faults(error: ValidationError) -> str:
    """Say per field what is wrong, in one line."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(str(part) for part in fault['loc']) or 'query'}: {_lower(fault['msg'])}" for fault in found]
    more = f"; and {len(lines) - MAX_FAULTS} more" if len(lines) > MAX_FAULTS else ""
    return "; ".join(lines[:MAX_FAULTS]) + more


def _lower(text: str) -> str:
    text = text.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def encode_error(refused: Refused) -> bytes:
    answer = ErrorAnswer(code=refused.code, error=str(refused), candidates=refused.candidates)
    return answer.model_dump_json().encode()


def header_text(text: str) -> str:
    """Fit ``text`` into a NATS header: one line of ASCII."""
    return " ".join(text.split())[:HEADER_CHARS].encode("ascii", "replace").decode()


def compact_schema(model: type[Message], *, describe: bool = True) -> dict[str, JsonValue]:
    """Return the JSON schema of ``model`` without what repeats the field names."""
    schema = bare(model.model_json_schema(), describe=describe)
    assert isinstance(schema, dict)  # noqa: S101 - of a dict comes a dict
    return schema


def bare(schema: JsonValue, *, describe: bool = True, names: bool = False) -> JsonValue:
    """Drop titles (and descriptions) from a schema; ``names``: the keys at this level are names of fields."""
    if isinstance(schema, list):
        return [bare(part, describe=describe) for part in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = {"title"} if describe else {"title", "description"}
    return {
        key: part if key in {"default", "enum", "const", "required"} and not names
        else bare(part, describe=describe, names=key in {"properties", "$defs"} and not names)
        for key, part in schema.items()
        if names or key not in dropped
    }  # fmt: skip
