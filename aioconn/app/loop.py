# SPDX-License-Identifier: Apache-2.0
"""The event loop of a command: signals, descriptors, and uvloop where it is installed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from aioconn.app.exits import Exit

GRACE = 0.4
"""Seconds in which sessions may be closed politely after Ctrl-C; then they are cut."""


def drive(work: Callable[[], Coroutine[Any, Any, Exit]], *, program: bool = False) -> Exit:
    """Run `work` in a loop of its own. SIGINT and SIGTERM cancel it, once, and again after `GRACE`.

    The second time is what makes connections stop being polite: they are closed either way. `program` tells that
    the process is ours, and ends with an interrupted command.
    """
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(_interruptible(work))
        if program and code in (Exit.INTERRUPTED, Exit.TERMINATED):
            leave(code)
    return code


def leave(code: Exit) -> NoReturn:
    """End the process here and now; `work` has freed what it held.

    Threads that wait for a name server, which can take half a minute, cannot be stopped, and both the loop and the
    interpreter wait for them when they end in an orderly way.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


async def _interruptible(work: Callable[[], Coroutine[Any, Any, Exit]]) -> Exit:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    caught: list[int] = []
    timers: list[asyncio.TimerHandle] = []

    def interrupt(number: int) -> None:
        caught.append(number)
        task.cancel()
        timers.append(loop.call_later(GRACE, task.cancel))

    handled = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # only the main thread of the main interpreter gets signals
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(number, interrupt, number)
            handled.append(number)
    try:
        return await task
    except asyncio.CancelledError:
        if not caught:
            raise
        return Exit(128 + caught[0])
    except Exception:
        if not caught:
            raise
        return Exit(128 + caught[0])  # sessions that fail to say goodbye are no news then
    finally:
        for timer in timers:
            timer.cancel()
        for number in handled:
            loop.remove_signal_handler(number)


def raise_descriptor_limit() -> None:
    """As many open files as the system allows without asking: sessions are descriptors."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and means less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's if it is installed, else None, which is asyncio's own."""
    try:
        import uvloop  # pyright: ignore[reportMissingImports]  an extra
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
