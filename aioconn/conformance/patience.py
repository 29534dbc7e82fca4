# SPDX-License-Identifier: Apache-2.0
"""Waiting for what should happen, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which something that should happen by itself counts as hung."""


async def within(work: Awaitable[T]) -> T:
    """What `work` gives, if it does not hang."""
    async with asyncio.timeout(PATIENCE):
        return await work


async def turns(count: int) -> None:
    """Wait for `count` turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled(work: Awaitable[Any], moment: int) -> None:
    """Begin `work`, cancel it after `moment` turns of the loop, and wait for its end; it may have ended before."""
    task = asyncio.ensure_future(work)
    await turns(moment)
    task.cancel()
    await within(asyncio.wait({task}))
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


async def failure_of(work: Awaitable[Any]) -> BaseException:
    """The error that `work` ends with."""
    try:
        answer = await within(work)
    except Exception as error:
        return error
    raise AssertionError(f"no error, but {answer!r}")


async def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Wait until `condition` holds."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(otherwise) from None
