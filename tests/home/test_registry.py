# SPDX-License-Identifier: Apache-2.0
"""Who leases which loop thread, and when threads end."""

from __future__ import annotations

import asyncio
import gc
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from aioconn.errors import SessionClosed
from aioconn.home import HomeLease, Homes, LoopThread, carry, homes
from tests.home.conftest import ENOUGH, Factory, heard, on_time

Loop = asyncio.AbstractEventLoop


@pytest.fixture
def registry(factory: Factory) -> Iterator[Homes]:
    registry = Homes(loop_factory=factory)
    yield registry
    assert registry.stop()
    assert not len(registry)


def home_threads() -> list[threading.Thread]:
    return [found for found in threading.enumerate() if found.name.startswith("aioconn ")]


def until(condition: Any) -> None:
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


async def running() -> Loop:
    return asyncio.get_running_loop()


async def nothing() -> None: ...


class TestLeases:
    def test_the_loops_are_shared_when_there_are_many(self, registry: Homes):
        leases = [registry.own(f"r{number}") for number in range(40)]
        assert len(registry) == len(home_threads()) == 32
        assert len({lease.loop for lease in leases}) == 32
        shared = [sum(other.loop is lease.loop for other in leases) for lease in leases]
        assert sorted(shared) == [1] * 24 + [2] * 16
        assert repr(registry) == "<Homes 32 threads, 40 leases>"
        for lease in leases[:8]:
            lease.release()
        assert len(registry) == 32
        for lease in leases:
            lease.release()
        assert len(registry) == 0
        until(lambda: not home_threads())
        assert all(lease.loop.is_closed() for lease in leases)

    def test_the_one_with_the_fewest_leases_is_taken(self, factory: Factory):
        registry = Homes(max_loops=2, loop_factory=factory)
        first, second = registry.own("a"), registry.own("b")
        assert registry.own("c").loop is first.loop
        third = registry.own("d")
        assert third.loop is second.loop
        second.release()
        third.release()
        again = registry.own("e")
        assert again.loop not in (first.loop, second.loop)
        assert [thread.name for thread in registry.threads] == ["aioconn home of a", "aioconn home of e"]
        assert registry.stop()

    def test_the_shared_loop_is_one_and_none_of_the_own_ones(self, factory: Factory):
        registry = Homes(max_loops=1, loop_factory=factory)
        shared = [registry.shared() for _ in range(3)]
        own = [registry.own(name) for name in "ab"]
        assert len({lease.loop for lease in shared}) == 1
        assert len({lease.loop for lease in own}) == 1
        assert own[0].loop is not shared[0].loop
        for lease in shared:
            assert len(registry) == 2
            lease.release()
        assert len(registry) == 1
        assert registry.shared().loop is not shared[0].loop
        assert registry.stop()

    def test_released_twice_is_released_once(self, registry: Homes):
        first, second = registry.shared(), registry.shared()
        first.release()
        first.release()
        assert len(registry) == 1
        assert second.thread.takes_calls
        second.release()
        second.release()
        assert len(registry) == 0

    async def test_leased_loops_work(self, registry: Homes):
        lease = registry.own("r1")
        assert await carry(lease.loop, running) is lease.loop
        lease.release()

    async def test_a_call_under_way_comes_back_when_the_last_lease_is_released(self, registry: Homes):
        lease = registry.own("r1")
        begun, may_end = threading.Event(), asyncio.Event()

        async def work() -> str:
            begun.set()
            await may_end.wait()
            return "done"

        call = asyncio.create_task(carry(lease.loop, work))
        await heard(begun)
        lease.release()
        lease.loop.call_soon_threadsafe(may_end.set)
        assert await on_time(call) == "done"
        await asyncio.to_thread(until, lambda: not lease.thread.is_alive)
        with pytest.raises(SessionClosed):
            await carry(lease.loop, nothing)

    async def test_released_on_its_own_loop(self, registry: Homes):
        lease = registry.own("r1")

        async def leave() -> str:
            lease.release()
            assert lease.thread.is_alive
            return "left"

        assert await on_time(carry(lease.loop, leave)) == "left"
        await asyncio.to_thread(until, lambda: not lease.thread.is_alive)

    async def test_released_by_a_plain_callback_of_its_own_loop(self, registry: Homes):
        lease = registry.shared()
        lease.loop.call_soon_threadsafe(lease.release)
        await asyncio.to_thread(until, lambda: not lease.thread.is_alive)
        assert len(registry) == 0

    def test_a_thread_that_was_stopped_is_not_leased_again(self, factory: Factory):
        registry = Homes(max_loops=1, loop_factory=factory)
        own, shared = registry.own("a"), registry.shared()
        assert own.thread.stop()
        shared.thread.retire()
        others = registry.own("b"), registry.shared()
        assert others[0].thread.takes_calls
        assert others[1].thread.takes_calls
        own.release()
        shared.release()
        assert len(registry) == 2
        for lease in others:
            lease.release()
        assert len(registry) == 0

    async def test_stop_is_heard_by_all(self, registry: Homes):
        leases = [registry.own("a"), registry.own("b"), registry.shared()]
        calls = [asyncio.create_task(carry(lease.loop, asyncio.sleep, 60)) for lease in leases]
        await asyncio.sleep(0)
        assert await asyncio.to_thread(registry.stop)
        for call in calls:
            with pytest.raises(SessionClosed):
                await on_time(call)
        for lease in leases:
            lease.release()
        assert registry.own("again").thread.takes_calls


