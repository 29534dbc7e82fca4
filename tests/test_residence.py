# SPDX-License-Identifier: Apache-2.0
"""Devices that live on loops of their own, called from others."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import os
import random
import signal
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import pytest

import aioconn
from aioconn.errors import AioconnError, CommandTimeout, LoopMismatch, PoolClosed, SessionClosed, UsageError
from aioconn.events import Closed
from aioconn.home import Homes, call_from_thread, carry, homes
from aioconn.lab import Faults, Lab
from aioconn.residence import Residence, home_to_open_at, lodging, undisturbed


@pytest.fixture
async def fleet(lab: Lab) -> AsyncIterator[Any]:
    """`await fleet(count, loop, **defaults)`: a testbed of that many telnet devices."""
    made: list[aioconn.Testbed] = []

    async def make(
        count: int, loop: Any, *, protocols: Any = ("telnet",), **defaults: Any
    ) -> aioconn.Testbed:
        for number in range(count):
            await lab.add(f"r{number}", protocols=protocols)
        whole = lab.testbed()
        for device in whole["devices"].values():
            device["connections"]["defaults"] = defaults
        made.append(aioconn.load(whole, loop=loop))
        return made[-1]

    yield make
    for testbed in made:
        await testbed.disconnect()


async def test_each_device_has_its_own_loop(fleet: Any, lab: Lab) -> None:
    testbed = await fleet(3, "own")
    results = await testbed.execute("show version")
    results.raise_for_errors()
    loops = {device.manager.loop for device in testbed.devices.values()}
    assert len(loops) == len(homes) == 3
    assert asyncio.get_running_loop() not in loops
    await testbed.disconnect()
    assert len(homes) == 0
    assert not any(device.sessions for device in lab.devices.values())
    results = await testbed.execute("show version")  # and once more from the beginning
    results.raise_for_errors()
    assert "Version" in results.ok["r0"]


async def test_all_that_ask_for_it_share_one(fleet: Any) -> None:
    testbed = await fleet(5, "shared")
    (await testbed.execute("show version")).raise_for_errors()
    assert len({device.manager.loop for device in testbed.devices.values()}) == len(homes) == 1


async def test_every_way_to_use_a_device_from_another_loop(fleet: Any, lab: Lab) -> None:
    testbed = await fleet(1, "own")
    r0 = testbed["r0"]
    connection = await r0.connect()
    assert "Version" in "".join([piece async for piece in r0.stream("show version")])
    async with connection.transaction() as session:
        await session.execute("show clock")
        await asyncio.gather(r0.execute("show clock"), r0.execute("show version"))
    pool = await r0.connect(alias="pool", pool_size=2)
    assert all(
        "Version" in text for text in await asyncio.gather(*[pool.execute("show version") for _ in range(9)])
    )
    async with pool.acquire() as session:
        await session.enter_mode("config")
        assert session.mode == "config"
    assert "Version" in "".join([piece async for piece in pool.stream("show version")])
    async with r0.exclusive():
        await r0.configure(["interface Loopback0", "description uplink"])
        await pool.configure(["interface Loopback1", "description uplink"])
    pool.resize(1)
    assert pool.statistics()["size"] in (1, 2)  # it arrives there soon
    session = await pool.acquire()
    pool.release(session)
    await pool.drain(1)
    with pytest.raises(PoolClosed):
        await pool.execute("show clock")
    await r0.disconnect("default")
    with pytest.raises(SessionClosed):
        await r0.execute("show clock")
    assert lab["r0"].sessions == 0


async def test_a_cancelled_caller_elsewhere_leaves_the_session_in_step(fleet: Any, lab: Lab) -> None:
    testbed = await fleet(1, "own")
    r0 = testbed["r0"]
    pool = await r0.connect(pool_size=1)
    for delay in (0.0, 0.001, 0.01, 0.05):
        lab["r0"].faults = Faults(latency=0.3)
        call = asyncio.create_task(pool.execute("show version"))
        await asyncio.sleep(delay)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        lab["r0"].faults = Faults()
        assert "uptime" not in await pool.execute("show clock")
    lab["r0"].faults = Faults(hang_on="version")
    with pytest.raises(CommandTimeout):
        await pool.execute("show version", timeout=0.1)
    assert pool.statistics()["busy"] == 0


async def test_threads_with_loops_of_their_own(fleet: Any, lab: Lab) -> None:
    """Several threads, each with its own loop, on one device that lives where the test runs."""
    testbed = await fleet(1, "caller")
    r0 = testbed["r0"]
    pool = await r0.connect(pool_size=3)
    outputs: list[str] = []

    def work() -> None:
        async def calls() -> None:
            for _ in range(5):
                outputs.append(await pool.execute("show version"))
                outputs.append(await r0.execute("show version"))

        asyncio.run(calls())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(20):
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0.01)
    assert len(outputs) == 40
    assert all("Version" in output for output in outputs)
    assert lab["r0"].logins == 3


async def test_a_slow_device_does_not_stall_another(fleet: Any) -> None:
    """A callback that blocks one device's loop leaves the other's alone."""
    testbed = await fleet(2, "own")
    (await testbed.connect()).raise_for_errors()
    slow, quick = testbed["r0"], testbed["r1"]
    blocked, release = threading.Event(), threading.Event()

    def block(event: object) -> None:
        if type(event).__name__ == "ServiceStarted":
            blocked.set()
            release.wait(10)

    slow.listeners.add(block)
    stalled = asyncio.create_task(slow.execute("show version"))
    while not blocked.is_set():
        await asyncio.sleep(0.001)
    assert "Version" in await quick.execute("show version")
    assert not stalled.done()
    release.set()
    assert "Version" in await stalled


async def test_devices_behind_a_jump_host_live_where_it_lives(fleet: Any, lab: Lab) -> None:
    await lab.add("jump", personality="linux", protocols=("ssh",), forwards=True)
    for number in range(2):
        await lab.add(f"r{number}", protocols=("ssh",))
    whole = lab.testbed()
    for number in range(2):
        whole["devices"][f"r{number}"]["connections"]["cli"]["proxy"] = "jump"
    testbed = aioconn.load(whole, loop="own")
    for _ in range(3):  # each time on another one
        async with testbed:
            (await testbed.execute("show version", ["r0", "r1"])).raise_for_errors()
            assert len({testbed[name].manager.loop for name in ("jump", "r0", "r1")}) == 1
        assert len(homes) == 0


async def test_host_keys_are_remembered_by_many_loops_at_once(fleet: Any, lab: Lab, tmp_path: Any) -> None:
    for number in range(8):
        await lab.add(f"r{number}", protocols=("ssh",))
    whole = lab.testbed()
    store = tmp_path / "known_hosts"
    for device in whole["devices"].values():
        device["connections"]["cli"].pop("host_key")
        device["connections"]["defaults"] = {"arguments": {"known_hosts": str(store)}}
    async with aioconn.load(whole, loop="own") as testbed:
        (await testbed.execute("show version")).raise_for_errors()
    assert len(store.read_text().splitlines()) == 8


@pytest.mark.parametrize("word", ["disconnect_all", "destroy_all"])
async def test_what_is_connected_while_all_is_closed_lives_on(
    fleet: Any, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """On the same loop, and with its link; nothing of it is forgotten."""
    (r1,) = (await fleet(1, loop="own", protocols=("ssh",))).devices.values()
    one = await r1.connect(alias="one")
    home, goes, close = r1.manager.loop, threading.Event(), one._close

    async def take_leave() -> None:
        while not goes.is_set():
            await asyncio.sleep(0.001)
        await close()

    monkeypatch.setattr(one, "_close", take_leave)
    closing = asyncio.create_task(getattr(r1, word)())
    while one.connected:
        await asyncio.sleep(0.001)
    two = await r1.connect(alias="two")
    goes.set()
    await closing
    assert r1.manager.loop is home
    assert r1["two"] is two
    assert "Version" in await r1.two.execute("show version", timeout=5)
    assert two.connected
    await r1.destroy_all()
    assert r1.manager.loop is None
    assert not r1.connections


@pytest.mark.parametrize("pool_size", [None, 2])
async def test_connected_again_while_the_last_home_is_still_ending(fleet: Any, pool_size: int | None) -> None:
    (r1,) = (await fleet(1, loop="own")).devices.values()
    connection = await r1.connect(pool_size=pool_size)
    ((last,), let_go) = homes.threads, threading.Event()

    async def linger() -> None:
        while not let_go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)

    asyncio.run_coroutine_threadsafe(linger(), last.loop)
    await r1.disconnect_all()
    await connection.close()  # once more, which changes nothing
    assert await r1.connect(pool_size=pool_size) is connection
    assert last.is_alive
    assert r1.manager.loop is not last.loop
    let_go.set()
    assert await asyncio.to_thread(last.join, 20)
    assert "Version" in await r1.execute("show version", timeout=5)


@pytest.mark.parametrize("pool_size", [None, 2])
async def test_opened_where_the_device_lives_now(
    fleet: Any, monkeypatch: pytest.MonkeyPatch, pool_size: int | None
) -> None:
    """Not where it lived before, if that loop is another device's as well: with that one it would end."""
    monkeypatch.setattr(homes, "max_loops", 1)
    r1, other = (await fleet(2, loop="own")).devices.values()
    await other.connect()
    connection = await r1.connect(pool_size=pool_size)
    assert r1.manager.loop is other.manager.loop
    await r1.disconnect_all()
    monkeypatch.setattr(homes, "max_loops", 2)
    await r1.connect(alias="elsewhere")
    await connection.open()
    last = other.manager.loop
    assert last is not None
    assert r1.manager.loop is not last
    await other.disconnect_all()
    async with asyncio.timeout(20):
        while not last.is_closed():
            await asyncio.sleep(0.001)
    assert "Version" in await r1.execute("show version", timeout=5)


