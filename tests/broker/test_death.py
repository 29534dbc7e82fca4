# SPDX-License-Identifier: Apache-2.0
"""Processes that end, with whatever they had under way and held; and the end of those that they asked."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

import aioconn
from aioconn.broker.death import Deaths
from aioconn.broker.frames import Call, Target, encode
from aioconn.errors import PoolTimeout
from tests.broker.caller import Wire
from tests.broker.conftest import Shared
from tests.broker.holder import Holder
from tests.lab_thread import LabThread

LONG = 20.0
"""Seconds after which something is lost."""


def free(shared: Shared, wire: Wire) -> bool:
    """Whether the one session of the pool comes free, and is in step."""
    pool = shared.target("r1", "default")
    wire.enter("acquire", on=pool, timeout=LONG)
    right = wire.call("execute", "show clock", on=Target("entered")).command == "show clock"
    wire.leave()
    return bool(right)


@pytest.mark.parametrize(
    "what",
    [
        "idle",
        "session",
        "session+call",
        "exclusive+session",
        "exclusive+session+call",
        "session+half",
        "session+grandchild",
        "exclusive+session+call+grandchild",
    ],
)
def test_what_a_killed_process_held_is_given_back(shared: Shared, what: str) -> None:
    """A grandchild keeps its copy of the socket until the test is over: the end of the wire does not tell."""
    wire = shared.connect("r1", pool_size=1)
    with Holder(shared.address, shared.target("r1"), what) as holder:
        assert shared.broker.wires == 2
        holder.kill()
        assert free(shared, wire)
        assert LabThread.wait_for(lambda: shared.broker.wires == 1)
        assert wire.enter("exclusive", timeout=LONG) is None
        wire.leave()


def test_a_stopped_process_holds_what_it_has_until_it_is_killed(shared: Shared) -> None:
    wire = shared.connect("r1", pool_size=1)
    with Holder(shared.address, shared.target("r1"), "session") as holder:
        holder.signal(signal.SIGSTOP)
        with pytest.raises(PoolTimeout, match=f"process {holder.pid}"):
            wire.enter("acquire", on=shared.target("r1", "default"), timeout=0.2)
        holder.kill()
        assert free(shared, wire)


def test_who_waits_and_is_killed_is_passed_over(shared: Shared) -> None:
    wire = shared.connect("r1", pool_size=1)
    pool = shared.target("r1", "default")
    wire.enter("acquire", on=pool)
    with Holder(shared.address, shared.target("r1"), "wait") as holder:
        assert LabThread.wait_for(lambda: wire.ask("statistics", on=pool)["waiting"] == 1)
        holder.kill()
        assert LabThread.wait_for(lambda: wire.ask("statistics", on=pool)["waiting"] == 0)
    wire.leave()
    assert free(shared, wire)


def test_a_wire_that_ends_at_any_moment_leaves_nothing_held(shared: Shared) -> None:
    """Also in the very turn in which a block is entered."""
    wire = shared.connect("r1", pool_size=1)
    pool = shared.target("r1", "default")
    enter = encode(Call("enter", pool, "acquire"))
    moments = random.Random(7)
    for number in range(60):
        with Wire(shared.address, shared.target("r1")) as other:
            other.sock.sendall(enter)
            if number % 2:
                time.sleep(moments.random() * 0.001)
    assert free(shared, wire)
    for _ in range(40):  # the session is handed to a waiter who goes at that moment
        wire.enter("acquire", on=pool)
        with Wire(shared.address, shared.target("r1")) as other:
            other.sock.sendall(enter)
            time.sleep(moments.random() * 0.001)
            wire.leave()
    assert free(shared, wire)
    assert LabThread.wait_for(lambda: shared.broker.wires == 1)
    assert wire.ask("statistics", on=pool)["busy"] == 0


def test_a_call_and_two_blocks_end_with_their_wire(shared: Shared) -> None:
    wire = shared.connect("r1", pool_size=1)
    with Wire(shared.address, shared.target("r1")) as other:
        other.enter("exclusive")
        other.enter("acquire", on=shared.target("r1", "default"))
        other.begin("expect", "never", on=Target("entered"), timeout=LONG)
        time.sleep(0.05)
    assert wire.call("execute", "show clock", timeout=LONG).command == "show clock"
    assert free(shared, wire)


def test_an_iteration_ends_with_its_wire(shared: Shared) -> None:
    wire = shared.connect("r1")
    with Wire(shared.address, shared.target("r1")) as other:
        other.call("stream", "show ip route", kind="iterate")
    assert wire.call("execute", "show clock", timeout=LONG).command == "show clock"


# ---------------------------------------------------------------------- the other way round


def test_stop_is_heard_at_once_and_ends_what_is_under_way(shared: Shared) -> None:
    wire, idle = shared.connect("r1", pool_size=1), shared.connect("r2")
    wire.enter("acquire", on=shared.target("r1", "default"))
    wire.begin("expect", "never", on=Target("entered"), timeout=LONG)
    path = shared.address.path
    broker = shared.broker
    shared.estate.stop()
    assert broker.wires == 0
    assert wire.ends()
    assert idle.ends()
    assert not os.path.exists(path)
    shared.estate.stop()
    again = shared.start()
    assert again is not broker
    assert free(shared, shared.wire(shared.target("r1")))


def test_stop_does_not_wait_for_a_home_that_is_busy(shared: Shared) -> None:
    wire = shared.connect("r1")
    home = shared.testbed["r1"].manager.loop
    assert home is not None
    busy, go_on = threading.Event(), threading.Event()

    def work() -> None:
        busy.set()
        go_on.wait(LONG)

    home.call_soon_threadsafe(work)
    assert busy.wait(LONG)
    broker = shared.broker
    stopping = threading.Thread(target=broker.stop, args=(0.2,))
    stopping.start()
    assert wire.ends()
    stopping.join(LONG)
    assert not stopping.is_alive()
    go_on.set()
    assert LabThread.wait_for(lambda: broker.wires == 0)


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def new_loop(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    if request.param == "asyncio":
        return asyncio.new_event_loop
    new_loop: Callable[[], asyncio.AbstractEventLoop] = pytest.importorskip("uvloop").new_event_loop
    new_loop().close()  # the first one opens a pipe that stays for the life of the process
    return new_loop


def test_wires_end_with_the_loop_that_they_are_at(
    lab: LabThread, shared: Shared, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """One of the user's, which nobody asked whether it may end."""
    testbed = aioconn.load(lab.testbed())
    at_home, done = threading.Event(), threading.Event()

    async def work() -> None:
        async with testbed["r1"]:
            at_home.set()
            await asyncio.to_thread(done.wait, LONG)

    def run() -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(work())

    thread = threading.Thread(target=run)
    thread.start()
    assert at_home.wait(LONG)
    target = Target("device", shared.estate.enroll(testbed["r1"]))
    wire = shared.wire(target)
    assert wire.home != 0
    assert wire.call("execute", "show clock").command == "show clock"
    wire.enter("exclusive")
    idle = shared.wire(target)
    assert idle.ask("name") == "r1"
    done.set()
    assert wire.ends()
    assert idle.ends()
    thread.join(LONG)
    assert shared.gone()
    assert shared.wire(target).home == 0


