# SPDX-License-Identifier: Apache-2.0
"""An SNMP agent of version 2c that thinks once: an answer given before is only sent again, under the new number."""

from __future__ import annotations

import asyncio
import bisect
from typing import cast

from aioconn.protocols.snmp import ber, names, pdu
from aioconn.protocols.snmp.values import TAGS
from benchmarks.target import SNMP_ROOT, SNMP_VALUE, SNMP_VARIABLE, SNMP_VARIABLES

_END = ber.tlv(TAGS["endOfMibView"], b"")
_MISSING = ber.tlv(TAGS["noSuchObject"], b"")


def _table() -> dict[bytes, bytes]:
    """The elements of the values, by the contents of their OIDs, in the order of these."""
    found = {names.resolve(SNMP_VARIABLE): ber.integer(SNMP_VALUE)}
    for number in range(SNMP_VARIABLES):
        found[names.resolve(f"{SNMP_ROOT}.{number}")] = ber.tlv(ber.OCTETS, f"row {number}".encode())
    return dict(sorted(found.items(), key=lambda one: ber.arcs(one[0])))


class Agent(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self._values = _table()
        self._oids = list(self._values)
        self._order = [ber.arcs(oid) for oid in self._oids]
        self._said: dict[
            bytes, tuple[bytes, bytes]
        ] = {}  # what comes before a request's number and behind it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        _, at, end = pdu.open_message(data)
        _, at = ber.expect_octets(data, at, end)
        _, at, end = ber.element(data, at, end)
        begin, end = ber.expect(data, at, end, ber.INTEGER)
        asked = data[:begin] + data[end:]  # lengths among it: numbers of other sizes are other questions
        if (said := self._said.get(asked)) is None:
            said = self._said[asked] = self._answer(data, data[begin:end])
        self._transport.sendto(said[0] + data[begin:end] + said[1], addr)

    def _answer(self, data: bytes, number: bytes) -> tuple[bytes, bytes]:
        community, asked = pdu.decode_message(data)
        oids = [oid for oid, _, _ in asked.binds]
        if asked.kind == pdu.Kind.GET_BULK:
            binds = self._following(oids[0], asked.error_index)
        elif asked.kind == pdu.Kind.GET_NEXT:
            binds = [bind for oid in oids for bind in self._following(oid, 1)]
        else:
            binds = [pdu.bind(oid, self._values.get(oid, _MISSING)) for oid in oids]
        answer = pdu.encode(pdu.Kind.RESPONSE, asked.number, 0, 0, binds)
        before, own, after = pdu.encode_message(community, answer).partition(
            bytes((ber.INTEGER, len(number))) + number
        )
        return before + own[:2], after

    def _following(self, oid: bytes, count: int) -> list[bytes]:
        at = bisect.bisect_right(self._order, ber.arcs(oid))
        found = [pdu.bind(one, self._values[one]) for one in self._oids[at : at + count]]
        return found or [pdu.bind(oid, _END)]


async def listen() -> tuple[asyncio.DatagramTransport, int]:
    """The agent's socket, and its port."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Agent, local_addr=("127.0.0.1", 0)
    )
    return transport, int(transport.get_extra_info("sockname")[1])
