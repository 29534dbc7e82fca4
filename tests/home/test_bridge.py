# SPDX-License-Identifier: Apache-2.0
"""Calls from threads that run no loop: what goes there, what comes back, and what ends them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aioconn.errors import CommandTimeout, SessionClosed, UnknownAlias, UsageError
from aioconn.home import Leash, LoopThread, call_from_thread, iterate_from_thread
from aioconn.home.errand import errands_at
from tests.conftest import LoopErrors
from tests.home.conftest import ENOUGH, LIVES, Factory, Stranger, heard, run_and_close
from tests.home.test_errand import forget_the_destroyed

Loop = asyncio.AbstractEventLoop
word: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


async def where() -> Loop:
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


async def add(first: int, *, second: int) -> int:
    return first + second


class Waiting:
    """A coroutine function that is seen to begin, waits until it may end, and says how it ended."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.over = threading.Event()
        self.may_end = asyncio.Event()
        self.end = ""

    async def __call__(self) -> str:
        self.begun.set()
        try:
            await self.may_end.wait()
            self.end = "done"
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise
        finally:
            self.over.set()
        return self.end


class TestCall:
    def test_runs_at_home_and_gives_its_result(self, home: Loop):
        assert call_from_thread(home, where) is home
        assert call_from_thread(home, add, (1,), {"second": 2}) == 3

    def test_runs_in_a_task(self, home: Loop):
        async def limited() -> asyncio.Task[Any] | None:
            async with asyncio.timeout(ENOUGH):
                await asyncio.sleep(0)
            return asyncio.current_task()

        assert call_from_thread(home, limited) is not None

    def test_the_very_error_comes_back_with_a_short_traceback(self, home: Loop):
        error = UnknownAlias("no such alias", device="r1")

        async def fail(pauses: int) -> None:
            for _ in range(pauses):
                await asyncio.sleep(0)
            raise error

        for pauses in (0, 1):
            with pytest.raises(UnknownAlias) as caught:
                call_from_thread(home, fail, (pauses,))
            assert caught.value is error
            names = [entry.name for entry in traceback.extract_tb(caught.value.__traceback__)]
            assert names[1:] == ["call_from_thread", "fail"]
            error.__traceback__ = None

    def test_an_error_of_the_call_itself_comes_back(self, home: Loop):
        with pytest.raises(TypeError, match="second"):
            call_from_thread(home, add, (1,))

    def test_an_error_leaves_no_cycle_behind(self, home: Loop):
        class Failure(Exception):
            pass

        async def fail() -> None:
            raise Failure

        def call() -> weakref.ref[Failure]:
            try:
                call_from_thread(home, fail)
            except Failure as failure:  # what pytest keeps of one is a cycle itself
                return weakref.ref(failure)
            pytest.fail("no failure")

        gc.collect()
        gc.disable()
        try:
            assert call()() is None
        finally:
            gc.enable()

    @pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError])
    def test_leaving_the_program_reaches_the_thread_and_not_the_loop(
        self, home: Loop, error: type[BaseException]
    ):
        async def leave() -> None:
            raise error

        with pytest.raises(error):
            call_from_thread(home, leave)
        assert call_from_thread(home, where) is home

    def test_the_context_of_the_thread_goes_along_as_a_copy(self, home: Loop):
        async def tell() -> str:
            told = word.get()
            word.set("from home")
            return told

        def calls() -> list[str]:
            word.set("from the thread")
            return [call_from_thread(home, tell), word.get(), call_from_thread(home, tell)]

        assert contextvars.copy_context().run(calls) == ["from the thread"] * 3

    def test_a_task_factory_is_used(self, home: Loop):
        made: list[str] = []

        def factory(loop: Loop, work: Any, **keys: Any) -> asyncio.Task[Any]:
            made.append("task")
            return asyncio.Task(work, loop=loop, **keys)

        async def swap(factory: Any) -> None:
            asyncio.get_running_loop().set_task_factory(factory)

        call_from_thread(home, swap, (factory,))
        assert call_from_thread(home, where) is home
        assert made
        call_from_thread(home, swap, (None,))

    def test_a_task_factory_that_refuses_is_heard_of(self, home: Loop):
        def refuse(*_: Any, **__: Any) -> Any:
            raise RuntimeError("no tasks today")

        async def swap(factory: Any) -> None:
            asyncio.get_running_loop().set_task_factory(factory)

        call_from_thread(home, swap, (refuse,))
        with pytest.raises(RuntimeError, match="no tasks today"):
            call_from_thread(home, where)
        home.call_soon_threadsafe(home.set_task_factory, None)
        assert call_from_thread(home, where) is home

    def test_from_sixty_four_threads_at_once(self, home: Loop):
        def work(number: int) -> int:
            word.set(str(number))
            return sum(call_from_thread(home, tell, (number, turn)) for turn in range(30))

        async def tell(number: int, turn: int) -> int:
            if turn % 3:
                await asyncio.sleep(0)
            assert word.get() == str(number)
            return number * turn

        with ThreadPoolExecutor(64) as threads:
            found = list(threads.map(work, range(64)))
        assert found == [number * 435 for number in range(64)]

    def test_while_others_wait(self, home: Loop):
        waiting = Waiting()
        thread = threading.Thread(target=call_from_thread, args=(home, waiting))
        thread.start()
        assert waiting.begun.wait(ENOUGH)
        assert call_from_thread(home, add, (1,), {"second": 2}) == 3
        home.call_soon_threadsafe(waiting.may_end.set)
        thread.join(ENOUGH)
        assert waiting.end == "done"

    def test_who_is_cancelled_before_his_first_step_is_heard_of(self, home: Loop):
        """As when somebody cancels whatever runs in the loop."""

        def cancel_all() -> None:
            for task in asyncio.all_tasks(home):
                task.cancel()

        entered = threading.Event()
        go_on = threading.Event()

        def block() -> None:
            entered.set()
            assert go_on.wait(ENOUGH)

        def call() -> None:
            with pytest.raises(asyncio.CancelledError):
                call_from_thread(home, asyncio.sleep, (ENOUGH,))
            told.set()

        told = threading.Event()
        home.call_soon_threadsafe(block)
        assert entered.wait(ENOUGH)
        thread = threading.Thread(target=call)
        thread.start()
        while not errands_at(home).pending:
            time.sleep(0.001)
        time.sleep(0.01)  # its step has been sent
        home.call_soon_threadsafe(cancel_all)
        go_on.set()
        thread.join(ENOUGH)
        assert told.is_set()


