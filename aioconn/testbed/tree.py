# SPDX-License-Identifier: Apache-2.0
"""YAML as a tree that remembers where every key and value stands, and every scalar as it was written.

Aliases share nodes. A node's repr never shows its text, which may be a password.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aioconn.errors import Problem

DEPTH_LIMIT = 100
EXPANSION_LIMIT = 1_000_000  # nodes that aliases and merges may add
NODE_LIMIT = 2_000_000  # beginnings, ends and values in a file: enough for 50,000 devices
KEY_LIMIT = 1024  # characters of a key; YAML has the same limit for keys without a question mark
_SHOWN = 80  # characters of a key in a path of keys
_PATH_LIMIT = 500

_EXTEND = "%EXTEND_LIST{"
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


# Not frozen: a big file has 100,000 of them, and freezing doubles the cost.
@dataclass(slots=True, eq=False, repr=False)
class Node:
    """Where something stands: `line` and `column` count from 1; None where there is no file (a mapping)."""

    file: str
    line: int | None
    column: int | None

    @property
    def origin(self) -> str:
        """`file:line`, as far as known."""
        return f"{self.file}:{self.line}" if self.line is not None else self.file

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.origin}>"


@dataclass(slots=True, eq=False, repr=False)
class Scalar(Node):
    """A single value. `plain`: written without quotes, it may mean a number. `raw`: a Python object.

    `pieces` are the text's markups and what stands between them, once somebody has looked.
    """

    text: str
    plain: bool = True
    raw: Any = None
    pieces: tuple[Any, ...] | None = None

    @property
    def null(self) -> bool:
        return self.plain and self.text in _NULLS and self.raw is None


@dataclass(slots=True, eq=False, repr=False)
class Items(Node):
    """A list."""

    values: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False, repr=False)
class Table(Node):
    """A mapping: name -> (the key's own node, its value)."""

    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)


@dataclass(slots=True)
class Document:
    """What a source gave: the tree if there is one, and what was found wrong on the way.

    `marked`: there may be markup in it that must be put in its place before the tree is read.
    """

    tree: Table | None
    problems: list[Problem]
    marked: bool = False


def join_key(prefix: str, name: str) -> str:
    """`prefix.name`; a name that would read as several is quoted. What is too long to be read is shortened."""
    shown = name
    if len(name) > _SHOWN or not name.isidentifier():  # most are: devices, interfaces, the keys of the format
        shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
        if not shown or "." in name or shown != shown.strip() or not shown.isprintable():
            shown = repr(shown)
    if len(prefix) > _PATH_LIMIT:
        prefix = prefix[: _PATH_LIMIT // 2] + "..."
    return f"{prefix}.{shown}" if prefix else shown


def extended_list(key: str) -> str | None:
    """`%EXTEND_LIST{name}` as a key: the name whose list it makes longer; None for every other key."""
    return key[len(_EXTEND) : -1].strip() if key.startswith(_EXTEND) and key.endswith("}") else None


def joined(base: Node | None, more: Node) -> Node:
    """Two lists as one; what is no list counts as a list of one."""
    if base is None:
        return more if isinstance(more, Items) else Items(more.file, more.line, more.column, [more])
    parts = [node.values if isinstance(node, Items) else [node] for node in (base, more)]
    return Items(more.file, more.line, more.column, [*parts[0], *parts[1]])


class Fatal(Exception):
    """Nothing sensible can follow the problem that was noted last."""
