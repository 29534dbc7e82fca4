# SPDX-License-Identifier: Apache-2.0
"""Parts of pages that are written from what was measured: all that stands between two marks."""

from __future__ import annotations

from pathlib import Path

_TOLD = "written by `python -m benchmarks --redraw`"


def block(name: str, lines: list[str]) -> str:
    """The part with its marks."""
    begin, end = _marks(name)
    return "\n".join((begin, *lines, end))


def put(path: Path, name: str, lines: list[str]) -> None:
    """Write it in place of what is there. Raises ValueError where the marks are missing."""
    text = path.read_text(encoding="utf-8")
    begin, end = _marks(name)
    first, last = text.index(begin), text.index(end) + len(end)
    path.write_text(text[:first] + block(name, lines) + text[last:], encoding="utf-8")


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin, {_TOLD} -->", f"<!-- {name}: end -->"
