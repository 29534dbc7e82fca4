# SPDX-License-Identifier: Apache-2.0
"""The least that a call from a thread to a loop can be: the loop is woken, and wakes the thread. No task, no future."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock

from benchmarks.clients.calls import Call, CallClient, Work
from benchmarks.clients.threadsafe import loop_in_thread
from benchmarks.target import Target


class Wakeup(CallClient):
    name = "wake-up"
    offers = frozenset({"immediate"})

    @contextmanager
    def coroutine(self, function: Work) -> Iterator[Call]:
        with loop_in_thread() as loop:

            def call() -> str:
                said: list[str] = []
                ready = Lock()
                ready.acquire()
                loop.call_soon_threadsafe(functools.partial(_run, function, said, ready))
                ready.acquire()
                return said[0]

            yield call

    def service(self) -> AbstractContextManager[Call]:
        raise NotImplementedError("what may wait needs a task")

    def shell(self, target: Target, sessions: int) -> AbstractContextManager[Call]:
        raise NotImplementedError("what may wait needs a task")


def _run(function: Work, said: list[str], ready: Lock) -> None:
    try:
        function().send(None)
    except StopIteration as end:
        said.append(end.value)
    ready.release()
