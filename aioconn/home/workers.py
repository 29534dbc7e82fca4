# SPDX-License-Identifier: Apache-2.0
"""Threads for what blocks."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST = 32
"""Threads at once. A thousand devices by name are a thousand questions to a name server."""


class Workers(ThreadPoolExecutor):
    """A loop's default executor, whose threads are daemons: neither the loop nor the process waits for a name server.

    The interpreter joins the threads of every other executor before it ends, however long they take. An event loop
    takes nothing but a `ThreadPoolExecutor`, of which this one starts no thread.
    """

    def __init__(self, name: str, most: int = MOST) -> None:
        super().__init__(max_workers=1)
        self._name = name
        self._most = most
        self._crew: list[threading.Thread] = []
        self._free = 0  # threads that wait, less the work that waits for them
        self._todo: deque[Callable[[], None]] = deque()
        self._over = False
        self._news = threading.Condition()

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._news:
            if self._over:
                raise RuntimeError(f"{self._name} has ended")
            self._todo.append(lambda: _do(future, function, args, kwargs))
            if len(self._todo) > self._free and len(self._crew) < self._most:
                self._hire()
            self._news.notify()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Threads end when they have done what they do. `cancel_futures`: what has not begun is not done."""
        with self._news:
            self._over = True
            if cancel_futures:
                self._todo.clear()
            self._news.notify_all()
        if wait:
            self.join()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the threads after `shutdown()`; whether all have ended."""
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._crew:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._crew)

    def _hire(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name} {len(self._crew)}", daemon=True)
        self._free += 1
        self._crew.append(thread)
        try:
            thread.start()
        except BaseException:
            self._free -= 1
            self._crew.remove(thread)
            if not self._crew:
                self._todo.pop()
                raise

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._todo and not self._over:
                    self._news.wait()
                if not self._todo:
                    return
                task = self._todo.popleft()
                self._free -= 1
            task()
            del task
            with self._news:
                self._free += 1


def _do(
    future: Future[Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
