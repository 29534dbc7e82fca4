# SPDX-License-Identifier: Apache-2.0
"""Object identifiers as people write them, and their names, of the MIB modules in `objects.txt`.

`1.3.6.1.2.1.1.1.0`, `.1.3.6.1.2.1.1.1.0`, `sysDescr.0`, `SNMPv2-MIB::sysDescr.0`, `enterprises.9.2.1`; a name alone is
the object, whose instances follow it: `ifDescr` is what to walk, `ifDescr.3` what to get.
"""

from __future__ import annotations

import functools
from importlib import resources

from aioconn.errors import UsageError, nearest
from aioconn.protocols.snmp import ber

_SYNTAX = {
    "i": "Integer32",
    "u": "Gauge32",
    "c": "Counter32",
    "C": "Counter64",
    "t": "TimeTicks",
    "a": "IpAddress",
    "d": "ObjectIdentifier",
    "o": "OctetString",
    "s": "OctetString",
}
HEAD = 7
"""Bytes in which an OID is looked at first; all that are texts have more, or as many."""

MAX_TEXT = 1500
"""Characters of an OID in text."""


class Objects:
    """What `objects.txt` says: OIDs by name, and by the bytes of an OID its name and letters."""

    def __init__(self, text: str) -> None:
        self.by_name: dict[str, tuple[int, ...]] = {}
        self.modules: dict[str, set[str]] = {}
        self.by_oid: dict[bytes, tuple[str, str]] = {}
        module: set[str] = set()
        for line in text.splitlines():
            if line.startswith("["):
                module = self.modules.setdefault(line.strip("[]"), set())
            elif line and not line.startswith("#"):
                name, place, letters = line.split()
                parent, _, numbers = place.partition(".")
                above = self.by_name.get(parent)
                if above is None:
                    above, numbers = (), place
                arcs = (*above, *map(int, numbers.split(".")))
                self.by_name[name] = arcs
                module.add(name)
                if len(arcs) > 1:
                    self.by_oid[ber.oid_content(arcs)] = name, letters
        self.lengths = sorted({len(oid) for oid in self.by_oid}, reverse=True)
        self.texts = {oid for oid, (_, letters) in self.by_oid.items() if letters.startswith("s")}
        self.text_heads = {oid[:HEAD] for oid in self.texts}
        self.text_lengths = sorted({len(oid) for oid in self.texts}, reverse=True)


@functools.cache
def objects() -> Objects:
    """The known objects, read when they are first needed."""
    return Objects(resources.files("aioconn.protocols.snmp").joinpath("objects.txt").read_text("utf-8"))


@functools.lru_cache(maxsize=4096)
def resolve(text: str) -> bytes:
    """The bytes of the OID that `text` means. Raises UsageError with the nearest name."""
    if not isinstance(text, str):
        raise UsageError(f"an OID is a text, not a {type(text).__name__}")
    if len(text) > MAX_TEXT:
        raise UsageError(f"an OID of {len(text)} characters")
    module, separator, rest = text.strip().rpartition("::")
    first, dot, numbers = rest.partition(".")
    if not separator and (first == "" or first.isdigit()):
        arcs = _numbers(text, rest.removeprefix("."))
    else:
        arcs = _known(text, module, separator, first)
        if dot:
            arcs += _numbers(text, numbers)
    try:
        return ber.oid_content(arcs)
    except ValueError as error:
        raise UsageError(f"{text!r} is no OID: {error}") from None


def _known(text: str, module: str, separator: str, name: str) -> tuple[int, ...]:
    known = objects()
    if separator and module not in known.modules:
        raise UsageError(f"{text!r}: no MIB module {module!r}", hint=nearest(module, known.modules))
    names = known.modules[module] if separator else known.by_name.keys()
    if name not in names:
        raise UsageError(f"{text!r}: no object {name!r} is known", hint=nearest(name, names))
    return known.by_name[name]


def _numbers(text: str, written: str) -> tuple[int, ...]:
    parts = written.split(".")
    if not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise UsageError(f"{text!r} is no OID", hint="numbers with full stops between them, or a name first")
    return tuple(map(int, parts))


def name(oid: str) -> str:
    """The OID (in numbers) with a name for its beginning, as far as one is known."""
    content = resolve(oid)
    known = objects()
    for count in known.lengths:
        # the last byte of a number is below 128: a beginning that is known ends where a number does
        if (found := known.by_oid.get(content[:count])) is not None:
            after = len(ber.arcs(content[:count]))
            return ".".join((found[0], *oid.split(".")[after:]))
    return oid


def is_text(oid: bytes) -> bool:
    """Whether a known module declares the octets of this variable as text."""
    known = objects()
    if oid[:HEAD] not in known.text_heads:
        return False
    texts = known.texts
    for count in known.text_lengths:  # noqa: SIM110  each variable of a walk comes here
        if oid[:count] in texts:
            return True
    return False


def syntax(oid: bytes) -> str | None:
    """The type of this variable, if its module is known."""
    known = objects()
    for count in known.lengths:
        if (found := known.by_oid.get(oid[:count])) is not None:
            return _SYNTAX.get(found[1][0])
    return None
