# SPDX-License-Identifier: Apache-2.0
"""Name resolution and the race of addresses."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from aioconn.errors import HostUnreachable, Phase
from aioconn.transport.base import Progress
from aioconn.transport.tcp import open_tcp
from tests.transport.conftest import Record


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, 1, 6, "", (address, port)) for family, address in zip(families, addresses, strict=True)
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(hello, "127.0.0.3", 0) as server:
        port = server.sockets[0].getsockname()[1]
        resolve_to(monkeypatch, "127.0.0.2", "::1", "127.0.0.3")
        record, progress = Record(), Progress()
        stream = await open_tcp("r1.lab", port, record, device="r1", path="con", progress=progress)
        assert progress.phase is Phase.TCP
        assert await record.ended() is None
        assert record.data == b"hello"
        await stream.close()
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.4")
        with pytest.raises(HostUnreachable, match="refused"):
            await open_tcp("r1.lab", port, Record(), device="r1", path="con", progress=progress)


async def test_an_address_that_never_answers_costs_a_quarter_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    connect, cancelled = loop.sock_connect, asyncio.Event()

    async def sock_connect(sock: socket.socket, address: Any) -> None:
        if address[0] == "127.0.0.9":
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    resolve_to(monkeypatch, "127.0.0.9", "127.0.0.1")

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(2):
            stream = await open_tcp("r1.lab", port, Record(), device="r1", path="con", progress=Progress())
            await cancelled.wait()
        await stream.close()
        monkeypatch.setattr("aioconn.transport.tcp.STAGGER", 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await open_tcp("r1.lab", port, Record(), device="r1", path="con", progress=Progress())
