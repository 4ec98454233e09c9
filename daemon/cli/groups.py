"""A group of commands whose bare call is one of them: `homelab drift --severity high` is `homelab drift list ...`."""

from typing import Any

from typer.core import TyperGroup

_OWN = frozenset({"-h", "--help"})
USUAL = "list"


class ListingGroup(TyperGroup):
    """What does not begin with a command's name is meant for ``list``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer's own copy of click
        if not args or (args[0] not in self.commands and args[0] not in _OWN):
            args = [USUAL, *args]
        return super().parse_args(ctx, args)
