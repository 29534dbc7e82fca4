# SPDX-License-Identifier: Apache-2.0
"""Somebody on the way changes what passes: bytes, lengths, order, number."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from random import Random
from typing import Any

import pytest

from aioconn.connection import State
from aioconn.errors import AioconnError, CommandTimeout, SessionBroken, SnmpError
from tests.protocols.snmp.conftest import AS_READER, NUMBERS, Site


class Damager:
    """Between a client and an agent. Of `share` of the answers it passes on a damaged copy instead."""

    def __init__(self, to: int, random: Random) -> None:
        self._loop = asyncio.get_running_loop()
        self._random = random
        self.share = 0.0
        self._client: Any = None
        self._front = self._socket()
        self._back = self._socket()
        self._back.connect(("127.0.0.1", to))
        self.port: int = self._front.getsockname()[1]
        self._loop.add_reader(self._front, self._ask)
        self._loop.add_reader(self._back, self._answer)

    def _socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock

    def _ask(self) -> None:
        data, self._client = self._front.recvfrom(65_535)
        self._back.send(data)

    def _answer(self) -> None:
        data = self._back.recv(65_535)
        if self._random.random() < self.share:
            data = self._damaged(data)
        self._front.sendto(data, self._client)

    def _damaged(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._random.choice((1, 1, 1, 3))):
            at = self._random.randrange(len(changed))
            match self._random.randrange(4):
                case 0:
                    changed[at] ^= 1 << self._random.randrange(8)
                case 1:
                    changed[at] = self._random.choice((0, 0x7F, 0x80, 0x81, 0x84, 0xFF))
                case 2:
                    del changed[at : at + self._random.randrange(1, 9)]
                case _:
                    changed[at:at] = self._random.randbytes(self._random.randrange(1, 9))
            if not changed:
                return b""
        return bytes(changed)

    def close(self) -> None:
        for sock in (self._front, self._back):
            self._loop.remove_reader(sock)
            sock.close()


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_authentic_is_right(site: Site, seed: int) -> None:
    """Version 3 with authentication: a damaged answer is as good as a lost one."""
    damager = Damager(site.agent.port, Random(seed))
    session = await site.connect(**AS_READER, port=damager.port, try_timeout=0.02, retries=5)
    try:
        damager.share = 0.6
        outcomes: Counter[str] = Counter()

        async def ask(number: int) -> None:
            try:
                found = await session.get(f"{NUMBERS}.{number}")
            except CommandTimeout:
                outcomes["lost"] += 1
            else:
                assert found.value == number
                outcomes["right"] += 1

        for begin in range(0, 100, 20):
            await asyncio.gather(*(ask(number) for number in range(begin, begin + 20)))
        assert outcomes["right"] > 75
        damager.share = 0.0
        assert (await session.get("sysName.0")).value == "r1"
        assert session.state is State.READY
    finally:
        await session.close()
        damager.close()


@pytest.mark.parametrize("seed", range(2))
async def test_what_is_not_protected_is_an_answer_or_an_error(site: Site, seed: int) -> None:
    """Version 2c: a damaged value is a value, but nothing hangs, and no foreign error comes."""
    damager = Damager(site.agent.port, Random(seed))
    session = await site.connect(port=damager.port, try_timeout=0.01, retries=7)
    try:
        damager.share = 0.5
        outcomes: Counter[str] = Counter()
        for number in range(60):
            try:
                if number % 20 == 0:
                    outcomes["walked"] += len(
                        [one async for one in session.walk(NUMBERS, max_repetitions=50, timeout=1)]
                    )
                elif number % 10 == 1:
                    await session.get_bulk(NUMBERS, timeout=1)
                else:
                    await session.get(f"{NUMBERS}.{number}", timeout=1)
                outcomes["answered"] += 1
            except (CommandTimeout, SnmpError, SessionBroken) as error:
                outcomes[type(error).__name__] += 1
        assert outcomes["answered"] > 30, outcomes
        damager.share = 0.0
        assert (await session.get("sysName.0")).value == "r1"
    except AioconnError as error:
        raise AssertionError(f"{error!r}") from error
    finally:
        await session.close()
        damager.close()
