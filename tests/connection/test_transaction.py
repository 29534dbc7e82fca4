# SPDX-License-Identifier: Apache-2.0
"""Several calls that nobody else's come between: on one connection, and on the whole device."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from aioconn.errors import CommandTimeout, Deadlock, DeviceBusy, SessionBroken
from aioconn.lab import Faults

pytestmark = pytest.mark.clock("jumping")


async def test_a_transaction_keeps_others_out_and_its_own_children_in(pair: Any) -> None:
    device, _ = await pair("telnet")
    connection = await device.connect()
    order: list[str] = []

    async def other() -> None:
        await device.execute("show clock")
        order.append("other")

    async def child() -> None:
        await device.execute("show privilege")
        order.append("child")

    waiting = asyncio.create_task(other())
    await asyncio.sleep(0)  # it is first in line
    async with connection.transaction() as session:
        assert session is connection
        late = asyncio.get_running_loop().create_task(other(), context=contextvars.Context())
        await session.execute("show version")
        await asyncio.gather(child(), child())
        async with connection.transaction():
            await device.execute("show version")
        order.append("end")
        assert not late.done()
    await asyncio.gather(waiting, late)
    assert order == ["other", "child", "child", "end", "other"]


async def test_who_waits_for_a_transaction_hears_of_whom(pair: Any) -> None:
    device, _ = await pair("telnet")
    connection = await device.connect()
    begun, end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with connection.transaction():
            begun.set()
            await end.wait()

    holder = asyncio.create_task(hold(), name="the holder")
    await begun.wait()
    with pytest.raises(DeviceBusy, match=r"the holder.*test_transaction\.py:\d+ in hold"):
        await device.execute("show version", timeout=0.05)
    with pytest.raises(DeviceBusy, match="no transaction within"):
        async with connection.transaction(timeout=0.05):
            pass
    waiting = asyncio.create_task(device.execute("show version"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    end.set()
    await holder
    assert "Version" in await waiting


async def test_a_session_that_breaks_in_a_transaction_is_not_reopened_in_it(pair: Any) -> None:
    device, served = await pair("telnet")
    connection = await device.connect()
    async with connection.transaction():
        await device.execute("show version")
        served.kill_sessions()
        async with asyncio.timeout(5):
            while connection.connected:
                await asyncio.sleep(0.001)
        with pytest.raises(SessionBroken):
            await device.execute("show version")
    assert "Version" in await device.execute("show version")
    assert served.logins == 2


async def test_whoever_was_waiting_his_turn_knows_that_nothing_was_sent(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(hang_on="clock"))
    await device.connect()
    running = asyncio.create_task(device.execute("show clock", timeout=0.4))
    await asyncio.sleep(0)  # in which it takes its turn
    with pytest.raises(CommandTimeout, match="its turn did not come") as caught:
        await device.execute("show version", timeout=0.05)
    assert not caught.value.maybe_executed
    with pytest.raises(CommandTimeout) as caught:
        await running
    assert caught.value.maybe_executed
    assert [entry.command for entry in served.log].count("show version") == 0


async def test_exclusive_work_waits_for_all_and_keeps_all_out(pair: Any) -> None:
    device, _ = await pair("telnet", faults=Faults(latency=0.03))
    await device.connect()
    await device.connect(alias="pool", pool_size=2)
    running = [asyncio.create_task(device.pool.execute("show clock")) for _ in range(4)]
    await asyncio.sleep(0.01)
    async with device.exclusive():
        assert all(task.done() for task in running)
        outside = asyncio.create_task(device.execute("show version"))
        with pytest.raises(DeviceBusy, match=r"test_transaction\.py"):
            await foreign(device.pool.execute("show version", timeout=0.1))
        assert "Version" in await device.execute("show version")
        assert "Version" in await device.pool.execute("show version")
        async with device.exclusive():
            assert "uplink" not in await device.configure(["interface Loopback0", "description uplink"])
    assert "Version" in await outside


async def foreign(call: Any) -> Any:
    """The call of somebody who was not started inside."""
    return await asyncio.get_running_loop().create_task(call, context=contextvars.Context())


async def test_a_holder_who_asks_for_exclusive_work_waits_for_himself(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    async with pool.acquire():
        with pytest.raises(Deadlock, match=r"test_transaction\.py:\d+.*test_transaction\.py:\d+"):
            async with device.exclusive():
                pass
    async with device.exclusive():
        assert "Version" in await pool.execute("show version")


async def test_one_at_a_time_configures_a_device(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(latency=0.005))
    await device.connect()
    await device.connect(alias="pool", pool_size=3)

    async def configure(number: int) -> None:
        target = device if number % 2 else device.pool
        await target.configure([f"interface Loopback{number}", f"description number {number}"])

    reading = asyncio.create_task(device.pool.execute("show version"))
    await asyncio.gather(*[configure(number) for number in range(6)])
    await reading
    lines = [entry for entry in served.log if entry.command.startswith(("interface", "description", "end"))]
    blocks = [lines[index : index + 3] for index in range(0, len(lines), 3)]
    assert all(len({entry.session for entry in block}) == 1 for block in blocks)
    assert len(blocks) == 6
