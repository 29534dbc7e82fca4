# SPDX-License-Identifier: Apache-2.0
"""The line of a file that a problem is about, with a mark under the place and without its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.text import Text

from aioconn.app.terminal import printable
from aioconn.credentials import MASK
from aioconn.errors import Problem
from aioconn.testbed.values import is_secret

_LINE_LIMIT = 160  # characters shown of a line
_BEFORE = 60  # of them before the place, where the line has to be cut
_READ_LIMIT = 10_000  # characters of a line that are looked at: what is longer was written by a program
_SIZE_LIMIT = 64 * 1024 * 1024
_KEY = r"""(?P<key>(?<![\w.\-])[\w.\-]++|"[^"]*"|'[^']*')(?P<colon>\s*+:\s+)"""
_PAIR = re.compile(_KEY + r"""(?P<value>%[A-Z]*\{[^{}]*\}[^,{}\[\]]*|"[^"]*"?|'[^']*'?|[^,{}\[\]]+)""")
# inventories in INI form: all that stands behind a variable of a group, and the words of a host's line
_SETTING = re.compile(r"""^(?P<key>\s*[\w.\-]++)(?P<colon>\s*+=\s*+)(?P<value>.+)$""")
_WORDS = re.compile(
    r"""(?P<key>(?<![\w.\-])[\w.\-]++)(?P<colon>\s*+=\s*+)(?P<value>"[^"]*"?|'[^']*'?|[^\s"']+)"""
)
_LIST = re.compile(_KEY + r"""(?P<value>\[[^\[\]{}]*+\]?)""")
_NO_VALUE = re.compile(
    r"%[A-Z]*\{[^,{}]*\}$|[|>][-+0-9]*$|#"
)  # markup without a default, the head of a block
_SLIP = re.compile(r"(?i)pas|pwd|psw|secr|cred|tok")  # the name of a secret may be what is misspelled
_WORD = re.compile(r""""[^"]*"|'[^']*'|[^\s,:{}\[\]]+""")


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
        if column >= _READ_LIMIT:
            return
        line, column = masked(whole[:_READ_LIMIT], column, everything=_below_secret(problem.key))
        before, line = printable(line[:column]), printable(line[column:])
        word = _WORD.match(line)
        if len(before) + len(line) > _LINE_LIMIT:
            before = before if len(before) <= _BEFORE else "..." + before[-_BEFORE:]
            line = line[: _LINE_LIMIT - len(before)] + "..."
        number = f"{problem.line:>5} | "
        yield Text.assemble((number, "dim"), before + line)
        if problem.column is not None:
            length = cell_len(word[0][:_LINE_LIMIT]) if word else 1
            colour = "yellow" if problem.warning else "red"
            gutter = " " * (len(number) - 2) + "| "
            yield Text.assemble((gutter, "dim"), " " * cell_len(before), ("^" * length, f"bold {colour}"))

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
    hidden = line
    for pattern in (_SETTING, _WORDS, _LIST, _PAIR):
        hidden, column = _hide(pattern, hidden, column, everything)
    if everything and hidden == line and ":" not in line:
        indent = len(line) - len(line.lstrip(" -"))
        return line[:indent] + MASK, min(column, indent)
    return hidden, column


def _hide(pattern: re.Pattern[str], line: str, column: int, everything: bool) -> tuple[str, int]:
    shift = 0

    def hide(found: re.Match[str]) -> str:
        nonlocal shift
        value = found["value"].rstrip()
        key = found["key"].strip("\"' ")
        wanted = key != "username" if everything else is_secret(key) or _SLIP.search(key)
        if not wanted or value == MASK or _NO_VALUE.match(value):
            return found[0]
        start = found.start("value")
        if start + len(value) <= column:
            shift += len(MASK) - len(value)
        elif start <= column:
            shift -= column - start
        return found["key"] + found["colon"] + MASK + found["value"][len(value) :]

    return pattern.sub(hide, line), column + shift


def _below_secret(key: str) -> bool:
    """Whether the place is inside something secret (`passwords.enable`), whatever its own key is called."""
    parts = key.lower().split(".")
    if "credentials" in parts[:-1]:  # `pw: hunter2`, `default: hunter2`, but not `username: admin`
        return parts[-1] != "username"
    return is_secret(parts[-1]) or any(part.rstrip("s") in ("password", "secret", "token") for part in parts)
