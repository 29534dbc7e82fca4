# SPDX-License-Identifier: Apache-2.0
"""What the query parameters `fields` and `depth` leave of a value (RFC 8040, sections 4.8.2 and 4.8.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aioconn.lab.data import DataError

Tree = dict[str, "Tree"]

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w.:-]*)|([;/()]))\s*")


def select(value: Any, fields: str | None, depth: str | None) -> Any:
    """`value` with those parts alone. Raises DataError for parameters that are not understood."""
    if fields is not None:
        value = _picked(value, _tree(fields))
    if depth is not None and depth != "unbounded":
        if not (depth.isascii() and depth.isdigit() and 1 <= int(depth[:9]) <= 65535):
            raise DataError("invalid-value", "", f"depth={depth} is not from 1 to 65535")
        value = _cut(value, int(depth))
    return value


def _tree(text: str) -> Tree:
    """`a;b/c(d;e)` as {a: {}, b: {c: {d: {}, e: {}}}}."""
    root: Tree = {}
    stack = [root]
    current = last = root
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise DataError("invalid-value", "", f"fields={text[:80]} is not understood")
        place = token.end()
        name, mark = token.groups()
        if name:
            last = current.setdefault(name.rpartition(":")[2], {})
        elif mark == "/":
            current = last
        elif mark == "(":
            stack.append(last)
            current = last
        elif mark == ";":
            current = stack[-1]
        elif len(stack) > 1:
            stack.pop()
            current = last = stack[-1]
        else:
            raise DataError("invalid-value", "", "fields: one bracket too many")
    if len(stack) > 1:
        raise DataError("invalid-value", "", "fields: a bracket is open")
    return root


def _picked(value: Any, wanted: Tree) -> Any:
    if not wanted:
        return value
    if isinstance(value, list):
        return [_picked(item, wanted) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: _picked(item, wanted[name.rpartition(":")[2]])
        for name, item in value.items()
        if name.rpartition(":")[2] in wanted
    }


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, list):
        return [_cut(item, depth) for item in value]
    if not isinstance(value, Mapping):
        return value
    if depth <= 1:
        return {}
    return {name: _cut(item, depth - 1) for name, item in value.items()}
