# SPDX-License-Identifier: Apache-2.0
"""Name resolution and the race of addresses."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, cast

import pytest

from aioconn.errors import HostUnreachable, Phase
from aioconn.lab import Lab
from aioconn.transport.base import Progress
from aioconn.transport.tcp import connect_tcp, open_tcp
from tests.transport.conftest import Record


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    loop = asyncio.get_running_loop()
    known = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **options: Any) -> Any:
        if not host.endswith(".lab"):  # uvloop asks for addresses, too
            return await known(host, port, **options)
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (family, 1, 6, "", (address, port)) for family, address in zip(families, addresses, strict=True)
        ]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


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

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(20):
            stream = await open_tcp("r1.lab", port, Record(), device="r1", path="con", progress=Progress())
            await cancelled.wait()
        await stream.close()
        monkeypatch.setattr("aioconn.transport.tcp.STAGGER", 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await open_tcp("r1.lab", port, Record(), device="r1", path="con", progress=Progress())


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="options of Linux")


@LINUX
@pytest.mark.parametrize(
    ("keepalive", "wanted"),
    [
        (30.0, (30, 10, 3, 60_000)),
        (6.0, (6, 2, 3, 12_000)),
        (0.2, (1, 1, 3, 10_000)),
        (1e12, (32_767, 32_767, 3, 2**31 - 1)),
    ],
)
async def test_what_the_system_watches_for(keepalive: float, wanted: tuple[int, ...]) -> None:
    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        transport, _ = await connect_tcp(
            asyncio.Protocol,
            "127.0.0.1",
            server.sockets[0].getsockname()[1],
            device="r1",
            path="con",
            progress=Progress(),
            keepalive=keepalive,
        )
        assert watched(transport) == (1, *wanted)
        transport.abort()


@LINUX
async def test_without_keepalive_the_system_has_its_own_patience() -> None:
    plain = socket.socket()
    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport, _ = await connect_tcp(
            asyncio.Protocol, "127.0.0.1", port, device="r1", path="con", progress=Progress()
        )
        idle = plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        assert watched(transport)[:2] == (1, idle)
        assert watched(transport)[-1] == 0
        transport.abort()
    plain.close()


def watched(transport: asyncio.Transport) -> tuple[int, ...]:
    sock = transport.get_extra_info("socket")
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    options = [sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names]
    return (sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), *options)


async def test_the_end_is_told_although_the_peer_reads_nothing() -> None:
    served: list[asyncio.StreamWriter] = []

    def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cast(asyncio.Transport, writer.transport).pause_reading()
        served.append(writer)

    async with await asyncio.start_server(leave, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        record = Record()
        stream = await open_tcp("127.0.0.1", port, record, device="r1", path="con", progress=Progress())
        stream.write(b"x" * 30_000_000)  # more than the system takes
        async with asyncio.timeout(5):
            while not served:
                await asyncio.sleep(0.001)
        served[0].write(b"bye")
        served[0].write_eof()
        assert await record.ended() is None
        assert record.data == b"bye"
        served[0].transport.abort()


@pytest.mark.parametrize("cancelled", [False, True])
async def test_close_waits_for_no_peer_that_reads_nothing(
    monkeypatch: pytest.MonkeyPatch, cancelled: bool
) -> None:
    """Two who close: each waits until it is over, and a cancellation of one is not the other's."""
    monkeypatch.setattr("aioconn.transport.tcp.CLOSE_TIMEOUT", 5.0 if cancelled else 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        record = Record()
        port = server.getsockname()[1]
        stream = await open_tcp("127.0.0.1", port, record, device="r1", path="con", progress=Progress())
        stream.write(b"x" * (1 << 24))
        closing = [asyncio.create_task(stream.close()) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in closing)
        if cancelled:
            closing[0].cancel()
        _, pending = await asyncio.wait(closing, timeout=2)
        assert not pending
        assert [task.cancelled() for task in closing] == [cancelled, False]
        assert record.ends == [None]


async def test_cancelled_at_every_turn_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(host: str, port: int, **_: object) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr("aioconn.transport.tcp._resolve", resolve)
    served: list[Record] = []

    class Served(asyncio.Protocol):
        def __init__(self) -> None:
            self.record = Record()
            served.append(self.record)

        def connection_lost(self, exc: Exception | None) -> None:
            self.record.connection_lost(exc)

    loop = asyncio.get_running_loop()
    async with await loop.create_server(Served, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        for turns in range(1_000):  # uvloop needs more than asyncio, and a busy machine more still
            if turns >= 40 and len(served) > 5:
                break
            record = Record()
            opening = open_tcp("r1.lab", port, record, device="r1", path="con", progress=Progress())
            task = asyncio.ensure_future(opening)
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result().abort()
                assert await record.ended() is None
            else:
                await asyncio.sleep(0.002)
                assert record.ends == []
        assert len(served) > 5
        for peer in served:
            await peer.ended()


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
async def test_small_writes_are_sent_at_once(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> None:
    """On both sides: else each answer waits for an acknowledgement that is put off for 40 ms."""
    async with Lab() as lab:
        served = await lab.add("r1", protocols=("telnet",))
        assert served.telnet_port is not None
        resolve_to(monkeypatch, *addresses)
        transport, _ = await connect_tcp(
            asyncio.Protocol, "r1.lab", served.telnet_port, device="r1", path="con", progress=Progress()
        )
        while not served.connections:
            await asyncio.sleep(0.001)
        session: Any = next(iter(served.connections))
        for end in (transport, session._transport):
            sock = end.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        transport.close()
