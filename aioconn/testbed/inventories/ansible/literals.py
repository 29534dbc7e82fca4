# SPDX-License-Identifier: Apache-2.0
"""Values of an INI inventory: Python literals where they are such, else texts."""

from __future__ import annotations

import ast
import warnings
from typing import Any

from aioconn.testbed.inventories.host import items, table, text
from aioconn.testbed.tree import Node, Scalar
from aioconn.testbed.values import interpret

_LONGEST = 10_000  # characters; a longer one is a text
_LARGEST = 10**18  # what is more is a serial number, an infinity or a bomb
_FIRST = frozenset("\"'[{(+-.0123456789")
_WORDS = frozenset(("True", "False", "None"))


def node_of(value: str, place: Node) -> Node:
    """The node of a value, which stands at `place`. Numbers and words keep their spelling: a password may be one."""
    if not value or len(value) > _LONGEST or (value[0] not in _FIRST and value not in _WORDS):
        return text(value, place)
    try:
        if "\\" in value:  # which may mean nothing; and filters belong to all threads: no others touch them
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                literal = ast.literal_eval(value)
        else:
            literal = ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text(value, place)
    if literal is None:
        return Scalar(place.file, place.line, place.column, "")
    if isinstance(literal, (bool, int, float)):
        written = value.partition("#")[0].strip()
        scalar = Scalar(place.file, place.line, place.column, written)
        if interpret(written) != literal and abs(literal) < _LARGEST:
            scalar.raw = literal  # a number to Python, and none to YAML: 1e3
        return scalar
    found = _node(literal, place)
    return text(value, place) if found is None else found


def _node(literal: Any, place: Node) -> Node | None:
    """None for what has no place in a testbed: bytes, sets, complex numbers."""
    if isinstance(literal, str):
        return text(literal, place)
    if literal is None or isinstance(literal, (bool, int, float)):
        return Scalar(place.file, place.line, place.column, "" if literal is None else str(literal))
    if isinstance(literal, (list, tuple)):
        found = [_node(item, place) for item in literal]
        return None if None in found else items(place, [node for node in found if node is not None])
    if isinstance(literal, dict):
        entries = {str(name): _node(item, place) for name, item in literal.items()}
        if None in entries.values():
            return None
        return table(place, {name: node for name, node in entries.items() if node is not None})
    return None
