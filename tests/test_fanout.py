# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import contextlib
import time
from types import SimpleNamespace
from typing import Any

import pytest

import aioconn
from aioconn.errors import AioconnError, AuthenticationFailed, ConnectTimeout, ShellRefused, UnknownDevice
from aioconn.lab import Faults, Lab
from aioconn.visits import batches

pytestmark = pytest.mark.clock("jumping")


async def fill(lab: Lab, count: int, **keys: Any) -> aioconn.Testbed:
    for number in range(count):
        await lab.add(f"r{number}", protocols=("ssh" if number % 2 else "telnet",), **keys)
    return aioconn.load(lab.testbed())


async def test_every_device_gives_one_result(lab: Lab) -> None:
    testbed = await fill(lab, 20)
    lab["r3"].faults = Faults(wrong_password=True)
    lab["r4"].faults = Faults(vty_limit=0, vty_refusal="text")
    seen: dict[str, aioconn.Result[Any]] = {}
    async for result in aioconn.fan_out(testbed, "show version", limit=8):
        seen[result.device] = result
    assert set(seen) == set(testbed)
    assert {name for name, result in seen.items() if not result.ok} == {"r3", "r4"}
    assert isinstance(seen["r3"].error, AuthenticationFailed)
    assert isinstance(seen["r4"].error, ShellRefused)
    assert all("Version" in result.unwrap() for result in seen.values() if result.ok)
    assert not any(device.connected for device in testbed.devices.values())
    async with asyncio.timeout(20):
        while any(served.sessions for served in lab.devices.values()):
            await asyncio.sleep(0.001)


async def test_what_ends_together_is_given_together_and_who_is_alone_waits_for_nobody() -> None:
    gate = asyncio.Event()

    async def how(device: Any, work: Any, /, **_: Any) -> aioconn.Result[Any]:
        if device.name != "r0":
            await gate.wait()
        return aioconn.Result(device=device.name)

    devices = [SimpleNamespace(name=f"r{number}") for number in range(10)]
    async with contextlib.aclosing(batches(devices, "", how=how, most=16)) as found:
        assert [result.device for result in await anext(found)] == ["r0"]
        gate.set()
        assert [[result.device for result in batch] async for batch in found] == [
            [f"r{number}" for number in range(1, 10)]
        ]


async def test_a_device_that_says_nothing_is_given_up_in_time(lab: Lab) -> None:
    testbed = await fill(lab, 2, faults=Faults(half_open=True))
    results = [result async for result in aioconn.fan_out(testbed, "show version", timeout=0.1)]
    assert [type(result.error) for result in results] == [ConnectTimeout] * 2


async def test_several_commands_and_a_function(lab: Lab) -> None:
    testbed = await fill(lab, 4)
    async for result in aioconn.fan_out(testbed, ["show version", "show clock"]):
        assert len(result.unwrap()) == 2

    async def work(device: aioconn.Device) -> str:
        if device.name == "r1":
            raise RuntimeError("mine")
        return (await device.execute("show clock")).upper()

    results = {result.device: result async for result in aioconn.fan_out(testbed, work)}
    assert str(results["r1"].error) == "mine"
    assert "UTC" in results["r0"].unwrap()


async def test_what_was_connected_stays_connected(lab: Lab) -> None:
    testbed = await fill(lab, 3)
    await testbed["r0"].connect()
    async for result in aioconn.fan_out(testbed, "show clock"):
        result.unwrap()
    assert [device.connected for device in testbed.devices.values()] == [True, False, False]
    async for result in aioconn.fan_out(testbed, "show clock", keep=True):
        result.unwrap()
    assert all(device.connected for device in testbed.devices.values())
    await testbed.disconnect()


async def test_leaving_early_closes_what_is_under_way(lab: Lab) -> None:
    testbed = await fill(lab, 10, faults=Faults(latency=0.2))
    lab["r0"].faults = Faults()
    results = aioconn.fan_out(testbed, "show clock")
    async for result in results:
        assert result.device == "r0"
        break
    await results.aclose()
    await asyncio.sleep(0.05)
    assert sum(served.sessions for served in lab.devices.values()) == 0


async def test_the_limit_holds(lab: Lab) -> None:
    testbed = await fill(lab, 12, faults=Faults(hang_on="show clock"))
    for name in ("r0", "r1", "r2"):
        lab[name].faults = Faults(latency=0.02)
    results = aioconn.fan_out(testbed, "show clock", limit=3)
    for _ in range(3):  # whose places others get
        (await anext(results)).unwrap()
    async with asyncio.timeout(20):
        while sum(bool(served.log) for served in lab.devices.values()) < 6:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)
    assert sum(served.sessions for served in lab.devices.values()) == 3
    assert sum(served.logins for served in lab.devices.values()) == 6
    await results.aclose()
    with pytest.raises(ValueError, match="limit"):
        async for _ in aioconn.fan_out(testbed, "show clock", limit=0):
            pass


async def test_testbed_verbs(lab: Lab) -> None:
    async with await fill(lab, 6) as testbed:
        lab["r5"].faults = Faults(wrong_password=True)
        connected = await testbed.connect()
        assert (len(connected.ok), list(connected.failed)) == (5, ["r5"])
        assert list(connected) == list(testbed)
        results = await testbed.execute("show version", ["r0", "r5"])
        assert list(results) == ["r0", "r5"]
        with pytest.raises(BaseExceptionGroup) as caught:
            results.raise_for_errors()
        assert len(caught.value.exceptions) == 1
        await testbed.configure(["interface Loopback0", "description all"], ["r0", "r1"])
        shown = await testbed.execute("show running-config", ["r0", "r1"])
        assert all("description all" in output for output in shown.ok.values())
        with pytest.raises(UnknownDevice, match="did you mean"):
            await testbed.execute("show version", ["r0", "r55"])
    assert not any(device.connected for device in testbed.devices.values())


async def test_the_deadline_holds_and_no_result_is_missing(lab: Lab) -> None:
    testbed = await fill(lab, 6, faults=Faults(latency=5))
    started = time.monotonic()
    results = await testbed.execute("show version", limit=2, deadline=0.5)
    assert time.monotonic() - started < 4
    assert list(results) == list(testbed)
    assert all(isinstance(error, AioconnError) for error in results.failed.values())
    assert len(results.failed) == 6
    await testbed.disconnect()


async def test_leaving_the_testbed_under_cancellation_still_closes_all(lab: Lab) -> None:
    testbed = await fill(lab, 5)

    async def script() -> None:
        async with testbed:
            await testbed.connect()
            await testbed.execute("show clock")
            await asyncio.sleep(30)

    for wait in (0.0, 0.001, 0.01, 0.05, 0.3):
        task = asyncio.ensure_future(script())
        await asyncio.sleep(wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        assert sum(served.sessions for served in lab.devices.values()) == 0, wait


async def test_silent_devices_keep_nobody_out(lab: Lab) -> None:
    for number in range(60):
        await lab.add(f"silent{number}", protocols=("ssh",), faults=Faults(half_open=True))
    for number in range(5):
        await lab.add(f"good{number}", protocols=("ssh",))
    testbed = aioconn.load(lab.testbed())
    results = {
        result.device: result async for result in aioconn.fan_out(testbed, "show clock", limit=65, timeout=3)
    }
    assert {name for name, result in results.items() if result.ok} == {f"good{n}" for n in range(5)}
    assert all(isinstance(results[f"silent{n}"].error, ConnectTimeout) for n in range(60))