class TestWrongPlace:
    async def test_in_a_thread_that_runs_a_loop(self, home: Loop):
        with pytest.raises(UsageError, match="thread whose event loop runs"):
            call_from_thread(home, where)
        with pytest.raises(UsageError, match="thread whose event loop runs"):
            next(iterate_from_thread(home, aiter, ([],)))

    def test_in_the_home_loop_itself(self, home: Loop):
        async def call() -> None:
            call_from_thread(home, where)

        with pytest.raises(UsageError, match="thread whose event loop runs"):
            call_from_thread(home, call)

    async def test_in_a_worker_thread_of_a_loop_that_runs(self):
        running = asyncio.get_running_loop()
        assert await asyncio.to_thread(call_from_thread, running, where) is running

    def test_to_a_loop_that_does_not_run(self, factory: Factory):
        loop = factory()
        with pytest.raises(SessionClosed):
            call_from_thread(loop, where)
        loop.close()
        with pytest.raises(SessionClosed):
            call_from_thread(loop, where)
        assert not errands_at(loop).pending


class TestEndOfTheHomeLoop:
    def test_a_call_under_way_hears_of_it_at_once(self, thread: LoopThread):
        waiting = Waiting()

        def stop() -> None:
            assert waiting.begun.wait(ENOUGH)
            thread.stop()

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(SessionClosed, match="has ended"):
            call_from_thread(thread.loop, waiting)
        stopper.join(ENOUGH)
        assert waiting.end == "cancelled"
        with pytest.raises(SessionClosed):
            call_from_thread(thread.loop, where)

    @pytest.mark.parametrize("live", LIVES)
    async def test_of_a_loop_that_is_not_ours(self, live: Any, factory: Factory, audit: LoopErrors):
        stranger = Stranger(factory, live)
        stranger.start()
        waiting = Waiting()
        calls = [asyncio.create_task(asyncio.to_thread(call_from_thread, stranger.loop, waiting))]
        await heard(waiting.begun)
        stranger.tell_to_end()
        done, _ = await asyncio.wait(calls, timeout=ENOUGH)
        assert [type(call.exception()) for call in done] == [SessionClosed]
        stranger.resume.set()
        await asyncio.to_thread(stranger.join)
        stranger.loop.close()
        if live is run_and_close:
            del stranger, calls, done, waiting
            forget_the_destroyed(audit)

    def test_a_home_that_retires_waits_for_the_call(self, thread: LoopThread):
        waiting = Waiting()
        with ThreadPoolExecutor(1) as worker:
            call = worker.submit(call_from_thread, thread.loop, waiting)
            assert waiting.begun.wait(ENOUGH)
            thread.retire()
            thread.loop.call_soon_threadsafe(waiting.may_end.set)
            assert call.result(ENOUGH) == "done"

    def test_what_came_too_late_is_taken_back(self, thread: LoopThread):
        """The loop ends while the result is under way: nobody will have it."""
        undone: list[str] = []
        begun = threading.Event()

        async def insist() -> str:
            begun.set()
            try:
                await asyncio.sleep(ENOUGH)
            except asyncio.CancelledError:
                pass
            return "thing"

        def stop() -> None:
            assert begun.wait(ENOUGH)
            thread.stop()

        stopper = threading.Thread(target=stop)
        stopper.start()
        with pytest.raises(SessionClosed):
            call_from_thread(thread.loop, insist, undo=undone.append)
        stopper.join(ENOUGH)
        assert undone == ["thing"]


