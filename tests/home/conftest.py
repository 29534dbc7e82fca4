# SPDX-License-Identifier: Apache-2.0
"""Home loops of both kinds: threads of ours, and loops that somebody else runs and ends as he likes."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest

from aioconn.home import LoopThread, carry
from aioconn.home.errand import errands_at

T = TypeVar("T")

ENOUGH = 20.0
"""Seconds after which a test says that something hangs."""

Factory = Callable[[], asyncio.AbstractEventLoop]
FACTORIES: dict[str, Factory] = {"asyncio": asyncio.new_event_loop}
if importlib.util.find_spec("uvloop"):
    import uvloop

    FACTORIES["uvloop"] = uvloop.new_event_loop


@pytest.fixture(scope="session", autouse=True)
def first_loop() -> None:
    """libuv, where uvloop is installed, keeps a pipe for signals from its first loop on."""
    for factory in FACTORIES.values():
        loop = factory()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@pytest.fixture(params=FACTORIES)
def factory(request: pytest.FixtureRequest) -> Factory:
    return FACTORIES[request.param]


@pytest.fixture
def thread(factory: Factory) -> Iterator[LoopThread]:
    thread = LoopThread("home under test", loop_factory=factory)
    thread.start()
    yield thread
    assert thread.stop(ENOUGH)


@pytest.fixture
def home(thread: LoopThread) -> Iterator[asyncio.AbstractEventLoop]:
    """A home loop on which a test leaves neither tasks nor errands."""
    yield thread.loop
    left = asyncio.run(carry(thread.loop, other_tasks)) if thread.takes_calls else set()
    assert not left
    assert not errands_at(thread.loop).pending


async def other_tasks() -> set[asyncio.Task[Any]]:
    """What else runs in this loop, after a moment to end."""
    here = {asyncio.current_task()}
    for _ in range(100):
        if asyncio.all_tasks() == here:
            break
        await asyncio.sleep(0)
    return asyncio.all_tasks() - here


async def on_time(awaited: Awaitable[T]) -> T:
    """What it gives, unless it hangs."""
    async with asyncio.timeout(ENOUGH):
        return await awaited


async def heard(event: threading.Event) -> None:
    """Wait for an event of another thread without stopping this loop."""
    assert await asyncio.to_thread(event.wait, ENOUGH)


class Stranger:
    """A loop in a thread, run and ended without any care for those who call into it."""

    def __init__(self, factory: Factory, live: Callable[[Stranger], None]) -> None:
        self.loop = factory()
        self.end = asyncio.Event()
        self.resume = threading.Event()
        self._runs = threading.Event()
        self._live = live
        self._thread = threading.Thread(target=self._run, name="stranger")

    def start(self) -> None:
        self._thread.start()
        assert self._runs.wait(ENOUGH)

    def _run(self) -> None:
        try:
            self._live(self)
        finally:
            self._runs.set()

    async def main(self) -> None:
        """What such a loop runs: returns when told to."""
        self._runs.set()
        await self.end.wait()

    def tell_to_end(self) -> None:
        self.loop.call_soon_threadsafe(self.end.set)

    def join(self) -> None:
        self._thread.join(ENOUGH)
        assert not self._thread.is_alive()


def run_as_asyncio_does(stranger: Stranger) -> None:
    """Runs to the end of `main`, cancels all tasks, closes generators, closes."""
    with asyncio.Runner(loop_factory=lambda: stranger.loop) as runner:
        runner.run(stranger.main())


def run_and_close(stranger: Stranger) -> None:
    """Closes the loop over everything that still runs."""
    stranger.loop.run_until_complete(stranger.main())
    stranger.loop.close()


def run_and_pause(stranger: Stranger) -> None:
    """Runs, does something else for a long time without closing the loop, and runs it again."""
    stranger.loop.run_until_complete(stranger.main())
    assert stranger.resume.wait(ENOUGH)
    with asyncio.Runner(loop_factory=lambda: stranger.loop) as runner:
        runner.run(asyncio.sleep(0))


def run_and_crash(stranger: Stranger) -> None:
    """Ctrl-C in the middle."""

    async def main() -> None:
        await stranger.main()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=lambda: stranger.loop) as runner:
        runner.run(main())


LIVES = [run_as_asyncio_does, run_and_close, run_and_pause, run_and_crash]
