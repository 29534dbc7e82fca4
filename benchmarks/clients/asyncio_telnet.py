# SPDX-License-Identifier: Apache-2.0
"""The floor over telnet, and of engines: an asyncio protocol that looks at the end of what arrived, and nothing else.

It answers no negotiation, does not decode and finds no errors.
"""

from __future__ import annotations

import asyncio

from benchmarks.clients.base import AsyncClient
from benchmarks.target import OPENING, PASSWORD, PROMPT, USER, Target

_PROMPT = PROMPT.encode()


class BareTelnet(AsyncClient):
    name = "asyncio"
    offers = frozenset({"telnet", "engine", "live telnet"})
    floor = True

    async def open(self, target: Target) -> Session:
        loop = asyncio.get_running_loop()
        _, session = await loop.create_connection(Session, target.host, target.port)
        await session.until(b"Username: ")
        session.transport.write(USER.encode() + b"\r\n")
        await session.until(b"Password: ")
        session.transport.write(PASSWORD.encode() + b"\r\n")
        session.prompt = (await session.until(b"#")).rpartition(b"\n")[2]
        session.transport.write("\r\n".join((*OPENING, "")).encode())
        await session.until(session.prompt, len(OPENING))
        return session

    async def run(self, session: Session, command: str) -> bytes:
        session.transport.write(command.encode() + b"\r\n")
        return await session.until(session.prompt)

    async def close(self, session: Session) -> None:
        session.transport.write(b"exit\r\n")
        session.transport.close()
        await session.lost

    def collector(self, command: str) -> Collector:
        return Collector()


class Session(asyncio.BufferedProtocol):
    """asyncio reads into its one buffer: a plain protocol gets a new one of 256 KiB each time."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport
        self._room = bytearray(1024)
        self._buffer = bytearray()
        self.prompt = b"#"
        self._end, self._count = b"", 1
        self._waiter: asyncio.Future[None] | None = None

    async def until(self, end: bytes, count: int = 1) -> bytes:
        if not self._is_there(end, count):
            self._end, self._count = end, count
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        answer = bytes(self._buffer)
        self._buffer.clear()
        return answer

    def _is_there(self, end: bytes, count: int) -> bool:
        return self._buffer.endswith(end) and (count == 1 or self._buffer.count(end) == count)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._buffer += memoryview(self._room)[:nbytes]
        if nbytes == len(self._room) < 64 * 1024:
            self._room = bytearray(64 * 1024)  # more is to come; an idle session does not hold that much
        if self._waiter is not None and self._is_there(self._end, self._count) and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError("the device ended the session"))


class Collector:
    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> bool:
        self._buffer += data
        return self._buffer.endswith(_PROMPT)

    def text(self) -> bytes:
        return bytes(self._buffer)
