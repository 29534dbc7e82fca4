# SPDX-License-Identifier: Apache-2.0
"""Pools, on simulated devices over real SSH and telnet."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

import aioconn
from aioconn.connection import BaseConnection, State, service
from aioconn.errors import (
    AuthenticationFailed,
    Deadlock,
    NotOfThisPool,
    PoolClosed,
    PoolTimeout,
    ReleasedTwice,
    SessionBroken,
    SessionClosed,
    UsageError,
    UsedAfterRelease,
)
from aioconn.events import Acquired, Event
from aioconn.lab import Faults

pytestmark = pytest.mark.clock("jumping")


async def test_a_pool_grows_as_it_is_needed_and_no_further(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(alias="pool", pool_size=3)
    assert (served.logins, pool.size, pool.connected) == (1, 3, True)
    outputs = await asyncio.gather(*[pool.execute("show version") for _ in range(20)])
    assert all("Version" in output for output in outputs)
    assert served.logins == served.sessions == 3
    numbers = pool.statistics()
    assert (numbers["open"], numbers["idle"], numbers["busy"], numbers["waiting"]) == (3, 3, 0, 0)
    assert device.pool is pool
    assert repr(pool) == "<CliConnection pool r1.pool via vty 3/3: 3 idle>"
    await device.disconnect("pool")
    assert pool.state is State.CLOSED
    with pytest.raises(PoolClosed):
        await pool.execute("show version")
    assert not served.sessions


async def test_several_commands_on_one_session(pair: Any) -> None:
    device, served = await pair("ssh")
    await device.connect(pool_size=2)
    async with device.default.acquire() as session:
        await session.enter_mode("config")
        assert session.mode == "config"
        assert "Version" in await device.execute("show version")
        await session.enter_mode("privileged")
    numbers = {entry.session for entry in served.log}
    assert len(numbers) == 2


async def test_whoever_left_a_session_elsewhere_leaves_it_clean_for_the_next(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    async with pool.acquire() as session:
        await session.enter_mode("config")
    assert (await pool.execute("show version")).mode == "privileged"
    async with pool.acquire() as session:
        await session.send("show ver", newline=False)
    assert "Version" in await pool.execute("show version")
    assert pool.statistics()["opened"] == 1


async def test_first_come_first_served(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    order: list[int] = []

    async def caller(number: int) -> None:
        await pool.execute("show clock")
        order.append(number)

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(caller(number))
    assert order == list(range(8))


async def test_a_session_ends_for_its_holder_when_it_is_given_back(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=2)
    other = await device.connect(alias="other", pool_size=2)
    session = await pool.acquire()
    with pytest.raises(NotOfThisPool):
        other.release(session)
    pool.release(session)
    with pytest.raises(ReleasedTwice, match="test_pool"):
        pool.release(session)
    with pytest.raises(UsedAfterRelease, match="test_pool"):
        await session.execute("show version")
    assert pool.statistics()["idle"] == 1


async def test_who_holds_what_and_for_how_long(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1, pool_timeout=0.1)
    async with pool.acquire():
        with pytest.raises(PoolTimeout, match=r"test_pool.py:\d+ in test_who_holds") as caught:
            await asyncio.create_task(pool.execute("show version"))
        assert isinstance(caught.value, TimeoutError)
        with pytest.raises(PoolTimeout):
            await asyncio.ensure_future(pool.acquire(timeout=0.05))
    assert "Version" in await pool.execute("show version")
    assert pool.statistics()["timeouts"] == 2


async def test_a_holder_who_waits_for_himself(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    async with pool.acquire():
        with pytest.raises(Deadlock, match=r"test_pool.py:\d+.*test_pool.py:\d+"):
            await pool.execute("show version")
        with pytest.raises(Deadlock):
            async with pool.acquire():
                pass
    assert "Version" in await pool.execute("show version")


async def test_a_session_that_dies_costs_the_call_on_it_and_no_other(pair: Any) -> None:
    device, served = await pair("ssh")
    pool = await device.connect(pool_size=4)
    await asyncio.gather(*[pool.execute("show clock") for _ in range(8)])
    failed = 0

    async def worker(number: int) -> None:
        nonlocal failed
        for turn in range(25):
            if number == 0 and turn == 3:
                next(iter(served.players)).end(reset=True)
            try:
                assert "Version" in await pool.execute("show version")
            except SessionBroken:
                failed += 1

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(worker(number))
    assert failed <= 1
    assert pool.statistics()["lost"] == 1


async def test_a_call_that_may_be_repeated_is(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(latency=0.05))
    pool = await device.connect(pool_size=2)
    await asyncio.gather(*[pool.execute("show clock") for _ in range(2)])
    call = asyncio.ensure_future(pool.execute("show version", idempotent=True))
    await asyncio.sleep(0.02)
    served.kill_sessions()
    assert "Version" in await call
    call = asyncio.ensure_future(pool.execute("show version"))
    await asyncio.sleep(0.02)
    served.kill_sessions()
    with pytest.raises(SessionBroken) as caught:
        await call
    assert caught.value.maybe_executed


async def test_a_cancelled_command_is_settled_by_the_pool(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(latency=0.2))
    pool = await device.connect(pool_size=1)
    call = asyncio.ensure_future(pool.execute("show version"))
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert pool.statistics()["settling"] == 1
    served.faults = Faults()
    assert "uptime" not in await pool.execute("show clock")
    numbers = pool.statistics()
    assert (numbers["opened"], numbers["settled"]) == (1, 1)


async def test_a_wrong_password_is_tried_once(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(wrong_password=True))
    with pytest.raises(AuthenticationFailed):
        await device.connect(pool_size=3)
    assert not device.connections
    served.faults = Faults()
    pool = await device.connect(pool_size=3)
    served.kill_sessions()
    served.faults = Faults(wrong_password=True)
    async with asyncio.timeout(5):
        while pool.statistics()["open"]:
            await asyncio.sleep(0.001)
    failures = await asyncio.gather(*[pool.execute("show version") for _ in range(5)], return_exceptions=True)
    assert [type(failure) for failure in failures] == [AuthenticationFailed] * 5
    assert all(isinstance(failure, Exception) for failure in failures)
    assert pool.statistics()["open_failed"] <= 2
    with pytest.raises(Exception, match="does not accept"):
        await pool.execute("show version")


async def test_resize(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(pool_size=4)
    await asyncio.gather(*[pool.execute("show clock") for _ in range(8)])
    assert served.sessions == 4
    async with pool.acquire():
        pool.resize(1)
        async with asyncio.timeout(5):
            while served.sessions > 1:
                await asyncio.sleep(0.005)
        waiting = asyncio.ensure_future(pool.execute("show version"))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pool.resize(2)
        assert "Version" in await waiting
    with pytest.raises(UsageError):
        pool.resize(0)


async def test_closing_while_busy(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(hang_on="clock"))
    pool = await device.connect(pool_size=1)
    running = asyncio.ensure_future(pool.execute("show clock"))
    await asyncio.sleep(0.02)
    waiting = asyncio.ensure_future(pool.execute("show version"))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(pool.drain(0.2))
    with pytest.raises(PoolClosed):
        await waiting
    assert not running.done()
    await closing
    with pytest.raises(SessionClosed):
        await running
    assert not served.sessions


async def test_closing_waits_for_those_who_hold_a_session(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(latency=0.1))
    pool = await device.connect(pool_size=2)
    running = asyncio.ensure_future(pool.execute("show version"))
    await asyncio.sleep(0.02)
    await pool.drain(10)
    assert "Version" in await running
    assert not served.sessions


async def test_a_cancelled_close_closes_all_the_same(pair: Any) -> None:
    device, served = await pair("telnet", faults=Faults(hang_on="clock"))
    pool = await device.connect(pool_size=2)
    running = asyncio.ensure_future(pool.execute("show clock"))
    await asyncio.sleep(0.02)
    closing = asyncio.ensure_future(pool.drain(60))
    await asyncio.sleep(0.02)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    with pytest.raises(SessionClosed):
        await running
    async with asyncio.timeout(5):
        while served.sessions:
            await asyncio.sleep(0.005)


async def test_a_forgotten_session_comes_back(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    held = [await pool.acquire()]
    with pytest.warns(ResourceWarning, match="test_pool"):
        held.clear()
    gc.collect()
    assert "Version" in await pool.execute("show version")


async def test_a_session_is_asked_for_once_and_used_in_between(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    asked = pool.acquire()
    with pytest.raises(UsageError, match="not taken yet"):
        asked.execute("show version")
    with pytest.raises(ReleasedTwice):
        pool.release(asked)
    for _ in range(2):  # with and without a line that is known
        asked = pool.acquire()
        async with asked as session:
            assert session is asked
            with pytest.raises(
                UsageError, match=r"asked for before, at test_pool.py:\d+ in test_a_session_is"
            ):
                await asked
    with pytest.raises(UsageError, match="asked for before"):
        async with asked:
            pass
    assert pool.statistics()["idle"] == 1


async def test_a_turn_without_a_wait_is_told_to_whoever_listens(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    for listeners in (device.listeners, pool.listeners, None):
        told: list[Event] = []
        stop = listeners.add(told.append) if listeners is not None else lambda: None
        for _ in range(3):
            async with pool.acquire():
                pass
        stop()
        assert [type(event) for event in told] == ([Acquired] * 3 if listeners is not None else [])


async def test_turns_leave_the_device_to_who_needs_it_alone(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1, check_after=0.05)
    for idle in (0.0, 0.0, 0.1):
        await asyncio.sleep(idle)
        async with pool.acquire():
            pass
        async with device.exclusive(timeout=1.0):
            pass
    assert pool.statistics()["settled"] == 1


async def test_who_is_refused_a_place_in_line_leaves_the_device_to_who_needs_it_alone(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    for _ in range(2):  # with and without a line that is known
        async with pool.acquire():
            with pytest.raises(Deadlock):
                async with pool.acquire():
                    pass
        async with device.exclusive(timeout=1.0):
            pass


async def test_idle_sessions_are_checked_before_they_are_used(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(pool_size=2, check_after=0.05)
    await asyncio.sleep(0.1)
    assert "Version" in await pool.execute("show version")
    assert pool.statistics()["settled"] == 1
    assert served.logins == 1


async def test_idle_sessions_are_closed_in_time(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(pool_size=2, idle_timeout=0.1)
    async with asyncio.timeout(20):
        while served.sessions:
            await asyncio.sleep(0.01)
    assert "Version" in await pool.execute("show version")
    assert served.logins == 2


async def test_what_was_kept_for_long_is_closed_in_time_as_well(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(pool_size=1, idle_timeout=0.1)
    async with pool.acquire():
        await asyncio.sleep(0.3)  # meanwhile nothing is idle
    async with asyncio.timeout(20):
        while served.sessions:
            await asyncio.sleep(0.01)


async def test_sessions_do_not_live_for_ever(pair: Any) -> None:
    device, served = await pair("telnet")
    pool = await device.connect(pool_size=1, lifetime=0.1)
    for _ in range(4):
        await pool.execute("show clock")
        await asyncio.sleep(0.06)
    assert served.logins >= 2


async def test_streams_and_other_services_by_name(pair: Any) -> None:
    device, _ = await pair("telnet")
    pool = await device.connect(pool_size=1)
    assert "Version" in "".join([piece async for piece in pool.stream("show version")])
    assert await pool.enter_mode("privileged") is None
    assert "uplink" not in await pool.configure(["interface Loopback0", "description uplink"])
    with pytest.raises(AttributeError):
        pool.walk("sysDescr")


async def test_sessions_share_a_link_where_the_platform_allows_it(pair: Any) -> None:
    """One login for all; a link that carries three makes it two."""
    device, served = await pair("ssh", personality="arista_eos", faults=Faults(latency=0.05))
    pool = await device.connect(pool_size=5)
    await asyncio.gather(*[pool.execute("show clock") for _ in range(5)])
    assert (served.sessions, len(served.connections)) == (5, 1)
    device, served = await pair(
        "ssh", personality="arista_eos", shells_per_link=3, faults=Faults(latency=0.05)
    )
    pool = await device.connect(pool_size=5)
    await asyncio.gather(*[pool.execute("show clock") for _ in range(5)])
    assert (served.sessions, len(served.connections)) == (5, 2)
    assert pool.statistics()["open_failed"] == 0
    assert device.manager.statistics()["learned_sessions"] is None


async def test_pools_from_the_defaults(lab: Any) -> None:
    served = await lab.add("r1", protocols=("telnet",))
    whole = lab.testbed()
    whole["devices"]["r1"]["connections"]["defaults"] = {"pool_size": 2, "pool_timeout": 5}
    async with aioconn.load(whole) as testbed:
        await testbed["r1"].connect()
        assert (testbed["r1"].default.size, testbed["r1"].default.timeout) == (2, 5.0)
        results = await testbed.execute("show version")
        results.raise_for_errors()
    assert not served.sessions


class Counting(BaseConnection[Any]):
    """A class that a user might bring: no command line, one service."""

    live = 0

    async def _open(self) -> None:
        await asyncio.sleep(0)
        type(self).live += 1
        self._there = True

    async def _close(self) -> None:
        await asyncio.sleep(0)

    def _abort(self) -> None:
        if getattr(self, "_there", False):
            self._there = False
            type(self).live -= 1

    @service
    async def ask(self, word: str, *, timeout: float | None = None) -> str:
        await asyncio.sleep(0.001)
        return word.upper()


def test_a_loop_that_is_stopped_and_run_again_in_another_thread_is_known_there_alone() -> None:
    path = {"protocol": "ssh", "ip": "127.0.0.1", "class": f"{__name__}.Counting"}
    device = aioconn.Device("r1", os="iosxe", connections={"a": path})
    lent: list[int] = []  # in which threads
    device.listeners.add(
        lambda event: lent.append(threading.get_ident()) if isinstance(event, Acquired) else None
    )
    loop = asyncio.new_event_loop()
    pool: Any = loop.run_until_complete(device.connect(pool_size=1))

    async def turns() -> None:
        for _ in range(3):
            async with pool.acquire() as session:
                assert await session.ask("a") == "A"
        lease = await pool.acquire()
        pool.release(lease)
        with pytest.raises(UsedAfterRelease):
            await lease.ask("b")

    loop.run_until_complete(turns())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run(turns())  # of the same code, in the thread in which the loop ran before
    asyncio.run_coroutine_threadsafe(turns(), loop).result(20)
    asyncio.run(turns())
    asyncio.run_coroutine_threadsafe(device.destroy_all(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert lent == [threading.get_ident()] * 4 + [thread.ident] * 12
    assert Counting.live == 0


async def test_a_pool_of_any_class() -> None:
    path = {"protocol": "ssh", "ip": "127.0.0.1", "class": f"{__name__}.Counting"}
    async with aioconn.Device("r1", connections={"a": path}) as device:
        pool = await device.connect(alias="pool", pool_size=3)
        words = [f"word {number}" for number in range(30)]
        assert await asyncio.gather(*[pool.ask(word) for word in words]) == [word.upper() for word in words]
        assert pool.services == ("ask",)
        async with pool.acquire() as session:
            assert await session.ask("one") == "ONE"
        with pytest.raises(UsageError, match="ask"):
            await pool.execute("show version")
        assert Counting.live == 4
    assert Counting.live == 0


@pytest.mark.clock("real")
async def test_a_thousand_callers_on_ten_sessions_are_served_alike() -> None:
    path = {"protocol": "ssh", "ip": "127.0.0.1", "class": f"{__name__}.Counting"}
    async with aioconn.Device("r1", connections={"a": path}) as device:
        pool = await device.connect(alias="pool", pool_size=10, pool_timeout=0)
        served = [0] * 1000
        stop = asyncio.get_running_loop().time() + 2.0

        async def caller(number: int) -> None:
            while asyncio.get_running_loop().time() < stop:
                async with pool.acquire():
                    await asyncio.sleep(0)
                    served[number] += 1

        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(caller(number))
        assert min(served) > 0
        assert max(served) <= 1.5 * sum(served) / len(served) + 1


@pytest.mark.parametrize("moment", [0.0, 0.01, 0.05])
async def test_leaving_a_testbed_under_cancellation_closes_its_pools(lab: Any, moment: float) -> None:
    served = await lab.add("r1", protocols=("telnet",), faults=Faults(hang_on="clock"))

    async def script() -> None:
        async with aioconn.load(lab.testbed()) as testbed:
            pool = await testbed["r1"].connect(alias="pool", pool_size=3)
            held = await pool.acquire()
            calls = [asyncio.create_task(pool.execute("show clock")) for _ in range(4)]
            try:
                await asyncio.sleep(moment)
                running.set()
                await asyncio.sleep(60)
            finally:
                for call in calls:
                    call.cancel()
                pool.release(held)

    running = asyncio.Event()
    task = asyncio.create_task(script())
    await running.wait()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5):
        while served.sessions:
            await asyncio.sleep(0.005)
