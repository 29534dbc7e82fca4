# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C in a thread that waits for its home loop: at any point of its code, and at any time of its work."""

from __future__ import annotations

import asyncio
import dis
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import aioconn
from aioconn.home import call_from_thread, enter_from_thread, iterate_from_thread, watch
from aioconn.home.errand import errands_at
from aioconn.home.post import Post, _Wake
from tests.home.conftest import ENOUGH, Factory, other_tasks

pytestmark = pytest.mark.programs

Loop = asyncio.AbstractEventLoop

# Where the thread's own code is: ours, and what asyncio does to wake a loop.
WATCHED = (
    "aioconn/home/visit.py",
    "aioconn/home/errand.py",
    "aioconn/home/post.py",
    "aioconn/home/leash.py",
    "aioconn/home/bridge.py",
    "aioconn/home/blocks.py",
    "asyncio/base_events.py",
    "asyncio/selector_events.py",
)
# No signal is looked at there: a value on its way out of a function arrives.
LEAVING = ("RETURN_VALUE", "RETURN_CONST", "RETURN_GENERATOR")


class Interrupted(KeyboardInterrupt):
    pass


class Tripwire:
    """Raises in this thread's code before the `number`-th instruction that it runs in the watched files, or in one
    function."""

    def __init__(self, number: int, only: CodeType | None = None) -> None:
        self._left = number
        self._only = only
        self.at = ""

    def __enter__(self) -> Tripwire:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, _: object) -> Any:
        code = frame.f_code
        if code is self._only or (self._only is None and code.co_filename.endswith(WATCHED)):
            frame.f_trace_opcodes = True
            return self._step
        return None

    def _step(self, frame: FrameType, event: str, _: object) -> Any:
        # Nor where code is no line's: it ends the handling of an exception.
        if (
            event == "opcode"
            and frame.f_lineno is not None
            and dis.opname[frame.f_code.co_code[frame.f_lasti]] not in LEAVING
        ):
            if self._left == 0:
                self._left = -1
                self.at = f"{frame.f_code.co_name}:{frame.f_lineno}"
                raise Interrupted
            self._left -= 1
        return self._step


class Store:
    """Things that are taken and given back, in a block or not."""

    def __init__(self) -> None:
        self.out = 0

    async def take(self, pauses: int = 0) -> str:
        for _ in range(pauses):
            await asyncio.sleep(0)
        self.out += 1
        return "thing"

    def give(self, thing: str) -> None:
        assert thing == "thing"
        self.out -= 1

    @asynccontextmanager
    async def keeping(self) -> AsyncGenerator[str, None]:
        thing = await self.take(1)
        try:
            yield thing
        finally:
            self.give(thing)

    async def each(self) -> AsyncGenerator[str, None]:
        for _ in range(3):
            async with self.keeping() as thing:
                yield thing


def at_every_instruction(
    use: Callable[[], None], check: Callable[[str], None], only: CodeType | None = None
) -> int:
    """Interrupt `use` before each instruction of the watched code, until it comes through."""
    number = 0
    until = time.monotonic() + ENOUGH
    while time.monotonic() < until:
        # From 3.12 on, code has to be traced once before its instructions are.
        with Tripwire(sys.maxsize, only):
            use()
        wire = Tripwire(number, only)
        try:
            with wire:
                use()
        except Interrupted:
            pass
        else:
            return number
        check(wire.at)
        number += 1
    pytest.fail(f"not through after {number} instructions")


@pytest.fixture
def all_is_well(home: Loop) -> Callable[[Store, str], None]:
    def look(store: Store, at: str) -> None:
        assert call_from_thread(home, store.take) == "thing", at
        store.give("thing")
        if store.out:
            gc.collect()
        left = call_from_thread(home, other_tasks)
        assert not left, f"{at}: {left}"
        assert store.out == 0, at
        assert not errands_at(home).pending, at

    return look


class TestAtEveryInstruction:
    @pytest.mark.parametrize("pauses", [0, 2])
    def test_a_call(self, home: Loop, all_is_well: Any, pauses: int):
        store = Store()

        def use() -> None:
            thing = call_from_thread(home, store.take, (pauses,), undo=store.give)
            store.give(thing)

        assert at_every_instruction(use, lambda at: all_is_well(store, at)) > 50

    def test_a_block(self, home: Loop, all_is_well: Any):
        store = Store()

        def use() -> None:
            entered = enter_from_thread(home, store.keeping)
            assert entered.value == "thing"
            entered.leave()

        assert at_every_instruction(use, lambda at: all_is_well(store, at)) > 100

    def test_an_iteration(self, home: Loop, all_is_well: Any):
        store = Store()

        def use() -> None:
            iteration = iterate_from_thread(home, store.each)
            assert next(iteration) == "thing"
            assert next(iteration) == "thing"
            iteration.close()

        assert at_every_instruction(use, lambda at: all_is_well(store, at)) > 100


