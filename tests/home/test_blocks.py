# SPDX-License-Identifier: Apache-2.0
"""Iterations and blocks of threads, each with one task at home from its beginning to its end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from aioconn.errors import CommandTimeout, SessionClosed, UsageError
from aioconn.home import Leash, LoopThread, call_from_thread, enter_from_thread, iterate_from_thread
from aioconn.home.errand import errands_at
from tests.home.conftest import ENOUGH

Loop = asyncio.AbstractEventLoop
word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


async def tell() -> str:
    return word.get()


class Count:
    """An asynchronous generator that keeps an eye on itself."""

    def __init__(self, end: int = 3) -> None:
        self.end = end
        self.made = 0
        self.tasks: set[Any] = set()
        self.closed = threading.Event()

    async def generate(self, start: int = 0, *, fail: bool = False) -> AsyncGenerator[int, None]:
        try:
            async with asyncio.timeout(ENOUGH):  # bound to the task that steps the generator
                for number in range(start, self.end):
                    await asyncio.sleep(0)
                    self.tasks.add(asyncio.current_task())
                    self.made += 1
                    yield number
                if fail:
                    raise LookupError("nothing more")
        finally:
            self.closed.set()


class TestIteration:
    def test_every_item_and_one_task(self, home: Loop):
        count = Count()
        assert list(iterate_from_thread(home, count.generate)) == [0, 1, 2]
        assert list(iterate_from_thread(home, count.generate, (1,), {"fail": False})) == [1, 2]
        assert len(count.tasks) == 2

    def test_nothing_happens_before_it_is_asked_for(self, home: Loop):
        count = Count()
        iteration = iterate_from_thread(home, count.generate)
        iteration.close()
        assert list(iteration) == []
        iteration = iterate_from_thread(home, count.generate)
        assert next(iteration) == 0
        call_from_thread(home, tell)
        assert count.made == 1
        iteration.close()

    def test_an_error_comes_after_the_items_and_once(self, home: Loop):
        iteration = iterate_from_thread(home, Count(1).generate, (), {"fail": True})
        assert next(iteration) == 0
        with pytest.raises(LookupError):
            next(iteration)
        with pytest.raises(StopIteration):
            next(iteration)

    def test_left_early_it_is_closed_before_close_returns(self, home: Loop):
        count = Count()
        with iterate_from_thread(home, count.generate) as iteration:
            assert next(iteration) == 0
        assert count.closed.is_set()
        assert list(iteration) == []
        iteration.close()

    def test_forgotten_it_is_closed(self, home: Loop):
        count = Count()
        for _ in iterate_from_thread(home, count.generate):
            break
        gc.collect()
        assert count.closed.wait(ENOUGH)
        call_from_thread(home, asyncio.sleep, (0,))

    def test_an_error_while_closing_is_raised(self, home: Loop):
        async def generate() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                raise LookupError("while closing")

        iteration = iterate_from_thread(home, generate)
        next(iteration)
        with pytest.raises(LookupError):
            iteration.close()

    def test_what_is_no_iterator(self, home: Loop):
        with pytest.raises(TypeError):
            next(iterate_from_thread(home, len, ([],)))  # type: ignore[arg-type]

    def test_threads_that_share_one_take_turns(self, home: Loop):
        iteration = iterate_from_thread(home, Count(400).generate)
        found: list[int] = []

        def work() -> None:
            found.extend(iteration)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ENOUGH)
        assert sorted(found) == list(range(400))

    def test_the_home_loop_ends_between_two_steps(self, thread: LoopThread):
        count = Count()
        iteration = iterate_from_thread(thread.loop, count.generate)
        assert next(iteration) == 0
        thread.stop()
        assert count.closed.is_set()
        with pytest.raises(SessionClosed):
            next(iteration)
        iteration.close()

    def test_a_leash_is_cut_during_a_step(self, home: Loop):
        leash = Leash()
        closed = threading.Event()

        async def generate() -> AsyncGenerator[int, None]:
            try:
                yield 1
                leash.cut(CommandTimeout("too late"))
                await asyncio.sleep(ENOUGH)
                yield 2
            finally:
                closed.set()

        with leash:
            iteration = iterate_from_thread(home, generate)
            assert next(iteration) == 1
            with pytest.raises(CommandTimeout):
                next(iteration)
            assert closed.is_set()
            iteration.close()

    def test_calls_between_the_steps_are_inside(self, home: Loop):
        async def generate() -> AsyncGenerator[int, None]:
            before = word.get()
            word.set("inside")
            for number in range(3):
                yield number
            word.set(before)

        for number in iterate_from_thread(home, generate):
            assert call_from_thread(home, tell) == "inside", number
        assert word.get() == "none"
        with iterate_from_thread(home, generate) as iteration:
            next(iteration)
            assert call_from_thread(home, tell) == "inside"
        assert word.get() == "none"


class Room:
    """A block that keeps an eye on itself."""

    def __init__(self) -> None:
        self.inside = 0
        self.reasons: list[Any] = []
        self.tasks: list[Any] = []
        self.left = threading.Event()

    @asynccontextmanager
    async def __call__(self, name: str = "room", *, forgive: bool = False) -> AsyncGenerator[str, None]:
        await asyncio.sleep(0)
        self.inside += 1
        self.tasks.append(asyncio.current_task())
        before = word.get()
        word.set(f"inside {name}")
        try:
            yield name
        except BaseException as reason:
            self.reasons.append(reason)
            if not forgive:
                raise
        finally:
            word.set(before)
            self.tasks.append(asyncio.current_task())
            self.inside -= 1
            self.left.set()


class TestBlock:
    def test_calls_of_the_thread_are_inside(self, home: Loop):
        room = Room()
        entered = enter_from_thread(home, room, ("kitchen",))
        assert entered.value == "kitchen"
        assert call_from_thread(home, tell) == word.get() == "inside kitchen"
        assert not entered.leave()
        assert call_from_thread(home, tell) == word.get() == "none"
        assert room.inside == 0
        assert room.tasks[0] is room.tasks[1]
        assert not entered.leave()

    def test_other_threads_are_outside(self, home: Loop):
        found: list[str] = []
        entered = enter_from_thread(home, Room())
        thread = threading.Thread(target=lambda: found.append(call_from_thread(home, tell)))
        thread.start()
        thread.join(ENOUGH)
        entered.leave()
        assert found == ["none"]

    def test_so_are_calls_to_another_home(self, home: Loop):
        other = LoopThread("other")
        other.start()
        try:
            entered = enter_from_thread(home, Room(), ("hall",))
            assert call_from_thread(other.loop, tell) == "inside hall"
            inner = enter_from_thread(other.loop, Room(), ("cellar",))
            assert call_from_thread(home, tell) == "inside cellar"
            inner.leave()
            assert call_from_thread(other.loop, tell) == "inside hall"
            entered.leave()
        finally:
            assert other.stop()

    def test_blocks_that_are_left_in_another_order(self, home: Loop):
        def work() -> None:
            first = enter_from_thread(home, Room(), ("first",))
            second = enter_from_thread(home, Room(), ("second",))
            first.leave()
            assert call_from_thread(home, tell) == "inside second"
            second.leave()

        contextvars.copy_context().run(work)
        assert call_from_thread(home, tell) == "none"
        assert not errands_at(home).pending

    def test_the_exception_reaches_the_block_which_may_suppress_it(self, home: Loop):
        room = Room()
        for forgive in (False, True):
            entered = enter_from_thread(home, room, (), {"forgive": forgive})
            error = LookupError("in the block")
            assert entered.leave(LookupError, error, None) is forgive
            assert room.reasons.pop() is error

    def test_an_error_of_entering_comes_back(self, home: Loop):
        @asynccontextmanager
        async def closed() -> AsyncGenerator[None, None]:
            raise LookupError("no way in")
            yield

        with pytest.raises(LookupError):
            enter_from_thread(home, closed)
        assert word.get() == "none"

    def test_an_error_of_leaving_comes_back(self, home: Loop):
        @asynccontextmanager
        async def sticky() -> AsyncGenerator[None, None]:
            yield
            raise LookupError("no way out")

        entered = enter_from_thread(home, sticky)
        with pytest.raises(LookupError):
            entered.leave()

    def test_forgotten_it_is_left(self, home: Loop):
        room = Room()

        def enter() -> None:
            enter_from_thread(home, room)

        contextvars.copy_context().run(enter)
        gc.collect()
        assert room.left.wait(ENOUGH)
        assert isinstance(room.reasons[0], asyncio.CancelledError)
        call_from_thread(home, asyncio.sleep, (0,))

    def test_the_home_loop_ends_meanwhile(self, thread: LoopThread):
        room = Room()
        entered = enter_from_thread(thread.loop, room)
        thread.stop()
        assert room.inside == 0
        assert not entered.leave()
        assert word.get() == "none"

    async def test_it_is_not_left_in_a_thread_that_runs_a_loop(self, home: Loop):
        room = Room()
        entered = await asyncio.to_thread(enter_from_thread, home, room)
        with pytest.raises(UsageError):
            entered.leave()
        assert room.inside == 1
        await asyncio.to_thread(entered.leave)
        assert room.inside == 0

    def test_a_leash_is_cut_inside(self, home: Loop):
        room, leash = Room(), Leash()
        with leash:
            entered = enter_from_thread(home, room)
            leash.cut(CommandTimeout("too late"))
            with pytest.raises(CommandTimeout):
                call_from_thread(home, tell)
            assert room.inside == 1
            assert not entered.leave()
            assert room.inside == 0