@pytest.mark.parametrize("pool_size", [None, 2])
async def test_a_call_whose_loop_has_ended_does_not_take_the_next_one_away(
    fleet: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch, pool_size: int | None
) -> None:
    """It finds that loop gone, and no other; before it settles at its own, another thread has opened all that anew."""
    (r1,) = (await fleet(1, loop="own")).devices.values()
    connection = await r1.connect(pool_size=pool_size)
    ((last,), here) = homes.threads, asyncio.get_running_loop()
    closed: list[Any] = []
    r1.listeners.add(lambda event: closed.append(event) if isinstance(event, Closed) else None)
    lab["r0"].kill_sessions()  # or the loop would leave a socket behind
    async with asyncio.timeout(20):
        while not closed:
            await asyncio.sleep(0.001)
    assert await asyncio.to_thread(last.stop)
    life = aioconn.pool.life if pool_size else aioconn.connection.life
    callers: list[Any] = []

    def find(home: Any) -> asyncio.AbstractEventLoop:
        monkeypatch.undo()
        callers.append(home_to_open_at(home))
        asyncio.run_coroutine_threadsafe(open_again(), here).result(20)
        return callers[0]

    async def open_again() -> None:
        await r1.disconnect_all()
        assert await r1.connect(pool_size=pool_size) is connection
        r1.listeners.add(lambda _: works_at.add(asyncio.get_running_loop()))

    async def ask() -> str:
        async with connection.acquire() if pool_size else contextlib.nullcontext(connection) as session:
            return str(await session.execute("show version", timeout=20))

    works_at: set[Any] = set()
    monkeypatch.setattr(life, "home_to_open_at", find)
    assert "Version" in await asyncio.to_thread(lambda: asyncio.run(ask()))
    assert callers[0].is_closed()
    assert "Version" in await ask()
    assert works_at == {r1.manager.loop} != {None}
    assert len(homes) == 1
    await r1.disconnect_all()
    assert len(homes) == 0


