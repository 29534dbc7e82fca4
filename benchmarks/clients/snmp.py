# SPDX-License-Identifier: Apache-2.0
"""What a client has to offer to be measured at SNMP, and the floor, which sends what was made before and looks at
nothing that comes."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

from benchmarks.clients.base import Client, Timed
from benchmarks.meter import Meter
from benchmarks.target import SNMP_ROOT, SNMP_VARIABLE, SNMP_VARIABLES, Target

COMMUNITY = "public"
REPETITIONS = 25


class SnmpSession(ABC):
    """One session with an agent."""

    @abstractmethod
    async def open(self) -> None: ...

    @abstractmethod
    async def get(self) -> int:
        """`SNMP_VARIABLE`, which is a number."""

    @abstractmethod
    async def walk(self) -> int:
        """What stands under `SNMP_ROOT`, by GetBulk: how many variables."""

    @abstractmethod
    async def close(self) -> None: ...


class SnmpClient(Client):
    """Offers snmp (one request after the other), snmp-many (several at once on one session), snmp-walk."""

    def snmp_session(self, target: Target) -> SnmpSession:
        raise NotImplementedError

    def gets(self, target: Target, count: int, budget: float, meter: Meter) -> list[Timed]:
        """One after the other, at most for `budget` seconds: how long each took, and what it gave."""

        async def work() -> list[Timed]:
            session = self.snmp_session(target)
            await session.open()
            took: list[Timed] = []
            for _ in range(20):
                await session.get()
            with meter:
                until = time.perf_counter() + budget
                while len(took) < count and (begun := time.perf_counter()) < until:
                    value = await session.get()
                    took.append((time.perf_counter() - begun, value))
            await session.close()
            return took

        return asyncio.run(work())

    def many(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        """So many callers on one session, `count` requests together: what they got."""

        async def work() -> list[int]:
            session = self.snmp_session(target)
            await session.open()
            await session.get()
            got: list[int] = []
            until = time.perf_counter() + budget

            async def caller() -> None:
                for _ in range(max(1, count // callers)):
                    if time.perf_counter() > until:
                        return
                    got.append(await session.get())

            with meter:
                await asyncio.gather(*(caller() for _ in range(callers)))
            await session.close()
            return got

        return asyncio.run(work())

    def walks(self, target: Target, count: int, budget: float, meter: Meter) -> list[Timed]:
        """Walks, one after the other: how long each took, and how many variables it gave."""

        async def work() -> list[Timed]:
            session = self.snmp_session(target)
            await session.open()
            took: list[Timed] = []
            with meter:
                until = time.perf_counter() + budget
                while len(took) < count and (begun := time.perf_counter()) < until:
                    found = await session.walk()
                    took.append((time.perf_counter() - begun, found))
            await session.close()
            return took

        return asyncio.run(work())


class BareUdp(SnmpClient):
    """What the way there and back costs: messages that are encoded once, and answers that are not decoded."""

    name = "asyncio.udp"
    offers = frozenset({"snmp", "snmp-many", "snmp-walk"})
    floor = True

    def snmp_session(self, target: Target) -> SnmpSession:
        return _Bare(target)


class _Bare(SnmpSession, asyncio.DatagramProtocol):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._waiting: deque[asyncio.Future[bytes]] = deque()

    async def open(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, remote_addr=(self._target.host, self._target.port)
        )

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._waiting.popleft().set_result(data)

    async def _ask(self, message: bytes) -> bytes:
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting.append(answer)
        self._transport.sendto(message)
        return await answer

    async def get(self) -> int:
        return (await self._ask(_GET))[-1]  # the number has one byte

    async def walk(self) -> int:
        """As many answers of the same size as a walk has: where it goes on would have to be read."""
        for _ in range(0, SNMP_VARIABLES, REPETITIONS):
            await self._ask(_BULK)
        return SNMP_VARIABLES

    async def close(self) -> None:
        self._transport.close()


def _message(kind: int, variable: str, repetitions: int) -> bytes:
    """A request of version 2c; all of its lengths are short."""
    numbers = list(map(int, variable.split(".")))
    oid = bytes([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.insert(0, 0x80 | number & 0x7F)
        oid += bytes(septets)
    bind = _short(0x30, _short(0x06, oid) + b"\x05\x00")
    pdu = b"\x02\x01\x01\x02\x01\x00" + _short(0x02, bytes([repetitions])) + _short(0x30, bind)
    return _short(0x30, b"\x02\x01\x01" + _short(0x04, COMMUNITY.encode()) + _short(kind, pdu))


def _short(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content


_GET = _message(0xA0, SNMP_VARIABLE, 0)
_BULK = _message(0xA5, SNMP_ROOT, REPETITIONS)
