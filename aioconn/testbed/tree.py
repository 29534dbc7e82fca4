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
    """A single value. `plain`: written without quotes, it may mean a number. `raw`: a Python object."""

    text: str
    plain: bool = True
    raw: Any = None

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
    """What a source gave: the tree if there is one, and what was found wrong on the way."""

    tree: Table | None
    problems: list[Problem]


def join_key(prefix: str, name: str) -> str:
    """`prefix.name`; a name that would read as several is quoted."""
    shown = name if name and "." not in name and name == name.strip() and name.isprintable() else repr(name)
    return f"{prefix}.{shown}" if prefix else shown


class Fatal(Exception):
    """Nothing sensible can follow the problem that was noted last."""
