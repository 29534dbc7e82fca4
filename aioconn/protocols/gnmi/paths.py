# SPDX-License-Identifier: Apache-2.0
"""Paths of gNMI as text, and back: `/interfaces/interface[name=Ethernet1/1]/config`.

An origin stands in front (`openconfig:/interfaces`). A backslash takes the meaning away from the character after it:
`\\]` in a key's value, `\\=` in its name, `\\/` and `\\[` in the name of an element. `*` and `...` are names too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from aioconn.errors import UsageError

LONGEST = 64 * 1024
"""Characters of a path that is taken."""

ORIGIN = re.compile(r"([A-Za-z_][\w.-]*):(?=/|$)")
SPECIAL = {
    "name": re.compile(r"([\\/\[])"),
    "key": re.compile(r"([\\=\[\]])"),
    "value": re.compile(r"([\\\]])"),
}
END = {"name": "/[", "key": "=]", "value": "]"}


class Element(NamedTuple):
    """One element: its name, and its keys in the order of their names."""

    name: str
    keys: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GnmiPath:
    """A path. `str()` is its text; without elements and origin that is `/`."""

    origin: str = ""
    elements: tuple[Element, ...] = ()

    def __str__(self) -> str:
        text = "".join(f"/{_escaped(name, 'name')}{_keys(keys)}" for name, keys in self.elements) or "/"
        return f"{self.origin}:{text}" if self.origin else text

    def below(self, prefix: GnmiPath) -> GnmiPath:
        """This path below another one; the origin is the other's if it has one."""
        origin = prefix.origin or self.origin
        return GnmiPath(origin=origin, elements=prefix.elements + self.elements)


def parse(text: str) -> GnmiPath:
    """The path that a text means. Raises `UsageError` that names the place where it does not mean one."""
    if not isinstance(text, str):
        raise UsageError(
            f"a path is a text, not {type(text).__name__}", hint="as in /interfaces/interface[name=eth0]"
        )
    if len(text) > LONGEST:
        raise UsageError(f"a path of {len(text)} characters, {LONGEST} at most")
    return _Reader(text).path()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def path(self) -> GnmiPath:
        origin = ""
        if found := ORIGIN.match(self.text):
            origin, self.at = found[1], found.end()
        if self.peek() == "/":
            self.at += 1
        elements: list[Element] = []
        while self.at < len(self.text):
            elements.append(self.element())
            if self.peek() == "/":
                self.at += 1
            elif self.at < len(self.text):
                raise self.wrong("expected / after the keys")
        return GnmiPath(origin=origin, elements=tuple(elements))

    def element(self) -> Element:
        start = self.at
        name = self.word("name")
        if not name:
            self.at = start
            raise self.wrong("an element has no name")
        keys: dict[str, str] = {}
        while self.peek() == "[":
            opened = self.at
            self.at += 1
            key = self.word("key")
            if self.peek() != "=":
                self.at = opened if not self.peek() else self.at
                raise self.wrong("a key is written [name=value]")
            if not key:
                raise self.wrong("a key has no name")
            if key in keys:
                self.at = opened
                raise self.wrong(f"the key {key!r} is there twice")
            self.at += 1
            keys[key] = self.word("value")
            if self.peek() != "]":
                self.at = opened
                raise self.wrong("this [ is never closed")
            self.at += 1
        return Element(name, tuple(sorted(keys.items())))

    def word(self, kind: str) -> str:
        """Text up to a character that ends a word of this kind, which stays; escapes are resolved."""
        end, out = END[kind], []
        while (char := self.peek()) and char not in end:
            if char == "\\":
                self.at += 1
                if not (char := self.peek()):
                    self.at -= 1
                    raise self.wrong("nothing follows this backslash")
            out.append(char)
            self.at += 1
        return "".join(out)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def wrong(self, what: str) -> UsageError:
        shown = self.text if len(self.text) < 200 else f"{self.text[:200]}..."
        return UsageError(f"no path: {shown!r}, at character {self.at + 1}: {what}")


def _keys(keys: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"[{_escaped(name, 'key')}={_escaped(value, 'value')}]" for name, value in keys)


def _escaped(text: str, kind: str) -> str:
    return SPECIAL[kind].sub(r"\\\1", text)
