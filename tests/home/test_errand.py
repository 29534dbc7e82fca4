# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a call between two loops: nobody hangs, and nothing that was acquired is lost."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import anyio
import pytest

from aioconn.errors import SessionClosed
from aioconn.home import LoopThread, carry, carry_acquiring, carry_iterator, errand, watch
from aioconn.home.errand import errands_at
from tests.cancelling import Moment, cut_everywhere
from tests.conftest import LoopErrors
from tests.home.conftest import (
    ENOUGH,
    LIVES,
    Factory,
    Stranger,
    heard,
    on_time,
    other_tasks,
    run_and_close,
    run_and_pause,
)

Loop = asyncio.AbstractEventLoop
Make = Callable[[], Coroutine[Any, Any, Any]]


async def nothing() -> None: ...


class Stock:
    """Has something to acquire, at home, and counts what is out."""

    def __init__(self, home: Loop) -> None:
        self.home = home
        self.out: set[object] = set()
        self.taken_back = 0
        self.under_way = 0
        self.turn = -1
        self.at_turn: Callable[[], object] = lambda: None

    async def acquire(self, turns: int = 0) -> object:
        self.under_way += 1
        try:
            for turn in range(turns):
                if turn == self.turn:
                    self.at_turn()
                await asyncio.sleep(0)
            item = object()
            self.out.add(item)
            return item
        finally:
            if turns == self.turn:
                self.at_turn()
            self.under_way -= 1

    def take_back(self, item: object) -> None:
        assert asyncio.get_running_loop() is self.home
        self.out.remove(item)
        self.taken_back += 1

    async def give(self, item: object) -> None:
        self.out.remove(item)

    async def settle(self) -> None:
        """At once, without waiting for anything: a cancelled call is over at home too when the caller hears of it."""
        assert not self.out, "lost on the way"
        assert not self.under_way

    def carried(self, turns: int = 0) -> Coroutine[Any, Any, object]:
        return carry_acquiring(self.home, self.acquire, self.take_back, turns)


@pytest.fixture
def stock(home: Loop) -> Iterator[Stock]:
    stock = Stock(home)
    yield stock
    assert not stock.out
    assert not stock.under_way


async def caught(task: asyncio.Task[Any]) -> None:
    with pytest.raises(asyncio.CancelledError):
        await on_time(task)


