"""Which code answers which path, who may ask, and the checks before it in their order (fact 7)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.proxmox.calls import Call, Refusal, denied, failed, invalid

Handler = Callable[[Call], Any]
Check = Callable[[Call], None]
_NOT_KNOWN = "property is not defined in schema and the schema does not allow additional properties"


@dataclass(frozen=True)
class Route:
    method: str
    template: str
    handler: Handler
    check: Check
    params: frozenset[str]
    required: tuple[str, ...]
    proxied: bool
    releases: tuple[int, ...]


ROUTES: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}


def route(
    method: str,
    template: str,
    *,
    check: Check = lambda _: None,
    params: str = "",
    required: str = "",
    proxied: bool = False,
    releases: tuple[int, ...] = (8, 9),
) -> Callable[[Handler], Handler]:
    """``{type}`` in a template is qemu or lxc; ``params`` "*": any is taken."""

    def register(handler: Handler) -> Handler:
        known = frozenset((params + " " + required).split())
        made = Route(method, template, handler, check, known, tuple(required.split()), proxied, releases)
        pattern = re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{_PARTS.get(name[1], '[^/]+')})", template)
        ROUTES.setdefault((method, template.count("/")), []).append((re.compile(pattern), made))
        return handler

    return register


_PARTS = {"type": "qemu|lxc", "vmid": r"\d+"}


def perm(path: str, *privileges: str) -> Check:
    """Any of the privileges at the path, whose braces are the request's."""

    def check(call: Call) -> None:
        where = path.format(**call.path)
        if not call.rights.any(where, *privileges):
            raise denied(where, *privileges)

    return check


def either(*paths: str, privilege: str) -> Check:
    """At one of these paths; the refusal does not say which (fact 9)."""

    def check(call: Call) -> None:
        if not any(call.rights.has(path.format(**call.path), privilege) for path in paths):
            raise denied()

    return check


def find(method: str, path: str, release: int) -> tuple[Route, dict[str, str]]:
    for pattern, found in ROUTES.get((method, path.count("/")), ()):
        match = pattern.fullmatch(path)
        if match and release in found.releases:
            return found, match.groupdict()
    raise Refusal(501, f"Method '{method} /{path}' not implemented", plain=True)


def run(route: Route, call: Call) -> Any:
    """The answer's data; Refusal otherwise."""
    route.check(call)
    if "node" in call.path and route.proxied:
        _reach(call)
    if "*" not in route.params:
        unknown = {name: _NOT_KNOWN for name in call.query if name not in route.params}
        missing = dict.fromkeys(route.required, "property is missing and it is not optional")
        missing = {name: text for name, text in missing.items() if name not in call.query}
        if unknown or missing:
            raise invalid(**unknown, **missing)
    if "node" in call.path and not route.proxied and call.path["node"] not in call.world.nodes:
        raise _no_such_node(call)
    return route.handler(call)


def _reach(call: Call) -> None:
    name = call.path["node"]
    if name not in call.world.nodes:
        raise _no_such_node(call)
    if not call.world.sees(call.entry, name):
        raise Refusal(595, "No route to host", body=False)


def _no_such_node(call: Call) -> Refusal:
    name = call.path["node"]
    return failed(
        f"hostname lookup '{name}' failed - failed to get address info for: {name}: Name or service not known"
    )
