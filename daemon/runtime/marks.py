"""YAML with the line and column of everything in it, and every fault of its form at once.

No value is ever repeated in a fault: a password without quotation marks can end up as an alias, a tag or a key.
Streams of documents, which may be large, are scanned in C and composed in Python: C alone dies of deep nesting.
"""

import re
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml
from yaml.composer import Composer

Path = tuple[str | int, ...]
_QUOTED = re.compile(r"'([^']{2,})'|\"([^\"]{2,})\"")
_MAX_NODES = 100_000
_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$"),
    "tag:yaml.org,2002:float": re.compile(
        r"[-+]?([0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
    ),
}
"""YAML 1.1's numbers, without those to the base 60."""
_MERGE = "tag:yaml.org,2002:merge"
_CONTROL = "a control character; YAML text has none"
_HINTS = (
    ("undefined alias", "a value that begins with * needs quotation marks"),
    ("constructor for the tag", "a value that begins with ! needs quotation marks; tags are not used here"),
    ("single document", "one document only: remove the --- further down"),
    ("\\t", "indent with spaces; YAML allows no tabs there"),
    ("mapping values are not allowed", "a value that holds ': ' needs quotation marks, or the indentation is off"),
    ("expected <block end>", "the indentation is off, or a quotation mark or a dash is missing"),
    ("did not find expected", "the indentation is off, or a quotation mark or a dash is missing"),
    ("cannot start any token", "indent with spaces; and a value that begins with @ or ` needs quotation marks"),
)


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class FormFault:
    """A fault in the form of the text: where, and what."""

    mark: Mark | None
    path: Path
    text: str


@dataclass(slots=True)
class Tree:
    """``value`` is what the text says, ``marks`` where: of a mapping's entry the key, of a list's entry the value."""

    value: object = None
    marks: dict[Path, Mark] = field(default_factory=dict)
    faults: list[FormFault] = field(default_factory=list)

    def mark(self, path: Path) -> Mark | None:
        """Return where ``path`` is, or the nearest thing around it."""
        for length in range(len(path), -1, -1):
            if (found := self.marks.get(path[:length])) is not None:
                return found
        return None


class _TooLarge(Exception):
    pass


class _Plain:
    """Plain data only.  A key is the text that stands there: `on` and `1` are words.  Dates and `22:30` are texts."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, _NUMBERS.get(tag, pattern)) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self: Any, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        return {
            str(key.value): self.construct_object(value, deep=deep)
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }


class _Loader(_Plain, yaml.SafeLoader):
    pass


class _FastLoader(_Plain, Composer, yaml.CSafeLoader):
    def __init__(self, text: str) -> None:
        Composer.__init__(self)
        yaml.CSafeLoader.__init__(self, text)


def parse(text: str) -> Tree:
    """Read the one document of ``text``."""
    tree = Tree()
    with _gathering(text, tree):
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if root is not None:
                _fill(tree, loader, root)
        finally:
            loader.dispose()
    return tree


def documents(text: str) -> Iterator[Tree]:
    """Yield each document of ``text``; behind one that is no YAML nothing can be read any more."""
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        yield Tree(faults=[FormFault(place_of(text, found.start()), (), _CONTROL)])
        return
    loader = _FastLoader(text)
    try:
        ended = False
        while not ended:
            tree = Tree()
            with _gathering(text, tree):
                ended = True
                if loader.check_node() and (root := loader.get_node()) is not None:
                    ended = False
                    _fill(tree, loader, root)
            if tree.marks or tree.faults:
                yield tree
    finally:
        loader.dispose()


@contextmanager
def _gathering(text: str, tree: Tree) -> Iterator[None]:
    """Turn what a loader raises into a fault."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        tree.faults.append(FormFault(_mark(place) if place else None, (), _words(error)))
    except yaml.reader.ReaderError as error:
        tree.faults.append(FormFault(place_of(text, error.position), (), _CONTROL))
    except (_TooLarge, RecursionError):
        tree.faults.append(FormFault(None, (), "nested or repeated too often to be a configuration"))
    except (ValueError, OverflowError):
        tree.faults.append(FormFault(None, (), "a tag (!!int, !!timestamp) before what is none"))


def place_of(text: str, position: int) -> Mark:
    return Mark(text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


def _fill(tree: Tree, loader: Any, root: yaml.Node) -> None:  # noqa: ANN401  # noqa: ANN401 - either loader
    for number, (path, mark, fault) in enumerate(_walk(root, (), frozenset())):
        tree.marks.setdefault(path, mark)
        if fault:
            tree.faults.append(FormFault(mark, path, fault))
        if number > _MAX_NODES:
            raise _TooLarge
    tree.value = loader.construct_document(root)


def _walk(node: yaml.Node, path: Path, above: frozenset[int]) -> Iterator[tuple[Path, Mark, str]]:
    if id(node) in above:
        raise _TooLarge
    inside = above | {id(node)}
    if not path:
        yield path, _mark(node.start_mark), ""
    if isinstance(node, yaml.MappingNode):
        yield from _entries(node, path, inside)
    elif isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            yield (*path, index), _mark(entry.start_mark), ""
            yield from _walk(entry, (*path, index), inside)


def _entries(node: yaml.MappingNode, path: Path, inside: frozenset[int]) -> Iterator[tuple[Path, Mark, str]]:
    first: dict[Path, int] = {}
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            merged.append(value)
            continue
        if not isinstance(key, yaml.ScalarNode):
            yield path, _mark(key.start_mark), "a key must be a word"
            continue
        here = (*path, str(key.value))
        mark = _mark(key.start_mark)
        doubled = f"given twice; first in line {first[here]}" if here in first else ""
        first.setdefault(here, mark.line)
        yield here, mark, doubled
        yield from _walk(value, here, inside)
    for value in merged:
        yield from _merged(value, path, inside)


def _merged(node: yaml.Node, path: Path, inside: frozenset[int]) -> Iterator[tuple[Path, Mark, str]]:
    """What stands elsewhere: its faults are told there."""
    for one in node.value if isinstance(node, yaml.SequenceNode) else (node,):
        yield path, _mark(node.start_mark), ""
        for here, mark, _ in _walk(one, path, inside):
            yield here, mark, ""


def _mark(mark: yaml.Mark) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _words(error: yaml.MarkedYAMLError) -> str:
    problem = " ".join(filter(None, (error.context, error.problem)))
    hint = next((hint for sign, hint in _HINTS if sign in problem), "")
    told = _QUOTED.sub("...", problem)
    return f"not YAML: {told}" + (f" ({hint})" if hint else "")
