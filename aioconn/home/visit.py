# SPDX-License-Identifier: Apache-2.0
"""What a thread without a loop sends to a home loop, and waits for: one task there, and a lock here that is released
when there is something to hear.

An exception can reach the waiting thread at any point of its code (Ctrl-C does, in the main thread). Then the task is
cancelled, and whatever it still brings about is taken back at home.
"""

from __future__ import annotations

import asyncio
import time
import types
from _thread import LockType, allocate_lock
from collections.abc import Callable, Coroutine, Generator
from threading import get_ident, main_thread
from typing import Any

from aioconn.errors import UsageError
from aioconn.home import leash
from aioconn.home.errand import Pending, ended
from aioconn.home.loop import begin_at_once, begins_at_once, running_loop

PATIENCE = 2.0
"""Seconds that a thread which gives up waits for its work at home to end."""

GLANCE = 0.05
"""Seconds after which the main thread looks whether a signal has come."""


class Visit(Pending):
    """A thread's work at home. Headings say where a method runs; the thread reads what home wrote once it was told."""

    __slots__ = ("_cancelled", "_told", "abandoned", "ended", "lost")

    def __init__(self, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(home)
        self._told: LockType | None = None
        self.abandoned = False  # the thread does not want what comes
        self._cancelled = False
        self.ended = False  # at home: nothing runs there any more, or ever will
        self.lost = False  # with its loop

    # ------------------------------------------------------------------ in the thread

    def travel(self, step: Callable[[], object], *, last: bool = False) -> None:
        """Send `step` home and wait until there is something to hear from it; give up if that is interrupted.

        The last step of what was begun is taken on no leash; but where one was cut, nobody waits long for it.
        """
        refuse_in_a_loop()
        try:
            if not last:
                self.wait_for(step)
            elif (on := leash.current.get()) is None or on.reason is None:
                self.hear(step)
            else:
                self.give_up()
        except BaseException:
            self.give_up()
            raise

    def wait_for(self, step: Callable[[], object]) -> None:
        if (on := leash.current.get()) is None:
            self.hear(step)
        else:
            on.lead(self, step)

    def hear(self, step: Callable[[], object]) -> None:
        told = self._told = allocate_lock()
        told.acquire()
        if self._send(step):
            if get_ident() == main_thread().ident:
                # A signal ends this wait, but not if it comes just before the wait begins: then a glance finds it.
                while not told.acquire(True, GLANCE):
                    pass
            else:
                told.acquire()

    def _send(self, step: Callable[[], object]) -> bool:
        """False if there is nothing to wait for: the home loop does not run, or takes nothing new."""
        errands = self._errands
        if self.task is None:
            # Before looking at the loop: if it ends after that look, this one is found.
            errands.pending.add(self)
            takes_it = not (errands.closed or self.over)
        else:
            takes_it = self in errands.pending
        if takes_it and self._home.is_running():
            try:
                errands.send(self._home, step, self)
                return True
            except RuntimeError:  # closed
                pass
        self.lose()
        if not self.over:  # another thread is just about to say so
            self._be_lost()
        return False

    def give_up(self) -> None:
        """The thread wants no more of it: see that it ends, and wait for that, though not for long."""
        try:
            self.abandoned = True
            if not self.over and self not in self._errands.pending:
                return  # it was never sent
            self._post(self._abandon)
        except BaseException:  # interrupted once more, perhaps before anything was sent
            self.abandoned = True
            self._post(self._abandon)
            raise
        until = time.monotonic() + PATIENCE
        while not self.over and (left := until - time.monotonic()) > 0:
            assert self._told is not None
            self._told.acquire(timeout=left)

    def raise_failure(self) -> None:
        """Raise what went wrong at home, if anything did."""
        failure, self.failure = self.failure, None
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback refers to this frame

    def forsake(self) -> None:
        """For a finalizer: it is to end, and nobody waits for that."""
        if not self.over and self in self._errands.pending:
            self.abandoned = True
            self._post(self._abandon)

    # ------------------------------------------------------------------ at home

    def begin(self) -> None:
        """The loop calls this with a copy of the thread's context, of which the task gets one in its turn."""
        home = self._home
        if not self._errands.watched:
            self._errands.watch(home)
        if self.abandoned or self.over:
            self._end()
            return
        try:
            if begins_at_once(home):
                task = begin_at_once(home, self._work())
            else:
                task = home.create_task(_begun(self._wait_and_work()))
        except Exception as error:  # of a task factory
            self.failure = error
            self._end()
        else:
            if not self.ended:
                self.task = task

    async def _wait_and_work(self) -> None:
        # Begun before the task is: so it hears of a cancellation that comes before the first step.
        try:
            await _first_step()
        except BaseException as failure:
            self._fail(failure)
            self._end()
        else:
            await self._work()

    async def _work(self) -> None:
        """What is to be done; `_fail` and `_end` say what came of it. Raises nothing."""
        raise NotImplementedError

    def _fail(self, failure: BaseException) -> None:
        """Keep the error for the thread, without our own frame, which is the first."""
        if self.failure is None:
            trace = failure.__traceback__
            closed = isinstance(failure, GeneratorExit)  # the loop was closed under the task
            self.failure = ended() if closed else failure.with_traceback(trace and trace.tb_next)

    def _end(self) -> None:
        self.ended = self.over = True
        self.task = None
        try:
            if not self.claim() or self.abandoned:
                self._take_back()
        finally:
            self.tell()

    def _abandon(self) -> None:
        if self.ended:
            self._take_back()
        elif self.task is None:  # it was never begun
            self._end()
        elif not self._cancelled:
            self._cancelled = True
            self.task.cancel()

    def _take_back(self) -> None:
        """There is nobody who wants what came of it."""

    # ------------------------------------------------------------------ anywhere

    def _be_lost(self) -> None:
        self.failure = ended()
        self.lost = self.abandoned = self.over = True

    def cut(self) -> None:
        """The leash was cut: as if the thread gave up, but from another one."""
        self.abandoned = True
        self._post(self._cut_off)

    def _cut_off(self) -> None:
        self._abandon()
        if not self.over:
            self._home.call_later(PATIENCE, self._lose_patience)

    def _lose_patience(self) -> None:
        self.over = True
        self.tell()

    def tell(self) -> None:
        try:
            if self._told is not None:
                self._told.release()
        except RuntimeError:  # it does not wait
            pass


@types.coroutine
def _first_step() -> Generator[None, None, None]:
    yield


def _begun(work: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
    work.send(None)
    return work


def refuse_in_a_loop() -> None:
    """A thread that waits here runs no loop meanwhile."""
    if running_loop() is not None:
        raise UsageError(
            "a blocking call in a thread whose event loop runs would stop that loop",
            hint="await the asynchronous API (`import aioconn`) there, or call from a thread (asyncio.to_thread)",
        )
