# SPDX-License-Identifier: Apache-2.0
"""The loop that runs here, and tasks of a loop that begin at once."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")

_EAGER: dict[str, Any] = {"eager_start": True}

# asyncio exports it with its other names, for event loops. Where none runs, `get_running_loop` and the error that it
# raises take ten times as long (0.20 µs, not 0.02), and that is asked at the beginning of each call from a thread.
running_loop: Callable[[], asyncio.AbstractEventLoop | None] = asyncio._get_running_loop
"""The loop that runs in this thread, or None."""


def begins_at_once(home: asyncio.AbstractEventLoop) -> bool:
    """Whether `begin` takes the first step before it returns."""
    if home.get_task_factory() is not None:
        return False
    return sys.version_info >= (3, 12) or type(home).call_soon is asyncio.BaseEventLoop.call_soon


def begin(
    home: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
    context: Context | None = None,
) -> asyncio.Task[T]:
    """A task of the loop `home`, whose first step is taken before this returns, wherever that can be.

    For callbacks of that loop, not for tasks: the first step is not to run inside another task.
    """
    if not begins_at_once(home):
        return home.create_task(work, name=name, context=context)
    return begin_at_once(home, work, name=name, context=context)


def begin_at_once(
    home: asyncio.AbstractEventLoop,
    work: Coroutine[Any, Any, T],
    *,
    name: str | None = None,
    context: Context | None = None,
) -> asyncio.Task[T]:
    """The same for who knows that it can be."""
    if sys.version_info >= (3, 12):
        return asyncio.Task(work, loop=home, name=name, context=context, **_EAGER)
    return _begin_on_311(home, work, name, context)


def _begin_on_311(
    home: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], name: str | None, context: Context | None
) -> asyncio.Task[T]:
    """In its constructor a new task asks its loop to call its first step soon, and asks for nothing else. That is done
    now: the turn of the loop that it would have waited for takes longer than many calls do."""
    asked: list[tuple[Callable[[], object], Context]] = []

    def keep(step: Callable[[], object], *, context: Context) -> None:
        asked.append((step, context))

    # No other thread may use `call_soon`, and no other code of this one runs meanwhile.
    own = vars(home)
    own["call_soon"] = keep
    try:
        task = asyncio.Task(work, loop=home, name=name, context=context)
    finally:
        del own["call_soon"]
    step, inside = asked[0]
    inside.run(step)
    return task
