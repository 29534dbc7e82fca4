# SPDX-License-Identifier: Apache-2.0
"""`extends`: other files that a testbed is laid over. What is written nearer wins, mapping by mapping."""

from __future__ import annotations

import os

from aioconn.testbed.section import Report, Section
from aioconn.testbed.source import read_file
from aioconn.testbed.tree import DEPTH_LIMIT, EXPANSION_LIMIT, Node, Table


class Extends:
    """Reads what is extended, each file once, and merges. Nodes keep the file that they come from."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._merged: dict[str, Table | None] = {}  # by real path; None: it is being read, or broken
        self._copied = 0

    def merge(self, tree: Table, where: str, above: tuple[str, ...] = ()) -> Table:
        """`tree` laid over the files that it extends, of which a later one wins over an earlier one.

        `where` is the path of the tree's file: relative names start there (else in the current directory).
        """
        section = Section(tree, "", self._report)
        names = section.texts("extends")
        own = Table(
            tree.file, tree.line, tree.column, {k: v for k, v in tree.entries.items() if k != "extends"}
        )
        base: Table | None = None
        above = (*above, os.path.realpath(where)) if where else above
        for name in names:
            found = self._extended(
                section, os.path.join(os.path.dirname(where), os.path.expanduser(name)), above
            )
            if found is not None:
                base = found if base is None else self._overlay(base, found)
        return own if base is None else self._overlay(base, own)

    def _extended(self, section: Section, path: str, above: tuple[str, ...]) -> Table | None:
        try:
            real = os.path.realpath(path)
        except ValueError:  # a NUL in the name; reading it says so
            real = path
        if real in above or len(above) > DEPTH_LIMIT:
            section.problem("extends", f"{path!r} is extended by what it extends")
            return None
        if real not in self._merged:
            self._merged[real] = None
            document = read_file(path)
            if document.tree is None and document.problems and document.problems[0].line is None:
                section.problem(
                    "extends", document.problems[0].message
                )  # not a problem in that file, but of this key
            else:
                self._report.problems += document.problems
            tree = document.tree
            self._merged[real] = self.merge(tree, path, above) if tree is not None else None
        return self._merged[real]

    def _overlay(self, base: Table, over: Table) -> Table:
        """A new table; `over` wins, tables in both are merged, lists and texts are replaced."""
        self._copied += len(base.entries) + len(over.entries)
        if self._copied > EXPANSION_LIMIT:
            return over
        entries = dict(base.entries)
        for name, (key, value) in over.entries.items():
            below: Node | None = entries[name][1] if name in entries else None
            if isinstance(below, Table) and isinstance(value, Table):
                value = self._overlay(below, value)
            entries[name] = (key, value)
        return Table(over.file, over.line, over.column, entries)
