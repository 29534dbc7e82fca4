# SPDX-License-Identifier: Apache-2.0
"""A configuration of indented lines, as Cisco-like systems show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias


class ConfigTree:
    """Lines, each with the lines below it. A section's path is the tuple of the lines that lead to it.

    `single` are the beginnings of lines of which a section has one (`description`, `ip address`): a new one
    replaces the old.
    """

    __slots__ = ("root", "single")

    def __init__(self, text: str = "", *, single: Iterable[str] = ()) -> None:
        self.single = tuple(single)
        self.root: Lines = {}
        self._parse(text)

    def _parse(self, text: str) -> None:
        trail: list[tuple[int, Lines]] = [(-1, self.root)]
        for raw in text.splitlines():
            line = raw.strip()
            if not line or line.startswith("!"):
                continue
            indent = len(raw) - len(raw.lstrip())
            while trail[-1][0] >= indent:
                trail.pop()
            children = trail[-1][1].setdefault(line, {})
            trail.append((indent, children))

    def section(self, path: Sequence[str]) -> Lines:
        """The lines below `path`, made if they are not there."""
        lines = self.root
        for line in path:
            if line not in lines:
                _insert(lines, line)
            lines = lines[line]
        return lines

    def apply(self, path: Sequence[str], line: str) -> None:
        """Do to the section what typing `line` there does: add, replace, or with `no` in front remove."""
        lines = self.section(path)
        word, _, rest = line.partition(" ")
        if word in ("no", "default"):
            rest = self._expand(rest)
            # "no description" removes "description uplink"
            for known in [known for known in lines if known == rest or known.startswith(rest + " ")]:
                del lines[known]
            return
        line = self._expand(line)
        lines.pop(f"no {line}", None)
        for single in self.single:
            if line.startswith(single + " "):
                lines.pop(f"no {single}", None)
                before = [known for known in lines if known.startswith(single + " ")]
                if before and before[0] in lines:
                    _replace(lines, before[0], line)
                    return
        if line not in lines:
            _insert(lines, line)

    def put(self, path: Sequence[str], start: str, value: str | None) -> None:
        """Have one line in the section that begins with `start`, where the first of them stood; None: no such line."""
        lines = self.section(path)
        before = [known for known in lines if known.startswith(start + " ")]
        for known in before[1:] if value is not None else before:
            del lines[known]
        if value is None:
            return
        lines.pop(f"no {start}", None)
        if before:
            _replace(lines, before[0], f"{start} {value}")
        else:
            _insert(lines, f"{start} {value}")

    def _expand(self, line: str) -> str:
        """`ip addr` as `ip address`: lines of which there is one are known by their beginnings."""
        typed = line.split()
        for single in self.single:
            full = single.split()
            if len(typed) >= len(full) and all(map(str.startswith, full, typed)):
                return " ".join([single, *typed[len(full) :]]) if typed[: len(full)] != full else line
        return line

    def copy(self) -> ConfigTree:
        clone = ConfigTree(single=self.single)
        clone.root = _copy(self.root)
        return clone

    def value(self, start: str, path: Sequence[str] = ()) -> str | None:
        """What follows `start` in the section's first line that begins with it."""
        for line in self.section(path) if path else self.root:
            if line.startswith(start + " "):
                return line[len(start) + 1 :]
        return None

    def render(self, *, separator: str = "!", indent: int = 1) -> str:
        """The text, with `separator` after each section of the top level."""
        return render(self.root, separator=separator, indent=indent)


Lines: TypeAlias = dict[str, "Lines"]


def render(root: Lines, *, separator: str, indent: int) -> str:
    """Lines and the sections among them as text."""
    out: list[str] = []
    for line, below in root.items():
        out.append(line)
        out += _render(below, indent, indent)
        if below or line.startswith("interface "):
            out.append(separator)
    return "\n".join(out) + "\n"


def _copy(lines: Lines) -> Lines:
    return {line: _copy(children) for line, children in lines.items()}


def _insert(lines: Lines, line: str) -> None:
    """Add a line after the last one of its kind: interfaces stand together."""
    kind = line.split(" ", 1)[0]
    items = list(lines.items())
    last = max(
        (index for index, (known, _) in enumerate(items) if known.split(" ", 1)[0] == kind), default=-1
    )
    if last < 0:
        lines[line] = {}
        return
    items.insert(last + 1, (line, {}))
    lines.clear()
    lines.update(items)


def _replace(lines: Lines, old: str, new: str) -> None:
    """Swap a line without moving it: the order of a configuration is part of what people see."""
    items = list(lines.items())
    lines.clear()
    for line, children in items:
        lines[new if line == old else line] = children


def _render(lines: Lines, depth: int, indent: int) -> Iterator[str]:
    for line, children in lines.items():
        yield " " * depth + line
        if children:
            yield from _render(children, depth + indent, indent)
