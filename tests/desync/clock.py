# SPDX-License-Identifier: Apache-2.0
"""A loop whose clock stands still while anybody has something to do.

Sockets are real; time is not. When nothing is ready any more, the clock jumps to the next timer: silences cost nothing,
and a machine that is busy with something else makes no device look slower than it was told to be.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# Bytes sent over loopback are with the receiver when the call returns, unless the kernel has put that off, which has
# not been seen: it gets a second look, and once in so many jumps a moment of real time.
_MOMENT = 0.001
_NOW_AND_THEN = 50


class JumpingLoop(asyncio.SelectorEventLoop):
    """Threads of its executors are waited for in real time, without being asked.

    `with loop.in_real_time():` makes it wait as any loop does, for other threads, or for what the kernel takes its
    time with.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Threads take their time: meanwhile it is real."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.held += 1
        future.add_done_callback(self._stop_holding)
        return future

    def _stop_holding(self, _: object) -> None:
        self._jumping.held -= 1

    async def shutdown_default_executor(self, *limit: Any) -> None:
        """Threads take their time; the limit came with Python 3.12."""
        with self.in_real_time():
            await super().shutdown_default_executor(*limit)

    @contextmanager
    def in_real_time(self) -> Iterator[None]:
        self._jumping.held += 1
        try:
            yield
        finally:
            self._jumping.held -= 1


class _JumpingSelector(selectors.BaseSelector):
    """A selector that lets time pass by itself."""

    def __init__(self) -> None:
        self._inner = selectors.DefaultSelector()
        self._jumps = 0
        self.now = 0.0
        self.held = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._inner.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.held or timeout is None:
            return self._wait(timeout)
        self._jumps += 1
        if ready := self._inner.select(0 if self._jumps % _NOW_AND_THEN else _MOMENT):
            return ready
        self.now += timeout
        return []

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        started = time.monotonic()
        ready = self._inner.select(timeout)
        self.now += time.monotonic() - started
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Any:
        return self._inner.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def close(self) -> None:
        self._inner.close()
