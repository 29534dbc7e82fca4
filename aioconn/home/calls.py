# SPDX-License-Identifier: Apache-2.0
"""Calls and iterations that are carried from the loop where they are awaited to the home loop of a device, and back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, ParamSpec, TypeVar

from aioconn.errors import SessionClosed
from aioconn.home.errand import Errand

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
        async with _closing(make(*args, **kwargs)) as iterator:
            async for item in iterator:
                yield item
        return
    steps = _Steps(home, caller, functools.partial(make, *args, **kwargs))
    try:
        while await steps.advance():
            yield steps.item
    finally:
        await steps.close()


class _Call(Errand[T]):
    """A coroutine function, run once."""

    __slots__ = ("_function",)

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        caller: asyncio.AbstractEventLoop,
        function: Callable[[], Coroutine[Any, Any, T]],
        undo: Callable[[T], object] | None = None,
    ) -> None:
        super().__init__(home, caller, undo)
        self._function = function

    async def run(self) -> T:
        await self._travel(self._begin)
        return self._outcome()

    async def _work(self) -> T:
        return await self._function()


class _Steps(Errand[None], Generic[T]):
    """An iterator, stepped through by one task at home that waits for the caller after each item."""

    __slots__ = ("_asked", "_begun", "_make", "item")

    item: T

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        caller: asyncio.AbstractEventLoop,
        make: Callable[[], AsyncIterator[T]],
    ) -> None:
        super().__init__(home, caller)
        self._make = make
        self._begun = False
        self._asked: asyncio.Future[bool] | None = None  # of the home loop

    async def advance(self) -> bool:
        """Bring the next `item`; False at the end."""
        if not self._begun:
            self._begun = True
            await self._travel(self._begin)
        elif not self.arrived:
            self._woken = self._caller.create_future()
            await self._travel(functools.partial(self._ask, True))
        if self.arrived or self._failure is not None:
            self._outcome()
            return False
        return True

    async def close(self) -> None:
        """Close the iterator at home, if it is still there, and raise what that raises."""
        if not self._begun or self.arrived or self._over:
            return
        self._woken = self._caller.create_future()
        try:
            await self._travel(functools.partial(self._ask, False))
        except SessionClosed:
            return
        if self._failure is None:
            self._outcome()

    def _ask(self, go_on: bool) -> None:
        """At home: let the task take a step, or end."""
        if self.arrived:
            self._claim()
            self._tell()
        elif self._asked is not None and not self._asked.done():
            self._asked.set_result(go_on)

    async def _work(self) -> None:
        async with _closing(self._make()) as iterator:
            async for item in iterator:
                self.item = item
                self._asked = self._home.create_future()
                self._tell()
                if not await self._asked:
                    break


@contextlib.asynccontextmanager
async def _closing(iterator: AsyncIterator[T]) -> AsyncGenerator[AsyncIterator[T], None]:
    try:
        yield iterator
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
