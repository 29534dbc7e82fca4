# SPDX-License-Identifier: Apache-2.0
"""An inventory in INI form: `[group]`, `[group:vars]` and `[group:children]`, hosts with `name=value` behind them."""

from __future__ import annotations

import re

from aioconn.testbed.inventories.ansible.groups import ALL, UNGROUPED, Groups, Variables
from aioconn.testbed.inventories.ansible.literals import node_of
from aioconn.testbed.inventories.host import text
from aioconn.testbed.tree import Node

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_KINDS = ("hosts", "vars", "children")
_LINE_LIMIT = 100_000  # characters


class _Unclosed(ValueError):
    """A quote that is never closed."""


def read_ini(content: str, file: str, groups: Groups) -> None:
    """Add what a file says to `groups`. Every line that is wrong is a problem."""
    _Reader(file, groups).read(content)


class _Reader:
    def __init__(self, file: str, groups: Groups) -> None:
        self._file = file
        self._groups = groups
        self._report = groups.report
        self._section = UNGROUPED
        self._kind = "hosts"
        self._waiting: dict[str, Node] = {}  # groups with variables that nothing has declared yet

    def read(self, content: str) -> None:
        self._groups.group(ALL, Node(self._file, 1, 1))
        self._groups.group(UNGROUPED, Node(self._file, 1, 1))
        for number, line in enumerate(re.split(r"\r\n|[\r\n]", content), 1):
            stripped = line.strip()
            if not stripped or stripped[0] in "#;":
                continue
            place = Node(self._file, number, len(line) - len(line.lstrip()) + 1)
            if len(stripped) > _LINE_LIMIT:
                self._problem(place, f"a line of more than {_LINE_LIMIT:,} characters: this is no inventory")
                return
            if stripped.startswith("---") and number <= 2:
                self._problem(place, "this looks like YAML", "call the file NAME.yml")
                return
            self._line(stripped, place)
        for name, place in self._waiting.items():
            if not self._groups.groups[name].declared:
                self._groups.groups[name].declared = True
                self._problem(
                    place,
                    f"variables of a group that there is not: {name!r}",
                    self._report.nearest(name, [g for g in self._groups.groups if g not in self._waiting]),
                )

    def _line(self, line: str, place: Node) -> None:
        if found := _SECTION.fullmatch(line):
            self._begin(found[1], found[2] or "hosts", place)
        elif line.startswith("[") and line.endswith("]"):
            self._problem(
                place, "this is no section", "write [GROUP], [GROUP:vars] or [GROUP:children], without blanks"
            )
        elif self._kind == "hosts":
            self._hosts(line, place)
        elif self._kind == "vars":
            self._variable(line, place)
        elif self._kind == "children":
            self._child(line, place)

    def _begin(self, name: str, kind: str, place: Node) -> None:
        self._section, self._kind = name, kind
        if kind not in _KINDS:
            self._problem(
                place, f"a section of a kind that is not known: {kind!r}", self._report.nearest(kind, _KINDS)
            )
            return
        known = self._groups.groups.get(name)
        declared = kind != "vars" or (known is not None and known.declared)
        if not declared:
            self._waiting.setdefault(name, place)
        self._groups.group(name, place, declared=declared)

    def _child(self, line: str, place: Node) -> None:
        found = _GROUP.fullmatch(line)
        if found is None:
            self._problem(place, "expected the name of a group", "each on a line of its own")
            return
        self._groups.group(found[1], place, declared=False)
        self._groups.groups[self._section].children.setdefault(found[1], place)

    def _variable(self, line: str, place: Node) -> None:
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            self._problem(place, "expected name=value")
            return
        value_at = len(name) + 1 + len(value) - len(value.lstrip())
        node = node_of(value.strip(), _at(place, value_at))
        key = text(name.strip(), place)
        self._groups.groups[self._section].variables[key.text] = (key, node)

    def _hosts(self, line: str, place: Node) -> None:
        try:
            words = self._words(line, place)
        except _Unclosed:
            self._problem(place, "a quote that is never closed")
            return
        if not words:
            return
        variables: Variables = {}
        for word, at in words[1:]:
            name, equals, value = word.partition("=")
            if not equals or not name:
                self._problem(
                    _at(place, at),
                    "expected name=value behind the name of a host",
                    "no blanks around =; quote a value with blanks",
                )
                continue
            where = _at(place, at)
            variables[name] = (text(name, where), node_of(value, _at(place, at + len(name) + 1)))
        self._groups.add_hosts(words[0][0], self._section, place, variables)

    def _words(self, line: str, place: Node) -> list[tuple[str, int]]:
        """The words of a line, without their quotes, and where each begins. `#` begins a comment, wherever it is."""
        words: list[tuple[str, int]] = []
        letters: list[str] | None = None  # of the word that is being read
        begin = 0
        quote = ""
        position = 0
        while position < len(line):
            letter = line[position]
            position += 1
            if quote:
                assert letters is not None
                if letter == quote:
                    quote = ""
                elif letter == "\\" and quote == '"' and line[position : position + 1] in ('"', "\\"):
                    letters.append(line[position])
                    position += 1
                else:
                    letters.append(letter)
                continue
            if letter.isspace():
                if letters is not None:
                    words.append(("".join(letters), begin))
                    letters = None
                continue
            if letter == "#":
                if letters is not None:
                    self._problem(
                        _at(place, position - 1),
                        "the rest of this word is taken as a comment",
                        "quote the value if # is a part of it",
                        warning=True,
                    )
                break
            if letters is None:
                letters, begin = [], position - 1
            if letter in "'\"":
                quote = letter
            elif letter == "\\" and position < len(line):
                letters.append(line[position])
                position += 1
            else:
                letters.append(letter)
        if quote:
            raise _Unclosed
        if letters is not None:
            words.append(("".join(letters), begin))
        return words

    def _problem(self, place: Node, message: str, hint: str | None = None, *, warning: bool = False) -> None:
        key = self._section if self._kind == "hosts" else f"{self._section}:{self._kind}"
        self._report.add(place, key, message, hint, warning=warning)


def _at(place: Node, offset: int) -> Node:
    return Node(place.file, place.line, (place.column or 1) + offset)
