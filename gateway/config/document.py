"""A YAML file as plain values that know their places.

Scalars stay text, except plain `true`, `false`, `null`, `~` and nothing. A number becomes one where the
setting is a number, so that an id keeps all its digits; `on`, `no`, `0x1F`, dates and `12:30:00` are text
wherever they stand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.composer import Composer
from yaml.error import MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from gateway.config.environment import expand
from gateway.config.errors import Loc, Place, Problems

MAX_DEPTH = 40
SPARE_NODES = 100_000
"""Nodes that aliases may add to a file, beyond what its size explains."""

_PLAIN: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_MERGE = "<<"
_TAB = "a tab cannot indent: use spaces"
_PLAIN_WORDS = (
    (
        "undefined alias",
        "an unquoted * starts an alias, and there is none of this name: quote the text",
    ),
    (
        "expected alphabetic or numeric character",
        "an unquoted * or & starts an alias or an anchor: put the text in quotes",
    ),
    ("duplicate anchor", "the same anchor is defined twice"),
    (
        "mapping values are not allowed",
        "a colon does not belong here: check the indentation, or quote the text",
    ),
    ("that cannot start any token", "a character that cannot start a text: put the text in quotes"),
    ("could not find expected ':'", "a key without a colon: write key: value"),
    ("expected <block end>", "the indentation does not fit the lines before"),
    ("unexpected end of stream", "a quote or bracket is never closed"),
    ("found another document", "a second document starts here: a configuration file holds one"),
    ("expected ',' or", "in brackets, a comma is missing, the bracket is never closed, or a ${…} needs quotes"),
    ("node content", "a value is missing here, or a bracket is never closed"),
    ("tag", "tags (!name) are not allowed"),
)
"""What YAML parsers say, and what it means. Their own words may quote the text, which may be a secret."""


class File(NamedTuple):
    """A file as messages name it, and the folder that its relative paths start from."""

    name: str
    folder: Path


class Block(dict[str, Any]):
    """A mapping of the file. `nodes` has the nodes of each key and its value."""

    __slots__ = ("file", "nodes")

    def __init__(self, file: File, nodes: dict[str, tuple[Node, Node]]) -> None:
        super().__init__()
        self.file = file
        self.nodes = nodes

    def without(self, keys: Collection[str | int]) -> Block:
        """The same block, short of some keys."""
        block = Block(self.file, self.nodes)
        block.update({key: value for key, value in self.items() if key not in keys})
        return block

    def key_place(self, key: str) -> Place:
        return _place(self.file, self.nodes[key][0])

    def place(self, key: str) -> Place:
        """Of the value; of the key where the value is a mapping or nothing."""
        key_node, value_node = self.nodes[key]
        at_key = isinstance(value_node, MappingNode) or self.get(key) is None
        return _place(self.file, key_node if at_key else value_node)


class Items(list[Any]):
    """A list of the file."""

    __slots__ = ("file", "nodes")

    def __init__(self, file: File, nodes: list[Node]) -> None:
        super().__init__()
        self.file = file
        self.nodes = nodes


class Composed(NamedTuple):
    """A file's YAML nodes, not yet values."""

    file: File
    root: MappingNode
    characters: int

    def top_keys(self) -> set[str]:
        return {key.value for key, _ in self.root.value if isinstance(key, ScalarNode)}

    def convert(self, environ: Mapping[str, str], problems: Problems, loc: Loc = ()) -> Block:
        """The file's values. `loc` is the path of what the file holds."""
        return _Converter(self.file, environ, problems, loc, self.characters).convert(self.root)


def compose(file: File, body: bytes, problems: Problems) -> Composed | None:
    """Parse a file; what is wrong with it goes to `problems`."""
    try:
        text = body.decode("utf-8-sig")
        node = _compose(text)
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        problems.add(Place(file.name, line, 1), (), "the file is not UTF-8 text")
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.add(Place(file.name, line, 1), (), "the file holds a control character")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file.name, mark.line + 1, mark.column + 1) if mark else Place(file.name)
        at_tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        problems.add(place, (), _TAB if at_tab else _in_plain_words(error.problem or ""))
    except _TooLargeError as error:
        problems.add(Place(file.name), (), str(error))
    else:
        if isinstance(node, MappingNode):
            return Composed(file, node, len(text))
        if node is None:
            problems.add(Place(file.name), (), "the file is empty")
        else:
            problems.add(_place(file, node), (), "the file must hold a mapping: key: value lines")
    return None


def _compose(text: str) -> Node | None:
    loader = _LOADER(text)
    try:
        node: Node | None = loader.get_single_node()
    finally:
        loader.dispose()
    return node


def locate(block: Block, path: Loc) -> tuple[Place | None, Loc]:
    """The place of the deepest part of the path that the file has, and the path up to there as it is written."""
    place: Place | None = None
    value: Any = block
    written: list[str | int] = []
    for part in path:
        if isinstance(value, Block):
            key = next((name for name in (str(part), f"{part}_file") if name in value.nodes), None)
            if key is None:
                break
            place = value.place(key)
            value = value.get(key)
            written.append(key)
        elif isinstance(value, Items) and isinstance(part, int) and part < len(value.nodes):
            place = _place(value.file, value.nodes[part])
            value = value[part]
            written.append(part)
        else:
            break
    return place, tuple(written)


class _TooLargeError(Exception):
    """The document is too deep or too large."""


