# SPDX-License-Identifier: Apache-2.0
"""Calls from threads that run no event loop to the home loop of a device: the thread waits, the loop works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar

from aioconn.home.visit import Visit, refuse_in_a_loop

T = TypeVar("T")

_NO_KEYS: dict[str, Any] = {}


def call_from_thread(
    home: asyncio.AbstractEventLoop,
    function: Callable[..., Coroutine[Any, Any, T]],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    undo: Callable[[T], object] | None = None,
) -> T:
    """Run `function(*args, **kwargs)` as a task on the loop `home`; give its result, or raise its very exception.

    It runs with a copy of the thread's context variables. An exception that reaches the thread while it waits cancels
    the task, and goes on when that has ended, or after two seconds; a result that came all the same is handed
    to `undo`, a plain function that runs on the home loop. If that loop stops running, before or during the call,
    `SessionClosed` is raised at once. `UsageError` in a thread that runs an event loop, which would stand still.
    """
    refuse_in_a_loop()
    call: _Call[T] = _Call(home, function, args, kwargs or _NO_KEYS, undo)
    try:
        call.wait_for(call.begin)
        if call.failure is None:
            return call.result
    except BaseException:
        call.give_up()
        raise
    failure, call.failure = call.failure, None
    try:
        raise failure
    finally:
        del failure, call  # the traceback refers to this frame


class _Call(Visit, Generic[T]):
    """A coroutine function, run once."""

    __slots__ = ("_args", "_function", "_kwargs", "_undo", "result", "returned")

    result: T

    def __init__(
        self,
        home: asyncio.AbstractEventLoop,
        function: Callable[..., Coroutine[Any, Any, T]],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        undo: Callable[[T], object] | None,
    ) -> None:
        super().__init__(home)
        self._function = function
        self._args = args
        self._kwargs = kwargs
        self._undo = undo
        self.returned = False

    async def _work(self) -> None:
        try:
            self.result = await self._function(*self._args, **self._kwargs)
            self.returned = True
        except BaseException as failure:  # the thread raises it, whatever it is
            self._fail(failure)
        self._end()

    def _take_back(self) -> None:
        undo, self._undo = self._undo, None
        if undo is not None and self.returned:
            undo(self.result)


__all__ = ["call_from_thread", "refuse_in_a_loop"]
