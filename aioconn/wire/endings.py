# SPDX-License-Identifier: Apache-2.0
"""The characters that a match of a pattern can end with.

Most chunks of a long output end in the middle of a line: one look at their last byte settles that they end neither
with a prompt nor with a question, if it is known what those end with.
"""

from __future__ import annotations

import functools

_META = frozenset(".^$*+?{}[]\\|()")


@functools.lru_cache(maxsize=1024)
def of(pattern: str) -> frozenset[str] | None:
    """The last characters that a match of `pattern` up to the end of a text can have; None if that is not plain."""
    branches = _branches(pattern)
    if len(branches) > 1:
        return _union(branches)
    body = pattern
    if body.endswith("$") and not _is_escaped(body):
        body = body[:-1].removesuffix(r"\s*")
    if body.startswith("(?i)"):
        found = of(body.removeprefix("(?i)"))
        return found and frozenset(c for one in found for c in (one.lower(), one.upper()))
    if not body:
        return None
    last = body[-1]
    if _is_escaped(body):
        return frozenset(last) if not last.isalnum() else None
    if last == "?":
        begin = _item(body[:-1])
        return _union([body[:begin], body[begin:-1]]) if begin is not None else None
    if last == ")":
        inner = body[_item(body) or 0 : -1][1:]
        if inner.startswith("?") and not inner.startswith("?:"):
            return None
        return _union(_branches(inner.removeprefix("?:")))
    if last == "]":
        inside = body[body.rfind("[") + 1 : -1]
        return frozenset(inside) if inside and not set("\\^-[") & set(inside) else None
    return None if last in _META else frozenset(last)


def _is_escaped(body: str) -> bool:
    """Whether the last character has a backslash before it that counts."""
    return (len(body) - len(body[:-1].rstrip("\\")) - 1) % 2 == 1


def _item(body: str) -> int | None:
    """Where the last group, class or character of a pattern begins; None if it repeats something."""
    if not body or (body[-1] in "*+?}" and not _is_escaped(body)):
        return None
    if _is_escaped(body):
        return len(body) - 2
    if body[-1] == "]":
        return body.rfind("[")
    if body[-1] == ")":
        return max(index for index, depth in _depths(body) if body[index] == "(" and depth == 0)
    return len(body) - 1


def _union(patterns: list[str]) -> frozenset[str] | None:
    found: set[str] = set()
    for one in patterns:
        if not (ends := of(one)):
            return None
        found |= ends
    return frozenset(found)


def _branches(pattern: str) -> list[str]:
    """The alternatives of a pattern, outside of its groups and classes."""
    branches, begin = [], 0
    for index, depth in _depths(pattern):
        if pattern[index] == "|" and depth == 0:
            branches.append(pattern[begin:index])
            begin = index + 1
    return [*branches, pattern[begin:]]


def _depths(pattern: str) -> list[tuple[int, int]]:
    """Each unescaped character outside of classes with the number of groups around it."""
    depth, inside, found, index = 0, False, [], 0
    while index < len(pattern):
        character = pattern[index]
        if character == "\\":
            index += 2
            continue
        if inside:
            inside = character != "]"
        elif character == "[":
            inside = True
            # a bracket that comes first stands for itself
            index += 1 if pattern[index + 1 : index + 2] == "]" else 0
        else:
            depth -= character == ")"
            found.append((index, depth))
            depth += character == "("
        index += 1
    return found