class _Resolver:
    """Tags of nodes: what is written with an explicit tag keeps it, and is refused later.

    Counts the depth too: the loader on libyaml recurses without a check of its own, until the process dies.
    """

    _depth = 0

    def resolve(self, kind: type[Node], value: str | None, implicit: object) -> str:
        return "plain" if kind is ScalarNode and isinstance(implicit, tuple) and implicit[0] else "text"

    def descend_resolver(self, current_node: Node | None, current_index: object) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooLargeError(f"nested deeper than {MAX_DEPTH} levels")

    def ascend_resolver(self) -> None:
        self._depth -= 1


class _PythonLoader(Reader, Scanner, Parser, Composer, _Resolver):
    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


def _fast_loader() -> Any:
    """A loader on libyaml, some ten times faster; the pure one where PyYAML was built without."""
    if not yaml.__with_libyaml__:
        return _PythonLoader

    from yaml._yaml import CParser  # noqa: PLC0415 - it exists only then

    class CLoader(CParser, _Resolver):
        pass

    return CLoader


_LOADER = _fast_loader()


def _place(file: File, node: Node) -> Place:
    return Place(file.name, node.start_mark.line + 1, node.start_mark.column + 1)


def _in_plain_words(problem: str) -> str:
    return next((words for phrase, words in _PLAIN_WORDS if phrase in problem), "this is not valid YAML")


def _text_of(key: Node) -> str | None:
    """A key; None for one that is a list or a mapping, has a tag, or means true, false or nothing."""
    if not isinstance(key, ScalarNode) or key.tag not in ("plain", "text"):
        return None
    text: str = key.value
    return None if key.tag == "plain" and text in _PLAIN else text


class _Converter:
    """Nodes to values. Aliases are expanded, hence the bounds on depth (a loop has no end) and number."""

    def __init__(self, file: File, environ: Mapping[str, str], problems: Problems, loc: Loc, characters: int) -> None:
        self._file = file
        self._environ = environ
        self._problems = problems
        self._loc = loc
        self._path: list[str | int] = list(loc)
        self._deepest = len(loc) + MAX_DEPTH
        self._nodes_left = 2 * characters + SPARE_NODES  # without aliases a node takes half a character or more

    def convert(self, root: MappingNode) -> Block:
        try:
            return self._block(root)
        except _TooLargeError as error:
            self._problems.add(_place(self._file, root), self._loc, str(error))
            return Block(self._file, {})

    def _value(self, node: Node) -> Any:
        self._nodes_left -= 1
        if isinstance(node, ScalarNode):
            value = node.value
            if "$" in value or node.tag not in ("plain", "text"):
                return self._unusual(node)
            return _PLAIN.get(value, value) if node.tag == "plain" else value
        if self._nodes_left < 0:
            raise _TooLargeError("aliases make the file too large")
        if len(self._path) > self._deepest:
            raise _TooLargeError(f"nested deeper than {MAX_DEPTH} levels, or an alias that contains itself")
        if node.tag != "text":
            self._complain(node, "tags (!name) are not allowed")
        return self._block(node) if isinstance(node, MappingNode) else self._items(node)

    def _unusual(self, node: ScalarNode) -> Any:
        """A scalar with a tag, or with a dollar sign: what a plain one expands to may be no text."""
        if node.tag not in ("plain", "text"):
            self._complain(node, "tags (!name) are not allowed")
            return node.value
        key = next((part for part in reversed(self._path) if isinstance(part, str)), "")
        try:
            value = expand(node.value, self._environ, key)
        except ValueError as error:
            self._complain(node, str(error))
            return node.value
        return _PLAIN.get(value, value) if node.tag == "plain" else value

    def _items(self, node: Node) -> Items:
        assert isinstance(node, SequenceNode)
        items = Items(self._file, node.value)
        self._path.append(0)
        for index, child in enumerate(node.value):
            self._path[-1] = index
            items.append(self._value(child))
        self._path.pop()
        return items

    def _block(self, node: MappingNode) -> Block:
        nodes: dict[str, tuple[Node, Node]] = {}
        block = Block(self._file, nodes)
        merges: list[Node] = []
        self._path.append("")
        for pair in node.value:
            key_node, value_node = pair
            key = _text_of(key_node)
            if key is None:
                self._path[-1] = "?"
                self._complain(key_node, "a key must be a text")
                continue
            if key == _MERGE and key_node.tag == "plain":
                merges.append(value_node)
                continue
            self._path[-1] = key
            if key in nodes:
                first = _place(self._file, nodes[key][0])
                self._problems.note(_place(self._file, key_node), tuple(self._path), f"is already given at {first}")
                continue
            nodes[key] = pair
            block[key] = self._value(value_node)
        self._path.pop()
        for value_node in merges:
            self._merge(value_node, block)
        return block

    def _merge(self, node: Node, block: Block) -> None:
        """`<<: *defaults`, or a list of them: what the block does not say itself, the earlier one first."""
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(source, MappingNode):
                self._complain(node, "<< merges mappings: write <<: *name")
                return
            self._path.append(_MERGE)
            merged = self._value(source)
            self._path.pop()
            for key, value in merged.items():
                if key not in block:
                    block[key] = value
                    block.nodes[key] = merged.nodes[key]

    def _complain(self, node: Node, message: str) -> None:
        self._problems.add(_place(self._file, node), tuple(self._path), message)
