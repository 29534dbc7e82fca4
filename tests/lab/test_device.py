# SPDX-License-Identifier: Apache-2.0
"""A simulated device that restarts: who was connected, and who comes while it is away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import asyncssh
import pytest

import aioconn
from aioconn.errors import CommandTimeout
from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.netconf_xml import BASE
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.channel import Channel
from aioconn.protocols.gnmi.options import GnmiOptions
from aioconn.protocols.netconf.framing import encode
from tests.grpc_alive import grpc_alive

__all__ = ["grpc_alive"]

GET = b"GET /api/facts HTTP/1.1\r\nHost: r1\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\n\r\n"
HELLO = (
    f'<hello xmlns="{BASE}"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities>'
    "</hello>"
)
RPC = f'<rpc xmlns="{BASE}" message-id="1"><get-config><source><running/></source></get-config></rpc>'
LOGIN = (("username", "admin"), ("password", "admin"))


class Talk(NamedTuple):
    """What a client sends to be answered, and then again."""

    first: bytes
    then: bytes


TALKS = {
    "ssh": Talk(b"", b"SSH-2.0-somebody\r\n"),
    "telnet": Talk(b"", b"admin\r"),
    "netconf": Talk(b"", b"SSH-2.0-somebody\r\n"),
    "http": Talk(GET, GET),
    "gnmi": Talk(  # HTTP/2: the preface with settings, and a ping
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]),
        bytes([0, 0, 8, 6, 0, 0, 0, 0, 0, *range(8)]),
    ),
}


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def talking(served: LabDevice, protocol: str) -> AsyncIterator[socket.socket]:
    """A connection on which the device has said something."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", served.ports[protocol]))
        async with asyncio.timeout(20):
            await loop.sock_sendall(sock, TALKS[protocol].first)
            assert await loop.sock_recv(sock, 65536)
        yield sock


def drain(sock: socket.socket) -> None:
    """Read what was sent until now."""
    with contextlib.suppress(BlockingIOError):
        while sock.recv(65536):
            pass


@pytest.mark.parametrize("protocol", TALKS)
async def test_one_that_vanishes_leaves_its_connections_open_and_silent(lab: Lab, protocol: str) -> None:
    served = await lab.add("r1", protocols=(protocol,), vanishes=True, boot=0.05)
    async with talking(served, protocol) as sock:
        served.restart()
        drain(sock)
        sock.send(TALKS[protocol].then)
        await until(lambda: not served.away)
        assert (served.sessions, served.connections) == (0, {})
        async with talking(served, protocol) as another:
            another.send(TALKS[protocol].then)
            await asyncio.get_running_loop().sock_recv(another, 65536)
        with pytest.raises(BlockingIOError):  # neither an answer nor an end
            sock.recv(1)
        lab.remove("r1")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 1), 20)


@pytest.mark.parametrize("protocol", TALKS)
async def test_one_that_does_not_vanish_ends_them(lab: Lab, protocol: str) -> None:
    served = await lab.add("r1", protocols=(protocol,), boot=0.05)
    async with talking(served, protocol) as sock:
        served.restart()
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(20):
                while await asyncio.get_running_loop().sock_recv(sock, 65536):
                    pass


@pytest.mark.parametrize("protocol", TALKS)
@pytest.mark.parametrize("vanishes", [False, True])
async def test_nobody_gets_in_while_it_is_away(lab: Lab, protocol: str, vanishes: bool) -> None:
    served = await lab.add("r1", protocols=(protocol,), vanishes=vanishes, boot=0.2)
    served.restart()
    with pytest.raises(ConnectionResetError):
        async with talking(served, protocol):
            pass
    assert served.away
    await until(lambda: not served.away)
    async with talking(served, protocol):
        pass


async def test_calls_of_netconf_that_are_under_way_are_lost(lab: Lab) -> None:
    """And so is the link: it takes no further sessions."""
    served = await lab.add("r1", protocols=("netconf",), vanishes=True, boot=0.05)
    served.faults = Faults(latency=0.02)

    def link() -> Any:
        login = {"username": "admin", "password": "admin"}
        return asyncssh.connect("127.0.0.1", served.ports["netconf"], known_hosts=None, config=None, **login)

    async def ask(connection: asyncssh.SSHClientConnection) -> str:
        writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        writer.write(encode(HELLO.encode(), chunked=False) + encode(RPC.encode(), chunked=False))
        return (await reader.readuntil(b"</rpc-reply>")).decode()

    async with asyncio.timeout(20), link() as old:
        lost = [asyncio.create_task(ask(old))]
        await until(lambda: served.log)
        served.restart()
        lost += [asyncio.create_task(ask(old))]
        await until(lambda: not served.away)
        async with link() as new:
            assert "r1" in await ask(new)
        assert not any(task.done() for task in lost)
        for task in lost:
            task.cancel()
        await asyncio.wait(lost)
        old.abort()


async def lost_and_answered(
    served: LabDevice, old: Callable[[], Awaitable[object]], new: Callable[[], Awaitable[object]]
) -> None:
    """A call is under way when the device vanishes, and waits still when a later one has its answer."""
    served.faults = Faults(latency=0.02)
    async with asyncio.timeout(20):
        lost = asyncio.ensure_future(old())
        await until(lambda: served.log)
        served.restart()
        await until(lambda: not served.away)
        assert await new()
    assert not lost.done()
    lost.cancel()
    await asyncio.wait([lost])


@pytest.mark.parametrize("protocol", ["http", "https"])
async def test_requests_that_are_under_way_are_lost(lab: Lab, protocol: str) -> None:
    served = await lab.add("r1", protocols=(protocol,), vanishes=True, boot=0.05)
    server: Any = served.servers[protocol]
    context = ssl.create_default_context(cafile=server.keys.get("ca_file"))
    url = f"{protocol}://127.0.0.1:{served.ports[protocol]}/restconf/data"
    headers = {"Authorization": aiohttp.encode_basic_auth("admin", "admin")}

    async def ask() -> bytes:
        async with aiohttp.ClientSession() as client, client.get(url, ssl=context, headers=headers) as answer:
            return await answer.read()

    await lost_and_answered(served, ask, ask)


async def test_calls_of_gnmi_that_are_under_way_are_lost(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("gnmi",), vanishes=True, boot=0.05)
    place = f"127.0.0.1:{served.ports['gnmi']}"
    old, new = (Channel(place, None, GnmiOptions(insecure=True)) for _ in range(2))
    try:
        await lost_and_answered(
            served,
            lambda: old.unary(messages.CAPABILITIES, b"", LOGIN, 60),
            lambda: new.unary(messages.CAPABILITIES, b"", LOGIN, 60),
        )
    finally:
        for channel in (old, new):
            await channel.settle()
            channel.close()


@pytest.mark.parametrize("vanishes", [False, True])
async def test_an_agent_of_snmp_is_silent_while_it_is_away(lab: Lab, vanishes: bool) -> None:
    served = await lab.add("r1", protocols=("snmp",), vanishes=vanishes)
    served.on_restart = lambda: None  # it comes back when this test says so
    agent: Any = served.servers["snmp"]
    async with aioconn.load(lab.testbed()) as testbed:
        session: Any = await testbed["r1"].connect(via="snmp", try_timeout=0.05)
        served.restart()
        heard = agent.requests
        with pytest.raises(CommandTimeout):
            await session.get("sysName.0")
        assert agent.requests == heard
        served.away = False
        assert (await session.get("sysName.0", timeout=20)).value == "r1"
    assert agent.boots == 2
