# SPDX-License-Identifier: Apache-2.0
"""A platform file as a tree that remembers where every key and value stands, scalars as they were written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from aioconn.errors import Problem

try:
    from yaml import CSafeLoader as _Loader
except ImportError:  # PyYAML without libyaml: the same nodes, ten times slower
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

DEPTH_LIMIT = 30
NODES_LIMIT = 20_000  # with aliases expanded; a large platform has 300

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_CORE = "tag:yaml.org,2002:"


@dataclass(slots=True, kw_only=True)
class Node:
    """Where something stands: `line` and `column` count from 1, None where there is no file."""

    line: int | None = None
    column: int | None = None


@dataclass(slots=True, kw_only=True)
class Scalar(Node):
    """A single value. `plain`: written without quotes, so that an empty one or `null` is no text."""

    text: str
    plain: bool = True

    @property
    def null(self) -> bool:
        """Whether nothing was written."""
        return self.plain and self.text in _NULLS


@dataclass(slots=True, kw_only=True)
class Items(Node):
    """A list."""

    values: list[Node] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Table(Node):
    """A mapping: name -> (the key's own node, its value)."""

    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


class Unreadable(Exception):
    """There is no tree; `problem` says why."""

    def __init__(self, message: str, mark: Any = None, hint: str | None = None) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (None, None)
        self.problem = Problem(message=message, line=line, column=column, hint=hint)


def join_key(prefix: str, name: str) -> str:
    """`prefix.name`; a name that would read as several is quoted."""
    plain = name and "." not in name and name == name.strip() and name.isprintable()
    shown = name if plain else repr(name[:60])
    return f"{prefix}.{shown}" if prefix else shown


class Builder:
    """Makes one tree; `problems` do not stop it. Raises `Unreadable` if there can be no tree."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._count = 0

    def from_text(self, text: str) -> Table:
        """The tree of YAML text."""
        try:
            self._check_depth(text)
            root = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise Unreadable(f"not valid YAML: {error.problem}", mark) from None
        except (yaml.YAMLError, ValueError) as error:  # ValueError: half a surrogate pair
            raise Unreadable("a character that YAML does not allow: is this a binary file?") from error
        if root is None or (isinstance(root, yaml.ScalarNode) and root.value in _NULLS):
            raise Unreadable("there is nothing in it", hint="name, default_mode and modes are needed")
        tree = self._convert(root, 0)
        if not isinstance(tree, Table):
            raise Unreadable("a platform is a mapping with a name and modes", root.start_mark)
        return tree

    def from_mapping(self, data: Mapping[Any, Any]) -> Table:
        """The tree of Python data; texts stay texts, other values are written as YAML would."""
        tree = self._from_python(data, 0)
        assert isinstance(tree, Table)
        return tree

    def _check_depth(self, text: str) -> None:
        """The composer recurses, in C without a limit of its own; the events do not."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > DEPTH_LIMIT:
                    raise Unreadable(f"nested more than {DEPTH_LIMIT} levels deep", event.start_mark)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1

    def _counted(self, depth: int, mark: Any = None) -> None:
        self._count += 1
        if depth > DEPTH_LIMIT:
            raise Unreadable(f"nested more than {DEPTH_LIMIT} levels deep: does it contain itself?", mark)
        if self._count > NODES_LIMIT:
            raise Unreadable(f"more than {NODES_LIMIT} values, aliases counted as what they stand for", mark)

    def _convert(self, node: yaml.Node, depth: int) -> Node:
        mark = node.start_mark
        self._counted(depth, mark)
        line, column = mark.line + 1, mark.column + 1
        if isinstance(node, yaml.ScalarNode):
            self._check_tag(node, ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"))
            return Scalar(line=line, column=column, text=node.value, plain=not node.style)
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, ("seq",))
            values = [self._convert(item, depth + 1) for item in node.value]
            return Items(line=line, column=column, values=values)
        self._check_tag(node, ("map",))
        table = Table(line=line, column=column)
        for key_node, value in node.value:
            key = self._convert(key_node, depth + 1)
            if not isinstance(key, Scalar):
                hint = "quote a value that starts with { or ["
                raise Unreadable("a key must be a text", key_node.start_mark, hint)
            if key.text in table.entries:
                first = table.entries[key.text][0].line
                self._note(key, f"this key stands twice, first in line {first}", key.text)
            table.entries[key.text] = (key, self._convert(value, depth + 1))
        return table

    def _check_tag(self, node: yaml.Node, known: tuple[str, ...]) -> None:
        if node.tag not in [_CORE + name for name in known] and node.tag != "!":
            place = Node(line=node.start_mark.line + 1, column=node.start_mark.column + 1)
            self._note(place, "a tag (!name) that means nothing here", hint="quote a text that starts with !")

    def _note(self, node: Node, message: str, key: str = "", hint: str | None = None) -> None:
        shown = join_key("", key) if key else ""
        place = Problem(message=message, key=shown, line=node.line, column=node.column, hint=hint)
        self.problems.append(place)

    def _from_python(self, value: Any, depth: int) -> Node:
        self._counted(depth)
        if isinstance(value, Mapping):
            table = Table()
            for name, item in value.items():
                table.entries[str(name)] = (Scalar(text=str(name)), self._from_python(item, depth + 1))
            return table
        if isinstance(value, (list, tuple)):
            return Items(values=[self._from_python(item, depth + 1) for item in value])
        if isinstance(value, bool):
            return Scalar(text="true" if value else "false")
        return Scalar(text="" if value is None else str(value), plain=not isinstance(value, str))
