# SPDX-License-Identifier: Apache-2.0
"""Calls and iterations that are carried from the loop where they are awaited to the home loop of a device, and back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar

from aioconn.errors import SessionClosed
from aioconn.home.errand import Errand, errands_at
from aioconn.home.loop import running_loop
from aioconn.home.steps import close, walk

P = ParamSpec("P")
T = TypeVar("T")


async def carry(
    home: asyncio.AbstractEventLoop,
    function: Callable[P, Coroutine[Any, Any, T]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run `function(*args, **kwargs)` as a task on the loop `home`; give its result, or raise its very exception.

    It runs with a copy of the caller's context variables. On the home loop itself it is simply awaited. Cancelling the
    caller cancels the task at home once, however often it is repeated, and waits for its end, though not longer than
    `errand.PATIENCE` seconds; what the task still returns is lost then, see `carry_acquiring`. If the home loop stops
    running, before or during the call, `SessionClosed` is raised at once, and the task is cancelled.
    """
    caller = asyncio.get_running_loop()
    if caller is home:
        return await function(*args, **kwargs)
    return await _Call(home, caller, functools.partial(function, *args, **kwargs)).run()


def call_at_home(
    home: asyncio.AbstractEventLoop | None, function: Callable[..., object], /, *args: Any
) -> None:
    """Call a plain function on the loop `home`: at once if that is the running one, else soon. From any thread.

    What the caller has carried there afterwards comes after it. Nothing happens if the loop has ended: what was to be
    given back has gone with it.
    """
    if home is None or home is running_loop():
        function(*args)
        return
    with contextlib.suppress(RuntimeError):
        errands_at(home).send(home, functools.partial(function, *args))


async def carry_acquiring(
    home: asyncio.AbstractEventLoop,
    function: Callable[P, Coroutine[Any, Any, T]],
    undo: Callable[[T], object],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Like `carry`, for what must be given back: a result that the caller is too late for is handed to `undo`.

    `undo(result)` is a plain function and runs on the home loop, before the caller's cancellation goes on. On the home
    loop itself there is no way on which a result could be lost, and `undo` is not used.
    """
    caller = asyncio.get_running_loop()
    if caller is home:
        return await function(*args, **kwargs)
    return await _Call(home, caller, functools.partial(function, *args, **kwargs), undo).run()


async def carry_iterator(
    home: asyncio.AbstractEventLoop,
    make: Callable[P, AsyncIterator[T]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> AsyncGenerator[T, None]:
    """Iterate on the loop `home` over what `make(*args, **kwargs)` gives there; yields each item to the caller.

    One task at home makes the iterator, takes each step and closes it, so that deadlines, task groups and cancel scopes
    in it work; it takes a step only when the caller asks for one. Closing this generator closes the iterator at home
    before it returns. Otherwise as `carry`: a cancelled step cancels the task, whose end is waited for.
    """
    caller = asyncio.get_running_loop()
    if caller is home:
        iterator = make(*args, **kwargs)
        try:
            async for item in iterator:
                yield item
        finally:
            await close(iterator)
        return
    iteration = _Iteration(_Steps(home, caller, functools.partial(make, *args, **kwargs)))
    try:
        while await iteration.advance():
            yield iteration.item
    finally:
        await iteration.close()


class _Call(Errand[T]):
    """A coroutine function, run once."""

    __slots__ = ("_function",)

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        caller: asyncio.AbstractEventLoop,
        function: Callable[[], Awaitable[T]],
        undo: Callable[[T], object] | None = None,
    ) -> None:
        super().__init__(home, caller, undo)
        self._function = function

    async def run(self) -> T:
        await self.travel(self.begin)
        return self.outcome()

    def _do(self) -> Awaitable[T]:
        return self._function()


class _Steps(Errand[None], Generic[T]):
    """An iterator, stepped through by one task at home that waits for the caller after each item."""

    __slots__ = ("_asked", "_make", "item")

    item: T

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        caller: asyncio.AbstractEventLoop,
        make: Callable[[], AsyncIterator[T]],
    ) -> None:
        super().__init__(home, caller)
        self._make = make
        self._asked: asyncio.Future[bool] | None = None  # of the home loop

    async def _do(self) -> None:
        await walk(self._make(), self._show)

    def _show(self, item: T) -> asyncio.Future[bool]:
        self.item = item
        asked = self._asked = self._home.create_future()
        self.tell()
        return asked

    def go_on(self) -> None:
        self._answer(True)

    def stop(self) -> None:
        self._answer(False)

    def _answer(self, go_on: bool) -> None:
        if self.arrived:
            self.claim()
            self.tell()
        elif self._asked is not None and not self._asked.done():
            self._asked.set_result(go_on)


class _Iteration(Generic[T]):
    """The caller's end of the steps.

    If it goes away without having been closed, as when the loop of the caller is closed under it, they end too.
    """

    __slots__ = ("_begun", "_steps")

    def __init__(self, steps: _Steps[T]) -> None:
        self._steps = steps
        self._begun = False

    @property
    def item(self) -> T:
        return self._steps.item

    async def advance(self) -> bool:
        """Bring the next `item`; False at the end."""
        steps = self._steps
        if not self._begun:
            self._begun = True
            await steps.travel(steps.begin)
        else:
            await steps.travel(steps.go_on)
        if steps.arrived or steps.failure is not None:
            steps.outcome()
            return False
        return True

    async def close(self) -> None:
        """Close the iterator at home, if it is still there, and raise what that raises."""
        steps = self._steps
        if not self._begun or steps.arrived or steps.over:
            return
        try:
            await steps.travel(steps.stop)
        except SessionClosed:
            return  # with its loop
        if steps.failure is None:
            steps.outcome()

    def __del__(self) -> None:
        if self._begun:
            self._steps.forsake()