# ---------------------------------------------------------------------- watching processes


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfds")
class TestDeaths:
    async def test_each_who_asked_is_told_once(self) -> None:
        deaths = Deaths(asyncio.get_running_loop())
        process = sleeper()
        told: list[str] = []
        both = asyncio.Event()

        def tell(who: str) -> Callable[[], None]:
            def tell() -> None:
                told.append(who)
                if len(told) == 2:
                    both.set()

            return tell

        not_any_more = tell("c")
        for who in (tell("a"), tell("b"), not_any_more):
            deaths.watch(process.pid, who)
        assert len(deaths) == 1
        deaths.unwatch(process.pid, not_any_more)
        process.kill()
        async with asyncio.timeout(LONG):
            await both.wait()
        assert sorted(told) == ["a", "b"]
        assert len(deaths) == 0
        deaths.unwatch(process.pid, not_any_more)
        process.wait()
        with pytest.raises(ProcessLookupError):
            deaths.watch(process.pid, not_any_more)

    async def test_nothing_stays_open(self) -> None:
        deaths = Deaths(asyncio.get_running_loop())
        one, other = threading.Event().set, threading.Event().set
        before = len(os.listdir("/proc/self/fd"))
        for told in (one, other):
            deaths.watch(os.getpid(), told)
            deaths.watch(os.getppid(), told)
        assert len(os.listdir("/proc/self/fd")) == before + 2
        deaths.unwatch(os.getpid(), one)
        deaths.unwatch(os.getpid(), other)
        assert len(os.listdir("/proc/self/fd")) == before + 1
        deaths.close()
        assert len(os.listdir("/proc/self/fd")) == before
        deaths.watch(0, one)  # of a namespace that cannot be seen into
        assert len(deaths) == 0
