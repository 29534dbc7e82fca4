# SPDX-License-Identifier: Apache-2.0
"""The same work on many devices at once, in this process or in several; a device that fails is a result."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Literal

from aioconn.results import Result
from aioconn.visits import LIMIT, TIMEOUT, Work, visits

if TYPE_CHECKING:
    from aioconn.workers.crew import Workers


def fan_out(
    devices: Any,
    work: Work,
    *,
    limit: int = LIMIT,
    timeout: float = TIMEOUT,
    via: str | None = None,
    keep: bool = False,
    workers: int | Literal["auto"] | Workers = 1,
) -> AsyncGenerator[Result[Any], None]:
    """Give a `Result` for each device as it finishes.

    `devices` is a testbed or an iterable of devices; `work` a command, a list of commands, or a coroutine function
    that takes the device. At most `limit` devices are worked on at once; `timeout` (seconds) bounds each of them,
    connecting included. Devices that are not connected are connected for the work and disconnected after it, unless
    `keep`. Leaving the iteration early cancels what is under way and waits for it.

    `workers` is how many processes work on the devices, this one among them; "auto" takes one for each core where there
    are so many devices that it pays. A function is found by its name there, as `module.function` or a
    `functools.partial` of that; its arguments and what it returns have to be values that can go to another process.
    Raises `UsageError`, at the first step, for one that is not to be found so.
    """
    if workers == 1:
        return visits(devices, work, limit=limit, timeout=timeout, via=via, keep=keep)
    from aioconn.workers.spread import spread

    return spread(devices, work, limit=limit, timeout=timeout, via=via, keep=keep, workers=workers)
