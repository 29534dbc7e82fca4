# SPDX-License-Identifier: Apache-2.0
"""Iterators that a task steps through for somebody elsewhere, and their end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def walk(iterator: AsyncIterator[T], show: Callable[[T], Awaitable[bool]]) -> None:
    """`show` each item and wait for what comes of it: whether to go on. The iterator is closed in the end."""
    destroyed = False
    try:
        async for item in iterator:
            if not await show(item):
                break
    except GeneratorExit:  # the loop was closed under the task: nothing can be awaited any more
        destroyed = True
        raise
    finally:
        if not destroyed:
            await close(iterator)


async def close(iterator: AsyncIterator[Any]) -> None:
    """Close it, if it can be closed."""
    if (aclose := getattr(iterator, "aclose", None)) is not None:
        await aclose()
