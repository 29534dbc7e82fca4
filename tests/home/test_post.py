# SPDX-License-Identifier: Apache-2.0
"""What is sent to a loop arrives, in order, and wakes it no more often than it must."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from aioconn.errors import SessionClosed
from aioconn.home import call_at_home, call_from_thread, carry, watch
from aioconn.home.errand import errands_at
from aioconn.home.post import Post
from tests.home.conftest import ENOUGH, on_time
from tests.lab_thread import LabThread

Loop = asyncio.AbstractEventLoop


class Counted:
    """A loop, and how often it was woken."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.woken = 0

    def call_soon_threadsafe(self, step: Callable[[], object], *, context: contextvars.Context) -> object:
        self.woken += 1
        return self.loop.call_soon_threadsafe(step, context=context)

    def is_closed(self) -> bool:
        return self.loop.is_closed()


@contextmanager
def held_up(loop: Loop) -> Iterator[None]:
    """The loop looks at nothing in the block."""
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        go_on.wait(ENOUGH)

    loop.call_soon_threadsafe(hold)
    assert held.wait(ENOUGH)
    try:
        yield
    finally:
        go_on.set()


def in_threads(count: int, work: Callable[[int], object]) -> None:
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ENOUGH)
    assert not any(thread.is_alive() for thread in threads)


def test_one_wake_up_for_all_that_is_sent_before_the_loop_has_looked(home: Loop):
    post, loop, came, all_there = Post(), Counted(home), set[int](), threading.Event()

    def arrive(number: int) -> None:
        came.add(number)
        if len(came) == 8:
            all_there.set()

    for times in (1, 2):
        came.clear()
        all_there.clear()
        with held_up(home):
            in_threads(8, lambda number: post.send(loop, functools.partial(arrive, number)))  # type: ignore[arg-type]
        assert all_there.wait(ENOUGH)
        with held_up(home):  # until the wake-up has gone
            pass
        assert times <= loop.woken < 8 * times
    post.send(loop, lambda: None)  # type: ignore[arg-type]
    assert loop.woken <= 16


def test_in_the_order_of_sending_in_the_context_of_the_sender(home: Loop):
    post, came, done = Post(), list[tuple[int, str]](), threading.Event()
    name = contextvars.ContextVar[str]("name")

    def arrive(number: int) -> None:
        came.append((number, name.get()))

    with held_up(home):
        for number in range(4):
            context = contextvars.copy_context()
            context.run(name.set, f"sender {number}")
            context.run(post.send, home, functools.partial(arrive, number))
        post.send(home, done.set)
    assert done.wait(ENOUGH)
    assert came == [(number, f"sender {number}") for number in range(4)]


def test_one_that_fails_holds_up_nobody(home: Loop):
    post, done, heard = Post(), threading.Event(), list[Any]()
    home.set_exception_handler(lambda _, context: heard.append(context["exception"]))
    with held_up(home):
        for _ in range(3):
            post.send(home, lambda: 1 // 0)
        post.send(home, done.set)
    assert done.wait(ENOUGH)
    done.clear()
    post.send(home, done.set)
    assert done.wait(ENOUGH)
    assert [type(error) for error in heard] == [ZeroDivisionError] * 3


def test_what_comes_meanwhile_is_not_before_all_else(home: Loop):
    post, left, ended = Post(), 10_000, threading.Event()

    def again() -> None:
        nonlocal left
        left -= 1
        if left and not ended.is_set():
            post.send(home, again)

    with held_up(home):
        post.send(home, again)
        home.call_soon_threadsafe(ended.set)
    assert ended.wait(ENOUGH)
    assert left > 1000


def test_a_closed_loop_keeps_nothing():
    class Thing:
        def step(self) -> None:
            raise AssertionError("the loop is closed")

    post, loop, thing = Post(), asyncio.new_event_loop(), Thing()
    loop.close()
    with pytest.raises(RuntimeError):
        post.send(loop, thing.step)
    kept = weakref.ref(thing)
    del thing
    gc.collect()
    assert kept() is None


def test_what_a_loop_did_not_take_is_not_kept_once_it_is_closed():
    async def nothing() -> None:
        pass

    def use() -> weakref.ref[Loop]:
        loop, held, let_go = asyncio.new_event_loop(), threading.Event(), threading.Event()

        def hold() -> None:
            held.set()
            let_go.wait(ENOUGH)
            loop.stop()

        def run() -> None:
            loop.call_soon(watch, loop)
            loop.call_soon(hold)
            loop.run_forever()
            loop.close()

        def call() -> None:
            with pytest.raises(SessionClosed):
                call_from_thread(loop, nothing)
            lost.append(True)

        threads = [threading.Thread(target=work) for work in (run, call, call)]
        threads[0].start()
        assert held.wait(ENOUGH)
        for thread in threads[1:]:
            thread.start()
        assert LabThread.wait_for(lambda: len(errands_at(loop)._post._sent) == 2, ENOUGH)
        let_go.set()
        for thread in threads:
            thread.join(ENOUGH)
            assert not thread.is_alive()
        return weakref.ref(loop)

    lost: list[bool] = []
    kept = use()
    assert lost == [True, True]
    gc.collect()
    assert kept() is None


def test_what_is_given_back_is_there_before_what_is_asked_next(home: Loop):
    """Also when somebody else has just woken the loop."""
    came: list[str] = []

    async def ask(what: str) -> None:
        came.append(what)

    def wake() -> None:
        call_from_thread(home, ask, ("by somebody else",))

    def give_back_and_ask() -> None:
        call_at_home(home, came.append, "given back")
        call_from_thread(home, ask, ("asked next",))

    def is_under_way(before: int) -> bool:
        return len(errands_at(home).pending) > before

    threads = [threading.Thread(target=work) for work in (wake, give_back_and_ask)]
    with held_up(home):
        for thread in threads:
            before = len(errands_at(home).pending)
            thread.start()
            assert LabThread.wait_for(functools.partial(is_under_way, before), ENOUGH)
    for thread in threads:
        thread.join(ENOUGH)
        assert not thread.is_alive()
    assert came.index("given back") < came.index("asked next")


async def test_a_burst_of_calls_from_another_loop_wakes_it_once(home: Loop, monkeypatch: pytest.MonkeyPatch):
    async def ask(number: int) -> int:
        return number

    assert await on_time(carry(home, ask, 0)) == 0  # from now on it is watched
    woken, wake = [], home.call_soon_threadsafe
    monkeypatch.setattr(
        home, "call_soon_threadsafe", lambda *args, **kwargs: woken.append(wake(*args, **kwargs))
    )
    with held_up(home):
        calls = [asyncio.ensure_future(carry(home, ask, number)) for number in range(20)]
        woken.clear()
        await asyncio.sleep(0)
    assert await on_time(asyncio.gather(*calls)) == list(range(20))
    assert len(woken) == 1


def test_none_of_many_is_forgotten(home: Loop):
    async def answer(number: int) -> int:
        if number % 3 == 0:
            await asyncio.sleep(0)
        return number

    answers = [0] * 8

    def call(caller: int) -> None:
        for number in range(300):
            assert call_from_thread(home, answer, (number,)) == number
            answers[caller] += 1

    in_threads(8, call)
    assert answers == [300] * 8
