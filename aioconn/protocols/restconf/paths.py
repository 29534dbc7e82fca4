# SPDX-License-Identifier: Apache-2.0
"""Paths into YANG data, as people write them, and as a URL needs them (RFC 8040, section 3.5.3).

Two ways to write one, which may be mixed:

    ietf-interfaces:interfaces/interface[name='GigabitEthernet0/0']/description
    ietf-interfaces:interfaces/interface=GigabitEthernet0%2F0/description

In brackets a value stands as it is, quoted or, if it has no bracket in it, bare; several keys come in the order of the
model. `[.='value']` is an entry of a leaf-list. After `=` values are percent-encoded, and separated by commas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from aioconn.errors import UsageError

LONGEST = 64 * 1024  # characters of a path

_NAME = re.compile(r"(?:([A-Za-z_][A-Za-z0-9_.-]*):)?([A-Za-z_][A-Za-z0-9_.-]*)")  # RFC 7950, section 6.2
_PREDICATE = re.compile(
    r"""\[\s*(?P<key>\.|[A-Za-z_][A-Za-z0-9_.:-]*)\s*=\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>[^'"\[\]\s][^\[\]]*?))\s*\]"""
)
_ENCODED = re.compile(r"(?:[A-Za-z0-9._~:@!$&'()*+;-]|%[0-9A-Fa-f]{2})*")
_NO_STRING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # RFC 7950, section 9.4


@dataclass(frozen=True, slots=True)
class Step:
    """A node: its module where the path names it, its name, the values of its keys (a list's entry) in order."""

    module: str
    name: str
    values: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As a segment of a URL. Everything that has a meaning there is percent-encoded in values."""
        name = f"{self.module}:{self.name}" if self.module else self.name
        if not self.values:
            return name
        return f"{name}={','.join(quote(value, safe='') for value in self.values)}"


@dataclass(frozen=True, slots=True)
class DataPath:
    """A path to one node, or to the datastore if it is empty."""

    steps: tuple[Step, ...]

    @property
    def url(self) -> str:
        return "/".join(step.text for step in self.steps)

    @property
    def member(self) -> str:
        """The name of the last node with its module, as a JSON document has it (RFC 7951, section 4)."""
        module = next((step.module for step in reversed(self.steps) if step.module), "")
        return f"{module}:{self.steps[-1].name}" if self.steps else ""

    def __str__(self) -> str:
        return "/" + self.url


def parse(text: str, *, what: str = "path") -> DataPath:
    """The path that a text says. Raises UsageError, which shows where it stops making sense."""
    if not isinstance(text, str):
        raise UsageError(f"a {what} is a text, not {type(text).__name__}")
    if len(text) > LONGEST:
        raise UsageError(f"{what}: longer than {LONGEST} characters")
    steps = tuple(_steps(text, what))
    if steps and not steps[0].module:
        raise UsageError(
            f"{what} {_short(text)}: the first node is named with its module",
            hint=f"write it as module:{steps[0].name}",
        )
    return DataPath(steps)


def _steps(text: str, what: str) -> Iterator[Step]:
    place, end = (1 if text.startswith("/") else 0), len(text)
    while place < end:
        name = _NAME.match(text, place)
        if name is None:
            raise _senseless(text, place, what)
        place = name.end()
        values: list[str] = []
        if text.startswith("=", place):
            stop = text.find("/", place)
            stop = end if stop < 0 else stop
            values = [_decoded(text, part, place, what) for part in text[place + 1 : stop].split(",")]
            place = stop
        else:
            while text.startswith("[", place):
                found = _PREDICATE.match(text, place)
                if found is None:
                    raise _senseless(text, place, what)
                values.append(next(found[g] for g in ("single", "double", "bare") if found[g] is not None))
                place = found.end()
        for value in values:
            if _NO_STRING.search(value):
                raise UsageError(f"{what} {_short(text)}: a key has characters that no YANG string has")
        yield Step(name[1] or "", name[2], tuple(values))
        if place < end:
            if text[place] != "/" or place + 1 == end:
                raise _senseless(text, place, what)
            place += 1


def _decoded(text: str, part: str, place: int, what: str) -> str:
    if not _ENCODED.fullmatch(part):
        raise _senseless(text, place, what)
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{what} {_short(text)}: a key is not UTF-8") from None


def _senseless(text: str, place: int, what: str) -> UsageError:
    return UsageError(
        f"{what} {_short(text)}: not understood from character {place + 1}, {_short(text[place : place + 20])}",
        hint="write list[key='value'] for values with / and the like in them",
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
