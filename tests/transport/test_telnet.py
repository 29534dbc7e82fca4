# SPDX-License-Identifier: Apache-2.0
"""Telnet: what is answered, what is handed on, what goes out."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import telnetlib3

from aioconn.errors import HostUnknown, HostUnreachable, Phase, SessionBroken
from aioconn.transport.base import Progress, Stream, Terminal
from aioconn.transport.memory import MemoryPeer, MemoryStream
from aioconn.transport.ssh import SshLink
from aioconn.transport.telnet import ANSWER_LIMIT, NOP, TelnetStream, open_telnet
from aioconn.wire.telnet import SUBNEGOTIATION_LIMIT
from tests.transport.conftest import Connect, Record, Serve

DO, DONT, WILL, WONT = b"\xff\xfd", b"\xff\xfe", b"\xff\xfb", b"\xff\xfc"


def telnet(keepalive: float = 0.0) -> tuple[MemoryPeer, Record, TelnetStream]:
    peer, record = MemoryPeer(), Record()
    terminal = Terminal(columns=511, rows=1000)
    stream = TelnetStream(record, terminal, device="r1", path="con", keepalive=keepalive)
    lower = MemoryStream(peer, stream)
    peer.connect(lower)
    stream.attach(lower)
    return peer, record, stream


# Recorded: inetutils 2.4, netkit 0.17, busybox 1.35, FRRouting 8.4, ser2net 4.3. Each step is what the server
# sends, and what must have been among the answers before it says anything else.
DIALOGUES = {
    "inetutils": [
        (
            b"\xff\xfb%\xff\xfb&\xff\xfd\x18\xff\xfd \xff\xfd#\xff\xfd'\xff\xfd$",
            [DONT + b"%", WILL + b"\x18", WILL + b" "],
        ),
        (
            b"\xff\xfa \x01\xff\xf0\xff\xfa#\x01\xff\xf0\xff\xfa'\x01\xff\xf0\xff\xfa\x18\x01\xff\xf0",
            [b"\xff\xfa \x0038400,38400\xff\xf0", b"\xff\xfa'\x00\xff\xf0", b"\xff\xfa\x18\x00vt100\xff\xf0"],
        ),
        (
            b'\xff\xfb\x03\xff\xfd\x01\xff\xfd"\xff\xfd\x1f\xff\xfb\x05\xff\xfd!',
            [
                DO + b"\x03",
                WONT + b"\x01",
                WONT + b'"',
                WILL + b"\x1f",
                b"\xff\xfa\x1f\x01\xfe\x03\xe8\xff\xf0",
            ],
        ),
        (b"\xff\xfb\x01\xff\xfd\x00", [DO + b"\x01", WILL + b"\x00"]),
        (b"vm login: ", []),
    ],
    "netkit": [
        (b"\xff\xfd'", [WILL + b"'"]),
        (b"\xff\xfa'\x01\xff\xf0", [b"\xff\xfa'\x00\xff\xf0"]),
        (b"\xff\xfd%", [WONT + b"%"]),
        (b"\xff\xfd\x18\xff\xfd \xff\xfd#", [WILL + b"\x18", WILL + b" ", WONT + b"#"]),
        (b"vm login: ", []),
    ],
    "busybox": [
        (
            b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03",
            [WONT + b"\x01", b"\x1f\x01\xfe\x03\xe8", DO + b"\x01", DO + b"\x03"],
        ),
        (b"\r\r\nDebian GNU/Linux 12\r\n\rvm login: ", []),
    ],
    "frr": [
        (
            b'Verification\r\n\r\n\xff\xfb\x01\xff\xfb\x03\xff\xfe"\xff\xfd\x1fPassword: ',
            [DO + b"\x01", DO + b"\x03", WILL + b"\x1f"],
        ),
    ],
    "ser2net": [
        (
            b"\xff\xfb\x03\xff\xfd\x03\xff\xfb\x01\xff\xfe\x01\xff\xfd\x00\xff\xfb\x00,",
            [DO + b"\x03", WILL + b"\x03", DO + b"\x00"],
        ),
    ],
}


@pytest.mark.parametrize("name", DIALOGUES)
@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_recorded_negotiations(name: str, piece: int) -> None:
    peer, record, _ = telnet()
    plain = b""
    for sent, answers in DIALOGUES[name]:
        before = len(peer.written)
        for start in range(0, len(sent), piece):
            peer.feed(sent[start : start + piece])
        for answer in answers:
            assert answer in peer.written[before:]
        plain = sent if b"\xff" not in sent else plain
    assert record.data.endswith(plain)
    assert b"\xff" not in record.data


def test_answers_to_one_chunk_leave_in_one_write() -> None:
    peer, record, stream = telnet()
    writes: list[bytes] = []
    peer.on_write = writes.append
    peer.feed(DIALOGUES["inetutils"][0][0])
    assert len(writes) == 1
    heard = record.data_received

    def reply(data: bytes) -> None:
        heard(data)
        stream.write(b"ann\r")
        stream.write(b"word\r")

    record.data_received = reply  # type: ignore[method-assign]
    writes.clear()
    peer.feed(WILL + b"\x01" + b"login: ")
    assert writes == [DO + b"\x01" + b"ann\r\0", b"word\r\0"]


def test_a_broken_command_disturbs_nothing() -> None:
    peer, record, _ = telnet()
    peer.feed(b"a\xff\xfa\x18\xff\xf0b\xff\xfa\xff\xf0c\xff\xfd\x12d\xff\xfa'\xff\xf0e\xff\xfa \x01x\xff\xf0")
    peer.feed(b"\xff\xfa\x18\x01" + b"x" * SUBNEGOTIATION_LIMIT + b"\xff\xf0f\xff\xfd\x18")
    assert record.data == b"abcdef"
    assert peer.written.endswith(WILL + b"\x18")


@pytest.mark.parametrize("piece", [DO + b"\x18" + DONT + b"\x18", b"x" + DO + b"\x06", DO + b"\x05" * 2])
async def test_negotiation_without_end(piece: bytes) -> None:
    """Whoever does not read what he asks for gets no more than so much of it."""
    peer, record, stream = telnet()
    enough = ANSWER_LIMIT // len(piece) + 1
    for _ in range(3):
        peer.feed(piece * (enough // 2))
        stream.write(b"show clock\r")  # somebody works with it
    assert not record.ends
    assert peer.open
    before = len(peer.written)
    while peer.open:
        peer.feed(piece * 1000)
    assert ANSWER_LIMIT // 2 < len(peer.written) - before <= ANSWER_LIMIT
    error = await record.ended()
    assert isinstance(error, SessionBroken)
    assert (error.device, error.path) == ("r1", "con")
    assert "without end" in str(error)


def test_who_asks_now_and_then_may_ask_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    peer, record, _ = telnet()
    now = time.monotonic()
    for second in range(0, ANSWER_LIMIT, 30):
        monkeypatch.setattr(time, "monotonic", lambda at=now + second: at)
        peer.feed((DO + b"\x06") * 100)
    assert len(peer.written) > ANSWER_LIMIT
    assert not record.ends


def test_what_is_written() -> None:
    peer, _, stream = telnet()
    stream.write(b"raw\r")
    assert peer.written == b"raw\r"  # nobody has spoken telnet yet: it may be a raw console
    peer.feed(WILL + b"\x01")
    peer.written = b""
    stream.write(b"a\rb\nc\r\nd\r\x00e\xff\x03")
    assert peer.written == b"a\r\x00b\r\x00c\r\nd\r\x00e\xff\xff\x03"
    peer.feed(DO + b"\x00")
    peer.written = b""
    stream.write(b"a\rb\n")
    assert peer.written == b"a\rb\n"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("aioconn.transport.telnet.time", SimpleNamespace(monotonic=clock))
    return clock


async def test_a_nop_after_silence_on_both_sides(clock: Clock) -> None:
    peer, record, stream = telnet(keepalive=0.01)
    peer.feed(WILL + b"\x01")
    peer.written = b""
    for talk in (lambda: stream.write(b"x"), lambda: peer.feed(b"y"), lambda: peer.feed(DO + b"\x00")):
        clock.now += 0.009
        talk()
        clock.now += 0.009
        peer.written = b""
        await asyncio.sleep(0.03)  # its timer goes off, and it sees that somebody has spoken
        assert peer.written == b""
    for _ in range(3):
        clock.now += 0.01
        async with asyncio.timeout(5):
            while not peer.written:
                await asyncio.sleep(0.001)
        assert peer.written == NOP
        peer.written = b""
    assert record.data == b"y"
    stream.abort()
    clock.now += 1
    await asyncio.sleep(0.03)
    assert peer.written == b""


async def test_no_nop_without_telnet_or_keepalive(clock: Clock) -> None:
    for keepalive, heard in ((0.01, b"raw \xff\xff\xff\xf1"), (0.0, WILL + b"\x01")):
        peer, _, stream = telnet(keepalive=keepalive)
        peer.feed(heard)
        peer.written = b""
        clock.now += 1
        await asyncio.sleep(0.03)
        assert peer.written == b""
        stream.abort()


@pytest.mark.parametrize("end", ["close", "abort", "lost", "late command"])
async def test_the_timer_ends_with_the_stream(end: str) -> None:
    peer, _, stream = telnet(keepalive=3600)
    peer.feed(WILL + b"\x01")
    if end == "lost":
        peer.lose()
    elif end == "abort":
        stream.abort()
    else:
        await stream.close()
    if end == "late command":
        stream.data_received(DO + b"\x18")
    await asyncio.sleep(0)
    gone = weakref.ref(stream)
    del stream, peer
    gc.collect()
    assert gone() is None


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def listen() -> AsyncIterator[Callable[[Handler], Awaitable[int]]]:
    servers: list[asyncio.Server] = []

    async def start(handler: Handler) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await handler(reader, writer)
            except ConnectionError:
                pass
            finally:
                writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
        await server.wait_closed()


Listen = Callable[[Handler], Awaitable[int]]


async def connect_telnet(
    port: int,
    record: Record,
    *,
    host: str = "127.0.0.1",
    tunnel: SshLink | None = None,
    progress: Progress | None = None,
    keepalive: float = 0.0,
) -> Stream:
    return await open_telnet(
        host,
        port,
        record,
        device="r1",
        path="con",
        terminal=Terminal(),
        tunnel=tunnel,
        progress=progress or Progress(),
        keepalive=keepalive,
    )


async def test_over_tcp_one_megabyte(listen: Listen) -> None:
    block = bytes(range(256)) * 4096
    ended = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WILL + b"\x01" + block.replace(b"\xff", b"\xff\xff"))
        assert await reader.readexactly(3) == DO + b"\x01"
        assert await reader.readexactly(5) == b"bye\r\x00"
        assert await reader.read() == b""
        ended.set()

    record, progress = Record(), Progress()
    stream = await connect_telnet(await listen(talk), record, progress=progress)
    assert progress.phase is Phase.LOGIN
    await record.until(lambda record: len(record.data) == len(block))
    assert record.data == block
    stream.write(b"bye\n")
    await stream.close()
    assert record.ends == [None]
    await stream.close()
    stream.abort()
    stream.write(b"late")
    async with asyncio.timeout(5):
        await ended.wait()
    assert record.ends == [None]


async def test_the_device_ends_it(listen: Listen) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")

    record = Record()
    await connect_telnet(await listen(leave), record)
    assert await record.ended() is None
    assert record.data == b"bye"

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    record = Record()
    port = await listen(reset)
    stream = await connect_telnet(port, record)
    stream.write(b"xy" * 100_000)
    assert isinstance(await record.ended(), SessionBroken | None)
    assert len(record.ends) == 1


async def test_no_connection(listen: Listen) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(HostUnreachable, match="refused") as caught:
            await connect_telnet(sock.getsockname()[1], Record())
    assert (caught.value.device, caught.value.path, caught.value.phase) == ("r1", "con", Phase.TCP)
    with pytest.raises(HostUnknown):
        await connect_telnet(23, Record(), host="nosuchhost.invalid")


async def test_keepalive_over_tcp_and_through_a_link(listen: Listen, serve: Serve, connect: Connect) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WILL + b"\x01")
        await reader.readuntil(NOP + NOP)
        writer.write(b"still there")

    port, link = await listen(wait), await connect(await serve())
    for tunnel in (None, link):
        record = Record()
        stream = await connect_telnet(port, record, tunnel=tunnel, keepalive=0.02)
        await record.sees(b"still there")
        assert record.data == b"still there"
        await stream.close()
    await link.close()


async def test_urgent_data_stays_in_its_place() -> None:
    """The Synch signal of RFC 854: hosts send it when something is interrupted."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        record = Record()
        stream = await connect_telnet(server.getsockname()[1], record)
        device, _ = await loop.sock_accept(server)
        with device:
            device.send(b"^C\xff")
            device.send(b"\xf2", socket.MSG_OOB)
            device.send(b"\r\n# ")
            await record.until(lambda record: record.data.endswith(b"# "))
        assert record.data == b"^C\r\n# "
        await stream.close()


