# SPDX-License-Identifier: Apache-2.0
"""What a manager has opened, or what opens itself again under it, is closed with it; and a path that somebody put right
is tried."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

import aioconn
from aioconn.connection import State
from aioconn.errors import (
    AuthenticationFailed,
    CircuitOpen,
    CommandRejected,
    CommandTimeout,
    ConnectTimeout,
    PoolClosed,
    PoolTimeout,
    SessionClosed,
    ShellRefused,
)
from aioconn.lab import Faults, Lab
from aioconn.lab.proxy import Proxy
from aioconn.lab.weather import Weather

pytestmark = pytest.mark.clock("jumping")


async def broken(connection: Any) -> None:
    async with asyncio.timeout(5):
        while connection.connected:
            await asyncio.sleep(0.001)


async def test_one_that_opens_itself_again_while_another_takes_its_alias(pair: Any) -> None:
    device, served = await pair("telnet")
    first = await device.connect()
    served.faults = Faults(slow_login=0.5)
    served.kill_sessions()
    await broken(first)
    call = asyncio.create_task(first.execute("show clock"))
    async with asyncio.timeout(20):
        while first.state is not State.OPENING:
            await asyncio.sleep(0.001)
    second = await device.connect(columns=400)
    with pytest.raises(SessionClosed):
        await call
    assert second is device["default"]
    await device.disconnect_all()
    assert not served.sessions


async def test_a_call_that_waits_for_the_next_attempt_opens_nothing_that_was_closed(pair: Any) -> None:
    device, served = await pair("telnet")
    connection = await device.connect()
    served.faults = Faults(vty_limit=0, vty_refusal="text")
    served.kill_sessions()
    await broken(connection)
    call = asyncio.create_task(connection.execute("show clock", timeout=40))
    async with asyncio.timeout(20):
        while device.manager.breaker(connection.via).failures < 2:
            await asyncio.sleep(0.001)
    await device.disconnect()
    served.faults = Faults()
    device.manager.breaker(connection.via).reset()  # it is due now
    with pytest.raises(SessionClosed):
        await call
    assert not connection.connected
    assert not served.sessions


async def test_one_that_could_not_be_connected_again(pair: Any) -> None:
    device, served = await pair("telnet")
    connection = await device.connect()
    served.faults = Faults(vty_limit=0, vty_refusal="text")
    served.kill_sessions()
    await broken(connection)
    with pytest.raises(ShellRefused):
        await device.connect()
    served.faults = Faults()
    assert not device.connections
    with pytest.raises(SessionClosed):
        await connection.execute("show clock")
    assert not served.sessions


async def test_who_waits_for_the_same_opening_keeps_the_alias_when_another_leaves(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(slow_login=0.1))
    first = asyncio.create_task(device.connect())
    second = asyncio.create_task(device.connect())
    await asyncio.sleep(0.02)
    first.cancel()
    connection = await second
    assert device["default"] is connection
    await device.disconnect_all()
    assert not served.sessions


@pytest.mark.parametrize("size", [None, 2])
async def test_each_who_waits_for_one_opening_has_a_deadline_of_his_own(pair: Any, size: int | None) -> None:
    device, served = await pair("telnet", faults=Faults(slow_login=1.0))
    first = asyncio.create_task(device.connect(timeout=20, pool_size=size))
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectTimeout, match="somebody else"):
        await device.connect(timeout=0.1, pool_size=size)
    assert not first.done()
    assert device["default"] is await first
    assert served.logins == 1


async def test_connecting_while_a_call_opens_it_again_is_bounded_and_leaves_that_call_alone(
    pair: Any,
) -> None:
    device, served = await pair("telnet")
    connection = await device.connect()
    served.faults = Faults(slow_login=1.0)
    served.kill_sessions()
    await broken(connection)
    device.manager.breaker(connection.via).reset()
    call = asyncio.create_task(connection.execute("show version", timeout=20))
    async with asyncio.timeout(20):
        while connection.state is not State.OPENING:
            await asyncio.sleep(0.001)
    with pytest.raises(ConnectTimeout, match="a call that opens it again"):
        await device.connect(timeout=0.1)
    assert "Version" in await call
    assert device["default"] is connection


@pytest.mark.parametrize("loop", ["caller", "shared"])
async def test_a_path_that_was_put_right_is_tried_by_pools_as_well(lab: Lab, loop: Any) -> None:
    served = await lab.add("r1", protocols=("telnet",))
    async with aioconn.load(lab.testbed(), loop=loop) as testbed:
        r1 = testbed["r1"]
        pool = await r1.connect(pool_size=2)
        await refuse(served, r1, pool)
        with pytest.raises(CircuitOpen):
            await pool.execute("show version", timeout=5)
        served.faults = Faults()
        r1.manager.breaker(pool.via).reset()
        assert "Version" in await pool.execute("show version", timeout=5)


async def refuse(served: Any, device: Any, pool: Any) -> None:
    """The password is wrong from now on, and the pool has found out."""
    served.faults = Faults(wrong_password=True)
    served.kill_sessions()
    async with asyncio.timeout(5):
        while pool.statistics()["open"]:
            await asyncio.sleep(0.001)
    device.manager.breaker(pool.via).reset()  # sessions that die young have failed as well
    with pytest.raises(AuthenticationFailed):
        await pool.execute("show version", timeout=5)


async def test_connect_tries_a_pool_whose_path_is_down(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(pool_size=2)
    await refuse(served, device, pool)
    served.faults = Faults()
    assert await device.connect(pool_size=2) is pool
    assert served.sessions == 1
    assert "Version" in await pool.execute("show version")
    await refuse(served, device, pool)
    with pytest.raises(AuthenticationFailed):
        await device.connect(pool_size=2)
    assert not device.connections
    with pytest.raises(PoolClosed):
        await pool.execute("show version")


async def test_the_deadline_of_a_stream_bounds_its_wait_for_a_session(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1, pool_timeout=30)
    held = await asyncio.create_task(take(pool))
    async with asyncio.timeout(10):
        with pytest.raises(PoolTimeout):
            async for _ in pool.stream("show version", timeout=0.1):
                pass
    pool.release(held)
    assert "Version" in "".join([piece async for piece in pool.stream("show version", timeout=5)])


async def take(pool: Any) -> Any:
    return await pool.acquire()


async def test_the_wait_for_exclusive_work_counts_in_a_pools_deadline(pair: Any) -> None:
    device, _ = await pair("telnet", faults=Faults(hang_on="clock"))
    pool = await device.connect(pool_size=1)
    async with device.exclusive():
        call = asyncio.create_task(outside(pool.execute, "show clock", timeout=2.0))
        await asyncio.sleep(0.5)
    with pytest.raises(CommandTimeout, match=r"within [01]\.\d+ s"):
        await call


async def outside(function: Any, *args: Any, **keys: Any) -> Any:
    """As somebody who is not in the block that this task was started in."""
    return await asyncio.create_task(function(*args, **keys), context=contextvars.Context())


async def test_what_a_cancelled_configure_leaves_is_gone_before_the_next_one_begins(lab: Lab) -> None:
    """On Junos all sessions edit one candidate: what is not discarded there is committed by whoever comes next."""
    served = await lab.add("r1", personality="juniper_junos", protocols=("telnet",))
    far = Weather(delay=0.05)
    async with Proxy("127.0.0.1", served.telnet_port or 0, to_client=far, to_server=far) as proxy:
        whole = lab.testbed()
        paths = whole["devices"]["r1"]["connections"]
        paths["far"] = {**paths["vty"], "port": proxy.port}
        async with aioconn.load(whole) as testbed:
            r1 = testbed["r1"]
            slow = await r1.connect(alias="slow", via="far")
            quick = await r1.connect(alias="quick", via="vty", pool_size=2)
            left = asyncio.create_task(
                slow.configure(["set interfaces lo0 description left", "set interfaces lo0 mtu 1400"])
            )
            async with asyncio.timeout(10):
                while not any("description left" in entry.command for entry in served.log):
                    await asyncio.sleep(0.002)
            following = asyncio.create_task(quick.configure(["set system host-name r1-next"]))
            await asyncio.sleep(0.01)
            left.cancel()
            with pytest.raises(asyncio.CancelledError):
                await left
            await following
            committed = served.hierarchy.statements([])
            assert "r1-next" in committed
            assert "left" not in committed


@pytest.mark.parametrize("pooled", [False, True])
async def test_whoever_configures_again_at_once_does_not_wait_for_himself(pair: Any, pooled: bool) -> None:
    device, served = await pair("telnet")
    target = await device.connect(pool_size=2 if pooled else None)
    for number in range(3):
        await target.configure(["interface Loopback0", f"description number {number}"])
    with pytest.raises(CommandRejected):
        await target.configure(["bogus line"])
    await target.configure(["interface Loopback0", "description after a refusal"])
    served.faults = Faults(hang_on="hangs")
    with pytest.raises(CommandTimeout):
        await target.configure(["interface Loopback0", "description hangs"], timeout=0.2)
    await target.configure(["interface Loopback0", "description after a timeout"])
    assert "after a timeout" in served.config.render()
