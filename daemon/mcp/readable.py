"""A tool whose description is small and whose errors can be acted on.

An agent that gets "did you mean `provider`?" mends its call; one that gets a dump, or an answer to another question
because a mistyped argument was dropped, does not.
"""

from collections.abc import Awaitable, Callable, Mapping
from inspect import cleandoc
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import JsonValue, ValidationError

from daemon.api import wire
from daemon.api.answers import Refused

NULL = {"type": "null"}
_TEXT = {"type": "string"}
_OBJECT: dict[str, JsonValue] = {"type": "object"}
_TOLD: dict[str, JsonValue] = {
    "#/$defs/JsonValue": {},
    "#/$defs/Provenance": _OBJECT,
    "#/$defs/SourceHealth": _OBJECT,
}
"""References whose schema is no news: anything; what the server's instructions tell of every answer; plain figures."""
_IDLE = frozenset({"default", "minimum", "maximum", "format", "enum"})
"""What helps nobody who reads an answer."""


class ReadableTool(Tool):
    """Refuses unknown arguments, and says in words what is wrong."""

    async def run(self, arguments: dict[str, Any], context: Any, convert_result: bool = False) -> Any:  # noqa: ANN401
        try:
            wire.check_names(arguments, self.parameters["properties"])
            return await super().run(arguments, context, convert_result)
        except Refused as refused:
            raise ToolError(explain(refused)) from refused
        except ToolError as error:
            cause = error.__cause__
            if isinstance(cause, Refused):
                raise ToolError(explain(cause)) from cause
            if isinstance(cause, ValidationError) and cause.title.endswith("Arguments"):
                raise ToolError(f"bad_query: {wire.faults(cause)}") from cause
            raise


def explain(refused: Refused) -> str:
    text = f"{refused.code}: {refused}"
    if refused.candidates and refused.code != "bad_query":
        text += f" Candidates: {', '.join(refused.candidates[:10])}"
    return text


def tool(function: Callable[..., Awaitable[CallToolResult]], *, title: str, annotations: ToolAnnotations) -> Tool:
    made = ReadableTool.from_function(
        function, title=title, description=cleandoc(function.__doc__ or "").replace("\n", " "), annotations=annotations
    )
    made.parameters = inputs(made.parameters)
    made.fn_metadata.output_schema = outputs(made.fn_metadata.output_schema or {})
    return made


def inputs(schema: dict[str, Any]) -> dict[str, Any]:
    """Shorten the schema of the arguments: enums in place, and optional without a null of its own."""
    shared = schema.get("$defs", {})
    properties = {name: _argument(part, shared) for name, part in schema["properties"].items()}
    short = {"type": "object", "properties": properties, "additionalProperties": False}
    return short | ({"required": schema["required"]} if "required" in schema else {})


def _argument(part: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    options = [option for option in part.get("anyOf", ()) if option != NULL]
    argument = {name: value for name, value in part.items() if name not in {"title", "anyOf"}}
    if len(options) == 1:
        argument = options[0] | argument
    if argument.get("default", ...) in (None, []):
        del argument["default"]
    if "$ref" in argument:
        named = shared[argument.pop("$ref").removeprefix("#/$defs/")]
        argument = {"type": named["type"], "enum": named["enum"]} | argument
    return argument


def outputs(schema: dict[str, JsonValue]) -> dict[str, Any]:
    """Shorten the schema of the answer: types and names alone; "any JSON" is said by no schema.

    Clients check each answer against it in Python: a reference per column of each row costs more than the question.
    """
    named = schema.get("$defs")
    shared = {name: wire.bare(part, describe=False) for name, part in named.items()} if isinstance(named, dict) else {}
    inline: dict[str, JsonValue] = {
        f"#/$defs/{name}": {**_TEXT} for name, part in shared.items() if _open(part, {}) == _TEXT
    }
    inline |= _TOLD
    short = _open(wire.bare({name: part for name, part in schema.items() if name != "$defs"}, describe=False), inline)
    rest = _needed(short, {name: _open(part, inline) for name, part in shared.items()})
    return (short if isinstance(short, dict) else {}) | ({"$defs": rest} if rest else {})


def _needed(schema: JsonValue, shared: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Those of ``shared`` that ``schema`` refers to, itself or through another."""
    found: dict[str, JsonValue] = {}
    waiting = [schema]
    while waiting:
        match waiting.pop():
            case {"$ref": str(reference)} if (name := reference.removeprefix("#/$defs/")) not in found:
                found[name] = shared[name]
                waiting.append(found[name])
            case dict(part):
                waiting += part.values()
            case list(part):
                waiting += part
    return dict(sorted(found.items()))


def _open(schema: JsonValue, inline: Mapping[str, JsonValue]) -> JsonValue:
    """``inline`` are references to what is too little to have a name: it stands in their place."""
    if isinstance(schema, list):
        return [_open(part, inline) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("$ref") in inline:
        return inline[str(schema["$ref"])]
    opened = {
        name: _open_all(part, inline) if name == "properties" else _open(part, inline) for name, part in schema.items()
    }
    opened = {name: part for name, part in opened.items() if name not in _IDLE}
    match opened.get("anyOf"):
        case [dict(one), {"type": "null"}] if isinstance(one.get("type"), str):
            opened = opened | one | {"type": [one["type"], "null"]}
            del opened["anyOf"]
    return {name: part for name, part in opened.items() if part != {} or name != "additionalProperties"}


def _open_all(properties: JsonValue, inline: Mapping[str, JsonValue]) -> JsonValue:
    """Open the schema of each; a property may bear any name."""
    if not isinstance(properties, dict):
        return properties
    return {name: _open(part, inline) for name, part in properties.items()}