def test_what_others_send_is_not_held_up(home: Loop):
    """By somebody who was interrupted as he was about to wake the loop for them as well."""
    post = Post()

    def use() -> None:
        settled = threading.Event()
        home.call_soon_threadsafe(settled.set)
        assert settled.wait(ENOUGH)
        post.send(home, lambda: None)

    def arrives(at: str) -> None:
        arrived = threading.Event()
        post.send(home, arrived.set)
        assert arrived.wait(ENOUGH), at

    assert at_every_instruction(use, arrives, Post.send.__code__) > 30


def test_a_home_that_was_interrupted_is_woken_again(factory: Factory):
    """At every instruction of it that takes what was sent."""
    loop = factory()

    async def answer() -> str:
        return "here"

    async def take_calls() -> list[Any]:
        watch(loop)
        calls = [asyncio.to_thread(call_from_thread, loop, answer) for _ in range(2)]
        return await asyncio.gather(*calls, return_exceptions=True)

    def use() -> None:
        loop.run_until_complete(take_calls())

    def check(at: str) -> None:
        assert loop.run_until_complete(asyncio.wait_for(take_calls(), ENOUGH)) == ["here", "here"], at

    try:
        assert at_every_instruction(use, check, _Wake.__call__.__code__) > 30
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def test_what_does_not_end_is_left_after_a_while(
    home: Loop, monkeypatch: pytest.MonkeyPatch, all_is_well: Any
):
    monkeypatch.setattr("aioconn.home.visit.PATIENCE", 0.05)
    store = Store()
    may_end = asyncio.Event()

    async def refuse() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()
        return await store.take()

    with pytest.raises(KeyboardInterrupt):
        call_from_thread(home, refuse, undo=store.give)
    assert errands_at(home).pending
    home.call_soon_threadsafe(may_end.set)
    all_is_well(store, "afterwards")


def test_an_iteration_that_was_left_has_no_more_steps(home: Loop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("aioconn.home.visit.PATIENCE", 0.05)
    may_end = asyncio.Event()

    async def refuse() -> AsyncGenerator[int, None]:
        yield 1
        os.kill(os.getpid(), signal.SIGINT)
        while not may_end.is_set():
            with suppress(asyncio.CancelledError):
                await may_end.wait()
        yield 2

    iteration = iterate_from_thread(home, refuse)
    assert next(iteration) == 1
    with pytest.raises(KeyboardInterrupt):
        next(iteration)
    assert list(iteration) == []
    iteration.close()
    home.call_soon_threadsafe(may_end.set)
    assert not call_from_thread(home, other_tasks)


def test_a_block_that_is_entered_too_late_is_left(home: Loop, all_is_well: Any):
    store = Store()

    @asynccontextmanager
    async def stubborn() -> AsyncGenerator[str, None]:
        os.kill(os.getpid(), signal.SIGINT)
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(ENOUGH)
        async with store.keeping() as thing:
            yield thing

    with pytest.raises(KeyboardInterrupt):
        enter_from_thread(home, stubborn)
    all_is_well(store, "afterwards")


def interrupted(count: int, protocol: str) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.home.interrupted", str(count), "1", protocol],
        cwd=Path(aioconn.__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=50 + count,
    )
    assert not ran.stderr
    assert ran.returncode == 0
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
def test_at_random_times_of_work_on_a_device(protocol: str):
    found = interrupted(int(os.environ.get("AIOCONN_INTERRUPTS", "25")), protocol)
    assert found["wrong"] == []
    assert found["sessions"] == 0
    assert found["threads"] == []


@pytest.mark.processes
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
def test_a_thousand_times(protocol: str):
    count = int(os.environ.get("AIOCONN_INTERRUPTS", "1000"))
    found = interrupted(count, protocol)
    assert found["wrong"] == []
    assert found["interrupts"] == count
    assert found["sessions"] == 0
    assert found["threads"] == []
    assert found["p99"] < 0.1
