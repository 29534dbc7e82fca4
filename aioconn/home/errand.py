# SPDX-License-Identifier: Apache-2.0
"""A piece of work on its way to a home loop and back, and what is under way at each loop."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractContextManager
from threading import get_ident
from typing import Any, Generic, TypeVar

from aioconn.errors import SessionClosed
from aioconn.home.descriptors import in_child
from aioconn.home.post import Post

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a caller who was cancelled waits for his work at home to end."""


def watch(home: asyncio.AbstractEventLoop) -> None:
    """Make sure that callers from elsewhere hear of the end of `home`. To be called in it, when a device settles there.

    Each carried call does the same when it begins; what this adds is certainty for the first one.
    """
    errands_at(home).watch(home)


class Errands:
    """What is under way at one loop for callers elsewhere.

    Callers, the loop's own thread and whoever stops it touch `pending`, without a lock: a set adds, removes and copies
    in one step, and who takes an errand out of it decides how that ends. Finalizers may thus do so as well.
    """

    __slots__ = ("__weakref__", "_post", "at_end", "closed", "pending", "thread", "watched")

    def __init__(self) -> None:
        # Who else is told when the loop stops, in whatever thread.
        self.at_end: set[Callable[[], object]] = set()
        self.pending: set[Pending] = set()
        self.closed = False  # nothing new is begun
        self.watched = False
        # The thread in which the loop runs, as far as that is known, else 0. For paths so short that Python 3.11's way
        # to the running loop is felt: it asks the system for the number of the process, 0.2 µs.
        self.thread = 0
        self._post = Post()

    def watch(self, home: asyncio.AbstractEventLoop) -> None:
        if self.watched:
            return
        first = sys.get_asyncgen_hooks().firstiter
        if first is not None:
            self.watched = True
            self.thread = get_ident()
            sys.set_asyncgen_hooks(firstiter=_Watch(self, home, first))

    def send(
        self, home: asyncio.AbstractEventLoop, step: Callable[[], object], errand: Pending | None = None
    ) -> None:
        """Have the loop call `step` soon; what one thread sends, in that order. From any thread; RuntimeError if it is
        closed. `errand`: what is lost if it is closed before."""
        if self.watched:
            self._post.send(home, step)
        else:
            home.call_soon_threadsafe(step if errand is None else Posted(errand, step))

    def lose(self) -> None:
        """The loop will not work on them any more: their callers hear it. From any thread."""
        for errand in self.pending.copy():
            errand.lose()
        # It may have been interrupted, and have lost a wake-up that others would rely upon when it is run again.
        self._post = Post()
        for told in self.at_end.copy():
            told()


class _Watch:
    """Knows when a loop stops running that is not ours, from an event and not by looking again and again.

    A running loop has its own hooks for asynchronous generators in place, and takes them away as it stops, before it
    could be closed. This stands in for one of them: when nobody refers to it any more, the loop has stopped.
    """

    __slots__ = ("_errands", "_first", "_home")

    def __init__(self, errands: Errands, home: asyncio.AbstractEventLoop, first: Callable[..., Any]) -> None:
        self._errands = errands
        self._home = weakref.ref(home)
        self._first = first

    def __call__(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._first(generator)

    def __del__(self) -> None:
        self._errands.watched = False
        self._errands.thread = 0
        home = self._home()
        if home is not None and home.is_running():  # somebody else put a hook in this one's place
            with contextlib.suppress(RuntimeError):
                home.call_soon_threadsafe(self._errands.watch, home)
        else:
            self._errands.lose()


class Posted:
    """A step that was sent to a loop which is not watched yet. If the loop is closed before, it is dropped unused."""

    __slots__ = ("_errand", "_step")

    def __init__(self, errand: Pending, step: Callable[[], object]) -> None:
        self._errand: Pending | None = errand
        self._step = step

    def __call__(self) -> None:
        self._errand = None
        self._step()

    def __del__(self) -> None:
        if self._errand is not None:
            self._errand.lose()


_all_errands: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Errands] = weakref.WeakKeyDictionary()


def errands_at(home: asyncio.AbstractEventLoop) -> Errands:
    return _all_errands.get(home) or _all_errands.setdefault(home, Errands())