class TestCancelledByTheCaller:
    """In each way that asyncio and anyio have, see tests/cancelling.py."""

    @pytest.mark.parametrize("turns", [0, 1, 5])
    async def test_where_it_waits(self, stock: Stock, turns: int):
        async def undo(item: object) -> None:
            await carry(stock.home, stock.give, item)

        tally = await cut_everywhere(lambda: stock.carried(turns), settle=stock.settle, undo=undo)
        assert len(tally.ways) == 7

    @pytest.mark.parametrize("moment", [Moment.WAITS, Moment.GRANTED])
    async def test_without_an_undo(self, home: Loop, moment: Moment):
        tally = await cut_everywhere(lambda: carry(home, asyncio.sleep, 0), settle=nothing, moments=(moment,))
        assert tally.cuts

    @pytest.mark.parametrize("turns", [0, 1, 5])
    async def test_after_any_number_of_ticks(self, stock: Stock, turns: int):
        for ticks in range(60):
            for again in (None, 0, 1, 2):
                task = asyncio.create_task(stock.carried(turns))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                task.cancel()
                if again is not None:
                    for _ in range(again):
                        await asyncio.sleep(0)
                    task.cancel()
                await on_time(asyncio.wait({task}))
                if task.cancelled():
                    await stock.settle()
                else:
                    await carry(stock.home, stock.give, task.result())

    @pytest.mark.parametrize("turn", range(6))
    async def test_at_each_turn_of_the_task_at_home(self, stock: Stock, turn: int):
        here = asyncio.get_running_loop()
        stock.turn = turn
        for times in (1, 2, 3):
            task: asyncio.Task[object] = asyncio.create_task(stock.carried(5))

            def cancel(task: asyncio.Task[object] = task, times: int = times) -> None:
                for _ in range(times):
                    task.cancel()

            stock.at_turn = lambda cancel=cancel: here.call_soon_threadsafe(cancel)  # type: ignore[misc]
            await caught(task)
            await stock.settle()

    @pytest.mark.parametrize("ticks", range(4))
    async def test_in_the_tick_in_which_the_result_arrives(self, stock: Stock, ticks: int):
        task = asyncio.create_task(stock.carried())
        await asyncio.sleep(0)  # it is on its way
        posted = threading.Event()
        home = stock.home
        home.call_soon_threadsafe(lambda: home.call_soon(lambda: home.call_soon(posted.set)))
        assert posted.wait(20)  # this loop stands still until the result has been posted to it
        for _ in range(ticks):
            await asyncio.sleep(0)
        arrived = task.done()
        task.cancel()
        await on_time(asyncio.wait({task}))
        if arrived:
            await carry(home, stock.give, task.result())
        else:
            assert task.cancelled()
            assert stock.taken_back == 1
            await stock.settle()

    async def test_what_the_task_returns_all_the_same_is_taken_back(self, stock: Stock):
        begun = threading.Event()

        async def stubborn() -> object:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(0)
            return await stock.acquire()

        task = asyncio.create_task(carry_acquiring(stock.home, stubborn, stock.take_back))
        await heard(begun)
        task.cancel()
        await caught(task)
        assert stock.taken_back == 1

    async def test_waits_for_the_end_but_not_for_ever(self, home: Loop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(errand, "PATIENCE", 0.05)
        stock = Stock(home)
        begun, gave = threading.Event(), threading.Event()
        may_end: asyncio.Event = asyncio.Event()
        cancelled = 0

        async def stubborn() -> object:
            nonlocal cancelled
            begun.set()
            while not may_end.is_set():
                try:
                    await may_end.wait()
                except asyncio.CancelledError:
                    cancelled += 1
            return await stock.acquire()

        def take_back(item: object) -> None:
            stock.take_back(item)
            gave.set()

        task = asyncio.create_task(carry_acquiring(home, stubborn, take_back))
        await heard(begun)
        task.cancel()
        await caught(task)
        assert cancelled == 1
        home.call_soon_threadsafe(may_end.set)
        await heard(gave)
        assert not stock.out

    async def test_repeated_cancels_reach_home_once(self, home: Loop):
        begun, may_end = threading.Event(), asyncio.Event()
        cancels = 0

        async def careful() -> None:
            nonlocal cancels
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                task = asyncio.current_task()
                assert task is not None
                await may_end.wait()
                cancels = task.cancelling()

        task = asyncio.create_task(carry(home, careful))
        await heard(begun)
        for _ in range(5):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        home.call_soon_threadsafe(may_end.set)
        await caught(task)
        assert cancels == 1

    async def test_an_anyio_scope_does_not_make_the_wait_spin(self, home: Loop):
        begun, cleaning = threading.Event(), threading.Event()
        may_end = asyncio.Event()

        async def careful() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                cleaning.set()
                await may_end.wait()

        async def main() -> int:
            task = asyncio.current_task()
            assert task is not None
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                try:
                    await carry(home, careful)
                finally:
                    cancels = task.cancelling()
            assert scope.cancelled_caught
            assert not task.cancelling()
            return cancels

        scopes: list[anyio.CancelScope] = []
        task = asyncio.create_task(main())
        await heard(begun)
        scopes[0].cancel()
        await heard(cleaning)
        for _ in range(50):
            await asyncio.sleep(0)
        home.call_soon_threadsafe(may_end.set)
        assert await on_time(task) < 5

    async def test_move_on_after(self, stock: Stock):
        with anyio.move_on_after(0.01) as scope:
            await carry(stock.home, asyncio.sleep, 60)
        assert scope.cancelled_caught

    async def test_timeout(self, stock: Stock):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await carry(stock.home, asyncio.sleep, 60)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(carry(stock.home, asyncio.sleep, 60), 0.01)

    async def test_an_undo_that_fails_is_reported_and_nobody_hangs(
        self, home: Loop, audit: LoopErrors, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(errand, "PATIENCE", 10 * ENOUGH)
        begun = threading.Event()

        async def stubborn() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

        def fail(_: object) -> None:
            raise ZeroDivisionError

        task = asyncio.create_task(carry_acquiring(home, stubborn, fail))
        await heard(begun)
        task.cancel()
        await caught(task)
        await carry(home, nothing)  # the loop has reported it by then
        assert len(audit.seen) == 1
        assert "ZeroDivisionError" in audit.seen[0]
        audit.seen.clear()

    async def test_an_error_of_a_task_that_nobody_waits_for_is_not_reported(self, home: Loop):
        begun = threading.Event()

        async def fail() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                raise ZeroDivisionError

        task = asyncio.create_task(carry(home, fail))
        await heard(begun)
        task.cancel()
        await caught(task)

    async def test_storm(self, stock: Stock):
        chance = random.Random(7)
        kept = 0

        async def one(seed: int) -> None:
            nonlocal kept
            chance = random.Random(seed)
            for _ in range(30):
                task = asyncio.create_task(stock.carried(chance.randrange(4)))
                for _ in range(chance.randrange(12)):
                    await asyncio.sleep(0)
                if chance.random() < 0.8:
                    task.cancel()
                if chance.random() < 0.3:
                    task.cancel()
                await asyncio.wait({task})
                if not task.cancelled():
                    kept += 1
                    await carry(stock.home, stock.give, task.result())

        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(one(chance.randrange(1_000_000)))
        assert kept
        await stock.settle()


class TestCallerWhoIsGone:
    """The loop of the caller is closed, without any care, while a call of his is at home."""

    async def test_what_comes_back_to_a_closed_loop_is_taken_back(self, stock: Stock, audit: LoopErrors):
        begun, may_end, over = threading.Event(), asyncio.Event(), threading.Event()

        async def acquire() -> object:
            begun.set()
            await may_end.wait()
            return await stock.acquire()

        def take_back(item: object) -> None:
            stock.take_back(item)
            over.set()

        def live_and_die() -> None:
            loop = asyncio.new_event_loop()
            kept.append(loop.create_task(carry_acquiring(stock.home, acquire, take_back)))
            loop.run_until_complete(asyncio.sleep(0))
            assert begun.wait(20)
            loop.close()

        kept: list[Any] = []
        await asyncio.to_thread(live_and_die)
        stock.home.call_soon_threadsafe(may_end.set)
        await heard(over)
        assert stock.taken_back == 1
        assert not await carry(stock.home, other_tasks)
        kept.clear()
        forget_the_destroyed(audit)

    # Which Python 3.13 says of each generator that was left to a loop that has no time any more.
    @pytest.mark.filterwarnings("ignore:.*object carry_iterator:pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("turns", [0, 3])
    async def test_an_iterator_that_nobody_closes_any_more(self, home: Loop, audit: LoopErrors, turns: int):
        closed = threading.Event()

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                closed.set()

        def live_and_die() -> None:
            async def take_one() -> None:
                async for _ in carry_iterator(home, numbers):
                    break  # and leaves it to the loop to close the iterator
                for _ in range(turns):
                    await asyncio.sleep(0)

            loop = asyncio.new_event_loop()
            loop.run_until_complete(take_one())
            loop.close()
            del loop
            gc.collect()

        await asyncio.to_thread(live_and_die)
        await heard(closed)
        assert not await carry(home, other_tasks)
        forget_the_destroyed(audit)


def forget_the_destroyed(audit: LoopErrors) -> None:
    """What asyncio says of tasks whose loop was closed over them, when the threads that called have let go of them."""
    until = time.monotonic() + 1.0
    while not audit.seen and time.monotonic() < until:
        gc.collect()
        time.sleep(0.01)
    gc.collect()
    assert all("was destroyed but it is pending" in text for text in audit.seen)
    audit.seen.clear()


class TestHomeThatEnds:
    async def test_a_closed_loop(self):
        loop = asyncio.new_event_loop()
        loop.close()
        with pytest.raises(SessionClosed, match="has ended"):
            await carry(loop, nothing)
        with pytest.raises(SessionClosed):
            await anext(carry_iterator(loop, pytest.fail))

    async def test_a_loop_that_does_not_run(self):
        loop = asyncio.new_event_loop()
        try:
            with pytest.raises(SessionClosed):
                await carry(loop, nothing)
            with pytest.raises(SessionClosed):
                await carry_acquiring(loop, nothing, lambda _: None)
        finally:
            loop.close()

    @pytest.mark.parametrize("live", LIVES)
    async def test_callers_of_a_foreign_loop_hear_of_its_end(
        self, factory: Factory, live: Callable[[Stranger], None], audit: LoopErrors
    ):
        stranger = Stranger(factory, live)
        stranger.start()
        begun = threading.Event()
        ways_out: list[str] = []

        async def sleep() -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ways_out.append("cancelled")
                raise

        async def numbers() -> Any:
            yield 1
            await asyncio.sleep(60)

        calls = [asyncio.create_task(carry(stranger.loop, sleep)) for _ in range(20)]
        iterator = carry_iterator(stranger.loop, numbers)
        assert await anext(iterator) == 1
        calls.append(asyncio.ensure_future(anext(iterator)))
        await heard(begun)
        await asyncio.sleep(0)
        stranger.tell_to_end()
        await on_time(asyncio.wait(calls))
        assert {type(call.exception()) for call in calls} == {SessionClosed}
        stranger.resume.set()
        stranger.join()
        with pytest.raises(SessionClosed):
            await carry(stranger.loop, sleep)
        if live is not run_and_close:
            assert ways_out == ["cancelled"] * 20
        else:
            calls.clear()
            del iterator, stranger
            forget_the_destroyed(audit)

    async def test_between_two_steps_of_an_iterator(self, factory: Factory):
        stranger = Stranger(factory, LIVES[0])
        stranger.start()
        closed = threading.Event()

        async def numbers() -> Any:
            try:
                yield 1
                yield 2
            finally:
                closed.set()

        to_step = carry_iterator(stranger.loop, numbers)
        to_close = carry_iterator(stranger.loop, numbers)
        await anext(to_step)
        await anext(to_close)
        stranger.tell_to_end()
        stranger.join()
        assert closed.is_set()
        with pytest.raises(SessionClosed):
            await on_time(anext(to_step))
        await on_time(to_close.aclose())

    async def test_a_result_that_comes_while_the_loop_ends_is_taken_back(self, factory: Factory):
        stranger = Stranger(factory, LIVES[0])
        stranger.start()
        begun = threading.Event()
        taken_back: list[str] = []

        async def stubborn() -> str:
            begun.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
            return "session"

        call = asyncio.create_task(carry_acquiring(stranger.loop, stubborn, taken_back.append))
        await heard(begun)
        stranger.tell_to_end()
        with pytest.raises(SessionClosed):
            await on_time(call)
        stranger.join()
        assert taken_back == ["session"]

    async def test_a_call_that_was_paused_does_not_go_on(self, factory: Factory):
        stranger = Stranger(factory, run_and_pause)
        stranger.start()
        begun, went_on = threading.Event(), False

        async def work() -> None:
            nonlocal went_on
            begun.set()
            await asyncio.sleep(0.01)
            went_on = True

        call = asyncio.create_task(carry(stranger.loop, work))
        await heard(begun)
        stranger.tell_to_end()
        result = (await on_time(asyncio.gather(call, return_exceptions=True)))[0]
        stranger.resume.set()
        stranger.join()
        assert went_on is (result is None)

    async def test_cancelled_while_the_loop_ends(self, factory: Factory):
        for ticks in range(10):
            stranger = Stranger(factory, LIVES[0])
            stranger.start()
            call = asyncio.create_task(carry(stranger.loop, asyncio.sleep, 60))
            for _ in range(ticks):
                await asyncio.sleep(0)
            stranger.tell_to_end()
            call.cancel()
            await on_time(asyncio.wait({call}))
            assert call.cancelled() or isinstance(call.exception(), SessionClosed)
            stranger.join()

    async def test_closed_before_the_call_was_seen(self):
        """The very first call comes after the loop has taken its last turn, and before it says so: it is dropped."""

        class LastMoment(asyncio.SelectorEventLoop):
            runs = False

            def is_running(self) -> bool:
                return self.runs

        loop = LastMoment()
        loop.runs = True
        begun = False

        async def begin() -> None:
            nonlocal begun
            begun = True

        call = asyncio.create_task(carry(loop, begin))
        await asyncio.sleep(0)
        loop.runs = False
        loop.close()
        with pytest.raises(SessionClosed):
            await on_time(call)
        assert not begun

    async def test_watched_it_hears_of_the_end_without_a_close(self, factory: Factory):
        last_turn, sent = threading.Event(), threading.Event()

        def live(stranger: Stranger) -> None:
            async def main() -> None:
                watch(stranger.loop)
                await stranger.main()
                last_turn.set()
                assert sent.wait(20)

            stranger.loop.run_until_complete(main())
            assert stranger.resume.wait(20)
            stranger.loop.run_until_complete(asyncio.sleep(0))
            stranger.loop.close()

        stranger = Stranger(factory, live)
        stranger.start()
        stranger.tell_to_end()
        await heard(last_turn)
        late: list[bool] = []

        async def begin() -> None:
            late.append(stranger.resume.is_set())

        call = asyncio.create_task(carry(stranger.loop, begin))
        await asyncio.sleep(0)
        sent.set()
        with pytest.raises(SessionClosed):
            await on_time(call)
        stranger.resume.set()
        stranger.join()
        assert True not in late

    async def test_its_thread_is_known_for_as_long_as_it_runs(self, factory: Factory):
        loop = factory()
        known: list[int] = []

        async def look() -> None:
            watch(loop)
            known.append(errands_at(loop).thread)

        def run() -> None:
            loop.run_until_complete(look())
            known.append(errands_at(loop).thread)

        for _ in range(2):
            thread = threading.Thread(target=run)
            thread.start()
            await asyncio.to_thread(thread.join)
            assert known[-2:] == [thread.ident, 0]
        loop.close()

    async def test_generators_of_the_home_loop_are_closed_as_ever(self, factory: Factory):
        ways_out: list[str] = []

        async def numbers() -> Any:
            try:
                yield 1
            finally:
                ways_out.append("closed")

        def live(stranger: Stranger) -> None:
            async def main() -> None:
                watch(stranger.loop)
                kept.append(numbers())
                await anext(kept[0])
                await stranger.main()

            with asyncio.Runner(loop_factory=lambda: stranger.loop) as runner:
                runner.run(main())

        kept: list[Any] = []
        before = sys.get_asyncgen_hooks()
        stranger = Stranger(factory, live)
        stranger.start()
        stranger.tell_to_end()
        stranger.join()
        assert ways_out == ["closed"]
        assert sys.get_asyncgen_hooks() == before

    async def test_somebody_elses_hook_is_not_taken_for_the_end(self, factory: Factory):
        stranger = Stranger(factory, LIVES[0])
        stranger.start()
        begun, may_end = threading.Event(), asyncio.Event()

        async def wait() -> str:
            begun.set()
            await may_end.wait()
            return "undisturbed"

        async def hook() -> None:
            first = asyncio.get_running_loop()._asyncgen_firstiter_hook  # type: ignore[attr-defined]
            sys.set_asyncgen_hooks(firstiter=first)
            await asyncio.sleep(0)

        call = asyncio.create_task(carry(stranger.loop, wait))
        await heard(begun)
        await carry(stranger.loop, hook)
        assert errands_at(stranger.loop).watched
        stranger.loop.call_soon_threadsafe(may_end.set)
        assert await on_time(call) == "undisturbed"
        stranger.tell_to_end()
        stranger.join()

    async def test_loops_are_not_kept(self, factory: Factory):
        stranger = Stranger(factory, LIVES[0])
        stranger.start()
        await carry(stranger.loop, nothing)
        stranger.tell_to_end()
        stranger.join()
        there = weakref.ref(stranger.loop)
        del stranger
        gc.collect()
        assert there() is None


async def test_a_finished_call_leaves_no_cycle(thread: LoopThread):
    """Otherwise an error keeps everything that its traceback shows until the next collection."""

    async def fail() -> None:
        raise ZeroDivisionError

    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            try:
                await carry(thread.loop, fail)
            except ZeroDivisionError:
                pass
            await carry(thread.loop, nothing)
        done = threading.Event()
        thread.loop.call_soon_threadsafe(done.set)
        await heard(done)
        assert not [found for found in gc.get_objects() if isinstance(found, errand.Errand)]
    finally:
        gc.enable()
