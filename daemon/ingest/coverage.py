"""What the gaps of a scan say about its scope as a whole.  Pure."""

from collections.abc import Sequence

import orjson

from schemas.events import Gap
from schemas.queries import GapRow
from schemas.resources import Key

_DETAIL = 1000
_KEYS = 20
"""So many of the keys that a gap names are kept to be shown."""


def hidden_kinds(gaps: Sequence[Gap]) -> list[str]:
    """Return the kinds of which something may be missing from the listing; none: it is whole."""
    kinds = {str(kind) for gap in gaps for kind in gap.kinds}
    return sorted(kinds | {Key.parse(key).kind for gap in gaps for key in gap.keys})


def is_partial(gaps: Sequence[Gap]) -> bool:
    """Whether something is missing from the listing that should be in it."""
    return any(gap.hides and not gap.optional for gap in gaps)


def detail(gaps: Sequence[Gap]) -> str:
    """Say in one text why something is missing from the listing that should be in it."""
    return "; ".join(dict.fromkeys(gap.detail for gap in gaps if gap.hides and not gap.optional))[:_DETAIL]


def shown(gaps: Sequence[Gap]) -> str:
    """Return the JSON text of what is shown of them."""
    return orjson.dumps([_row(gap).model_dump(mode="json", exclude_defaults=True) for gap in gaps]).decode()


def _row(gap: Gap) -> GapRow:
    return GapRow(
        trouble=gap.trouble, detail=gap.detail, kinds=gap.kinds, parent=gap.parent,
        keys=gap.keys[:_KEYS], key_count=len(gap.keys), privilege=gap.privilege, path=gap.path, optional=gap.optional,
    )  # fmt: skip
