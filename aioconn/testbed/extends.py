# SPDX-License-Identifier: Apache-2.0
"""`extends`: other files that a testbed is laid over. What is written nearer wins, mapping by mapping.

Of several files the first is laid over the second, and so on: the last is the ground, as in pyATS.
"""

from __future__ import annotations

import os

from aioconn.testbed.report import Report
from aioconn.testbed.section import Section
from aioconn.testbed.source import read_file
from aioconn.testbed.tree import DEPTH_LIMIT, EXPANSION_LIMIT, Node, Table, extended_list, joined


class Extends:
    """Reads what is extended, each file once, and merges. Nodes keep the file that they come from.

    `marked`: there is markup in one of them that is to be put in its place.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self.marked = False
        self._merged: dict[str, Table | None] = {}  # by real path; None: it is being read, or broken
        self._copied = 0

    def merge(self, tree: Table, where: str, above: tuple[str, ...] = ()) -> Table:
        """`tree` laid over the files that it extends, of which an earlier one wins over a later one.

        `where` is the path of the tree's file: relative names start there (else in the current directory).
        """
        section = Section(tree, "", self._report)
        names = section.texts("extends")
        own = Table(
            tree.file, tree.line, tree.column, {k: v for k, v in tree.entries.items() if k != "extends"}
        )
        base: Table | None = None
        above = (*above, os.path.realpath(where)) if where else above
        for name in reversed(names):
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
            section.problem("extends", f"{path!r} extends itself, or is extended by what it extends")
            return None
        if real not in self._merged:
            self._merged[real] = None
            document = read_file(path)
            if document.tree is None and document.problems and document.problems[0].line is None:
                # not a problem in that file, but of this key
                hint = "put a blank behind the dash" if os.path.basename(path).startswith("-") else None
                section.problem("extends", document.problems[0].message, hint)
            else:
                self._report.take(document.problems)
            tree = document.tree
            self.marked = self.marked or document.marked
            self._merged[real] = self.merge(tree, path, above) if tree is not None else None
        return self._merged[real]

    def _overlay(self, base: Table, over: Table) -> Table:
        """A new table; `over` wins, tables in both are merged, lists and texts are replaced."""
        self._copied += len(base.entries) + len(over.entries)
        if self._copied > EXPANSION_LIMIT:
            return over
        entries = dict(base.entries)
        for name, (key, value) in over.entries.items():
            if (listed := extended_list(name)) is not None:
                base_list = entries[listed][1] if listed in entries else None
                entries[listed] = (key, joined(base_list, value))
                continue
            below: Node | None = entries[name][1] if name in entries else None
            if isinstance(below, Table) and isinstance(value, Table):
                value = self._overlay(below, value)
            entries[name] = (key, value)
        return Table(over.file, over.line, over.column, entries)
