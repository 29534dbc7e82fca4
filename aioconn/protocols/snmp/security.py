# SPDX-License-Identifier: Apache-2.0
"""How requests are wrapped and answers believed: a community (v2c) or a user at an engine (v3). No I/O; the caller says
what time it is."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from typing import NamedTuple

from aioconn.protocols.snmp import ber, messages, pdu
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.usm import Keys, User

WINDOW = 150
"""Seconds that an engine's time may be off (RFC 3414, section 2.2.3)."""

REPORTS = {
    "1.3.6.1.6.3.15.1.1.1.0": "usmStatsUnsupportedSecLevels",
    "1.3.6.1.6.3.15.1.1.2.0": "usmStatsNotInTimeWindows",
    "1.3.6.1.6.3.15.1.1.3.0": "usmStatsUnknownUserNames",
    "1.3.6.1.6.3.15.1.1.4.0": "usmStatsUnknownEngineIDs",
    "1.3.6.1.6.3.15.1.1.5.0": "usmStatsWrongDigests",
    "1.3.6.1.6.3.15.1.1.6.0": "usmStatsDecryptionErrors",
    "1.3.6.1.6.3.11.2.1.1.0": "snmpUnknownSecurityModels",
    "1.3.6.1.6.3.11.2.1.2.0": "snmpInvalidMsgs",
    "1.3.6.1.6.3.11.2.1.3.0": "snmpUnknownPDUHandlers",
    "1.3.6.1.6.3.12.1.4.0": "snmpUnavailableContexts",
    "1.3.6.1.6.3.12.1.5.0": "snmpUnknownContexts",
}


class Untrusted(ValueError):
    """It is SNMP, but not from whom we asked, or not for us: it is dropped."""


class Received(NamedTuple):
    """A message that is believed. `report` is the name of what a report says, "" for answers."""

    number: int
    pdu: pdu.Pdu
    report: str = ""


class Security(ABC):
    """One side's view of one agent."""

    @abstractmethod
    def wrap(self, kind: int, number: int, status: int, index: int, binds: list[bytes], now: float) -> bytes:
        """A request as a datagram; `number` is what its answer bears."""

    @abstractmethod
    def unwrap(self, data: bytes, now: float) -> Received:
        """What came. Raises `Malformed`, and `Untrusted` for what is not to be believed."""


class CommunitySecurity(Security):
    """A community: nothing is protected."""

    def __init__(self, community: bytes) -> None:
        self._community = community

    def wrap(self, kind: int, number: int, status: int, index: int, binds: list[bytes], now: float) -> bytes:
        return pdu.encode_message(self._community, pdu.encode(kind, number, status, index, binds))

    def unwrap(self, data: bytes, now: float) -> Received:
        community, found = pdu.decode_message(data)
        if community != self._community:
            raise Untrusted("an answer of another community")
        if found.kind != pdu.Kind.RESPONSE:
            raise Untrusted("not a response")
        return Received(found.number, found)


class UserSecurity(Security):
    """A user at one engine, whose name and clock are learned from its reports.

    Until the engine is known `wrap` makes what asks for it (RFC 3414, section 4), whatever the request.
    """

    def __init__(self, user: User, context: bytes = b"") -> None:
        self.user = user
        self.context = context
        self.engine_id = b""
        self.keys: Keys | None = None
        self._boots = 0
        self._base = 0.0  # our time at which its clock was zero
        self._latest = 0  # the latest time that an authentic message bore
        self._is_certain = False  # whether boots and time come from an authentic message
        self._salt = secrets.randbits(64)
        self._flags = (messages.AUTH if user.auth else 0) | (messages.PRIV if user.priv else 0)

    def wrap(self, kind: int, number: int, status: int, index: int, binds: list[bytes], now: float) -> bytes:
        encoded = pdu.encode(kind, number, status, index, binds)
        if not self.engine_id:
            asking = messages.scoped(b"", b"", pdu.encode(pdu.Kind.GET, number, 0, 0, ()))
            return messages.encode(number, messages.REPORTABLE, b"", 0, 0, b"", None, 0, asking)
        self._salt += 1
        return messages.encode(
            number,
            self._flags | messages.REPORTABLE,
            self.engine_id,
            self._boots,
            self._time(now),
            self.user.name.encode(),
            self.keys,
            self._salt,
            messages.scoped(self.engine_id, self.context, encoded),
        )

    def _time(self, now: float) -> int:
        return min(max(0, int(now - self._base)), messages.MAX_TIME)

    def unwrap(self, data: bytes, now: float) -> Received:
        header = messages.decode(data)
        authentic = False
        if header.flags & messages.AUTH:
            if self.keys is None or header.engine_id != self.engine_id:
                raise Untrusted("a message of another engine")
            if header.user != self.user.name.encode():
                raise Untrusted("a message for another user")
            if not messages.is_authentic(data, header, self.keys):
                raise Untrusted("a message that was not made with our key")
            self._keep_time(header, now)
            authentic = True
        found = messages.content(header, self.keys)
        if found.pdu.kind == pdu.Kind.REPORT:
            return Received(header.number, found.pdu, self._report(header, found.pdu, authentic, now))
        if header.flags & (messages.AUTH | messages.PRIV) != self._flags:
            raise Untrusted("a message that is not protected as it should be")
        if (
            found.pdu.kind != pdu.Kind.RESPONSE
            or found.pdu.number != header.number
            or header.engine_id != self.engine_id
            or found.context != self.context
        ):
            raise Untrusted("not the response to what we asked")
        return Received(header.number, found.pdu)

    def _keep_time(self, header: messages.Header, now: float) -> None:
        """Refuse what is old, learn from what is new (RFC 3414, section 3.2, step 7b)."""
        newer = header.boots > self._boots or (header.boots == self._boots and header.time > self._latest)
        if newer or not self._is_certain:
            self._set_clock(header, now)
            self._is_certain = True
        elif header.boots < self._boots or header.time < self._latest - WINDOW:
            raise Untrusted("a message of another time")

    def _set_clock(self, header: messages.Header, now: float) -> None:
        self._boots, self._latest = header.boots, header.time
        self._base = now - header.time

    def _report(self, header: messages.Header, found: pdu.Pdu, authentic: bool, now: float) -> str:
        oid = ber.dotted(found.binds[0][0]) if found.binds else ""
        name = REPORTS.get(oid, oid or "an empty report")
        if name == "usmStatsNotInTimeWindows" and self._flags and not authentic:
            raise Untrusted("a clock that nobody vouches for")
        if name == "usmStatsUnknownEngineIDs" and not self.engine_id:
            if not 5 <= len(header.engine_id) <= 32:  # RFC 3411, section 5, SnmpEngineID
                raise Malformed(f"an engine id of {len(header.engine_id)} bytes")
            self.engine_id = header.engine_id
            self.keys = self.user.at(header.engine_id)
            # what it says of its clock is most likely true; if not it will say so with its key
            self._set_clock(header, now)
        return name
