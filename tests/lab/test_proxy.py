# SPDX-License-Identifier: Apache-2.0
"""The proxy: what passes, what does not, what each side is told, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

import aioconn
from aioconn.lab import Ending, Lab, Proxy, Weather, storm
from aioconn.lab.cable import POSSIBLE
from aioconn.lab.crossing import WINDOW
from aioconn.lab.weather import CLEAR

DEADLINE = 5.0
TEXT = bytes(range(256)) * 4  # 1 KiB, every offset tells where it is
LINUX = pytest.mark.skipif(not POSSIBLE, reason="packets of one socket are dropped on Linux only")


class Peer(asyncio.Protocol):
    """One side of a connection: what came, and how it ended."""

    def __init__(self, arrived: Callable[[Peer], None] = lambda peer: None) -> None:
        self.end = ""
        self.pieces: list[int] = []
        self.transport: asyncio.Transport
        self._data = b""
        self._news = asyncio.Event()
        self._arrived = arrived

    @classmethod
    async def connect(cls, port: int) -> Peer:
        async with asyncio.timeout(DEADLINE):
            return (await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port))[1]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._arrived(self)

    def data_received(self, data: bytes) -> None:
        self._data += data
        self.pieces.append(len(data))
        self._news.set()

    def eof_received(self) -> bool:
        self.end = "fin"
        self._news.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.end:
            self.end = "reset" if isinstance(exc, ConnectionResetError) else str(exc or "closed")
        self._news.set()

    async def read(self, size: int) -> bytes:
        await self._until(lambda: len(self._data) >= size)
        data, self._data = self._data[:size], self._data[size:]
        return data

    async def rest(self) -> tuple[bytes, str]:
        """All that comes until the end, and the end."""
        await self._until(lambda: bool(self.end))
        data, self._data = self._data, b""
        return data, self.end

    async def silent(self, seconds: float = 0.03) -> bool:
        """Whether neither a byte nor an end comes."""
        await asyncio.sleep(seconds)
        return not self._data and not self.end

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def write(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    async def fill(self) -> None:
        """Write until nobody takes any more."""
        block = b"x" * 65536
        for _ in range(1000):
            self.write(block)
            for _ in range(100):
                if not self.transport.get_write_buffer_size():
                    break
                await asyncio.sleep(0.002)
            else:
                return
        pytest.fail("64 MB have gone somewhere")

    def close(self) -> None:
        self.transport.close()

    def abort(self, *, reset: bool = False) -> None:
        if reset:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if not self.transport.is_closing():
            self.transport.abort()


class Server:
    """Takes connections and hands them over."""

    def __init__(self) -> None:
        self.port = 0
        self.peers: list[Peer] = []

    def __call__(self) -> Peer:
        return Peer(self.peers.append)

    async def peer(self, number: int = 0) -> Peer:
        await eventually(lambda: len(self.peers) > number)
        return self.peers[number]


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server
        for peer in server.peers:
            peer.abort()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    async with Proxy("127.0.0.1", server.port) as proxy:
        yield proxy


async def pair(proxy: Proxy, server: Server) -> tuple[Peer, Peer]:
    client = await Peer.connect(proxy.port)
    return client, await server.peer(len(server.peers))


# ---------------------------------------------------------------------- what passes


async def test_everything_passes_both_ways(proxy: Proxy, server: Server) -> None:
    client, served = await pair(proxy, server)
    assert repr(proxy).endswith("open, 1 live of 1 accepted>")
    client.write(TEXT)
    assert await served.read(len(TEXT)) == TEXT
    served.write(TEXT * 1000)
    assert await client.read(len(TEXT) * 1000) == TEXT * 1000
    client.transport.write_eof()
    assert await served.rest() == (b"", "fin")
    served.write(b"still there")
    served.close()
    assert await client.rest() == (b"still there", "fin")
    client.close()
    await eventually(lambda: proxy.live == 0)
    assert (proxy.bytes_to_server, proxy.bytes_to_client) == (len(TEXT), len(TEXT) * 1000 + 11)
    assert (proxy.accepted, proxy.unreached) == (1, 0)


@pytest.mark.parametrize("whose", ["client", "server"])
async def test_a_reset_is_passed_on_behind_the_data(proxy: Proxy, server: Server, whose: str) -> None:
    proxy.to_client = proxy.to_server = Weather(delay=0.02)
    client, served = await pair(proxy, server)
    one, other = (client, served) if whose == "client" else (served, client)
    one.write(b"last words")
    await asyncio.sleep(0.005)
    one.abort(reset=True)
    assert await other.rest() == (b"last words", "reset")
    other.close()
    await eventually(lambda: proxy.live == 0)


async def test_a_server_that_is_not_there(proxy: Proxy) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        async with Proxy("127.0.0.1", sock.getsockname()[1]) as nowhere:
            client = await Peer.connect(nowhere.port)
            assert (await client.rest())[1] == "reset"
            client.close()
            await eventually(lambda: nowhere.live == 0)
            assert (nowhere.accepted, nowhere.unreached) == (1, 1)


async def test_a_reader_that_stops_stops_the_writer(proxy: Proxy, server: Server) -> None:
    client, served = await pair(proxy, server)
    client.transport.pause_reading()
    await served.fill()
    client.transport.resume_reading()
    served.close()
    got, end = await client.rest()
    assert (len(got) % 65536, end) == (0, "fin")
    assert len(got) == proxy.bytes_to_client
    client.close()


async def test_what_is_delayed_is_bounded(proxy: Proxy, server: Server) -> None:
    proxy.to_client = Weather(stall=math.inf)
    client, served = await pair(proxy, server)
    await served.fill()
    assert await client.silent()
    proxy.to_client = CLEAR
    served.close()
    got, end = await client.rest()
    assert (len(got) % 65536, end) == (0, "fin")
    assert len(got) > WINDOW
    client.close()


# ---------------------------------------------------------------------- endings

OFFSETS = [0, 1, 100, len(TEXT)]


@pytest.mark.parametrize("offset", OFFSETS)
@pytest.mark.parametrize("to_client", [True, False])
@pytest.mark.parametrize("end", list(Ending))
async def test_each_ending_at_its_byte(
    proxy: Proxy, server: Server, end: Ending, to_client: bool, offset: int
) -> None:
    weather = Weather(end=end, end_at=offset)
    if to_client:
        proxy.to_client = weather
    else:
        proxy.to_server = weather
    client, served = await pair(proxy, server)
    sender, receiver = (served, client) if to_client else (client, served)
    sender.write(TEXT)
    assert await receiver.read(offset) == TEXT[:offset]
    if end is Ending.RESET:
        assert await receiver.rest() == (b"", "reset")
        assert (await sender.rest())[1] == "reset"
    elif end is Ending.FIN:
        assert await receiver.rest() == (b"", "fin")
        assert await sender.rest() == (b"", "fin")
    elif end is Ending.HALF_CLOSE:
        assert await receiver.rest() == (b"", "fin")
        receiver.write(TEXT)
        assert await sender.read(len(TEXT)) == TEXT
        receiver.close()
        assert await sender.rest() == (b"", "fin")
    else:
        sender.write(TEXT * 1000)
        assert await receiver.silent()
        receiver.write(TEXT)
        assert await sender.read(len(TEXT)) == TEXT
        sender.close()
        if end is Ending.TRUNCATE:
            assert await receiver.rest() == (b"", "fin")
        else:
            assert await receiver.silent()
            assert proxy.cut() == 1
            assert (await receiver.rest())[0] == b""
    sender.close()
    receiver.close()
    await eventually(lambda: proxy.live == 0)
    passed = proxy.bytes_to_client if to_client else proxy.bytes_to_server
    assert passed == offset


async def test_an_ending_given_later_strikes_at_once(proxy: Proxy, server: Server) -> None:
    client, served = await pair(proxy, server)
    client.write(b"abc")
    assert await served.read(3) == b"abc"
    proxy.to_client = Weather(end=Ending.BLACK_HOLE)
    served.write(b"lost")
    assert await client.silent()
    proxy.to_client = CLEAR
    served.write(b"found")
    assert await client.read(5) == b"found"
    proxy.to_server = Weather(end=Ending.RESET, end_at=2)
    assert await client.rest() == (b"", "reset")
    assert await served.rest() == (b"", "reset")
    client.close()


async def test_the_weather_changes_while_it_connects(proxy: Proxy, server: Server) -> None:
    for turns in range(10):
        connecting = asyncio.ensure_future(Peer.connect(proxy.port))
        for _ in range(turns):
            await asyncio.sleep(0)
        proxy.to_client = Weather(end=Ending.RESET)
        try:
            client = await connecting
        except ConnectionResetError:
            pass
        else:
            assert await client.rest() == (b"", "reset")
        await eventually(lambda: proxy.live == 0)
        proxy.to_client = CLEAR


# ---------------------------------------------------------------------- slowness


async def test_one_byte_at_a_time(proxy: Proxy, server: Server) -> None:
    for interval, size in ((0.0, 1000), (0.001, 100)):
        proxy.to_client = Weather(piece=1, interval=interval)
        client, served = await pair(proxy, server)
        for start in range(0, size, 50):
            served.write(TEXT[start : start + 50])
            await asyncio.sleep(0)
        assert await client.read(size) == TEXT[:size]
        assert len(client.pieces) > size / 4  # the reader may be late for some
        client.close()


async def test_delay_jitter_and_order(proxy: Proxy, server: Server) -> None:
    loop = asyncio.get_running_loop()
    proxy.to_server = Weather(delay=0.05, jitter=0.02)
    client, served = await pair(proxy, server)
    started = loop.time()
    for start in range(0, len(TEXT), 64):
        client.write(TEXT[start : start + 64])
        await asyncio.sleep(0)
    client.transport.write_eof()
    assert await served.read(1) == TEXT[:1]
    assert loop.time() - started >= 0.05
    assert await served.rest() == (TEXT[1:], "fin")
    client.close()


async def test_a_rate(proxy: Proxy, server: Server) -> None:
    loop = asyncio.get_running_loop()
    proxy.to_client = Weather(rate=10_000)
    client, served = await pair(proxy, server)
    started = loop.time()
    served.write(TEXT * 2)
    assert await client.read(len(TEXT) * 2) == TEXT * 2
    assert loop.time() - started >= (len(TEXT) * 2 - 200) / 10_000
    client.close()


async def test_a_stall_at_its_byte(proxy: Proxy, server: Server) -> None:
    loop = asyncio.get_running_loop()
    proxy.to_client = Weather(stall=0.05, stall_at=10)
    client, served = await pair(proxy, server)
    started = loop.time()
    served.write(TEXT)
    assert await client.read(10) == TEXT[:10]
    assert proxy.bytes_to_client == 10
    assert await client.read(len(TEXT) - 10) == TEXT[10:]
    assert loop.time() - started >= 0.05
    proxy.to_client = Weather(stall=math.inf)
    served.write(b"later")
    assert await client.silent()
    proxy.to_client = CLEAR
    assert await client.read(5) == b"later"
    client.close()


# ---------------------------------------------------------------------- whole connections


async def test_half_open(proxy: Proxy, server: Server) -> None:
    proxy.half_open = True
    client = await Peer.connect(proxy.port)
    client.write(b"anybody?")
    assert await client.silent()
    assert (proxy.live, server.peers) == (1, [])
    assert proxy.cut() == 1
    await client.rest()
    client.close()
    await eventually(lambda: proxy.live == 0)


async def test_refused_and_taken_again_at_the_same_port(proxy: Proxy, server: Server) -> None:
    client, served = await pair(proxy, server)
    port = proxy.port
    for _ in range(3):
        proxy.refuse()
        assert "refusing" in repr(proxy)
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(port)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        proxy.listen()
        proxy.listen()
        (await Peer.connect(port)).close()
    client.write(b"all the time")
    assert await served.read(12) == b"all the time"
    assert proxy.port == port
    client.close()


@pytest.mark.parametrize("reset", [True, False])
async def test_cut(proxy: Proxy, server: Server, reset: bool) -> None:
    pairs = [await pair(proxy, server) for _ in range(3)]
    assert proxy.cut(reset=reset) == 3
    for peer in itertools.chain(*pairs):
        assert await peer.rest() == (b"", "reset" if reset else "fin")
        peer.close()
    assert proxy.live == 0
    assert proxy.cut() == 0


async def test_cut_while_it_connects(proxy: Proxy, server: Server) -> None:
    for turns in range(10):
        connecting = asyncio.ensure_future(Peer.connect(proxy.port))
        for _ in range(turns):
            await asyncio.sleep(0)
        cut = proxy.cut()
        client = await connecting
        if not cut:
            await eventually(lambda turns=turns: len(server.peers) > turns or proxy.live == 1)  # type: ignore[misc]
            proxy.cut()
        await client.rest()
        client.close()
        await eventually(lambda: proxy.live == 0)
    for served in server.peers:
        await served.rest()


@LINUX
async def test_closed_while_its_server_does_not_answer(proxy: Proxy) -> None:
    proxy.unplug()
    async with Proxy("127.0.0.1", proxy.port) as before:
        client = await Peer.connect(before.port)
        await eventually(lambda: before.live == 1)
    await client.rest()
    client.close()


@LINUX
async def test_unplugged_and_plugged_again(proxy: Proxy, server: Server) -> None:
    client, served = await pair(proxy, server)
    proxy.to_client = Weather(stall=math.inf)
    served.write(b"old ")
    await asyncio.sleep(0.01)
    proxy.unplug()
    proxy.to_client = CLEAR
    client.write(b"question")
    served.write(b"news")
    assert await client.silent()
    assert await served.silent(0.001)
    connecting = asyncio.ensure_future(Peer.connect(proxy.port))
    await asyncio.wait([connecting], timeout=0.05)
    assert not connecting.done()
    proxy.plug()
    assert await served.read(8) == b"question"
    assert await client.read(8) == b"old news"
    late = await connecting  # its first packet is sent again
    late.close()
    client.close()


@LINUX
async def test_unplugged_is_silence_for_the_system_too(proxy: Proxy, server: Server) -> None:
    client, _ = await pair(proxy, server)
    sock = client.transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
    proxy.unplug()
    client.write(b"question")
    assert "timed out" in (await client.rest())[1]


# ---------------------------------------------------------------------- drawn by lot


def test_the_same_seed_draws_the_same() -> None:
    def weathers(seed: int) -> list[tuple[Weather, Weather]]:
        lot, draw = random.Random(seed), storm(chance=0.7, reach=1000, longest=0.2)
        return [draw(lot) for _ in range(300)]

    drawn = weathers(1)
    assert drawn == weathers(1)
    assert drawn != weathers(2)
    assert 50 < drawn.count((CLEAR, CLEAR)) < 130
    flat = [weather for both in drawn for weather in both]
    assert {weather.end for weather in flat} == {None, *Ending}
    assert all(any(getattr(w, name) for w in flat) for name in ("delay", "jitter", "rate", "piece", "stall"))
    assert max(weather.end_at for weather in flat) < 1000
    assert min(weather.end_at for weather in flat if weather.end) == 0
    assert all(weather.stall <= 0.2 and weather.delay <= 0.02 for weather in flat)


async def test_each_connection_draws_its_own(server: Server) -> None:
    drawn = [
        (Weather(end=Ending.FIN, end_at=3), CLEAR),
        (CLEAR, Weather(end=Ending.FIN, end_at=4)),
        (CLEAR, CLEAR),
    ]
    weathers = iter(drawn)
    async with Proxy("127.0.0.1", server.port, draw=lambda lot: next(weathers)) as proxy:
        pairs = [await pair(proxy, server) for _ in drawn]
        proxy.to_client = Weather(end=Ending.RESET)  # not for those that have drawn
        for client, served in pairs:
            client.write(TEXT)
            served.write(TEXT)
        assert await pairs[0][0].rest() == (TEXT[:3], "fin")
        assert await pairs[1][1].rest() == (TEXT[:4], "fin")
        assert await pairs[2][0].read(len(TEXT)) == TEXT
        assert await pairs[2][1].read(len(TEXT)) == TEXT
        for client, _ in pairs:
            client.close()


# ---------------------------------------------------------------------- life


async def test_closing_leaves_nothing_even_when_cancelled(server: Server) -> None:
    for turns in range(8):
        proxy = Proxy("127.0.0.1", server.port, to_client=Weather(stall=math.inf))
        await proxy.start()
        client, served = await pair(proxy, server)
        served.write(b"x" * 1000)
        late = asyncio.ensure_future(Peer.connect(proxy.port))
        for _ in range(turns):
            await asyncio.sleep(0)
        closing = asyncio.ensure_future(proxy.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing, late], timeout=DEADLINE)
        await client.rest()
        client.close()
        await eventually(lambda proxy=proxy: proxy.live == 0)  # type: ignore[misc]
        if late.exception() is None:
            await late.result().rest()
            late.result().close()
        with pytest.raises(ConnectionRefusedError):
            await Peer.connect(proxy.port)
        await proxy.close()


async def test_in_a_loop_of_its_own() -> None:
    """The proxy in one thread, the device and its client in another."""
    ready, done = threading.Event(), threading.Event()
    proxies: list[Proxy] = []
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve(port: int) -> None:
        async with Proxy("127.0.0.1", port, to_client=Weather(piece=7)) as proxy:
            proxies.append(proxy)
            loops.append(asyncio.get_running_loop())
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.002)

    async with Lab() as lab:
        served = await lab.add("r1", protocols=("telnet",))
        assert served.telnet_port is not None
        thread = threading.Thread(target=lambda: asyncio.run(serve(served.telnet_port or 0)))
        thread.start()
        try:
            await asyncio.to_thread(ready.wait, DEADLINE)
            async with aioconn.load(proxies[0].through(lab.testbed())) as testbed:
                await testbed["r1"].connect()
                assert "Version" in await testbed["r1"].execute("show version")
                loops[0].call_soon_threadsafe(lambda: proxies[0].cut(reset=True))
                await eventually(lambda: not testbed["r1"].is_connected())
        finally:
            done.set()
            await asyncio.to_thread(thread.join)


async def test_a_testbed_through_proxies() -> None:
    async with Lab() as lab:
        served = await lab.add("r1")
        await lab.add("r2")
        assert served.ssh_port is not None
        assert served.telnet_port is not None
        async with (
            Proxy("127.0.0.1", served.ssh_port) as ssh,
            Proxy("127.0.0.1", served.telnet_port) as telnet,
        ):
            before = lab.testbed()
            changed = telnet.through(ssh.through(before))
            assert before == lab.testbed()
            paths = changed["devices"]["r1"]["connections"]
            assert (paths["cli"]["port"], paths["vty"]["port"]) == (ssh.port, telnet.port)
            assert changed["devices"]["r2"] == before["devices"]["r2"]
            assert paths["cli"]["host_key"] == lab.host_key
            async with aioconn.load(changed) as testbed:
                for path, proxy in (("cli", ssh), ("vty", telnet)):
                    session: Any = await testbed["r1"].connect(via=path, alias=path)
                    assert "Version" in await session.execute("show version")
                    assert proxy.live == proxy.accepted == 1