async def test_a_host_that_asks_for_more() -> None:
    """The server's end of telnetlib3: an engine of somebody else's hears all that it wants to know."""
    known: dict[str, object] = {}

    async def shell(reader: Any, writer: Any) -> None:
        known.update({name: writer.get_extra_info(name) for name in ("TERM", "cols", "rows")})
        known.update(
            agreed=writer.remote_option[telnetlib3.NEW_ENVIRON], echo=writer.local_option[telnetlib3.ECHO]
        )
        writer.write(b"login: ")
        known["typed"] = await reader.readexactly(5)
        writer.close()

    server: Any = await telnetlib3.create_server(
        "127.0.0.1", 0, shell=shell, encoding=False, connect_maxwait=5
    )
    record = Record()
    stream = await connect_telnet(server.sockets[0].getsockname()[1], record)
    await record.sees(b"login: ")
    stream.write(b"ann\xff\n")
    await record.ended()
    assert record.data == b"login: "
    assert known == {
        "TERM": "vt100",
        "cols": 500,
        "rows": 1000,
        "agreed": True,
        "echo": True,
        "typed": b"ann\xff\n",  # both agreed to binary transmission
    }
    await stream.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("how", ["close", "abort", "lost"])
async def test_nothing_is_left_to_the_collector(listen: Listen, how: str) -> None:
    """Thousands of sessions that end are freed as they end."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(WILL + b"\x01" + b"hello")
        if how != "lost":
            await reader.read()

    record = Record()
    stream = await connect_telnet(await listen(talk), record, keepalive=30)
    await record.sees(b"hello")
    record_gone, stream_gone = weakref.ref(record), weakref.ref(stream)
    gc.disable()
    try:
        if how == "close":
            await asyncio.gather(stream.close(), stream.close())
        elif how == "abort":
            stream.abort()
        await record.ended()
        del record, stream
        assert (record_gone(), stream_gone()) == (None, None)
    finally:
        gc.enable()


async def test_pause_and_resume(listen: Listen) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)

    record = Record()
    stream = await connect_telnet(await listen(echo), record)
    stream.pause_reading()
    stream.write(b"abc")
    await asyncio.sleep(0.05)
    assert record.data == b""
    stream.resume_reading()
    await record.sees(b"abc")
    await stream.close()


async def test_cancelled_at_every_turn(listen: Listen) -> None:
    alive = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal alive
        alive += 1
        try:
            writer.write(b"hello")
            await reader.read()
        finally:
            alive -= 1

    port, tasks = await listen(talk), asyncio.all_tasks()
    for turns in range(12):
        record = Record()
        task = asyncio.ensure_future(connect_telnet(port, record))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            await asyncio.sleep(0.01)
            assert record.ends == []
        else:
            await task.result().close()
            assert record.ends == [None]
    async with asyncio.timeout(5):
        while alive or asyncio.all_tasks() - tasks:
            await asyncio.sleep(0.01)


async def test_through_an_ssh_link(listen: Listen, serve: Serve, connect: Connect) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(DO + b"\x1f")
        await reader.readuntil(b"\xff\xf0")
        writer.write(b"login: ")
        writer.write(await reader.readuntil(b"\r\x00"))

    link = await connect(await serve())
    record = Record()
    stream = await connect_telnet(await listen(talk), record, tunnel=link)
    await record.sees(b"login: ")
    stream.write(b"ann\n")
    await record.sees(b"ann\r\x00")
    assert await record.ended() is None
    await stream.close()
    await link.close()
