# SPDX-License-Identifier: Apache-2.0
"""Values of SNMP (RFC 3416, section 3; RFC 2578, section 7.1) as plain values of Python."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aioconn.errors import UsageError, nearest
from aioconn.protocols.snmp import ber, names
from aioconn.protocols.snmp.ber import Malformed

Plain = int | str | bytes | None

INTEGER, OCTETS, OID = "Integer32", "OctetString", "ObjectIdentifier"
IP_ADDRESS, COUNTER, GAUGE, TICKS, OPAQUE, COUNTER64 = (
    "IpAddress", "Counter32", "Gauge32", "TimeTicks", "Opaque", "Counter64",
)  # fmt: skip
TAGS: Final[Mapping[str, int]] = {
    INTEGER: ber.INTEGER,
    OCTETS: ber.OCTETS,
    "Null": ber.NULL,
    OID: ber.OID,
    IP_ADDRESS: 0x40,
    COUNTER: 0x41,
    GAUGE: 0x42,
    TICKS: 0x43,
    OPAQUE: 0x44,
    COUNTER64: 0x46,
    "noSuchObject": 0x80,
    "noSuchInstance": 0x81,
    "endOfMibView": 0x82,
}
_TYPES = {tag: name for name, tag in TAGS.items()}
_MISSING = frozenset(("noSuchObject", "noSuchInstance", "endOfMibView"))
_RANGES = {
    INTEGER: (-(2**31), 2**31 - 1),
    COUNTER: (0, 2**32 - 1),
    GAUGE: (0, 2**32 - 1),
    TICKS: (0, 2**32 - 1),
    COUNTER64: (0, 2**64 - 1),
}
MAX_OCTETS = 65_535
"""The longest octet string (RFC 2578, section 7.1.2)."""


@dataclass(frozen=True, slots=True)
class VarBind:
    """One variable as the agent gave it: its OID in numbers, the type of the value, the value.

    `value` is an int (Integer32, Counter32, Gauge32, Counter64, and TimeTicks in hundredths of a second), a str
    (ObjectIdentifier in numbers, IpAddress, and an OctetString of an object that a known MIB module declares as text)
    or bytes (any other OctetString, Opaque, and what is of no type of SNMP: `type` is its tag then, as in "0x45").
    `text` is for octets of modules that are not known. What the agent does not have has the value None: `type` is
    noSuchObject, noSuchInstance or endOfMibView then, and `exists` is False.
    """

    oid: str
    type: str
    value: Plain

    @property
    def name(self) -> str:
        """The OID with a name for what is known of it: `ifDescr.3`."""
        return names.name(self.oid)

    @property
    def exists(self) -> bool:
        """Whether the agent has this variable."""
        return self.type not in _MISSING

    @property
    def text(self) -> str:
        """The value as text; bytes that are no UTF-8 become replacement characters."""
        if isinstance(self.value, bytes):
            return self.value.decode("utf-8", "replace")
        return "" if self.value is None else str(self.value)

    def __str__(self) -> str:
        return f"{self.name} = {self.type}" + (f": {self.value!r}" if self.exists else "")


@dataclass(frozen=True, slots=True)
class Typed:
    """A value to set whose type is said: `Typed("Gauge32", 5)`."""

    type: str
    value: int | str | bytes


Settable = int | str | bytes | Typed


def varbind(oid: bytes, tag: int, content: bytes) -> VarBind:
    """What the wire says, in plain values. Raises `Malformed`."""
    value: Plain
    if tag == ber.OCTETS:
        value = content
        if names.is_text(oid):
            value = content.decode("utf-8", "replace")
    elif tag == ber.INTEGER:
        value = ber.signed(content)
    elif tag in (0x41, 0x42, 0x43):
        value = ber.unsigned(content, 32)
    elif tag == 0x46:
        value = ber.unsigned(content, 64)
    elif tag == ber.OID:
        value = ber.dotted(content) if content else "0.0"
    elif tag == 0x40:
        if len(content) != 4:
            raise Malformed(f"an IpAddress of {len(content)} bytes")
        value = ".".join(map(str, content))
    elif tag == 0x44:
        value = content
    elif tag in _TYPES:
        value = None
    else:  # of a time before RFC 2578, or a vendor's own
        return VarBind(ber.dotted(oid), f"{tag:#04x}", content)
    return VarBind(ber.dotted(oid), _TYPES[tag], value)


def encoded(oid: bytes, value: Settable, label: str) -> bytes:
    """The element of a value to set. Raises UsageError if it is none of its type; `label` says whose.

    Without a `Typed` the type is the one of the object, if its MIB module is known; else Integer32 for an int and
    OctetString for str and bytes.
    """
    if isinstance(value, Typed):
        wanted, plain = value.type, value.value
        if wanted in _MISSING or wanted not in TAGS:
            raise UsageError(f"{label}: no type {wanted!r}", hint=nearest(wanted, set(TAGS) - _MISSING))
    else:
        plain = value
        wanted = names.syntax(oid) or (INTEGER if isinstance(value, int) else OCTETS)
    try:
        return _element(wanted, plain)
    except UsageError as error:
        raise UsageError(f"{label}: {error.message}", hint=error.hint) from None
    except (ValueError, TypeError) as error:
        kind = type(plain).__name__
        raise UsageError(
            f"{label}: this {kind} is no {wanted}: {error}", hint="Typed(type, value) says another type"
        ) from None


def _element(wanted: str, plain: Any) -> bytes:
    tag = TAGS[wanted]
    if wanted in _RANGES:
        if isinstance(plain, bool) or not isinstance(plain, int):
            raise TypeError("not a whole number")
        low, high = _RANGES[wanted]
        if not low <= plain <= high:
            raise ValueError(f"not in {low}..{high}")
        return ber.integer(plain, tag)
    if wanted in (OCTETS, OPAQUE):
        if not isinstance(plain, (str, bytes)):
            raise TypeError("neither text nor bytes")
        content = plain.encode() if isinstance(plain, str) else bytes(plain)
        if len(content) > MAX_OCTETS:
            raise ValueError(f"{len(content)} bytes, at most {MAX_OCTETS}")
        return ber.tlv(tag, content)
    if wanted == "Null":
        return ber.tlv(tag, b"")
    if not isinstance(plain, str):
        raise TypeError("not a text")
    if wanted == IP_ADDRESS:
        return ber.tlv(tag, ipaddress.IPv4Address(plain).packed)
    return ber.tlv(tag, names.resolve(plain))
