# SPDX-License-Identifier: Apache-2.0
"""One device's part of a fan-out, and many of them at once in this process; a failure is a result, not an exception."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar

from aioconn.collector import crowded
from aioconn.errors import AioconnError, ConnectTimeout
from aioconn.results import Result

T = TypeVar("T")

LIMIT = 100
TIMEOUT = 60.0


class Reachable(Protocol):
    """What fan-out needs of a device."""

    @property
    def name(self) -> str: ...
    def is_connected(self, alias: str | None = None) -> bool: ...
    async def connect(self, *, via: str | None = None, timeout: float | None = None) -> Any: ...
    async def disconnect(self, alias: str | None = None) -> None: ...
    async def execute(self, command: Any, *, timeout: float | None = None) -> Any: ...


Call = Literal["connect", "execute", "configure"]
Work = str | Sequence[str] | Callable[[Any], Awaitable[Any]]


class Visiting(Protocol):
    """One device's part, as `visit` does it."""

    def __call__(
        self, device: Any, work: Any, /, *, timeout: float, via: str | None, keep: bool
    ) -> Coroutine[Any, Any, Result[Any]]: ...


async def visit(
    device: Reachable,
    work: Work | None,
    *,
    timeout: float,
    via: str | None = None,
    keep: bool = False,
    call: Call = "execute",
    end: float | None = None,
) -> Result[Any]:
    """One device's part: connect if need be, work, disconnect again. Raises nothing but a cancellation.

    `call` is the service that gets the work, if that is not to be called itself; to connect may be all there is to do.
    It is over at `end` (`time.monotonic`) at the latest.
    """
    started = time.monotonic()
    until = started + timeout if end is None else min(started + timeout, end)
    connected_here = False
    value: Any = None
    failure: BaseException | None = None
    try:
        if until <= started:
            raise AioconnError("its turn did not come before the deadline", device=device.name)
        if call == "connect":
            value = await device.connect(via=via, timeout=until - started)
        else:
            if via is not None or not device.is_connected():
                connected_here = True
                await device.connect(via=via, timeout=until - started)
            left = until - time.monotonic()
            if left <= 0:
                raise ConnectTimeout(f"nothing left of {timeout:g} s after connecting", device=device.name)
            if callable(work):
                async with asyncio.timeout(left):
                    value = await work(device)
            else:
                value = await getattr(device, call)(work, timeout=left)
    except AioconnError as error:
        failure = error
    except TimeoutError:
        failure = AioconnError(f"the work did not end within {timeout:g} s", device=device.name)
    except Exception as error:
        failure = error
    finally:
        if connected_here and not keep and device.is_connected():
            await device.disconnect()
    return Result(device=device.name, value=value, error=failure, elapsed=time.monotonic() - started)


async def visits(
    devices: Any,
    work: Work,
    *,
    limit: int = LIMIT,
    timeout: float = TIMEOUT,
    via: str | None = None,
    keep: bool = False,
    how: Visiting = visit,
) -> AsyncGenerator[Result[Any], None]:
    """A `Result` for each device as it finishes: `fan_out` without other processes. `how` is one device's part."""
    found = batches(devices, work, limit=limit, timeout=timeout, via=via, keep=keep, how=how)
    async with contextlib.aclosing(found):
        async for batch in found:
            for result in batch:
                yield result


async def batches(
    devices: Any,
    work: Work,
    *,
    limit: int = LIMIT,
    timeout: float = TIMEOUT,
    via: str | None = None,
    keep: bool = False,
    how: Visiting = visit,
    most: int = 1,
) -> AsyncGenerator[list[Result[Any]], None]:
    """What `visits` gives, in lists of what is there together. As long as each turn of the loop brings another, up to
    `most` are waited for, which takes one turn where there is only one."""
    if limit < 1:
        raise ValueError("limit must be at least 1")
    listed = devices_of(devices)
    todo = iter(listed)
    finished: asyncio.Queue[Result[Any] | None] = asyncio.Queue()

    async def worker() -> None:
        try:
            for device in todo:
                finished.put_nowait(await how(device, work, timeout=timeout, via=via, keep=keep))
        finally:
            finished.put_nowait(None)

    workers = [asyncio.create_task(worker()) for _ in range(min(limit, len(listed)))]
    alive = len(workers)
    try:
        with crowded(len(listed)):
            while alive:
                found = [await finished.get()]
                found += _rest(finished)
                while len(found) < most:
                    await asyncio.sleep(0)
                    if finished.empty():
                        break
                    found += _rest(finished)
                alive -= found.count(None)
                if batch := [result for result in found if result is not None]:
                    yield batch
        for task in workers:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error
    finally:
        for task in workers:
            task.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _rest(queue: asyncio.Queue[T]) -> list[T]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def devices_of(devices: Any) -> list[Reachable]:
    """Those of a testbed, a mapping or an iterable."""
    known = getattr(devices, "devices", devices)
    return list(known.values() if isinstance(known, Mapping) else known)
