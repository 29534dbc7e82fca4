# SPDX-License-Identifier: Apache-2.0
"""What a device can bear, over all its connections; and paths that fail for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    CircuitOpen,
    ConnectError,
    HostUnreachable,
    SessionBroken,
    SessionClosed,
)
from aioconn.events import CircuitOpened, LimitLearned, Replaced
from aioconn.lab import Faults, Lab

pytestmark = pytest.mark.clock("jumping")


@pytest.fixture
async def load(lab: Lab) -> AsyncIterator[Any]:
    """`load(**defaults)`: a testbed of the lab as it is then, closed at the end."""
    made: list[aioconn.Testbed] = []

    def make(**defaults: Any) -> aioconn.Testbed:
        whole = lab.testbed()
        for device in whole["devices"].values():
            device["connections"]["defaults"] = defaults
        made.append(aioconn.load(whole))
        return made[-1]

    yield make
    for testbed in made:
        await testbed.disconnect()


async def test_five_lines_four_logins_two_pools_and_an_alias(lab: Lab, load: Any) -> None:
    served = await lab.add("r1", protocols=("telnet",), max_vty=5, faults=Faults(logins_per_minute=4))
    r1 = load(max_sessions=5, logins_per_minute=4)["r1"]
    await r1.connect(alias="cli")
    first = await r1.connect(alias="first", pool_size=4)
    second = await r1.connect(alias="second", pool_size=4)
    answers: list[str] = []

    async def caller(number: int) -> None:
        target = (r1.cli, first, second)[number % 3]
        for _ in range(4):
            answers.append(await target.execute("show version"))

    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(caller(number))
    assert len(answers) == 200
    assert all("Version" in answer for answer in answers)
    assert served.peak_sessions <= 5
    assert served.logins <= 4
    assert served.refusals == 0


async def test_a_limit_that_nobody_told_us_of_is_learned(lab: Lab, load: Any) -> None:
    """Pools and an alias on a device that refuses the fourth session, by channel and by a text on the line."""
    for protocol, refusal in (("ssh", "channel"), ("ssh", "text"), ("telnet", "text")):
        name = f"r{len(lab.devices)}"
        # commands that take longer than a login, so that the pools want all of their sessions
        faults = Faults(vty_limit=3, vty_refusal=refusal, latency=0.05)
        served = await lab.add(name, protocols=(protocol,), faults=faults)
        device = load()[name]
        learned: list[int | None] = []
        device.listeners.add(
            lambda event, learned=learned: (
                learned.append(event.sessions) if isinstance(event, LimitLearned) else None
            )
        )
        await device.connect(alias="cli")
        one = await device.connect(alias="one", pool_size=4)
        two = await device.connect(alias="two", pool_size=4)
        calls = [target.execute("show version") for target in (one, two, device.cli) for _ in range(10)]
        assert all("Version" in answer for answer in await asyncio.gather(*calls))
        assert learned[-1] == 3
        assert device.manager.statistics()["learned_sessions"] == 3
        assert served.peak_sessions <= 4  # the refused one counts while it is told


async def test_idle_sessions_of_one_pool_are_given_up_for_another(lab: Lab, load: Any) -> None:
    served = await lab.add("r1", protocols=("telnet",), faults=Faults(latency=0.05))
    r1 = load(max_sessions=3)["r1"]
    reasons: list[str] = []
    r1.listeners.add(lambda event: reasons.append(event.reason) if isinstance(event, Replaced) else None)
    one = await r1.connect(alias="one", pool_size=3)
    await asyncio.gather(*[one.execute("show clock") for _ in range(3)])
    assert one.statistics()["idle"] == 3
    two = await r1.connect(alias="two", pool_size=3)
    await asyncio.gather(*[two.execute("show clock") for _ in range(3)])
    assert one.statistics()["open"] + two.statistics()["open"] == 3
    assert two.statistics()["open"] >= 1
    assert set(reasons) == {"yielded"}
    assert served.peak_sessions == 3


@pytest.mark.clock("real")
async def test_a_pool_that_is_always_wanted_lets_another_have_its_turn(lab: Lab, load: Any) -> None:
    await lab.add("r1", protocols=("telnet",))
    r1 = load(max_sessions=1)["r1"]
    busy = await r1.connect(alias="busy", pool_size=1)
    stop = False

    async def keep_busy() -> None:
        while not stop:
            await busy.execute("show clock")

    workers = [asyncio.create_task(keep_busy()) for _ in range(3)]
    await asyncio.sleep(0.05)
    other = r1.manager.instantiate(alias="other", pool_size=1)
    await asyncio.wait_for(other.open(timeout=20), 20)
    assert "Version" in await other.execute("show version", timeout=20)
    stop = True
    await asyncio.gather(*workers)


async def test_a_dead_path_is_tried_less_and_less_and_says_when_again(lab: Lab, load: Any) -> None:
    await lab.add("r1", protocols=("telnet",))
    r1 = load()["r1"]
    pool = await r1.connect(pool_size=3)
    opened: list[CircuitOpened] = []
    r1.listeners.add(lambda event: opened.append(event) if isinstance(event, CircuitOpened) else None)
    lab.remove("r1")
    async with asyncio.timeout(5):
        while pool.statistics()["open"]:
            await asyncio.sleep(0.001)
    failures = await asyncio.gather(
        *[pool.execute("show version", timeout=3) for _ in range(20)], return_exceptions=True
    )
    assert all(isinstance(failure, ConnectError | TimeoutError) for failure in failures)
    assert 1 <= len(opened) <= 8  # one at a time, whoever waits
    breaker = r1.manager.breaker("vty")
    assert isinstance(breaker.last_error, (HostUnreachable, SessionBroken))
    breaker.retry_at = asyncio.get_running_loop().time() + 50.0
    pool.path_changed()
    with pytest.raises(CircuitOpen, match=r"next attempt is due in (4\d|50)\.\d s") as caught:
        await pool.execute("show version", timeout=3)
    assert isinstance(caught.value.last_error, (HostUnreachable, SessionBroken))
    assert not pool.connected


async def test_who_waits_out_a_backoff_hears_of_a_close_at_once(lab: Lab, load: Any) -> None:
    await lab.add("r1", protocols=("telnet",))
    r1 = load()["r1"]
    connection = await r1.connect()
    lab.remove("r1")
    async with asyncio.timeout(5):
        while connection.connected:
            await asyncio.sleep(0.001)
    breaker = r1.manager.breaker("vty")
    breaker.retry_at = asyncio.get_running_loop().time() + 50.0
    breaker.failures = max(breaker.failures, 1)
    calls = [asyncio.create_task(connection.execute("show version", timeout=55)) for _ in range(3)]
    await asyncio.sleep(0.02)
    assert not any(call.done() for call in calls)  # the next attempt is due before their deadline
    async with asyncio.timeout(5):
        await connection.close()
        failures = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(failure) for failure in failures] == [SessionClosed] * 3
    assert not r1.manager.statistics()["sessions_used"]


async def test_five_hundred_devices_down_and_up_again(lab: Lab, load: Any) -> None:
    """One attempt at a time for each device, all healthy again by themselves."""
    count = 500
    served = [await lab.add(f"r{number}", protocols=("telnet",)) for number in range(count)]
    testbed = load()
    devices = list(testbed.devices.values())
    pools = await asyncio.gather(*[device.connect(pool_size=2, lifetime=1000) for device in devices])
    for device in served:
        device.faults = Faults(vty_limit=0, vty_refusal="text")
        device.kill_sessions()
    async with asyncio.timeout(20):
        while any(pool.statistics()["open"] for pool in pools):
            await asyncio.sleep(0.01)
    under_way: dict[str, int] = {}
    most: dict[str, int] = {}

    def watch(event: Any) -> None:
        kind = type(event).__name__
        if kind == "Opening" and event.phase == "tcp":
            under_way[event.device] = under_way.get(event.device, 0) + 1
            most[event.device] = max(most.get(event.device, 0), under_way[event.device])
        elif kind in ("Opened", "OpenFailed"):
            under_way[event.device] = under_way.get(event.device, 0) - 1

    testbed.listeners.add(watch)
    calls = [asyncio.create_task(pool.execute("show version", timeout=100)) for pool in pools]
    await asyncio.sleep(1.0)
    for device in served:
        device.faults = Faults()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    wrong = [answer for answer in answers if not isinstance(answer, str)]
    assert not wrong, wrong[:3]
    assert len(most) == count
    assert max(most.values()) == 1
    assert all(pool.connected for pool in pools)


async def test_a_wrong_password_is_tried_exactly_once(lab: Lab, load: Any) -> None:
    tried = 0

    def count(event: object) -> None:
        nonlocal tried
        tried += type(event).__name__ == "OpenFailed"

    served = [await lab.add(f"r{number}", protocols=("telnet",)) for number in range(20)]
    testbed = load()
    pools = [await device.connect(pool_size=3) for device in testbed.devices.values()]
    for device in served:
        device.faults = Faults(wrong_password=True)
        device.kill_sessions()
    async with asyncio.timeout(5):
        while any(pool.statistics()["open"] for pool in pools):
            await asyncio.sleep(0.001)
    testbed.listeners.add(count)
    for _ in range(3):
        calls = [pool.execute("show version", timeout=20) for pool in pools for _ in range(5)]
        failures = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(failure) for failure in failures} <= {AuthenticationFailed, CircuitOpen}
    assert tried == len(pools)


async def test_a_connection_that_broke_is_reopened_under_the_callers_deadline(lab: Lab, load: Any) -> None:
    served = await lab.add("r1", protocols=("telnet",))
    r1 = load()["r1"]
    connection = await r1.connect()
    served.faults = Faults(vty_limit=0, vty_refusal="text")
    served.kill_sessions()
    async with asyncio.timeout(5):
        while connection.connected:
            await asyncio.sleep(0.001)
    call = asyncio.create_task(r1.execute("show version", timeout=60))
    await asyncio.sleep(0.3)
    served.faults = Faults()
    assert "Version" in await call
