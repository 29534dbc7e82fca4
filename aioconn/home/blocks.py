# SPDX-License-Identifier: Apache-2.0
"""Iterations and blocks that a thread has at a home loop: one task there from the first step to the last."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import weakref
from _thread import allocate_lock
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from aioconn.home.steps import walk
from aioconn.home.visit import Visit

T = TypeVar("T")

_NO_KEYS: dict[str, Any] = {}
_UNSET = object()


def iterate_from_thread(
    home: asyncio.AbstractEventLoop,
    make: Callable[..., AsyncIterator[T]],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Iteration[T]:
    """Iterate over what `make(*args, **kwargs)` gives on the loop `home`.

    Nothing happens before the first step. One task at home makes the iterator, takes each step and closes it; it takes
    a step only when it is asked for one. What the first one changed in the context variables holds in this thread until
    the end, or `close()`. Otherwise as `call_from_thread`: an interrupted step ends the iteration.
    """
    return Iteration(_Steps(home, make, args, kwargs or _NO_KEYS))


def enter_from_thread(
    home: asyncio.AbstractEventLoop,
    make: Callable[..., AbstractAsyncContextManager[T, Any]],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Entered[T]:
    """Enter what `make(*args, **kwargs)` gives on the loop `home`; one task at home enters and leaves it.

    What entering changed in the context variables holds in this thread until the block is left: calls made meanwhile
    are inside it. If the thread is interrupted, the block is left at once.
    """
    block = _Block(home, make, args, kwargs or _NO_KEYS)
    entered = Entered(block)
    block.travel(block.begin)
    if block.over:
        block.raise_failure()
    entered.marks.set_as_in(block.context)
    return entered


class Marks:
    """What a block or an iteration at home has changed in the context variables, in the thread that it belongs to."""

    __slots__ = ("_before", "_set")

    def __init__(self) -> None:
        self._before: contextvars.Context | None = contextvars.copy_context()
        self._set: list[tuple[contextvars.ContextVar[Any], object, contextvars.Token[Any]]] = []

    def set_as_in(self, context: contextvars.Context) -> None:
        """Set in this thread what differs from what it was when this was made."""
        before, self._before = self._before, None
        if before is not None:
            for variable, value in context.items():
                if before.get(variable, _UNSET) is not value:
                    self._set.append((variable, value, variable.set(value)))

    def take_away(self) -> None:
        while self._set:
            variable, value, token = self._set.pop()
            if (
                variable.get(_UNSET) is value
            ):  # else there is something newer, which knows that this one is over
                with contextlib.suppress(ValueError):  # in another context than it was set in
                    variable.reset(token)


class Iteration(Iterator[T], Generic[T]):
    """The thread's end of an iteration. One that is forgotten is closed; threads that share it take turns."""

    __slots__ = ("__weakref__", "_marks", "_steps", "_turn")

    def __init__(self, steps: _Steps[T]) -> None:
        self._marks: Marks | None = None  # once it has begun
        self._steps = steps
        self._turn = allocate_lock()
        steps.belong_to(self)

    def __next__(self) -> T:
        steps = self._steps
        with self._turn:
            if self._marks is None:
                self._marks = steps.marks = Marks()
                steps.travel(steps.begin)
            elif not steps.finished:
                steps.travel(steps.go_on)
            if not steps.finished:
                self._marks.set_as_in(steps.context)
                return steps.item
            self._marks.take_away()
            if steps.lost or not steps.abandoned:
                steps.raise_failure()
            raise StopIteration

    def close(self) -> None:
        """Close the iterator at home, if it is still there, and raise what that raises."""
        steps = self._steps
        with self._turn:
            if self._marks is None:
                self._marks = Marks()
                steps.over = True
                return
            self._marks.take_away()
            if not steps.finished:
                steps.travel(steps.stop, last=True)
                if not steps.abandoned:
                    steps.raise_failure()

    def __enter__(self) -> Iteration[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Entered(Generic[T]):
    """A block that a thread is in. One that is forgotten is left."""

    __slots__ = ("__weakref__", "_block", "marks")

    def __init__(self, block: _Block[T]) -> None:
        self._block = block
        self.marks = block.marks = Marks()
        block.belong_to(self)

    @property
    def value(self) -> T:
        """What `async with ... as value` would have given."""
        return self._block.value

    def leave(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> bool:
        """Leave it with this exception, or none; whether it is suppressed. Does nothing if it was left before, or if
        the home loop has ended."""
        block = self._block
        self.marks.take_away()
        if not block.finished:
            block.leaving = (kind, error, trace)
            block.travel(block.leave, last=True)
            block.leaving = None, None, None
            if not block.abandoned:
                block.raise_failure()
        return block.suppressed


class _Lasting(Visit):
    """What goes on at home between the steps of its thread, for as long as somebody there has the other end of it."""

    __slots__ = ("_owner", "marks")

    def __init__(self, home: asyncio.AbstractEventLoop) -> None:
        super().__init__(home)
        self._owner: weakref.ref[Any] | None = None
        self.marks: Marks | None = None

    @property
    def finished(self) -> bool:
        """Whether there is no step to be taken any more."""
        return self.over or self.abandoned

    def belong_to(self, owner: object) -> None:
        """When nobody refers to `owner` any more, nobody will ask for another step."""
        # No finalizer, which would run each time, and swallow a Ctrl-C that comes just then.
        self._owner = weakref.ref(owner, lambda _: self._be_forgotten())

    def _be_forgotten(self) -> None:
        if self.marks is not None:  # what the thread asks from now on is no part of this
            self.marks.take_away()
        self.forsake()

    def _end(self) -> None:
        self._owner = None
        super()._end()


class _Steps(_Lasting, Generic[T]):
    """An iterator, stepped through by a task that waits for the thread after each item."""

    __slots__ = ("_args", "_asked", "_kwargs", "_make", "context", "item")

    item: T
    context: contextvars.Context  # as it was at the first item

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        make: Callable[..., AsyncIterator[T]],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        super().__init__(home)
        self._make = make
        self._args = args
        self._kwargs = kwargs
        self._asked: asyncio.Future[bool] | None = None

    async def _work(self) -> None:
        try:
            await walk(self._make(*self._args, **self._kwargs), self._show)
        except BaseException as failure:
            self._fail(failure)
        self._end()

    def _show(self, item: T) -> asyncio.Future[bool]:
        if self._asked is None:
            self.context = contextvars.copy_context()
        asked = self._asked = self._home.create_future()
        if self.abandoned:  # nobody asks for another, and the cancellation was swallowed
            asked.set_result(False)
        else:
            self.item = item
            self.tell()
        return asked

    def go_on(self) -> None:
        self._answer(True)

    def stop(self) -> None:
        self._answer(False)

    def _answer(self, go_on: bool) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(go_on)


class _Block(_Lasting, Generic[T]):
    """An asynchronous context manager, entered and left by a task that waits for the thread in between."""

    __slots__ = ("_args", "_asked", "_kwargs", "_make", "context", "leaving", "suppressed", "value")

    value: T
    context: contextvars.Context

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        make: Callable[..., AbstractAsyncContextManager[T, Any]],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> None:
        super().__init__(home)
        self._make = make
        self._args = args
        self._kwargs = kwargs
        self._asked: asyncio.Future[None] | None = None
        self.leaving: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]
        self.leaving = None, None, None
        self.suppressed = False

    async def _work(self) -> None:
        try:
            manager = self._make(*self._args, **self._kwargs)
            self.value = await manager.__aenter__()
            await self._stay(manager)
        except BaseException as failure:
            self._fail(failure)
        self._end()

    async def _stay(self, manager: AbstractAsyncContextManager[T, Any]) -> None:
        self.context = contextvars.copy_context()
        self._asked = self._home.create_future()
        self.tell()
        try:
            if self.abandoned:  # nobody will ask to leave, and entering has swallowed the cancellation
                raise asyncio.CancelledError
            await self._asked
        except GeneratorExit:  # the loop was closed under the task: nothing can be awaited any more
            raise
        except BaseException as reason:  # cancelled: the thread has gone, or the loop ends
            if not await manager.__aexit__(type(reason), reason, reason.__traceback__):
                raise
        else:
            self.suppressed = bool(await manager.__aexit__(*self.leaving))

    def leave(self) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(None)