class TestManyThreads:
    def test_leasing_and_releasing_at_once(self, factory: Factory):
        registry = Homes(max_loops=3, loop_factory=factory)
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            chance = random.Random(seed)
            mine: list[HomeLease] = []
            try:
                for _ in range(60):
                    if mine and chance.random() < 0.5:
                        mine.pop(chance.randrange(len(mine))).release()
                    else:
                        mine.append(registry.shared() if chance.random() < 0.3 else registry.own(f"r{seed}"))
                        assert mine[-1].thread.takes_calls
                    assert all(lease.thread.takes_calls for lease in mine)
                    assert len(registry.threads) <= 4
                for lease in mine:
                    lease.release()
            except BaseException as error:
                failures.append(error)

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(ENOUGH)
        assert not failures
        assert not any(worker.is_alive() for worker in workers)
        assert len(registry) == 0
        until(lambda: not home_threads())

    def test_given_back_by_a_finalizer_while_another_is_taken(
        self, registry: Homes, monkeypatch: pytest.MonkeyPatch
    ):
        """Collections of garbage happen anywhere, also where the registry is in the middle of something."""

        class Forgotten:
            def __init__(self) -> None:
                self.lease = registry.shared()
                self.itself = self

            def __del__(self) -> None:
                self.lease.release()

        start = LoopThread.start

        def collect_and_start(thread: LoopThread) -> None:
            gc.collect()
            start(thread)

        Forgotten()
        assert len(registry) == 1
        monkeypatch.setattr(LoopThread, "start", collect_and_start)
        lease = registry.own("r1")
        assert [thread.name for thread in registry.threads] == ["aioconn home of r1"]
        lease.release()
        until(lambda: not home_threads())


def test_nothing_is_started_by_an_import():
    assert len(homes) == 0
    assert not home_threads()


FORKED = """
import asyncio, os, signal, sys, threading, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on: this process has threads
from aioconn.errors import SessionClosed
from aioconn.home import carry, homes, watch

signal.alarm(50)

async def where():
    return asyncio.get_running_loop()

async def forever():
    await asyncio.sleep(600)

class Locked:
    '''Keeps the registry in the middle of something while the process forks.'''
    def __init__(self):
        self.inside, self.go_on = threading.Event(), threading.Event()
    def __call__(self):
        self.inside.set()
        self.go_on.wait(20)
        return asyncio.new_event_loop()

async def child(leases, foreign):
    assert len(homes) == 0, homes
    for lease in leases:
        assert not lease.thread.is_alive
        try:
            await carry(lease.loop, where)
        except SessionClosed:
            pass
        else:
            raise AssertionError("carried to a loop of the parent's")
        lease.release()
        assert lease.thread.stop()
    try:
        await carry(foreign, where)
    except SessionClosed:
        pass
    assert len(homes) == 0
    own, shared = homes.own("child"), homes.shared()
    assert await carry(own.loop, where) is own.loop
    assert await carry(shared.loop, where) is shared.loop
    assert len(homes) == 2
    own.release()
    if sys.argv[1] == "tidy":
        shared.release()

def parent(leases):
    async def works():
        return [await carry(lease.loop, where) for lease in leases]
    assert asyncio.run(works()) == [lease.loop for lease in leases]

def live(started, foreign):
    async def main():
        watch(asyncio.get_running_loop())
        foreign.append(asyncio.get_running_loop())
        started.set()
        await asyncio.sleep(600)
    asyncio.run(main())

def callers(leases, started):
    async def main():
        calls = [asyncio.ensure_future(carry(lease.loop, forever)) for lease in leases]
        await asyncio.sleep(0)
        started.set()
        await asyncio.gather(*calls, return_exceptions=True)
    asyncio.run(main())

leases = [homes.own("a"), homes.own("b"), homes.shared()]
foreign, started, called = [], threading.Event(), threading.Event()
threading.Thread(target=live, args=(started, foreign), daemon=True).start()
threading.Thread(target=callers, args=(leases, called), daemon=True).start()
assert started.wait(20) and called.wait(20)
locked = homes.loop_factory = Locked()
busy = threading.Thread(target=homes.own, args=("c",))
busy.start()
assert locked.inside.wait(20)

pid = os.fork()
if pid == 0:
    homes.loop_factory = asyncio.new_event_loop
    asyncio.run(child(leases, foreign[0]))
    sys.exit(7)
locked.go_on.set()
busy.join(20)
_, status = os.waitpid(pid, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
assert len(homes) == 4, homes
parent(leases)
for thread in homes.threads:
    assert thread.takes_calls
assert homes.stop()
print("well")
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="there is no fork here")
@pytest.mark.parametrize("ending", ["tidy", "untidy"])
def test_a_forked_child_has_none_of_them(ending: str):
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", FORKED, ending],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


def test_a_script_that_ends_without_a_word():
    script = (
        "import asyncio\n"
        "from aioconn.home import carry, homes\n"
        "lease = homes.own('r1')\n"
        "asyncio.run(carry(lease.loop, asyncio.sleep, 0))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=55, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
