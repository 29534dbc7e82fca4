# SPDX-License-Identifier: Apache-2.0
"""A peer that is gone is noticed while nobody calls; one that is there is left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

import aioconn
from aioconn.errors import SessionBroken
from aioconn.events import Closed, Event
from aioconn.lab import Ending, Lab, LabDevice, Proxy, Weather
from aioconn.lab.cable import POSSIBLE
from aioconn.lab.weather import CLEAR
from aioconn.transport import tcp

pytestmark = pytest.mark.clock("jumping")

DEADLINE = 10.0
KEEPALIVE = 0.2
GONE = Weather(end=Ending.BLACK_HOLE)
LINUX = pytest.mark.skipif(not POSSIBLE, reason="packets of one socket are dropped on Linux only")


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.005)


class Way:
    """A device, what it talks to, and the proxy between; `ends` is why sessions have ended by themselves."""

    def __init__(self, device: aioconn.Device, served: LabDevice, proxy: Proxy, keepalive: float) -> None:
        self.device = device
        self.served = served
        self.proxy = proxy
        self.keepalive = keepalive
        self.ends: list[BaseException | None] = []
        device.listeners.add(self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.ends.append(event.error)

    @property
    def connected(self) -> bool:
        return self.device.is_connected()

    async def connect(self) -> None:
        await self.device.connect(keepalive=self.keepalive, close_timeout=0.2)
        await self.check()

    async def check(self) -> None:
        """It answers."""
        assert "Version" in await self.device.execute("show version", timeout=DEADLINE)


Make = Callable[..., Awaitable[Way]]


@pytest.fixture
async def way(lab: Lab) -> AsyncIterator[Make]:
    """`await way("telnet", keepalive=..., **options of the lab device)`: connected, and used once."""
    async with AsyncExitStack() as stack:

        async def make(protocol: str, *, keepalive: float = KEEPALIVE, **keys: Any) -> Way:
            served = await lab.add("r1", protocols=(protocol,), **keys)
            port = served.telnet_port or served.ssh_port
            assert port is not None
            proxy = await stack.enter_async_context(Proxy("127.0.0.1", port))
            testbed = await stack.enter_async_context(aioconn.load(proxy.through(lab.testbed())))
            made = Way(testbed["r1"], served, proxy, keepalive)
            await made.connect()
            return made

        yield make


async def test_ssh_notices_a_black_hole(way: Make) -> None:
    made = await way("ssh")
    made.proxy.to_client = made.proxy.to_server = GONE
    await eventually(lambda: not made.connected)
    (error,) = made.ends
    assert isinstance(error, SessionBroken)
    assert "keepalive" in str(error)
    made.proxy.to_client = made.proxy.to_server = CLEAR
    made.proxy.cut()
    await made.connect()
    assert made.connected


async def test_ssh_asks_while_it_is_idle(way: Make) -> None:
    made = await way("ssh")
    before = made.proxy.bytes_to_server
    await eventually(lambda: made.proxy.bytes_to_server > before)
    await asyncio.sleep(5 * KEEPALIVE)  # longer than it waits for answers
    assert made.connected
    await made.check()


@pytest.mark.clock("real")
async def test_telnet_speaks_while_it_is_idle(way: Make) -> None:
    made = await way("telnet")
    before = made.proxy.bytes_to_server
    await eventually(lambda: made.proxy.bytes_to_server - before >= 4)
    assert (made.proxy.bytes_to_server - before) % 2 == 0
    assert made.connected
    await made.check()
    assert made.ends == []


@pytest.mark.parametrize("keys", [{"negotiates": False}, {"negotiates": False, "console": True}])
async def test_a_raw_console_gets_no_nop(way: Make, keys: dict[str, Any]) -> None:
    made = await way("telnet", keepalive=0.02, **keys)
    before = made.proxy.bytes_to_server
    await asyncio.sleep(0.2)
    assert made.proxy.bytes_to_server == before
    await made.check()


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_zero_keeps_still(way: Make, protocol: str) -> None:
    made = await way(protocol, keepalive=0)
    before = made.proxy.bytes_to_server
    made.proxy.to_client = made.proxy.to_server = Weather(end=Ending.TRUNCATE)
    await asyncio.sleep(0.3)
    made.proxy.to_client = made.proxy.to_server = CLEAR
    assert made.proxy.bytes_to_server == before
    assert made.connected
    await made.check()


@LINUX
@pytest.mark.clock("real")
async def test_telnet_notices_a_cable_that_was_pulled(way: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "PATIENCE", 0.3)
    made = await way("telnet")
    made.proxy.unplug()
    await eventually(lambda: not made.connected)
    (error,) = made.ends
    assert isinstance(error, SessionBroken)
    assert "timed out" in str(error)
    assert "is gone" in str(error)
    made.proxy.plug()
    await made.connect()


@LINUX
async def test_a_cable_that_is_plugged_in_again_in_time_costs_nothing(way: Make) -> None:
    made = await way("telnet")
    made.proxy.unplug()
    await asyncio.sleep(2 * KEEPALIVE)
    made.proxy.plug()
    await made.check()
    assert made.connected
    assert made.ends == []
    assert made.proxy.accepted == 1


@pytest.mark.chaos
@LINUX
@pytest.mark.parametrize("protocol", ["ssh", "telnet", "console"])
async def test_a_pulled_cable_within_its_time(way: Make, protocol: str) -> None:
    """As shipped, but with the shortest keepalive that all systems can count: the least patience is ten seconds."""
    keys: dict[str, Any] = {"negotiates": False} if protocol == "console" else {}
    made = await way("telnet" if protocol == "console" else protocol, keepalive=2, **keys)
    made.proxy.unplug()
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(30):
        while made.connected:
            await asyncio.sleep(0.05)
    elapsed = asyncio.get_running_loop().time() - started
    assert (7 if protocol == "ssh" else 10) < elapsed
    made.proxy.plug()
    await made.connect()


async def test_telnet_notices_a_device_that_restarted(way: Make) -> None:
    made = await way("telnet")
    made.proxy.cut(reset=True)
    await eventually(lambda: not made.connected)
    assert isinstance(made.ends[0], SessionBroken)
    await made.connect()
