# SPDX-License-Identifier: Apache-2.0
"""By how many processes a fan-out is done. What starts them is loaded when there are to be some."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from aioconn.errors import UsageError
from aioconn.results import Result
from aioconn.visits import LIMIT, TIMEOUT, Visiting, Work, devices_of, visit, visits

if TYPE_CHECKING:
    from aioconn.workers.crew import Workers

Count: TypeAlias = int | Literal["auto"]

WORTH = 200
"""Devices for which "auto" starts another worker. Until it is ready, in half a second, this process has visited about
so many over SSH by itself."""


async def spread(
    devices: Any,
    work: Work,
    *,
    workers: Count | Workers,
    limit: int = LIMIT,
    timeout: float = TIMEOUT,
    via: str | None = None,
    keep: bool = False,
    how: Visiting = visit,
) -> AsyncGenerator[Result[Any], None]:
    """`fan_out`, by so many processes as it is worth, or by those of `workers`. Raises `UsageError` for what cannot be
    done elsewhere, before anything is touched; "auto" does it here then."""
    listed = devices_of(devices)
    if limit < 1:
        raise ValueError("limit must be at least 1")
    count = processes(workers, len(listed))
    if count > 1:
        from aioconn.workers import errands

        try:
            errands.told(work)
            if keep:
                raise UsageError(
                    "sessions of a worker process cannot be kept in this one",
                    hint="workers=1, or without keep",
                )
        except UsageError:
            if workers != "auto":
                raise
            count = 1
    async with contextlib.AsyncExitStack() as stack:
        if count == 1:
            results = visits(listed, work, limit=limit, timeout=timeout, via=via, keep=keep, how=how)
        else:
            from aioconn.workers.crew import Workers

            given: Any = workers
            crew: Workers = given
            if not isinstance(given, Workers):
                crew = await stack.enter_async_context(Workers(count))
            results = crew.fan_out(listed, work, limit=limit, timeout=timeout, via=via, how=how)
        await stack.enter_async_context(contextlib.aclosing(results))
        async for result in results:
            yield result


def processes(workers: Count | Workers, devices: int) -> int:
    """How many there are to be for so many devices."""
    if workers == "auto":
        return min(cores(), 1 + devices // WORTH)
    count = getattr(workers, "count", None)
    return count if isinstance(count, int) else counted(workers)


def counted(count: Any) -> int:
    """How many processes are meant. Raises `UsageError` for what is no number of them."""
    if count == "auto":
        return cores()
    if type(count) is not int or count < 1:
        raise UsageError(f"workers: {count!r} is neither a number above 0 nor 'auto'")
    return count


def cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
