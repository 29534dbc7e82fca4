# SPDX-License-Identifier: Apache-2.0
"""A loop in a thread: how it begins, and above all how it ends."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aioconn.errors import SessionClosed, UsageError
from aioconn.home import LoopThread, carry, carry_iterator, errand
from aioconn.home import thread as thread_module
from aioconn.home.errand import errands_at
from tests.conftest import LoopErrors
from tests.home.conftest import ENOUGH, Factory, heard, on_time

Loop = asyncio.AbstractEventLoop


async def nothing() -> None: ...


@pytest.fixture
def make(factory: Factory) -> Iterator[Callable[[str], LoopThread]]:
    made: list[LoopThread] = []

    def make(name: str) -> LoopThread:
        thread = LoopThread(name, loop_factory=factory)
        thread.start()
        made.append(thread)
        return thread

    yield make
    for thread in made:
        assert thread.stop()


Make = Callable[[str], LoopThread]


class TestBeginning:
    def test_it_runs_when_started(self, factory: Factory):
        thread = LoopThread("r1", loop_factory=factory)
        assert not thread.is_alive
        with pytest.raises(UsageError, match="r1 has not been started"):
            _ = thread.loop
        thread.start()
        assert thread.is_alive
        assert thread.takes_calls
        assert thread.loop.is_running()
        (found,) = [found for found in threading.enumerate() if found.name == "r1"]
        assert found.daemon
        assert thread.stop()
        assert not thread.is_alive
        assert not thread.takes_calls
        assert thread.loop.is_closed()

    def test_it_is_used_once(self, make: Make):
        thread = make("r1")
        with pytest.raises(UsageError, match="before"):
            thread.start()
        assert thread.stop()
        with pytest.raises(UsageError, match="before"):
            thread.start()

    def test_no_thread_to_be_had(self, factory: Factory, monkeypatch: pytest.MonkeyPatch):
        def refuse(_: Any) -> None:
            raise RuntimeError("can't start new thread")

        loops: list[Loop] = []

        def remember() -> Loop:
            loops.append(factory())
            return loops[-1]

        thread = LoopThread("r1", loop_factory=remember)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="can't start"):
                thread.start()
        assert loops[0].is_closed()
        assert thread.stop()

    def test_never_started(self):
        thread = LoopThread("r1")
        thread.retire()
        assert thread.stop()


class TestStop:
    async def test_callers_hear_of_it_before_what_they_called_has_ended(self, make: Make):
        thread = make("r1")
        begun, may_end = threading.Event(), threading.Event()
        working: list[None] = []
        ended: list[None] = []

        async def work() -> None:
            working.append(None)
            if len(working) == 50:
                begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                while not may_end.is_set():
                    await asyncio.sleep(0.001)
                ended.append(None)

        calls = [asyncio.create_task(carry(thread.loop, work)) for _ in range(50)]
        await heard(begun)
        stopped = asyncio.create_task(asyncio.to_thread(thread.stop, ENOUGH))
        await on_time(asyncio.wait(calls))
        assert {type(call.exception()) for call in calls} == {SessionClosed}
        assert not ended
        may_end.set()
        assert await stopped
        assert len(ended) == 50

    async def test_a_task_that_ends_while_the_call_is_being_given_up(
        self, make: Make, monkeypatch: pytest.MonkeyPatch
    ):
        thread = make("r1")
        begun, given_up, go_on = threading.Event(), threading.Event(), threading.Event()
        may_end = asyncio.Event()
        ended = errand.ended

        def pause_once() -> SessionClosed:
            if not given_up.is_set():
                given_up.set()
                assert go_on.wait(ENOUGH)
            return ended()

        async def work() -> None:
            begun.set()
            await may_end.wait()

        monkeypatch.setattr(errand, "ended", pause_once)
        call = asyncio.create_task(carry(thread.loop, work))
        await heard(begun)
        stopped = asyncio.create_task(asyncio.to_thread(thread.stop))
        await heard(given_up)
        thread.loop.call_soon_threadsafe(may_end.set)
        try:
            with pytest.raises(SessionClosed):
                await on_time(call)
        finally:
            go_on.set()
        assert await stopped

    async def test_a_new_call_is_refused(self, make: Make):
        thread = make("r1")
        assert await asyncio.to_thread(thread.stop)
        with pytest.raises(SessionClosed):
            await carry(thread.loop, nothing)

    @pytest.mark.parametrize("ticks", range(12))
    async def test_calls_that_are_just_on_their_way(self, make: Make, ticks: int):
        thread = make("r1")
        calls = []
        for _ in range(ticks):
            calls.append(asyncio.create_task(carry(thread.loop, asyncio.sleep, 0)))
            await asyncio.sleep(0)
        stopped = asyncio.create_task(asyncio.to_thread(thread.stop))
        for _ in range(20):
            calls.append(asyncio.create_task(carry(thread.loop, asyncio.sleep, 0)))
            await asyncio.sleep(0)
        await on_time(asyncio.wait(calls))
        assert await stopped
        assert {type(call.exception()) for call in calls} <= {type(None), SessionClosed}

    async def test_tasks_generators_and_the_executor_end(self, make: Make):
        thread = make("r1")
        ways_out: list[str] = []
        kept: list[Any] = []

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                await asyncio.sleep(0)
                ways_out.append("generator")

        async def linger() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                kept.append(asyncio.create_task(asyncio.sleep(60)))  # which is not forgotten either
                ways_out.append("task")

        async def litter() -> None:
            kept.append(asyncio.create_task(linger()))
            kept.append(numbers())
            await anext(kept[-1])
            await asyncio.to_thread(ways_out.append, "executor")

        await carry(thread.loop, litter)
        assert await asyncio.to_thread(thread.stop)
        assert ways_out == ["executor", "task", "generator"]
        assert all(found.done() for found in kept if isinstance(found, asyncio.Task))
        assert not [found.name for found in threading.enumerate() if found.name.startswith("r1")]

    async def test_each_task_is_cancelled_once(self, make: Make):
        thread = make("r1")
        begun = threading.Event()
        cancels: list[int] = []

        async def careful() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                for _ in range(10):
                    await asyncio.sleep(0)
                task = asyncio.current_task()
                assert task is not None
                cancels.append(task.cancelling())

        call = asyncio.create_task(carry(thread.loop, careful))
        await heard(begun)
        assert await asyncio.to_thread(thread.stop)
        with pytest.raises(SessionClosed):
            await on_time(call)
        assert cancels == [1]

    async def test_a_task_that_does_not_end_is_left_after_the_grace(self, make: Make, audit: LoopErrors):
        thread = make("r1")
        begun = threading.Event()

        async def stubborn() -> None:
            begun.set()
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass

        call = asyncio.create_task(carry(thread.loop, stubborn))
        await heard(begun)
        assert await on_time(asyncio.to_thread(thread.stop, 0.05))
        with pytest.raises(SessionClosed):
            await call
        del call
        gc.collect()
        assert all("was destroyed but it is pending" in text for text in audit.seen)
        audit.seen.clear()

    async def test_a_generator_that_does_not_close_is_left(self, make: Make):
        thread = make("r1")
        kept: list[Any] = []

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                await asyncio.sleep(60)

        async def litter() -> None:
            kept.append(numbers())
            await anext(kept[0])

        await carry(thread.loop, litter)
        thread.halt(tidying=0.05)
        assert await on_time(asyncio.to_thread(thread.join, ENOUGH))

    async def test_an_executor_that_does_not_end_is_left(self, make: Make):
        thread = make("r1")
        begun, may_end = threading.Event(), threading.Event()

        async def block() -> None:
            def wait() -> None:
                begun.set()
                may_end.wait(ENOUGH)

            await asyncio.to_thread(wait)

        call = asyncio.create_task(carry(thread.loop, block))
        await heard(begun)
        thread.halt(tidying=0.05)
        assert await on_time(asyncio.to_thread(thread.join, ENOUGH))
        with pytest.raises(SessionClosed):
            await call
        may_end.set()

    async def test_what_the_executor_does_is_waited_for(self, make: Make):
        thread = make("r1")
        begun, ended = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            time.sleep(0.1)
            ended.set()

        call = asyncio.create_task(carry(thread.loop, asyncio.to_thread, work))
        await heard(begun)
        thread.halt(tidying=ENOUGH)
        assert await on_time(asyncio.to_thread(thread.join, ENOUGH))
        assert ended.is_set()
        with pytest.raises(SessionClosed):
            await call

    async def test_a_callback_that_blocks_the_loop(self, make: Make, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(thread_module, "TIDYING", 0.01)
        thread = make("r1")
        blocked, may_go_on = threading.Event(), threading.Event()

        def block() -> None:
            blocked.set()
            may_go_on.wait(3 * ENOUGH)

        call = asyncio.create_task(carry(thread.loop, asyncio.sleep, 60))
        await asyncio.sleep(0)
        thread.loop.call_soon_threadsafe(block)
        await heard(blocked)
        assert not await asyncio.to_thread(thread.stop, 0.01)
        with pytest.raises(SessionClosed):  # although the loop stands still
            await on_time(call)
        with pytest.raises(SessionClosed):
            await on_time(carry(thread.loop, nothing))
        may_go_on.set()
        assert await asyncio.to_thread(thread.stop)

    async def test_by_many_at_once(self, make: Make):
        thread = make("r1")
        call = asyncio.create_task(carry(thread.loop, asyncio.sleep, 60))
        await asyncio.sleep(0)
        assert await asyncio.gather(*(asyncio.to_thread(thread.stop) for _ in range(8))) == [True] * 8
        with pytest.raises(SessionClosed):
            await on_time(call)

    async def test_not_from_its_own_thread(self, make: Make):
        thread = make("r1")

        async def stop() -> None:
            thread.stop()

        with pytest.raises(UsageError, match="cannot wait for its own end"):
            await carry(thread.loop, stop)
        assert thread.takes_calls

    async def test_somebody_who_stops_the_loop_does_not_end_it(self, make: Make):
        thread = make("r1")
        call = asyncio.create_task(carry(thread.loop, asyncio.sleep, 0.01, "went on"))
        await asyncio.sleep(0)
        thread.loop.call_soon_threadsafe(thread.loop.stop)
        assert await on_time(call) == "went on"
        assert await carry(thread.loop, asyncio.sleep, 0, "still there") == "still there"

    async def test_a_program_that_is_left_while_it_ends(self, make: Make):
        thread = make("r1")
        begun = threading.Event()

        async def leave() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                raise SystemExit(3)

        calls = [asyncio.create_task(carry(thread.loop, leave)) for _ in range(3)]
        await heard(begun)
        assert await on_time(asyncio.to_thread(thread.stop))
        for call in calls:
            with pytest.raises(SessionClosed):
                await call


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_loop_that_breaks_down(audit: LoopErrors):
    class Fragile(asyncio.SelectorEventLoop):
        def run_forever(self) -> None:
            super().run_forever()
            raise OSError("the selector is gone")

    thread = LoopThread("r1", loop_factory=Fragile)
    thread.start()
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    call = asyncio.create_task(carry(thread.loop, work))
    await heard(begun)
    thread.loop.call_soon_threadsafe(thread.loop.stop)
    with pytest.raises(SessionClosed):
        await on_time(call)
    await asyncio.to_thread(joined, thread)
    assert thread.loop.is_closed()
    del call, thread
    gc.collect()
    assert all("was destroyed but it is pending" in text for text in audit.seen)
    audit.seen.clear()


class TestRetire:
    async def test_calls_under_way_come_to_their_end(self, make: Make):
        thread = make("r1")
        begun, may_end = threading.Event(), asyncio.Event()

        async def work() -> str:
            begun.set()
            await may_end.wait()
            return "done"

        async def numbers() -> Any:
            for number in range(3):
                yield number

        iterator = carry_iterator(thread.loop, numbers)
        assert await anext(iterator) == 0
        calls = [asyncio.create_task(carry(thread.loop, work)) for _ in range(20)]
        await heard(begun)
        await asyncio.sleep(0)
        thread.retire()
        assert not thread.takes_calls
        with pytest.raises(SessionClosed):
            await on_time(until_refused(thread))
        thread.loop.call_soon_threadsafe(may_end.set)
        assert await on_time(asyncio.gather(*calls)) == ["done"] * 20
        assert thread.is_alive
        assert [number async for number in iterator] == [1, 2]
        await asyncio.to_thread(joined, thread)

    async def test_a_call_can_end_the_loop_it_runs_on(self, make: Make):
        thread = make("r1")

        async def last() -> str:
            thread.retire()
            await asyncio.sleep(0)
            return "done"

        assert await on_time(carry(thread.loop, last)) == "done"
        await asyncio.to_thread(joined, thread)

    async def test_a_cancelled_call_may_still_clean_up(self, make: Make):
        thread = make("r1")
        begun, cleaning = threading.Event(), threading.Event()
        may_end = asyncio.Event()
        cleaned = False

        async def careful() -> None:
            nonlocal cleaned
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                cleaning.set()
                await may_end.wait()
                cleaned = True

        call = asyncio.create_task(carry(thread.loop, careful))
        await heard(begun)
        thread.retire()
        call.cancel()
        await heard(cleaning)
        thread.loop.call_soon_threadsafe(may_end.set)
        with pytest.raises(asyncio.CancelledError):
            await on_time(call)
        assert cleaned
        await asyncio.to_thread(joined, thread)

    async def test_not_for_ever(self, make: Make, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(thread_module, "LAST_CALLS", 0.05)
        thread = make("r1")
        begun = threading.Event()

        async def work() -> None:
            begun.set()
            await asyncio.sleep(60)

        call = asyncio.create_task(carry(thread.loop, work))
        await heard(begun)
        thread.retire()
        with pytest.raises(SessionClosed):
            await on_time(call)
        await asyncio.to_thread(joined, thread)

    async def test_stop_does_not_wait_for_it(self, make: Make):
        thread = make("r1")
        call = asyncio.create_task(carry(thread.loop, asyncio.sleep, 60))
        await asyncio.sleep(0)
        thread.retire()
        thread.retire()
        assert await on_time(asyncio.to_thread(thread.stop))
        with pytest.raises(SessionClosed):
            await call

    async def test_many_calls_while_it_retires(self, make: Make):
        for ticks in range(30):
            thread = make(f"r{ticks}")
            calls = []
            for number in range(ticks + 10):
                calls.append(asyncio.create_task(carry(thread.loop, asyncio.sleep, 0, number)))
                if number == ticks:
                    thread.retire()
                await asyncio.sleep(0)
            await on_time(asyncio.wait(calls))
            for number, call in enumerate(calls):
                if call.exception() is None:
                    assert call.result() == number
                else:
                    assert isinstance(call.exception(), SessionClosed)
                    assert number >= ticks
            await asyncio.to_thread(joined, thread)
            assert not errands_at(thread.loop).pending


async def until_refused(thread: LoopThread) -> None:
    while True:
        await carry(thread.loop, nothing)


def joined(thread: LoopThread) -> None:
    """Wait until it has ended by itself."""
    deadline = time.monotonic() + ENOUGH
    while thread.is_alive:
        assert time.monotonic() < deadline, "does not end"
        time.sleep(0.001)
