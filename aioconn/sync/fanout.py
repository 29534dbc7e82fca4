# SPDX-License-Identifier: Apache-2.0
"""The same work on many devices at once, for scripts without a loop of their own.

Commands run as coroutines, on the one loop thread that all devices share which are not connected yet; functions run in
threads. Devices that belong to another process are worked on there.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from aioconn import fanout
from aioconn.errors import SessionError, UnknownAlias, UsageError
from aioconn.home import Leash, homes, iterate_from_thread
from aioconn.residence import lodging
from aioconn.results import Result
from aioconn.sync import exit as process_exit
from aioconn.visits import LIMIT, TIMEOUT, Reachable, batches

if TYPE_CHECKING:
    from aioconn.sync.devices import Device
    from aioconn.sync.testbed import Testbed

TOGETHER = 16
"""Results that the script's thread gets at once, where they come one after the other: it and the loop's thread want the
same interpreter in turns, and with each for itself both wait for it longer than they work for the result."""

PATIENCE = 1.0
"""Seconds that a function gets to come back when its time is over, or its result is not wanted any more."""


def fan_out(
    devices: Testbed | Iterable[Device] | Mapping[str, Device],
    work: str | Sequence[str] | Callable[[Device], Any],
    *,
    limit: int = LIMIT,
    timeout: float = TIMEOUT,
    via: str | None = None,
    keep: bool = False,
    workers: int | Literal["auto"] = 1,
) -> Generator[Result[Any], None, None]:
    """Give a `Result` for each device as it finishes.

    `devices` is a testbed or an iterable of devices; `work` a command, a list of commands, or a function that takes the
    device and runs in a thread. At most `limit` devices are worked on at once; `timeout` (seconds) bounds each of them,
    connecting included: a function hears of its end in what it calls of the device, and is left behind if it does not
    come back. Devices that are not connected are connected for the work and disconnected after it, unless `keep`.
    Leaving the iteration early cancels what is under way and waits for it.

    `workers` is how many processes work on the devices, this one among them; "auto" takes one for each core where there
    are so many devices that it pays. For commands: functions run in threads of this process, and with a number of
    workers above 1 are a `UsageError`. Devices of another process are worked on in that one, whatever is given here.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    if inspect.iscoroutinefunction(work):
        raise UsageError(
            f"{work.__qualname__} is a coroutine function",
            hint="aioconn.sync.fan_out takes a plain one, aioconn.fan_out this one",
        )
    if callable(work):
        if workers not in (1, "auto"):
            raise UsageError(
                "functions run in threads of this process, and commands in worker processes",
                hint="aioconn.fan_out takes coroutine functions there",
            )
        workers = 1
    known: Any = getattr(devices, "devices", devices)
    listed: list[Device] = list(known.values() if isinstance(known, Mapping) else known)
    if not callable(work) and any(device.local is None for device in listed):
        from aioconn.sync import remote

        results = remote.fan_out(listed, work, limit=limit, timeout=timeout, via=via, keep=keep)
        if results is not None:  # they are all of one testbed
            return results
    return _results(listed, work, limit=limit, timeout=timeout, via=via, keep=keep, workers=workers)


