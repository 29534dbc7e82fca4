# SPDX-License-Identifier: Apache-2.0
"""A part of the file under reading: takes values out by name, and reports what is not as it should be."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from aioconn.errors import MissingValue
from aioconn.testbed.markup import Markup, hold
from aioconn.testbed.pieces import AT_ONCE, Piece, Pieces, pieces_of, refused, unset
from aioconn.testbed.report import Report as Report
from aioconn.testbed.report import close as close
from aioconn.testbed.tree import Items, Node, Scalar, Table, join_key
from aioconn.testbed.values import is_secret, option, plain

_GLUED = re.compile(r"[A-Za-z_]{2,20}:[^\s/]")


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


def glued(node: Node) -> str | None:
    """A hint where `key:value` was taken for a text, which only a blank makes a key and its value."""
    is_glued = isinstance(node, Scalar) and node.plain and _GLUED.match(node.text) is not None
    return "put a blank behind the colon" if is_glued else None


def keyed(node: Node) -> str | None:
    """A hint how to write a mapping, where something else was found."""
    return "write name: value, without brackets and dashes" if isinstance(node, Items) else glued(node)


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
        if entry is None:
            return None
        node = entry[1]
        return None if isinstance(node, Scalar) and node.plain and node.null else node

    def has(self, name: str) -> bool:
        """Whether there is a value that is neither null nor an empty text or list."""
        node = self.get(name)
        if isinstance(node, Items):
            return bool(node.values)
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
            if name not in known and (hint := self.report.close(name, known)):
                self.name_problem(name, "unknown key", hint, warning=True)

    def unused(self, name: str) -> None:
        """Warn of a key that means something to pyATS alone."""
        if self.get(name) is not None:
            self.name_problem(name, "not used: it names a class of pyATS's", warning=True)

    def text(self, name: str) -> str | None:
        """A single value as it was written, stripped. `%ENV{}` is looked up now: it shapes the testbed."""
        entry = self.node.entries.get(name)
        if entry is None:
            return None
        node = entry[1]
        if isinstance(node, Scalar):
            if node.plain and node.null:
                return None
            if "%" not in node.text:  # nearly always; no path is needed then
                return node.text.strip()
        return self.fixed(node, name, self.path(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A value or a list of them."""
        node = self.get(name)
        if not isinstance(node, Items):
            value = self.text(name)
            return () if value is None else (value,)
        found = (
            self.fixed(item, name, f"{self.path(name)}[{index}]") for index, item in enumerate(node.values)
        )
        return tuple(value for value in found if value is not None)

    def fixed(self, node: Node, name: str, key: str) -> str | None:
        """One value, as `text` gives it; `key` is where it stands."""
        if not isinstance(node, Scalar):
            hint = "write one value, without brackets and dashes" if isinstance(node, Items) else None
            self.report.add(node, key, f"expected a text, found {describe(node, name)}", hint)
            return None
        text = node.text
        if "%" in text and (pieces := pieces_of(node)):
            filled = self._filled(node, key, pieces)
            if filled is None:
                return None
            text = filled
        return text.strip()

    def _filled(self, node: Scalar, key: str, pieces: Pieces) -> str | None:
        """The text of a key that gives the testbed its shape: nobody is asked, and nothing decoded, for it."""
        for piece in pieces:
            if not isinstance(piece, Piece):
                continue
            if (name := piece.unset) is not None:
                self.report.add(node, key, *unset(name))
                return None
            if piece.kind == "CALLABLE" and not piece.allowed:
                self.report.add(node, key, *refused(piece.callee))
                return None
            if piece.kind not in AT_ONCE and piece.kind != "CALLABLE":
                what = f"{piece} is not supported here"
                self.report.add(node, key, what, "write the value itself, or %ENV{NAME}")
                return None
        try:
            return Markup.of(node, key).resolve()
        except MissingValue as error:
            self.report.add(node, key, error.message.removeprefix(f"{node.origin}: {key}: "), error.hint)
            return None

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
        self.problem(name, f"expected a mapping, found {describe(node, name)}", keyed(node))
        return None

    def sections(self, what: str, known: Collection[str] = ()) -> Iterator[tuple[str, Section]]:
        """Every entry, each of which must be a mapping that describes `what`; a null is an empty one.

        `known` are the keys of such a mapping: one of them in its place shows that a name was left out.
        """
        for name, (key, node) in self.node.entries.items():
            if isinstance(node, Scalar) and node.null:
                node = Table(key.file, key.line, key.column)
            if isinstance(node, Table):
                yield name, Section(node, self.path(name), self.report)
            else:
                hint = keyed(node)
                if hint is None and name in known:
                    hint = f"{name} is a key of {what}, whose own name is missing above it"
                found = describe(node, self.key)
                self.problem(name, f"expected a mapping that describes {what}, found {found}", hint)

    def free(self, name: str) -> Any:
        """A mapping of free data, `{}` if absent; what has markup in it resolves when it is taken out."""
        found = self.section(name)
        return {} if found is None else hold(plain(found.node, found.key))

    def value(self, name: str, default: Any = None) -> Any:
        """Free data of any form; `default` if absent."""
        node = self.get(name)
        return default if node is None else hold(plain(node, self.path(name)))

    def rest(self, known: Collection[str]) -> dict[str, Any]:
        """All entries but the known ones, as free data that is still to be given to `hold()`."""
        entries = self.node.entries
        return {n: plain(node, self.path(n)) for n, (_, node) in entries.items() if n not in known}

    def options(self, known: Collection[str] = ()) -> dict[str, Any]:
        """All entries but the known ones, for connection classes: secrets and what has markup as `Secret`."""
        entries = self.node.entries
        return {n: option(node, self.path(n), n) for n, (_, node) in entries.items() if n not in known}
