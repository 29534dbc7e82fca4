# SPDX-License-Identifier: Apache-2.0
"""A thread that runs an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import threading
import time
from collections.abc import Callable

from aioconn.errors import UsageError
from aioconn.home.descriptors import keep_selector, making
from aioconn.home.errand import errands_at
from aioconn.home.workers import Workers

GRACE = 5.0
"""Seconds that tasks get to end when their loop is stopped."""

LAST_CALLS = 30.0
"""Seconds that calls under way get to end by themselves when nobody needs their loop any more."""

STARTING = 30.0
"""Seconds that a new thread may take until its loop runs, on a machine that has better things to do."""

TIDYING = 1.0
"""Seconds for asynchronous generators, and again for the loop's executor, after the tasks have ended."""


def new_loop() -> asyncio.AbstractEventLoop:
    """What `asyncio.new_event_loop()` gives, over a selector that we know, so that a forked child gets nothing of it.

    A policy of the user's makes what it makes.
    """
    if not hasattr(os, "fork") or type(asyncio.get_event_loop_policy()) is not asyncio.DefaultEventLoopPolicy:
        return asyncio.new_event_loop()
    with making:
        selector = selectors.DefaultSelector()
        keep_selector(selector)
        return asyncio.SelectorEventLoop(selector)


class LoopThread:
    """A daemon thread that runs an event loop until it is stopped, or retires. It is used once."""

    def __init__(
        self, name: str, *, loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_loop
    ) -> None:
        self.name = name
        self._loop_factory = loop_factory
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending = False
        self._grace = GRACE
        self._tidying = TIDYING
        self._retiring = False
        self._retirement: asyncio.Task[None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise UsageError(f"the loop thread {self.name} has not been started")
        return self._loop

    @property
    def is_alive(self) -> bool:
        """Whether the thread is there; it may be about to end."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def takes_calls(self) -> bool:
        """Whether it runs, and will do so until somebody ends it."""
        return self.is_alive and not self._retiring and not errands_at(self.loop).closed

    def start(self) -> None:
        """Start the thread, and return when its loop runs. Raises OSError or RuntimeError if the system has no more."""
        if self._thread is not None:
            raise UsageError(f"the loop thread {self.name} has been started before")
        loop = self._loop_factory()
        runs = threading.Event()
        loop.call_soon(runs.set)
        errands_at(loop).watched = True  # by its thread
        self._thread = threading.Thread(target=self._run, args=(loop,), name=self.name, daemon=True)
        try:
            self._thread.start()
        except BaseException:
            loop.close()
            self._thread = None
            raise
        self._loop = loop
        if not runs.wait(STARTING):
            self.retire()
            raise RuntimeError(f"the loop thread {self.name} does not run after {STARTING:g} s")

    def stop(self, grace: float = GRACE) -> bool:
        """End the loop and wait for that; whether it has ended.

        Callers of what is under way get `SessionClosed` at once. Then all tasks are cancelled and have `grace` seconds
        to end; asynchronous generators and the executor are closed, which adds a few seconds at worst, and so
        does a callback that blocks the loop: then False is returned. For any thread but its own. May be repeated.
        """
        if self._thread is not None and self._thread is threading.current_thread():
            raise UsageError(
                f"the loop thread {self.name} cannot wait for its own end", hint="retire() waits for nothing"
            )
        self.halt(grace)
        return self.join(grace + 4 * TIDYING)

    def halt(self, grace: float = GRACE, tidying: float = TIDYING) -> None:
        """Have the loop end as `stop()` does, and wait for nothing. For any thread. The last one that says how counts.

        `tidying` is how long the closing of asynchronous generators, twice, and of the executor may take (seconds).
        """
        if not self.is_alive:
            return
        self._grace = grace
        self._tidying = tidying
        errands = errands_at(self.loop)
        errands.closed = True
        errands.lose()
        self._call(self._halt)

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread, for so many seconds; whether it has ended. It does not wait for itself."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, timeout))
        return not self.is_alive

    def retire(self) -> None:
        """End by itself when the calls that were made so far have ended; later ones get `SessionClosed`.

        Calls that take longer than `LAST_CALLS` seconds are cut off as by `stop()`. Waits for nothing; for any thread.
        """
        self._retiring = True
        if self.is_alive:
            self._call(self._begin_to_retire)

    def _call(self, step: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # closed
            self.loop.call_soon_threadsafe(step)

    # ------------------------------------------------------------------ in the thread

    def _begin_to_retire(self) -> None:
        errands_at(self.loop).closed = True  # only now, after the calls that were sent before have begun
        if self._retirement is None:
            self._retirement = self.loop.create_task(self._retire())

    async def _retire(self) -> None:
        errands = errands_at(self.loop)
        until = time.monotonic() + LAST_CALLS
        while errands.pending and (left := until - time.monotonic()) > 0:
            tasks = {task for errand in errands.pending.copy() if (task := errand.task) is not None}
            if tasks:
                await asyncio.wait(tasks, timeout=left)
            else:
                await asyncio.sleep(0)  # one is just being sent, and hears in the next turn that it is late
        self._halt()

    def _halt(self) -> None:
        self._ending = True
        self.loop.stop()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        workers = Workers(f"{self.name} executor")
        loop.set_default_executor(workers)
        errands = errands_at(loop)
        errands.thread = threading.get_ident()
        try:
            self._run_until(loop, lambda: self._ending)
            errands.lose()
            loop.set_task_factory(None)  # whoever set one may be gone
            tidying = loop.create_task(self._tidy_up())
            tidying.add_done_callback(lambda _: loop.stop())
            self._run_until(loop, tidying.done)
            workers.shutdown(wait=False, cancel_futures=True)
            workers.join(self._tidying)
        finally:
            errands.closed = True
            errands.thread = 0
            loop.close()
            errands.lose()

    def _run_until(self, loop: asyncio.AbstractEventLoop, over: Callable[[], bool]) -> None:
        while not over():
            try:
                loop.run_forever()
            except (KeyboardInterrupt, SystemExit):  # of a task, whose caller hears of it
                pass

    async def _tidy_up(self) -> None:
        until = time.monotonic() + self._grace
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            left = until - time.monotonic()
            await asyncio.wait(tasks, timeout=max(0.0, left))
            if left <= 0:
                break
        generators = asyncio.create_task(self.loop.shutdown_asyncgens())
        for _ in range(2):
            await asyncio.wait({generators}, timeout=self._tidying)
            generators.cancel()