class TestLeash:
    def test_calls_go_on_while_it_is_not_cut(self, home: Loop):
        with Leash():
            assert call_from_thread(home, where) is home

    def test_the_call_under_way_is_cancelled_and_later_ones_are_refused(self, home: Loop):
        leash, waiting = Leash(), Waiting()
        reason = CommandTimeout("too late")
        raised: list[BaseException] = []

        def work() -> None:
            with leash:
                for _ in range(2):
                    try:
                        call_from_thread(home, waiting)
                    except CommandTimeout as error:
                        raised.append(error)
            assert call_from_thread(home, where) is home  # off the leash

        thread = threading.Thread(target=work)
        thread.start()
        assert waiting.begun.wait(ENOUGH)
        leash.cut(reason)
        leash.cut(CommandTimeout("later still"))
        thread.join(ENOUGH)
        assert raised == [reason, reason]
        assert waiting.end == "cancelled"

    def test_other_threads_are_not_on_it(self, home: Loop):
        leash = Leash()
        leash.cut(CommandTimeout("too late"))
        with leash, ThreadPoolExecutor(1) as other:
            assert other.submit(call_from_thread, home, where).result(ENOUGH) is home

    def test_a_result_that_comes_all_the_same_is_taken_back(self, home: Loop):
        leash = Leash()
        undone: list[str] = []

        async def cut_and_give() -> str:
            leash.cut(CommandTimeout("too late"))
            return "thing"

        with leash, pytest.raises(CommandTimeout):
            call_from_thread(home, cut_and_give, undo=undone.append)
        assert call_from_thread(home, where) is home
        assert undone == ["thing"]

    def test_what_does_not_end_is_left_after_a_while(self, home: Loop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("aioconn.home.visit.PATIENCE", 0.05)
        leash, may_end, over = Leash(), asyncio.Event(), threading.Event()

        async def refuse() -> None:
            leash.cut(CommandTimeout("too late"))
            while not may_end.is_set():
                try:
                    await may_end.wait()
                except asyncio.CancelledError:
                    pass
            over.set()

        with leash, pytest.raises(CommandTimeout):
            call_from_thread(home, refuse)
        assert not over.is_set()
        home.call_soon_threadsafe(may_end.set)
        assert over.wait(ENOUGH)