def _results(
    devices: Sequence[Device],
    work: str | Sequence[str] | Callable[[Device], Any],
    *,
    limit: int,
    timeout: float,
    via: str | None,
    keep: bool,
    workers: int | Literal["auto"],
) -> Generator[Result[Any], None, None]:
    context = contextvars.copy_context()
    handles: dict[int, Device] = {}
    visited: list[Reachable] = []
    for device in devices:
        visited.append(device.local or _Elsewhere(device, context))
        handles[id(visited[-1])] = device

    async def call(one: Any) -> Any:
        assert callable(work)
        return await _Chore(handles[id(one)], work, context).done()

    async def at_home() -> AsyncIterator[list[Result[Any]]]:
        if (task := asyncio.current_task()) is not None:
            process_exit.watch_task(task)
        what = call if callable(work) else work
        keys: dict[str, Any] = {"limit": limit, "timeout": timeout, "via": via, "keep": keep}
        if workers == 1:
            found = batches(visited, what, **keys, most=TOGETHER)
        else:
            found = _one_by_one(fanout.fan_out(visited, what, **keys, workers=workers))
        try:
            # The first step makes all tasks that work on devices; nothing else is to lodge on the shared loop.
            token = lodging.set("shared")
            try:
                first = await anext(found, None)
            finally:
                lodging.reset(token)
            if first is not None:
                yield first
            async for batch in found:
                yield batch
        finally:
            await found.aclose()

    lease = homes.shared()
    try:
        with contextlib.closing(iterate_from_thread(lease.loop, at_home)) as steps:
            for batch in steps:
                yield from batch
    finally:
        lease.release()


async def _one_by_one(results: AsyncGenerator[Result[Any], None]) -> AsyncGenerator[list[Result[Any]], None]:
    async with contextlib.aclosing(results):
        async for result in results:
            yield [result]


class _Chore:
    """A plain function that works on a device in a thread of its own, and is awaited."""

    def __init__(
        self, device: Device, function: Callable[[Device], Any], context: contextvars.Context
    ) -> None:
        self._device = device
        self._function = function
        self._context = context.copy()
        self._leash = Leash()
        self._value: Any = None
        self._failure: BaseException | None = None

    async def done(self) -> Any:
        """Its value, or its exception. A cancellation ends what it calls, and waits for it for `PATIENCE` seconds."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        name = f"aioconn fan-out {self._device.name}"
        threading.Thread(target=self._run, args=(loop, ended), name=name, daemon=True).start()
        try:
            await asyncio.wait({ended})
        except asyncio.CancelledError:
            self._leash.cut(
                SessionError("its fan-out waits for this work no longer", device=self._device.name)
            )
            await asyncio.wait({ended}, timeout=PATIENCE)
            raise
        failure, self._failure = self._failure, None
        if failure is None:
            return self._value
        try:
            if isinstance(failure, Exception) and not isinstance(failure, StopIteration):
                raise failure  # the others mean something in a coroutine
            raise RuntimeError(f"the work raised {type(failure).__name__}") from failure
        finally:
            del failure

    def _run(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        try:
            self._value = self._context.run(self._leashed)
        except BaseException as error:
            self._failure = error
        try:
            loop.call_soon_threadsafe(_settle, ended)
        except RuntimeError:  # closed: nobody waits any more
            pass

    def _leashed(self) -> Any:
        with self._leash:
            return self._function(self._device)


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


class _Elsewhere:
    """A device of another process, whose answers are waited for in threads."""

    def __init__(self, device: Device, context: contextvars.Context) -> None:
        self._device = device
        self._context = context
        self._opened = False

    @property
    def name(self) -> str:
        return self._device.name

    def is_connected(self, alias: str | None = None) -> bool:
        """Whether it was connected by `connect()`, which finds out about the time before."""
        return self._opened

    async def connect(self, *, via: str | None = None, timeout: float | None = None) -> None:
        def connect(device: Device) -> None:
            if via is None and device.is_connected():
                return
            self._opened = True  # to be closed again also if this ends before it is known what became of it
            device.connect(via=via, timeout=timeout)

        try:
            await _Chore(self._device, connect, self._context).done()
        except Exception:
            self._opened = False
            raise

    async def disconnect(self, alias: str | None = None) -> None:
        def disconnect(device: Device) -> None:
            with contextlib.suppress(UnknownAlias):  # it did not come about
                device.disconnect(alias)

        self._opened = False
        await _Chore(self._device, disconnect, self._context).done()

    async def execute(self, command: Any, *, timeout: float | None = None) -> Any:
        work = lambda device: device.execute(command, timeout=timeout)  # noqa: E731
        return await _Chore(self._device, work, self._context).done()
