# SPDX-License-Identifier: Apache-2.0
"""An SNMP agent for simulated devices: versions 2c and 3 on a UDP port of loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aioconn.credentials import Secret
from aioconn.home.descriptors import keep, making
from aioconn.lab.mib import Mib
from aioconn.protocols.snmp import ber, messages, names, pdu
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.pdu import Kind, Pdu
from aioconn.protocols.snmp.security import REPORTS, WINDOW
from aioconn.protocols.snmp.usm import Keys, User
from aioconn.protocols.snmp.values import TAGS

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice
    from aioconn.lab.servers import Site

COMMUNITIES: Mapping[str, bool] = {"public": False, "private": True}
"""Whether a community may write."""

MAX_ANSWER = 1472
"""Bytes of an answer: what an Ethernet frame carries. GetBulk is cut short at it, others are too big."""

FAR = 1_000_000
"""From the number of a request to those of strays: other requests under way have near ones."""

ENGINE_PREFIX = b"\x80\x00\x1f\x88\x05"  # RFC 3411, section 5: net-snmp's number, and octets follow

_REPORTS = {name: oid for oid, name in REPORTS.items()}
_TOO_BIG, _GEN_ERR, _NO_ACCESS, _AUTHORIZATION_ERROR = 1, 5, 6, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SnmpFaults:
    """The misbehaviour of an agent. Assign a new one to `server.faults` at any time.

    drop            the next so many requests get no answer
    silent_on       requests that name something under this OID get no answer
    delay           seconds before each answer, beside the device's `latency`
    stray           before each answer come so many with other numbers
    wrong_number    all answers bear another number
    garbage         before each answer come so many datagrams that are no BER, or end too soon
    only_garbage    and the answer itself does not come
    too_big         requests for more variables than that get tooBig, whatever their size
    gen_err         variables under this OID give genErr
    circle          after so many variables of GetNext and GetBulk comes the first again
    no_clock        reports that nobody vouches for say that boots and time are 0, as some devices do
    """

    drop: int = 0
    silent_on: str | None = None
    delay: float = 0.0
    stray: int = 0
    wrong_number: bool = False
    garbage: int = 0
    only_garbage: bool = False
    too_big: int = 0
    gen_err: str | None = None
    circle: int = 0
    no_clock: bool = False


NO_FAULTS = SnmpFaults()


class SnmpServer(asyncio.DatagramProtocol):
    """The agent of one device. `requests` counts what came; `mib.extra` takes further variables."""

    def __init__(
        self, device: LabDevice, communities: Mapping[str, bool], users: Sequence[User], max_answer: int
    ) -> None:
        self.mib = Mib(device)
        self.keys: dict[str, Any] = {
            "version": "2c",
            "community": max(communities, key=communities.__getitem__),
        }
        self.requests = 0
        self.boots = 1
        self.engine_id = ENGINE_PREFIX + secrets.token_bytes(8)
        self._device = device
        self._communities = {name.encode(): writes for name, writes in communities.items()}
        self._known = tuple(users)
        self._users = self._localized()
        self._max_answer = max_answer
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._delayed: set[asyncio.TimerHandle] = set()
        self._closed = self._loop.create_future()
        self._started = time.monotonic()
        self._stray = 0
        self.faults = NO_FAULTS
        self.port = 0

    @property
    def faults(self) -> SnmpFaults:
        return self._faults

    @faults.setter
    def faults(self, faults: SnmpFaults) -> None:
        self._faults = faults
        self._to_drop = faults.drop
        self._steps = 0

    async def listen(self, address: str) -> None:
        with making:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            keep(sock)
        try:
            sock.setblocking(False)
            sock.bind((address, 0))
            self.port = sock.getsockname()[1]
            await self._loop.create_datagram_endpoint(lambda: self, sock=sock)
        except BaseException:
            sock.close()
            raise

    def cut(self) -> None:
        """Answer nothing of what came so far, as an agent that starts anew: it counts one boot more."""
        for handle in self._delayed:
            handle.cancel()
        self._delayed.clear()
        self.boots += 1
        self._started = time.monotonic()

    def exchange(self) -> None:
        """Be another engine at the same place, as when a device has been replaced."""
        self.cut()
        self.boots = 1
        self.engine_id = ENGINE_PREFIX + secrets.token_bytes(8)
        self._users = self._localized()

    def _localized(self) -> dict[bytes, Keys]:
        return {user.name.encode(): user.at(self.engine_id) for user in self._known}

    async def close(self) -> None:
        self.cut()
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait({self._closed})

    # ------------------------------------------------------------------ datagrams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._device.away:
            return
        self.requests += 1
        if self._to_drop:
            self._to_drop -= 1
            return
        try:
            version, _, _ = pdu.open_message(data)
            answers = self._community(data) if version == pdu.VERSION_2C else self._user(data)
        except Malformed:
            return
        delay = self.faults.delay + self._device.faults.latency
        for answer in answers:
            if delay:
                handle = self._loop.call_later(delay, self._send_late, answer, addr)
                self._delayed = {one for one in self._delayed if one.when() > self._loop.time()} | {handle}
            else:
                self._send(answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(answer, addr)

    def _send_late(self, answer: bytes, addr: tuple[str, int]) -> None:
        self._send(answer, addr)

    def _all(self, answer: bytes, with_number: Any, number: int) -> list[bytes]:
        """An answer with what the faults put before it or in its place. `with_number` makes one of another number."""
        faults = self.faults
        before: list[bytes] = []
        for _ in range(faults.stray):
            self._stray += 1
            before.append(with_number((number + FAR + self._stray) % 2**31))
        before += [
            answer[: index % len(answer)] + b"\xff" * (index % 3) for index in range(1, faults.garbage + 1)
        ]
        if faults.only_garbage:
            return [*before, b"\x30\x84\xff\xff\xff\xff" + answer[6:]]
        return [*before, with_number((number + FAR) % 2**31) if faults.wrong_number else answer]

    # ------------------------------------------------------------------ version 2c

    def _community(self, data: bytes) -> list[bytes]:
        community, asked = pdu.decode_message(data)
        writes = self._communities.get(community)
        if writes is None:
            return []
        outcome = self._answer(asked, writes, self._max_answer - len(community) - 60)
        if outcome is None:
            return []

        def numbered(number: int) -> bytes:
            status, index, binds = outcome
            return pdu.encode_message(community, pdu.encode(Kind.RESPONSE, number, status, index, binds))

        return self._all(numbered(asked.number), numbered, asked.number)

    # ------------------------------------------------------------------ version 3 (RFC 3414, section 3.2)

    def _user(self, data: bytes) -> list[bytes]:
        header = messages.decode(data)
        if header.engine_id != self.engine_id:
            return self._report(header, "usmStatsUnknownEngineIDs")
        keys = self._users.get(header.user)
        if keys is None:
            return self._report(header, "usmStatsUnknownUserNames")
        user = keys.user
        if (header.flags & messages.AUTH and not user.auth) or (
            header.flags & messages.PRIV and not user.priv
        ):
            return self._report(header, "usmStatsUnsupportedSecLevels")
        if header.flags & messages.AUTH:
            if not messages.is_authentic(data, header, keys):
                return self._report(header, "usmStatsWrongDigests")
            if header.boots != self.boots or abs(header.time - self._time()) > WINDOW:
                return self._report(header, "usmStatsNotInTimeWindows", keys)
        inside = messages.content(header, keys)
        asked = inside.pdu
        level = (messages.AUTH if user.auth else 0) | (messages.PRIV if user.priv else 0)
        outcome: tuple[int, int, list[bytes]] | None
        if header.flags & level != level:
            outcome = _AUTHORIZATION_ERROR, 0, [pdu.bind(oid) for oid, _, _ in asked.binds]
        elif inside.context:
            return self._report(header, "snmpUnknownContexts", keys)
        else:
            outcome = self._answer(asked, True, self._max_answer - 160)
        if outcome is None:
            return []

        def numbered(number: int) -> bytes:
            status, index, binds = outcome
            encoded = pdu.encode(Kind.RESPONSE, number, status, index, binds)
            # other clients give the message another number than the request
            of_message = (header.number + number - asked.number) % 2**31
            return self._message(of_message, header, keys, header.flags & level, encoded)

        return self._all(numbered(asked.number), numbered, asked.number)

    def _report(self, header: messages.Header, name: str, keys: Keys | None = None) -> list[bytes]:
        if not header.flags & messages.REPORTABLE:
            return []
        bound = pdu.bind(names.resolve(_REPORTS[name]), ber.integer(1, TAGS["Counter32"]))
        encoded = pdu.encode(Kind.REPORT, header.number, 0, 0, [bound])
        flags = messages.AUTH if keys is not None and keys.user.auth else 0
        return [self._message(header.number, header, keys, flags, encoded)]

    def _message(
        self, number: int, header: messages.Header, keys: Keys | None, flags: int, encoded: bytes
    ) -> bytes:
        hidden = self.faults.no_clock and not flags & messages.AUTH
        return messages.encode(
            number,
            flags,
            self.engine_id,
            0 if hidden else self.boots,
            0 if hidden else self._time(),
            header.user,
            keys,
            secrets.randbits(64),
            messages.scoped(self.engine_id, b"", encoded),
        )

    def _time(self) -> int:
        return int(time.monotonic() - self._started)

    # ------------------------------------------------------------------ answers

    def _answer(self, asked: Pdu, writes: bool, room: int) -> tuple[int, int, list[bytes]] | None:
        """Status, index and variables; None for no answer."""
        faults = self.faults
        same = [pdu.bind(oid, ber.tlv(tag, content)) for oid, tag, content in asked.binds]
        if faults.silent_on and any(_under(one[0], faults.silent_on) for one in asked.binds):
            return None
        if faults.gen_err:
            for index, one in enumerate(asked.binds, 1):
                if _under(one[0], faults.gen_err):
                    return _GEN_ERR, index, same
        if asked.kind == Kind.SET:
            if not writes:
                return _NO_ACCESS, 1, same
            status, index = self.mib.set(asked.binds)
            return status, index, same
        if faults.too_big:
            repetitions = max(1, asked.error_index) if asked.kind == Kind.GET_BULK else 1
            if len(asked.binds) * repetitions > faults.too_big:
                return _TOO_BIG, 0, []
        if asked.kind == Kind.GET_BULK:
            return 0, 0, self._bulk(asked, room)
        if asked.kind not in (Kind.GET, Kind.GET_NEXT):
            return None
        read = self._get if asked.kind == Kind.GET else self._next
        found = [pdu.bind(*read(oid)) for oid, _, _ in asked.binds]
        if sum(map(len, found)) > room:
            return _TOO_BIG, 0, []
        return 0, 0, found

    def _get(self, oid: bytes) -> tuple[bytes, bytes]:
        found = self.mib.get(oid)
        if found is None:
            missing = "noSuchInstance" if self.mib.has_object(oid) else "noSuchObject"
            return oid, ber.tlv(TAGS[missing], b"")
        return oid, found

    def _next(self, oid: bytes) -> tuple[bytes, bytes]:
        self._steps += 1
        if self.faults.circle and self._steps > self.faults.circle:
            self._steps = 1
            oid = names.resolve("1.3")
        after = self.mib.after(oid)
        while after is not None:
            if (found := self.mib.get(after)) is not None:
                return after, found
            after = self.mib.after(after)
        return oid, ber.tlv(TAGS["endOfMibView"], b"")

    def _bulk(self, asked: Pdu, room: int) -> list[bytes]:
        """RFC 3416, section 4.2.3; cut short where the datagram would be too long."""
        single = max(0, asked.status)
        found: list[bytes] = []
        following = [oid for oid, _, _ in asked.binds[single:]]
        for oid, _, _ in asked.binds[:single]:
            found.append(pdu.bind(*self._next(oid)))
        room -= sum(map(len, found))
        for _ in range(asked.error_index if following else 0):
            row = [self._next(oid) for oid in following]
            for number, (oid, value) in enumerate(row):
                one = pdu.bind(oid, value)
                room -= len(one)
                if room < 0:
                    return found
                found.append(one)
                following[number] = oid
            if all(value[0] == TAGS["endOfMibView"] for _, value in row):
                break
        return found


def _under(oid: bytes, root: str) -> bool:
    return oid.startswith(names.resolve(root))


async def serve(
    site: Site,
    device: LabDevice,
    *,
    communities: Mapping[str, bool] = COMMUNITIES,
    users: Sequence[User] | None = None,
    max_answer: int = MAX_ANSWER,
) -> SnmpServer:
    """An agent for `device`. Without `users` it knows one: the device's own user, with SHA-256 and AES-128, whose
    passwords are `authpassword` and `privpassword`."""
    if users is None:
        users = (
            User(
                name=device.username,
                auth="sha256",
                auth_password=Secret("authpassword"),
                priv="aes",
                priv_password=Secret("privpassword"),
            ),
        )
    server = SnmpServer(device, communities, users, max_answer)
    await server.listen(device.address)
    return server
