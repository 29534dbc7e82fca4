# SPDX-License-Identifier: Apache-2.0
"""A configuration of nested statements, as Junos keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

TOKEN = re.compile(r'"[^"]*"|[{};]|[^\s{};]+')


class Hierarchy:
    """Statements in a tree: a container maps headings (`unit 0`) to containers, a leaf is None.

    `schema` says what may stand where: `{"unit *": {...}}` a container with a name, `{"*": {...}}` one that
    is its name, `value` a leaf with one value, `list` one that may be there many times, `flag` one without.
    """

    __slots__ = ("root", "schema")

    def __init__(self, schema: Mapping[str, Any], text: str = "") -> None:
        self.schema = schema
        self.root: Statements = {}
        if text:
            tokens = iter(TOKEN.findall(text))
            for words in _statements(tokens, []):
                self.set(words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hierarchy) and self.root == other.root

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> Hierarchy:
        clone = Hierarchy(self.schema)
        clone.root = _copy(self.root)
        return clone

    def set(self, words: Sequence[str]) -> int | None:
        """Add a statement. The index of the first word that cannot stand there, None if all is well."""
        found = self._headings(words)
        if isinstance(found, int):
            return found
        *path, last = found
        node = self.root
        for heading, _ in path:
            below = node.setdefault(heading, {})
            node = below if below is not None else {}
        heading, kind = last
        if kind == "value":
            keyword = heading.split(" ", 1)[0]
            for known in node:
                if known.split(" ", 1)[0] == keyword:  # takes the place of the old one
                    items = list(node.items())
                    node.clear()
                    node.update({heading if name == known else name: below for name, below in items})
                    return None
        if isinstance(kind, str):
            node[heading] = None
        else:
            node.setdefault(heading, {})
        return None

    def delete(self, words: Sequence[str]) -> int | None:
        """Remove a statement with all below it. As `set`; the number of words if it is not there."""
        found = self._headings(words, whole=False)
        if isinstance(found, int):
            return found
        node = self.root
        for heading, _ in found[:-1]:
            below = node.get(heading)
            if below is None:
                return len(words)
            node = below
        heading, kind = found[-1]
        names = [
            known
            for known in node
            if known == heading or (kind == "value" and known.split(" ")[0] == heading)
        ]
        for name in names:
            del node[name]
        return None if names else len(words)

    def place(self, words: Sequence[str]) -> list[str] | None:
        """The headings that lead to a container, None if there can be none."""
        if not words:
            return []
        found = self._headings(words)
        if isinstance(found, int) or isinstance(found[-1][1], str):
            return None
        return [heading for heading, _ in found]

    def render(self, words: Sequence[str]) -> str:
        """The statements below a place, in braces."""
        return "".join(_braces(self._below(words), 0))

    def statements(self, words: Sequence[str]) -> str:
        """The statements below a place as `set` commands."""
        start = " ".join(["set", *words])
        return "".join(f"{start} {line}\n" for line in _leaves(self._below(words)))

    def compare(self, other: Hierarchy) -> str:
        """What changed since `other`, as `show | compare` prints it."""
        return "".join(_compare(other.root, self.root, ()))

    def below(self, *headings: str) -> Statements:
        """What stands in a container, by the headings that lead there; empty if it is not there."""
        node = self.root
        for heading in headings:
            node = node.get(heading) or {}
        return node

    def value(self, *words: str) -> str | None:
        """The value of a leaf."""
        for heading in self._below(words[:-1]):
            if heading.startswith(words[-1] + " "):
                return heading[len(words[-1]) + 1 :]
        return None

    def _below(self, words: Sequence[str]) -> Statements:
        node = self.root
        for heading in self.place(words) or ():
            node = node.get(heading) or {}
        return node

    def _headings(self, words: Sequence[str], *, whole: bool = True) -> list[tuple[str, Any]] | int:
        """Group words into headings by the schema. An index where that fails."""
        schema: Any = self.schema
        out: list[tuple[str, Any]] = []
        index = 0
        while index < len(words):
            word = words[index]
            if isinstance(schema, str):
                return index
            if word in schema:
                kind = schema[word]
                if kind in ("value", "list"):
                    if index + 1 >= len(words):
                        if whole:
                            return index + 1
                        return [*out, (word, "value")]
                    out.append((" ".join(words[index : index + 2]), kind))
                    index += 2
                else:
                    out.append((word, kind))
                    index += 1
            elif f"{word} *" in schema:
                if index + 1 >= len(words):
                    return index + 1
                kind = schema[f"{word} *"]
                out.append((" ".join(words[index : index + 2]), kind))
                index += 2
            elif "*" in schema:
                kind = schema["*"]
                out.append((word, kind))
                index += 1
            else:
                return index
            schema = kind
        return out if out else 0


Statements: TypeAlias = "dict[str, Statements | None]"


def _statements(tokens: Iterator[str], path: list[str]) -> Iterator[list[str]]:
    words: list[str] = []
    for token in tokens:
        if token == ";":
            yield [*path, *words]
            words = []
        elif token == "{":
            yield from _statements(tokens, [*path, *words])
            words = []
        elif token == "}":
            return
        else:
            words.append(token)


def _copy(node: Statements) -> Statements:
    return {heading: None if below is None else _copy(below) for heading, below in node.items()}


def _braces(node: Statements, depth: int) -> Iterator[str]:
    margin = "    " * depth
    for heading, below in node.items():
        if below:
            yield f"{margin}{heading} {{\n"
            yield from _braces(below, depth + 1)
            yield f"{margin}}}\n"
        else:
            yield f"{margin}{heading};\n"


def _leaves(node: Statements) -> Iterator[str]:
    for heading, below in node.items():
        if below:
            for line in _leaves(below):
                yield f"{heading} {line}"
        else:
            yield heading


def _compare(old: Statements, new: Statements, path: tuple[str, ...]) -> Iterator[str]:
    gone = {heading: below for heading, below in old.items() if heading not in new}
    come = {heading: below for heading, below in new.items() if heading not in old}
    if gone or come:
        yield f"[{' '.join(('edit', *path))}]\n"
        for sign, node in (("-", gone), ("+", come)):
            for line in "".join(_braces(node, 0)).splitlines():
                yield f"{sign}   {line}\n"
    for heading in old:
        before, after = old[heading], new.get(heading)
        if before and after:
            yield from _compare(before, after, (*path, heading))
