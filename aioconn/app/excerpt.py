# SPDX-License-Identifier: Apache-2.0
"""The line of a file that a problem is about, with a mark under the place and without its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.text import Text

from aioconn.app.terminal import printable
from aioconn.credentials import MASK
from aioconn.errors import Problem
from aioconn.testbed.values import is_secret

_LINE_LIMIT = 160  # characters shown of a line
_SIZE_LIMIT = 64 * 1024 * 1024
_PAIR = re.compile(
    r"""(?P<key>[\w.\-]+|"[^"]*"|'[^']*')(?P<colon>\s*:\s+)(?P<value>"[^"]*"?|'[^']*'?|[^,{}\[\]]+)"""
)
_NO_VALUE = ("%", "&", "*", "|", ">", "#")  # markup, anchors, aliases, blocks, comments
_WORD = re.compile(r"[^\s,:{}\[\]]+")


class Excerpts:
    """Reads each file once."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def of(self, problem: Problem) -> Iterator[Text]:
        """The line and the mark; nothing where the place is not known."""
        if problem.line is None or not problem.source:
            return
        lines = self._read(problem.source)
        if problem.line > len(lines):
            return
        whole = lines[problem.line - 1].rstrip().replace("\t", " ")
        column = (problem.column or 1) - 1
        line, column = masked(whole, column, everything=_below_secret(problem.key))
        line = printable(line)[:_LINE_LIMIT]
        number = f"{problem.line:>5} | "
        yield Text.assemble((number, "dim"), line)
        if problem.column is not None and column <= len(line):
            word = _WORD.match(line, column)
            length = max(1, word.end() - column) if word else 1
            colour = "yellow" if problem.warning else "red"
            gutter = " " * (len(number) - 2) + "| "
            yield Text.assemble((gutter, "dim"), " " * column, ("^" * length, f"bold {colour}"))

    def _read(self, source: str) -> list[str]:
        if source not in self._lines:
            try:
                with open(source, "rb") as file:
                    text = file.read(_SIZE_LIMIT).decode("utf-8-sig", "replace")
            except (OSError, ValueError):
                text = ""
            # YAML ends lines at CR, LF and NEL alike
            self._lines[source] = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)
        return self._lines[source]


def masked(line: str, column: int, *, everything: bool = False) -> tuple[str, int]:
    """`line` with the values of secret keys as `***` (or every value), and where `column` has moved to."""
    shift = 0

    def hide(found: re.Match[str]) -> str:
        nonlocal shift
        value = found["value"].rstrip()
        if value.startswith(_NO_VALUE) or not (everything or is_secret(found["key"].strip("\"'"))):
            return found[0]
        start = found.start("value")
        if start + len(value) <= column:
            shift += len(MASK) - len(value)
        elif start <= column:
            shift -= column - start
        return found["key"] + found["colon"] + MASK + found["value"][len(value) :]

    hidden = _PAIR.sub(hide, line)
    if everything and hidden == line and ":" not in line:
        indent = len(line) - len(line.lstrip())
        return line[:indent] + MASK, min(column, indent)
    return hidden, column + shift


def _below_secret(key: str) -> bool:
    """Whether the place is inside something secret (`passwords.enable`), whatever its own key is called."""
    parts = key.split(".")
    return any(part.lower().rstrip("s") in ("password", "secret", "token") for part in parts)
