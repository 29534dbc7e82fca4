# SPDX-License-Identifier: Apache-2.0
"""A part of the file under reading: takes values out by name, and reports what is not as it should be."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
from collections.abc import Collection, Iterator
from typing import Any

from aioconn.errors import Problem
from aioconn.testbed.markup import SUPPORTED, Markup, hold, kinds
from aioconn.testbed.tree import Items, Node, Scalar, Table, join_key
from aioconn.testbed.values import is_secret, option, plain

_ENVIRONMENT = re.compile(r"%ENV\{\s*([^{},]*?)\s*(?:,\s*([^{}]*?)\s*)?\}")


class Report:
    """All that was found, in the order it was found."""

    __slots__ = ("problems",)

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(
        self, node: Node | None, key: str, message: str, hint: str | None = None, *, warning: bool = False
    ) -> None:
        problem = Problem(message=message, key=key, hint=hint, warning=warning)
        if node is not None:
            problem = dataclasses.replace(problem, source=node.file, line=node.line, column=node.column)
        self.problems.append(problem)


def close(name: str, known: Collection[str]) -> str | None:
    """A hint with the known name that `name` is most likely a misspelling of; None if there is none near."""
    lowered = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.75)
    return f"did you mean {lowered[found[0]]!r}?" if found and lowered[found[0]] != name else None


def describe(node: Node, name: str) -> str:
    """What was found, in words; the text itself only if its key holds no secret."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    assert isinstance(node, Scalar)
    if node.null:
        return "nothing"
    if is_secret(name) or "pass" in node.text.lower():
        return "a text"
    return repr(node.text if len(node.text) <= 60 else node.text[:57] + "...")


class Section:
    """A mapping of the file, with its key path. Taking out what is absent or null gives None."""

    __slots__ = ("key", "node", "report")

    def __init__(self, node: Table, key: str, report: Report) -> None:
        self.node = node
        self.key = key
        self.report = report

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def path(self, name: str) -> str:
        """The key path of an entry."""
        return join_key(self.key, name)

    def get(self, name: str) -> Node | None:
        """The value's node; None also where the value is null."""
        entry = self.node.entries.get(name)
        if entry is None or (isinstance(entry[1], Scalar) and entry[1].null):
            return None
        return entry[1]

    def has(self, name: str) -> bool:
        """Whether there is a value that is neither null nor an empty text."""
        node = self.get(name)
        return node is not None and not (isinstance(node, Scalar) and not node.text.strip())

    def add(self, message: str, hint: str | None = None, *, warning: bool = False) -> None:
        """Report something about the section itself; its place is where its first key stands."""
        self.report.add(self.node, self.key, message, hint, warning=warning)

    def problem(self, name: str, message: str, hint: str | None = None, *, warning: bool = False) -> None:
        """Report something about the value of `name` (or this section, where there is no such value)."""
        entry = self.node.entries.get(name)
        node, key = (self.node, self.key) if entry is None else (entry[1], self.path(name))
        if isinstance(node, Table) and entry is not None:
            node = entry[0]  # a mapping begins at its first key; its own name is the better place
        self.report.add(node, key, message, hint, warning=warning)

    def name_problem(
        self, name: str, message: str, hint: str | None = None, *, warning: bool = False
    ) -> None:
        """Report something about the name of an entry."""
        self.report.add(self.node.entries[name][0], self.path(name), message, hint, warning=warning)

    def misspelled(self, known: Collection[str]) -> None:
        """Warn of names that look like slips of known ones; others are somebody else's."""
        for name in self.node.entries:
            if name not in known and (hint := close(name, known)):
                self.name_problem(name, "unknown key", hint, warning=True)

    def text(self, name: str) -> str | None:
        """A single value as it was written, stripped. `%ENV{}` is looked up now: it shapes the testbed."""
        node = self.get(name)
        return None if node is None else self._fixed(node, name, self.path(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A value or a list of them."""
        node = self.get(name)
        if not isinstance(node, Items):
            value = self.text(name)
            return () if value is None else (value,)
        found = (
            self._fixed(item, name, f"{self.path(name)}[{index}]") for index, item in enumerate(node.values)
        )
        return tuple(value for value in found if value is not None)

    def _fixed(self, node: Node, name: str, key: str) -> str | None:
        if not isinstance(node, Scalar):
            self.report.add(node, key, f"expected a text, found {describe(node, name)}")
            return None
        text = node.text
        for kind in kinds(text):
            if kind != "ENV":
                what = f"%{kind}{{}} is not supported {'yet' if kind not in SUPPORTED else 'here'}"
                self.report.add(node, key, what, "write the value itself, or %ENV{NAME}")
                return None
        if "%ENV{" in text:
            for match in _ENVIRONMENT.finditer(text):
                if match[1] not in os.environ and match[2] is None:
                    what = f"the environment variable {match[1]!r} is not set"
                    self.report.add(
                        node, key, what, f"export {match[1]}=..., or write %ENV{{{match[1]}, a default}}"
                    )
                    return None
            text = Markup(text=text, key=key, origin=node.origin).resolve()
        return text.strip()

    def count(self, name: str) -> int | None:
        """A whole number of at least 1."""
        text = self.text(name)
        if text is None:
            return None
        if text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text) >= 1:
            return int(text)
        self.problem(name, f"expected a whole number of at least 1, found {text!r}")
        return None

    def seconds(self, name: str) -> float | None:
        """A positive number of seconds."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if 0 < value < 1e9:
            return value
        self.problem(name, f"expected a number of seconds above 0, found {text!r}")
        return None

    def section(self, name: str) -> Section | None:
        """A mapping."""
        node = self.get(name)
        if node is None or isinstance(node, Table):
            return None if node is None else Section(node, self.path(name), self.report)
        self.problem(name, f"expected a mapping, found {describe(node, name)}")
        return None

    def sections(self, what: str) -> Iterator[tuple[str, Section]]:
        """Every entry, each of which must be a mapping that describes `what`; a null is an empty one."""
        for name, (key, node) in self.node.entries.items():
            if isinstance(node, Scalar) and node.null:
                node = Table(key.file, key.line, key.column)
            if isinstance(node, Table):
                yield name, Section(node, self.path(name), self.report)
            else:
                self.problem(
                    name, f"expected a mapping that describes {what}, found {describe(node, self.key)}"
                )

    def free(self, name: str) -> Any:
        """A mapping of free data, `{}` if absent; what has markup in it resolves when it is taken out."""
        found = self.section(name)
        return {} if found is None else hold(plain(found.node, found.key))

    def rest(self, known: Collection[str]) -> dict[str, Any]:
        """All entries but the known ones, as free data that is still to be given to `hold()`."""
        entries = self.node.entries
        return {n: plain(node, self.path(n)) for n, (_, node) in entries.items() if n not in known}

    def options(self, known: Collection[str] = ()) -> dict[str, Any]:
        """All entries but the known ones, for connection classes: secrets and what has markup as `Secret`."""
        entries = self.node.entries
        return {n: option(node, self.path(n), n) for n, (_, node) in entries.items() if n not in known}