async def test_two_loops_that_connect_at_once_agree_on_one(
    fleet: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has just found its own loop to be the home; nothing lives there yet, and the other one looks."""
    (r1,) = (await fleet(1, loop="caller")).devices.values()
    lab["r0"].faults = Faults(slow_login=0.03)
    arrive, logs_in, both = r1.manager.residence.arrive, threading.Event(), threading.Event()
    r1.listeners.add(lambda event: logs_in.set() if getattr(event, "phase", None) == "login" else None)

    def be_late() -> bool:
        monkeypatch.undo()
        others.append(pool.submit(asyncio.run, first()))
        assert logs_in.wait(20)
        stays.append(arrive())
        return stays[0]

    async def first() -> Any:
        connection = await r1.connect()
        async with asyncio.timeout(20):
            while not both.is_set():
                await asyncio.sleep(0.001)
        await r1.disconnect_all()
        return connection

    async def second() -> Any:
        try:
            connection = await r1.connect(timeout=10)
            assert "Version" in await connection.execute("show version", timeout=20)
            return connection
        finally:
            both.set()

    others: list[Any] = []
    stays: list[bool] = []
    monkeypatch.setattr(r1.manager.residence, "arrive", be_late)
    with ThreadPoolExecutor(2) as pool:
        connection = await asyncio.wrap_future(pool.submit(asyncio.run, second()))
        assert stays == [False]
        assert await asyncio.wrap_future(others[0]) is connection
    assert lab["r0"].logins == 1


async def test_a_guest_keeps_a_home() -> None:
    def looks() -> asyncio.AbstractEventLoop:
        async def look() -> asyncio.AbstractEventLoop:
            return residence.claim(vacant=lambda: True)

        return asyncio.run(look())

    residence, here = Residence("r1", "caller"), asyncio.get_running_loop()
    assert residence.claim(vacant=lambda: True) is here
    assert await asyncio.to_thread(looks) is not here
    assert not residence.arrive()
    assert residence.claim(vacant=lambda: True) is here
    assert residence.arrive()
    assert await asyncio.to_thread(looks) is here
    residence.depart()
    assert await asyncio.to_thread(looks) is not here


async def test_who_keeps_a_device_keeps_its_home(fleet: Any) -> None:
    """Or what he gives back would be given to a loop that has ended, and be kept for ever."""
    (r1,) = (await fleet(1, loop="own")).devices.values()
    await r1.connect()
    home = r1.manager.loop
    async with r1.exclusive():
        await r1.disconnect_all()
        waiter = asyncio.create_task(r1.connect(alias="two"))
        await asyncio.sleep(0.01)
        assert r1.manager.loop is home
    await waiter
    assert "Version" in await r1.two.execute("show version", timeout=5)
    async with r1.exclusive(timeout=5):
        await r1.disconnect_all()
    async with asyncio.timeout(5):
        while r1.manager.loop is not None:
            await asyncio.sleep(0.001)
    numbers = r1.manager.statistics()["exclusive"]
    assert (numbers["shared"], numbers["exclusive"], numbers["waiting"]) == (0, 0, 0)


@pytest.mark.parametrize("word", ["connect", "disconnect_all", "destroy_all"])
async def test_a_call_that_is_too_late_for_a_home_finds_the_next(
    fleet: Any, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """The device leaves it after the call was sent to it, and before it arrives."""
    (r1,) = (await fleet(1, loop="own")).devices.values()
    await r1.connect()
    last, leaves = r1.manager.loop, threading.Event()

    async def arrive_late(home: asyncio.AbstractEventLoop, *call: Any) -> Any:
        assert home is last
        monkeypatch.undo()
        leaves.set()
        async with asyncio.timeout(20):
            while not last.is_closed():
                await asyncio.sleep(0.001)
        return await carry(home, *call)

    async with r1.exclusive():
        await r1.disconnect_all()
        last.call_soon_threadsafe(leaves.wait, 20)
    monkeypatch.setattr(aioconn.manager.dwelling, "carry", arrive_late)
    await getattr(r1, word)()
    assert r1.manager.loop is not last
    assert len(homes) == r1.connected == (word == "connect")


@pytest.mark.parametrize("pool_size", [None, 2])
async def test_closed_while_it_is_being_opened(fleet: Any, lab: Lab, pool_size: int | None) -> None:
    (r1,) = (await fleet(1, loop="own")).devices.values()
    lab["r0"].faults = Faults(slow_login=60)
    phases: list[Any] = []
    r1.listeners.add(lambda event: phases.append(getattr(event, "phase", None)))
    connecting = asyncio.create_task(r1.connect(pool_size=pool_size))
    async with asyncio.timeout(20):
        while "login" not in phases:
            await asyncio.sleep(0.001)
        await r1.disconnect_all()
        with pytest.raises(SessionClosed, match="closed"):
            await connecting
        while lab["r0"].connections or len(homes):
            await asyncio.sleep(0.001)
    lab["r0"].faults = Faults()
    assert r1.manager.loop is None
    await r1.connect(pool_size=pool_size)
    assert "Version" in await r1.execute("show version", timeout=20)


@pytest.mark.parametrize("pool_size", [None, 2])
@pytest.mark.parametrize("loop", ["own", "shared"])
async def test_connected_and_disconnected_by_many_at_once(
    fleet: Any, lab: Lab, loop: str, pool_size: int | None
) -> None:
    """Each hears what the others have done, and no worse; in the end nothing is left. Whoever connects finds a home."""
    (r1,) = (await fleet(1, loop=loop)).devices.values()
    connect = functools.partial(r1.connect, pool_size=pool_size)
    calls = [connect, functools.partial(r1.execute, "show clock", timeout=20), r1.disconnect_all]

    def work(seed: int) -> None:
        async def main() -> None:
            order = random.Random(seed)
            for _ in range(40):
                call = order.choice(calls)
                try:
                    await call()
                except AioconnError as error:
                    if call is connect:
                        heard.append(str(error))

        asyncio.run(main())

    heard: list[str] = []

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        async with asyncio.timeout(40):
            await asyncio.gather(*(asyncio.to_thread(work, seed) for seed in range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert not [text for text in heard if "loop" in text]
    await connect()
    assert "Version" in await r1.execute("show version", timeout=20)
    await r1.disconnect_all()
    async with asyncio.timeout(20):
        while lab["r0"].sessions or len(homes):
            await asyncio.sleep(0.001)


async def test_an_unknown_kind_of_loop() -> None:
    wrong: Any = "mine"
    with pytest.raises(UsageError, match="caller, own, shared"):
        aioconn.Device("r1", loop=wrong, connections={"a": {"protocol": "ssh", "ip": "127.0.0.1"}})


def device(loop: Literal["caller", "own", "shared"]) -> aioconn.Device:
    return aioconn.Device("r1", loop=loop, connections={"a": {"protocol": "telnet", "ip": "127.0.0.1"}})


class TestClaimOfAThread:
    def test_eight_threads_find_one_home(self):
        residence = Residence("r1", "own")
        together = threading.Barrier(8)

        def claim(_: int) -> asyncio.AbstractEventLoop:
            together.wait(20)
            return residence.claim_from_thread(vacant=lambda: True)

        with ThreadPoolExecutor(8) as threads:
            found = set(threads.map(claim, range(8)))
        assert len(found) == len(homes) == 1
        residence.leave()
        assert len(homes) == 0

    def test_settling_and_leaving_in_many_threads(self):
        residence = Residence("r1", "own")
        until = 30

        def live(_: int) -> None:
            for _ in range(until):
                assert residence.claim_from_thread(vacant=lambda: True) is not None
                residence.leave()

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(live, range(4)))
        assert len(homes) == 0
        assert residence.leased is None

    def test_a_device_on_a_loop_of_its_own(self):
        r1 = device("own")
        home = r1.manager.claim_home()
        assert r1.manager.claim_home() is home is r1.manager.loop
        call_from_thread(home, r1.manager.disconnect_all)
        assert len(homes) == 0
        assert r1.manager.loop is None

    def test_a_device_of_a_callers_loop_has_no_home_here(self):
        r1 = device("caller")
        for _ in range(2):
            with pytest.raises(UsageError, match="no event loop runs here"):
                r1.manager.claim_home()

    async def test_a_device_of_a_callers_loop_is_found_where_it_lives(self, fleet: Any):
        testbed = await fleet(1, "caller")
        r0 = testbed["r0"]
        await r0.connect()
        home = await asyncio.to_thread(r0.manager.claim_home)
        assert home is asyncio.get_running_loop()
        assert "Version" in await asyncio.to_thread(call_from_thread, home, r0.execute, ("show version",))

    def test_a_home_that_does_not_run(self):
        loop = asyncio.new_event_loop()
        residence = Residence("r1", "caller")

        async def settle() -> None:
            residence.claim(vacant=lambda: True)

        loop.run_until_complete(settle())
        with pytest.raises(LoopMismatch, match="does not run"):
            residence.claim_from_thread(vacant=lambda: False)
        loop.close()

    def test_a_home_that_was_stopped_is_replaced(self):
        residence = Residence("r1", "own")
        first = residence.claim_from_thread(vacant=lambda: True)
        assert homes.stop()
        assert residence.leased is None
        assert residence.claim_from_thread(vacant=lambda: False) is not first
        residence.leave()
        assert len(homes) == 0

    @pytest.mark.parametrize("kind", ["own", "caller", "shared"])
    def test_lodging_on_the_shared_loop(self, kind: Literal["own", "caller", "shared"]):
        lodgers = [Residence(f"r{number}", kind) for number in range(40)]
        settled = Residence("settled", "own")
        home = settled.claim_from_thread(vacant=lambda: True)

        def settle() -> set[asyncio.AbstractEventLoop]:
            lodging.set("shared")
            assert settled.claim_from_thread(vacant=lambda: False) is home
            return {one.claim_from_thread(vacant=lambda: True) for one in lodgers}

        found = contextvars.copy_context().run(settle)
        assert len(found) == 1
        assert len(homes) == 2
        for one in (*lodgers, settled):
            one.leave()
        assert len(homes) == 0


class TestUndisturbed:
    def test_its_result_and_its_error(self):
        word = contextvars.ContextVar("word", default="none")
        word.set("here")
        assert undisturbed(word.get) == "here"
        with pytest.raises(ZeroDivisionError):
            undisturbed(lambda: 1 // 0)

    def test_an_interrupt_leaves_nothing_half_done(self):
        residence = Residence("r1", "own")
        go_on = threading.Event()

        def settle() -> None:
            os.kill(os.getpid(), signal.SIGINT)
            assert go_on.wait(20)
            residence.claim_from_thread(vacant=lambda: True)
            done.set()

        done = threading.Event()
        with pytest.raises(KeyboardInterrupt):
            undisturbed(settle)
        go_on.set()
        assert done.wait(20)
        assert len(homes) == 1
        residence.leave()
        assert len(homes) == 0


class TestOneMoreLease:
    def test_of_a_loop_of_ours(self):
        own = Homes()
        lease = own.own("r1")
        more = own.lease_of(lease.loop)
        assert more is not None
        assert more.loop is lease.loop
        lease.release()
        assert len(own) == 1
        more.release()
        assert len(own) == 0
        assert own.lease_of(lease.loop) is None
        assert own.stop()

    async def test_of_another_loop(self):
        assert homes.lease_of(asyncio.get_running_loop()) is None