class Pending:
    """Something under way at a loop for somebody elsewhere."""

    __slots__ = ("_errands", "_home", "failure", "over", "task")

    def __init__(self, home: asyncio.AbstractEventLoop) -> None:
        self._home = home
        self._errands = errands_at(home)
        self.failure: BaseException | None = None  # why there is no outcome
        self.over = False  # there is nothing to wait for
        self.task: asyncio.Task[Any] | None = None

    def lose(self) -> None:
        """The home loop has ended, or ends: nothing will come of it that is not there already. From any thread."""
        if self.claim():
            self._be_lost()
            self.tell()
            # In case the loop is run again; one that is closed for good cancels its tasks itself.
            if not self._errands.closed:
                self._post(self._abandon)

    def claim(self) -> bool:
        """Whether it was still under way, and is ours to end."""
        try:
            self._errands.pending.remove(self)
        except KeyError:
            return False
        return True

    def tell(self) -> object:
        """Wake whoever waits."""
        raise NotImplementedError

    def _be_lost(self) -> None:
        self.failure = self.failure or ended()
        self.over = True

    def _abandon(self) -> None:
        """At home: end what is under way, or take back what has come of it."""
        raise NotImplementedError

    def _post(self, step: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # closed
            self._errands.send(self._home, step)


class Errand(Pending, Generic[T]):
    """One piece of work, on its way to the home loop and back.

    Headings say where a method runs. The caller's side reads what the home side wrote only after it was woken by it.
    """

    __slots__ = ("_abandoned", "_caller", "_undo", "_woken", "arrived")

    task: asyncio.Task[T] | None

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        caller: asyncio.AbstractEventLoop,
        undo: Callable[[T], object] | None = None,
    ) -> None:
        super().__init__(home)
        self._caller = caller
        self._undo = undo
        self._abandoned = False  # the caller does not want the outcome
        self.arrived = False

    # ------------------------------------------------------------------ at the caller's

    async def travel(self, step: Callable[[], object]) -> None:
        """Send `step` home and wait to be woken from there."""
        self._woken = self._caller.create_future()
        if not self._send(step):
            raise self.failure or ended()
        try:
            await self._woken
        except BaseException as reason:
            # An outcome that is here already and need not be given back leaves nothing to be done at home.
            at_home = (self._undo is not None or not self.arrived) and self._send(self._abandon)
            if at_home and isinstance(reason, asyncio.CancelledError):
                await self._see_the_end()
            self.over = True
            raise

    def outcome(self) -> T:
        task = self.task
        failure, self.failure = self.failure, None
        if failure is None and task is None:  # given up in another thread, which has not come to saying so
            failure = ended()
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback refers to this frame, and below the task's to the errand's
        assert task is not None
        self.task = None
        try:
            return task.result()
        finally:
            del task

    def _send(self, step: Callable[[], object]) -> bool:
        """False if the home loop does not run, or takes nothing new."""
        errands = self._errands
        errands.pending.add(self)  # before looking at the loop: if it ends after that look, this one is found
        if self._home.is_running() and (self.task is not None or not errands.closed):
            try:
                errands.send(self._home, step, self)
                return True
            except RuntimeError:  # closed
                pass
        self.lose()
        return False

    async def _see_the_end(self) -> None:
        timer = self._caller.call_later(PATIENCE, self._lose_patience)
        try:
            with _not_cancelled_in_each_turn():
                while not self.over:
                    self._woken = self._caller.create_future()
                    try:
                        await self._woken
                    except asyncio.CancelledError:
                        continue  # the first one is on its way up already
        finally:
            timer.cancel()

    def _lose_patience(self) -> None:
        self.over = True
        self._wake()

    def forsake(self) -> None:
        """For a finalizer: the caller will not come back, and nobody waits for the end."""
        if not self.arrived and not self.over:
            self._send(self._abandon)

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    # ------------------------------------------------------------------ at home

    async def _work(self) -> T:
        """What is to be done. The loop may have been stopped, and run again, since the task was made."""
        if self.over:
            raise asyncio.CancelledError
        return await self._do()

    def _do(self) -> Awaitable[T]:
        raise NotImplementedError

    def begin(self) -> None:
        """The loop calls this with a copy of the caller's context, of which the task gets one in its turn."""
        self._errands.watch(self._home)
        if self not in self._errands.pending:
            return
        work = self._work()
        try:
            self.task = self._home.create_task(work)
        except Exception as error:  # of a task factory
            work.close()
            self.failure = error
            self.claim()
            self._end()
        else:
            self.task.add_done_callback(self._arrive)

    def _arrive(self, task: asyncio.Task[T]) -> None:
        self.arrived = True
        if not task.cancelled():
            task.exception()  # which the caller raises, unless he has gone: asyncio need not complain
        if not self.claim() or self._abandoned or not self.tell():
            self._end()

    def _abandon(self) -> None:
        """Cancel what is under way, or take back what has arrived."""
        self._abandoned = True
        if self.task is None or self.arrived:
            self.claim()
            self._end()
        else:
            self.task.cancel()

    def _end(self) -> None:
        task, undo, self.task, self._undo = self.task, self._undo, None, None
        try:
            if undo is not None and task is not None and not task.cancelled() and task.exception() is None:
                undo(task.result())
        finally:
            self.over = True
            self.tell()

    # ------------------------------------------------------------------ anywhere

    def tell(self) -> bool:
        """Wake the caller; False if his loop is closed."""
        try:
            self._caller.call_soon_threadsafe(self._wake)
        except RuntimeError:
            return False
        return True


def ended() -> SessionClosed:
    return SessionClosed(
        "the event loop that the device lives on has ended",
        hint="connect again, from a loop that runs as long as the device is used",
    )


def _not_cancelled_in_each_turn() -> AbstractContextManager[object]:
    """anyio's scopes cancel again in each turn of the loop, which would make a wait spin.

    Whoever has such a scope has imported anyio.
    """
    scope = getattr(sys.modules.get("anyio"), "CancelScope", None)
    return contextlib.nullcontext() if scope is None else scope(shield=True)


_left_to_the_parent: list[object] = []


def _leave_to_the_parent() -> None:
    """In a forked child: no loop of the parent's takes anything here.

    None of them is touched, not even by a finalizer: what a child takes out of an epoll is gone for its parent too.
    """
    for home, errands in list(_all_errands.items()):
        errands.closed = True
        errands.thread = 0
        _left_to_the_parent.append((home, errands.pending, errands._post))
        errands.pending, errands._post = set(), Post()


in_child(_leave_to_the_parent)
