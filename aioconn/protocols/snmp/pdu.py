# SPDX-License-Identifier: Apache-2.0
"""Protocol data units (RFC 3416, section 3) and messages of SNMPv2c (RFC 1901, section 3)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from aioconn.protocols.snmp import ber
from aioconn.protocols.snmp.ber import Malformed

MAX_BINDS = 10_000
"""Variables in one message: more do not fit into a datagram."""


class Kind(IntEnum):
    """The tags of PDUs."""

    GET = 0xA0
    GET_NEXT = 0xA1
    RESPONSE = 0xA2
    SET = 0xA3
    GET_BULK = 0xA5
    INFORM = 0xA6
    TRAP = 0xA7
    REPORT = 0xA8


STATUSES = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)  # fmt: skip
"""The names of error-status, by number."""

Bind = tuple[bytes, int, bytes]
"""A variable on the wire: the content of its OID, the tag and the content of its value."""


class Pdu(NamedTuple):
    """A PDU. In a GetBulk `status` is non-repeaters and `error_index` max-repetitions."""

    kind: int
    number: int
    status: int
    error_index: int
    binds: list[Bind]


def status_name(status: int) -> str:
    return STATUSES[status] if 0 <= status < len(STATUSES) else f"status {status}"


NOTHING = ber.tlv(ber.NULL, b"")


def bind(oid: bytes, value: bytes = NOTHING) -> bytes:
    """One variable with the element of its value."""
    return ber.tlv(ber.SEQUENCE, ber.tlv(ber.OID, oid) + value)


def encode(kind: int, number: int, status: int, index: int, binds: Iterable[bytes]) -> bytes:
    return ber.tlv(
        kind,
        ber.integer(number)
        + ber.integer(status)
        + ber.integer(index)
        + ber.tlv(ber.SEQUENCE, b"".join(binds)),
    )


def decode(data: bytes, at: int, end: int) -> Pdu:
    """The PDU at `at`, which has to end at `end`. Raises `Malformed`."""
    kind, at, stop = ber.element(data, at, end)
    if stop != end:
        raise Malformed("something follows the PDU")
    number, at = ber.expect_integer(data, at, stop)
    status, at = ber.expect_integer(data, at, stop)
    index, at = ber.expect_integer(data, at, stop)
    at, end = ber.expect(data, at, stop, ber.SEQUENCE)
    if end != stop:
        raise Malformed("something follows the variables")
    binds: list[Bind] = []
    while at < end:
        # nearly every variable is short, and its three headers have two bytes each: five calls less
        if (
            at + 6 <= end
            and data[at] == ber.SEQUENCE
            and data[at + 2] == ber.OID
            and (stop := at + 2 + data[at + 1]) <= end
            and (middle := at + 4 + data[at + 3]) + 2 <= stop
            and middle + 2 + data[middle + 1] == stop
            and data[at + 1] < 0x80
        ):
            binds.append((data[at + 4 : middle], data[middle], data[middle + 2 : stop]))
            at = stop
            continue
        at, stop = ber.expect(data, at, end, ber.SEQUENCE)
        begin, middle = ber.expect(data, at, stop, ber.OID)
        tag, at, last = ber.element(data, middle, stop)
        if last != stop:
            raise Malformed("something follows a value")
        binds.append((data[begin:middle], tag, data[at:last]))
        at = stop
    if len(binds) > MAX_BINDS:
        raise Malformed(f"{len(binds)} variables")
    return Pdu(kind, number, status, index, binds)


VERSION_2C, VERSION_3 = 1, 3


def encode_message(community: bytes, pdu: bytes) -> bytes:
    """A message of SNMPv2c."""
    return ber.tlv(ber.SEQUENCE, ber.integer(VERSION_2C) + ber.tlv(ber.OCTETS, community) + pdu)


def open_message(data: bytes) -> tuple[int, int, int]:
    """The version of a message, and where what follows it begins and ends. Raises `Malformed`."""
    at, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    if end != len(data):
        raise Malformed("something follows the message")
    version, at = ber.expect_integer(data, at, end)
    return version, at, end


def decode_message(data: bytes) -> tuple[bytes, Pdu]:
    """The community and the PDU of a message of SNMPv2c. Raises `Malformed`."""
    version, at, end = open_message(data)
    if version != VERSION_2C:
        raise Malformed(f"a message of version {version}")
    community, at = ber.expect_octets(data, at, end)
    return community, decode(data, at, end)
