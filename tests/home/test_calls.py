# SPDX-License-Identifier: Apache-2.0
"""What goes with a call to its home loop, and what comes back."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from aioconn.errors import UnknownAlias
from aioconn.home import LoopThread, call_at_home, carry, carry_acquiring, carry_iterator
from tests.home.conftest import heard, on_time, other_tasks

Loop = asyncio.AbstractEventLoop
word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


async def where() -> Loop:
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


async def add(first: int, *, second: int) -> int:
    return first + second


class TestCall:
    async def test_runs_at_home_and_gives_its_result(self, home: Loop):
        assert await carry(home, where) is home
        assert await carry(home, add, 1, second=2) == 3
        assert await carry(home, threads_name) == "home under test"

    async def test_the_very_error_comes_back(self, home: Loop):
        error = UnknownAlias("no such alias", device="r1")

        async def fail() -> None:
            raise error

        with pytest.raises(UnknownAlias) as caught:
            await carry(home, fail)
        assert caught.value is error
        assert [entry.name for entry in caught.traceback][-1] == "fail"

    async def test_an_error_of_the_call_itself_comes_back(self, home: Loop):
        with pytest.raises(TypeError, match="second"):
            await carry(home, add, 1)  # type: ignore[call-arg]

    async def test_on_the_home_loop_it_is_simply_awaited(self):
        task = asyncio.current_task()

        async def who() -> bool:
            return asyncio.current_task() is task

        here = asyncio.get_running_loop()
        assert await carry(here, who)
        assert await carry_acquiring(here, who, lambda _: pytest.fail("nothing was lost"))

    async def test_the_callers_context_goes_along_as_a_copy(self, home: Loop):
        async def tell() -> str:
            told = word.get()
            word.set("from home")
            return told

        word.set("from the caller")
        assert await carry(home, tell) == "from the caller"
        assert word.get() == "from the caller"
        assert await carry(home, tell) == "from the caller"

    async def test_a_cancelled_task_at_home_is_a_cancellation_here(self, home: Loop):
        async def give_up() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(60)

        with pytest.raises(asyncio.CancelledError):
            await carry(home, give_up)
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    async def test_a_call_can_go_on_to_a_third_loop_and_back_to_the_first(self, home: Loop):
        here = asyncio.get_running_loop()
        third = LoopThread("third")
        third.start()

        async def go_on() -> Loop:
            return await carry(third.loop, come_back)

        async def come_back() -> Loop:
            return await carry(here, where)

        try:
            assert await carry(home, go_on) is here
        finally:
            await asyncio.to_thread(third.stop)

    async def test_leaving_the_program_reaches_the_caller_and_not_the_loop(self, home: Loop):
        async def leave() -> None:
            raise SystemExit(3)

        with pytest.raises(SystemExit):
            await on_time(carry(home, leave))
        assert await on_time(carry(home, where)) is home

    async def test_a_task_factory_that_refuses_is_heard_of(self, home: Loop):
        def refuse(*_: Any, **__: Any) -> Any:
            raise RuntimeError("no tasks today")

        async def swap(factory: Any) -> None:
            asyncio.get_running_loop().set_task_factory(factory)

        await carry(home, swap, refuse)
        with pytest.raises(RuntimeError, match="no tasks today"):
            await on_time(carry(home, where))
        home.call_soon_threadsafe(home.set_task_factory, None)
        assert await on_time(carry(home, where)) is home

    @pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="from Python 3.12 on")
    async def test_eager_tasks_at_home(self, home: Loop):
        def eager(loop: Loop, work: Any, *, context: Any = None, **_: Any) -> asyncio.Task[Any]:
            return asyncio.Task(work, loop=loop, context=context, eager_start=True)  # type: ignore[call-arg]

        home.call_soon_threadsafe(home.set_task_factory, eager)
        word.set("eager")
        assert await on_time(carry(home, where)) is home
        assert await on_time(carry(home, add, 1, second=2)) == 3

    async def test_two_hundred_at_once(self, home: Loop):
        under_way = 0
        all_there = asyncio.Event()

        async def count(number: int) -> int:
            nonlocal under_way
            under_way += 1
            if under_way == 200:
                all_there.set()
            await all_there.wait()
            under_way -= 1
            return number

        async def all_of_them() -> list[int]:
            return await asyncio.gather(*(carry(home, count, number) for number in range(200)))

        assert await on_time(all_of_them()) == list(range(200))
        assert under_way == 0

    async def test_from_many_threads_at_once(self, home: Loop):
        def work() -> list[Loop]:
            async def main() -> list[Loop]:
                return [await carry(home, where) for _ in range(50)]

            return asyncio.run(main())

        for found in await on_time(asyncio.gather(*(asyncio.to_thread(work) for _ in range(8)))):
            assert found == [home] * 50


class TestPlainCall:
    async def test_at_home_at_once(self):
        done: list[int] = []
        call_at_home(asyncio.get_running_loop(), done.append, 1)
        call_at_home(None, done.append, 2)
        assert done == [1, 2]

    async def test_from_another_loop_soon(self, home: Loop):
        loops: list[Loop] = []
        done = threading.Event()
        call_at_home(home, lambda: loops.append(asyncio.get_running_loop()))
        call_at_home(home, done.set)
        await heard(done)
        assert loops == [home]

    def test_from_a_thread_without_a_loop(self, thread: LoopThread):
        done = threading.Event()
        call_at_home(thread.loop, done.set)
        assert done.wait(20)

    async def test_a_loop_that_has_ended_takes_nothing(self):
        loop = asyncio.new_event_loop()
        loop.close()
        call_at_home(loop, pytest.fail)


async def threads_name() -> str:
    return threading.current_thread().name


class Count:
    """An asynchronous generator that keeps an eye on itself."""

    def __init__(self, end: int = 3) -> None:
        self.end = end
        self.made = 0
        self.tasks: set[Any] = set()
        self.ways_out: list[str] = []
        self.closed = threading.Event()
        self.waits = threading.Event()
        self.waits_at = -1

    async def generate(self) -> AsyncGenerator[int, None]:
        try:
            async with asyncio.timeout(60):  # bound to the task that steps the generator
                for number in range(self.end):
                    self.tasks.add(asyncio.current_task())
                    if number == self.waits_at:
                        self.waits.set()
                        await asyncio.sleep(60)
                    self.made += 1
                    yield number
            self.ways_out.append("end")
        except BaseException as error:
            self.ways_out.append(type(error).__name__)
            raise
        finally:
            await asyncio.sleep(0)
            self.closed.set()


class TestIterator:
    async def test_each_item_comes_in_order_from_one_task_at_home(self, home: Loop):
        count = Count(100)
        assert [number async for number in carry_iterator(home, count.generate)] == list(range(100))
        assert count.ways_out == ["end"]
        (task,) = count.tasks
        assert task.get_loop() is home

    async def test_takes_no_step_ahead(self, home: Loop):
        count = Count()
        numbers = carry_iterator(home, count.generate)
        assert count.made == 0
        for expected in range(2):
            assert await anext(numbers) == expected
            await carry(home, other_tasks)
            assert count.made == expected + 1
        await numbers.aclose()

    async def test_the_context_goes_along(self, home: Loop):
        async def tell() -> AsyncIterator[str]:
            yield word.get()

        word.set("along")
        assert [text async for text in carry_iterator(home, tell)] == ["along"]

    @pytest.mark.parametrize("taken", [0, 1, 3])
    async def test_closing_early_closes_it_at_home_before_returning(self, home: Loop, taken: int):
        count = Count()
        numbers = carry_iterator(home, count.generate)
        for _ in range(taken):
            await anext(numbers)
        await on_time(numbers.aclose())
        assert count.closed.is_set() is (taken > 0)
        assert count.ways_out == ["GeneratorExit"][:taken]

    async def test_an_error_thrown_in_closes_it(self, home: Loop):
        count = Count()
        numbers = carry_iterator(home, count.generate)
        await anext(numbers)
        with pytest.raises(ZeroDivisionError):
            await numbers.athrow(ZeroDivisionError())
        assert count.ways_out == ["GeneratorExit"]

    async def test_the_very_error_of_the_iterator_comes_back(self, home: Loop):
        error = UnknownAlias("no such alias")

        async def fail() -> AsyncIterator[int]:
            yield 1
            raise error

        with pytest.raises(UnknownAlias) as caught:
            async for _ in carry_iterator(home, fail):
                pass
        assert caught.value is error

    async def test_the_error_of_closing_comes_back(self, home: Loop):
        async def fail() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                raise UnknownAlias("while closing")

        numbers = carry_iterator(home, fail)
        await anext(numbers)
        with pytest.raises(UnknownAlias):
            await on_time(numbers.aclose())

    async def test_what_cannot_be_closed_is_left(self, home: Loop):
        class Plain:
            def __aiter__(self) -> Plain:
                return self

            async def __anext__(self) -> Loop:
                return asyncio.get_running_loop()

        numbers = carry_iterator(home, Plain)
        assert await anext(numbers) is home
        await numbers.aclose()

    async def test_a_cancelled_step_is_cancelled_at_home(self, home: Loop):
        count = Count()
        count.waits_at = 1
        numbers = carry_iterator(home, count.generate)
        await anext(numbers)
        task = asyncio.ensure_future(anext(numbers))
        await heard(count.waits)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await on_time(task)
        assert count.closed.is_set()
        assert count.ways_out == ["CancelledError"]
        assert [number async for number in numbers] == []

    @pytest.mark.parametrize("ticks", range(30))
    async def test_cancelled_after_any_number_of_ticks(self, home: Loop, ticks: int):
        count = Count(1_000_000)

        async def consume() -> None:
            numbers = carry_iterator(home, count.generate)
            try:
                async for _ in numbers:
                    await asyncio.sleep(0)
            finally:
                await numbers.aclose()

        task = asyncio.create_task(consume())
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await on_time(task)
        assert count.closed.is_set() or not count.ways_out
        assert not await carry(home, other_tasks)

    async def test_cancelled_while_it_closes(self, home: Loop):
        closing, closed = threading.Event(), threading.Event()

        async def slow_to_close() -> AsyncGenerator[int, None]:
            try:
                yield 1
            finally:
                closing.set()
                try:
                    await asyncio.sleep(60)
                finally:
                    closed.set()

        numbers = carry_iterator(home, slow_to_close)
        await anext(numbers)
        task = asyncio.ensure_future(numbers.aclose())
        await heard(closing)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await on_time(task)
        assert closed.is_set()

    async def test_one_that_was_forgotten_is_closed(self, home: Loop):
        count = Count()

        async def take_one() -> None:
            async for _ in carry_iterator(home, count.generate):
                break

        await take_one()
        await heard(count.closed)

    async def test_its_task_is_cancelled_at_home_between_two_steps(self, home: Loop):
        count = Count()
        numbers = carry_iterator(home, count.generate)
        await anext(numbers)
        (task,) = count.tasks
        home.call_soon_threadsafe(task.cancel)
        await carry(home, other_tasks)
        with pytest.raises(asyncio.CancelledError):
            await on_time(anext(numbers))
        assert count.ways_out == ["GeneratorExit"]

    async def test_on_the_home_loop_it_is_simply_iterated(self):
        here = asyncio.get_running_loop()
        count = Count()
        numbers = carry_iterator(here, count.generate)
        assert await anext(numbers) == 0
        assert count.tasks == {asyncio.current_task()}
        await numbers.aclose()
        assert count.ways_out == ["GeneratorExit"]

    async def test_two_hundred_at_once(self, home: Loop):
        async def consume() -> list[int]:
            return [number async for number in carry_iterator(home, Count(10).generate)]

        async def all_of_them() -> list[list[int]]:
            return await asyncio.gather(*(consume() for _ in range(200)))

        assert await on_time(all_of_them()) == [list(range(10))] * 200
