# SPDX-License-Identifier: Apache-2.0
"""Services that are called on a pool: each call takes the first session that is free, and gives it back."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

from aioconn.connection import BaseConnection
from aioconn.errors import DeviceBusy, SessionBroken, UsageError
from aioconn.exclusive import Exclusivity
from aioconn.exclusive.hold import Hold
from aioconn.home import carry, carry_iterator
from aioconn.pool.life import PoolLife
from aioconn.pool.sessions import Sessions
from aioconn.pool.waiting import Waiting
from aioconn.protocols.lasting import Lasting, alone
from aioconn.wrapping import let_through, letting_through

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")


class Called(Protocol):
    """What calls need of the pool on which they are made, and which wrappers see in them."""

    timeout: float | None

    def acquire(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Any]: ...


class Calls(Generic[C]):
    """The services of one pool by name. Each is bounded by its `timeout`, the wait for a session included."""

    def __init__(
        self,
        pool: Called,
        sessions: Sessions[C],
        waiting: Waiting[C],
        life: PoolLife[C],
        exclusivity: Exclusivity,
    ) -> None:
        self._pool = pool
        self._sessions = sessions
        self._gate = sessions.gate
        self._waiting = waiting
        self._life = life
        self._exclusivity = exclusivity
        self._wrappers = sessions.request.wrappers
        self._offered = {name: getattr(sessions.kind, name) for name in sessions.kind.services}

    async def call(
        self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any], timeout: float | None
    ) -> Any:
        service = self._offered.get(name)
        sessions = self._sessions
        if service is None:
            raise UsageError(
                f"{sessions.kind.__name__} has no {name!r}",
                **sessions.where(),
                hint=f"it offers {', '.join(sessions.kind.services)}",
            )
        if (
            sessions.loop is not (running := asyncio.get_running_loop())
            and (home := self._life.home()) is not running
        ):
            return await carry(home, self.call, name, args, keys, timeout)
        if self._is_to_be_wrapped():
            return await self._call_wrapped(name, functools.partial(self.call, name), args, keys, timeout)
        limit = left = sessions.model.options.timeout if timeout is None else timeout
        now = sessions.now()
        until = now + limit
        exclusivity = self._exclusivity
        if not exclusivity.try_enter():
            try:
                async with asyncio.timeout(limit):
                    await exclusivity.enter()
            except TimeoutError:
                raise DeviceBusy(
                    f"{name} was kept out for {limit:g} s: {exclusivity.blockers()}", **sessions.where()
                ) from None
            now = sessions.now()
            left = max(until - now, 0.001)
        try:
            while True:
                member = self._gate.take(now)
                if member is None:
                    member = await self._waiting.wait(min(until - now, self._pool.timeout or _NEVER))
                    left = max(until - sessions.now(), 0.001)
                member.call = name, args, asyncio.current_task(running)
                try:
                    return await service(member.session, *args, timeout=left, **keys)
                except SessionBroken:
                    now = sessions.now()
                    left = until - now
                    if not keys.get("idempotent") or left <= 0:
                        raise
                finally:
                    sessions.give(member)
        finally:
            exclusivity.leave()

    async def configure(self, args: tuple[Any, ...], keys: Mapping[str, Any], timeout: float | None) -> Any:
        """As `call`; unless `exclusive` says no, in the order of those who configure the device."""
        if (home := self._life.home()) is not asyncio.get_running_loop():
            return await carry(home, self.configure, args, keys, timeout)
        if self._is_to_be_wrapped() and "configure" in self._offered:
            return await self._call_wrapped("configure", self.configure, args, keys, timeout)
        exclusivity, sessions = self._exclusivity, self._sessions
        order = sessions.environment.configures if keys.get("exclusive", True) else None
        # Who is inside a hold may have a session already, for which somebody in the queue waits: he does not queue.
        if order is None or exclusivity.inside:
            return await self.call("configure", args, keys, timeout)
        limit = sessions.model.options.timeout if timeout is None else timeout
        until = sessions.now() + limit
        entered: Hold | None = None
        try:
            async with asyncio.timeout(limit):
                # Let in first: whoever waits for exclusive work must not hold the queue, which it may need.
                entered = await exclusivity.hold("configure")
                # Then in the queue, so that those who wait do not keep the sessions busy.
                hold = await order.queue.take("configure")
        except BaseException as error:
            kept_by = exclusivity if entered is None else order.queue
            why = f"configure was kept out for {limit:g} s: {kept_by.blockers()}"
            if entered is not None:
                entered.release()
            if isinstance(error, TimeoutError):
                raise DeviceBusy(why, **sessions.where()) from None
            raise
        entered.mark()
        try:
            return await self.call("configure", args, keys, max(until - sessions.now(), 0.001))
        finally:
            entered.unmark()
            hold.release()
            entered.release()

    async def call_lasting(
        self,
        name: str,
        lasting: Lasting,
        args: tuple[Any, ...],
        keys: Mapping[str, Any],
        timeout: float | None,
    ) -> Any:
        """A service that takes longer than others, or needs the device for itself."""
        if self._is_to_be_wrapped():
            if (home := self._life.home()) is not asyncio.get_running_loop():
                return await carry(home, self.call_lasting, name, lasting, args, keys, timeout)
            work = functools.partial(self.call_lasting, name, lasting)
            return await self._call_wrapped(name, work, args, keys, timeout, lasting.seconds)
        limit = lasting.seconds if timeout is None else timeout
        if not lasting.alone:
            return await self.call(name, args, keys, limit)
        device = self._sessions.model.device
        work = functools.partial(self.call, name, args, keys)
        return await alone(device, self._exclusivity, self._life.home, limit, work)

    def stream(self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any]) -> Any:
        """A service that iterates. A pool that is closed says so at the first step, here."""
        home = asyncio.get_running_loop() if self._gate.closed else self._life.home()
        return carry_iterator(home, self._stream, name, args, keys)

    async def _stream(
        self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        limits = [limit for limit in (keys.get("timeout"), self._pool.timeout) if limit is not None]
        async with self._pool.acquire(timeout=min(limits, default=0.0)) as session:
            pieces = getattr(session, name)(*args, **keys)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await pieces.aclose()

    # ------------------------------------------------------------------ through wrappers

    def _is_to_be_wrapped(self) -> bool:
        return bool(self._wrappers.layers) and not let_through(self._sessions.request)

    async def _call_wrapped(
        self,
        name: str,
        again: Callable[[tuple[Any, ...], Mapping[str, Any], float | None], Awaitable[Any]],
        args: tuple[Any, ...],
        keys: Mapping[str, Any],
        timeout: float | None,
        limit: float | None = None,
    ) -> Any:
        """The same call through the wrappers, which do not see it `again` on the session that it goes to."""

        async def go(args: tuple[Any, ...], keys: Mapping[str, Any]) -> Any:
            rest = {key: value for key, value in keys.items() if key != "timeout"}
            work = functools.partial(again, args, rest, keys.get("timeout"))
            return await letting_through(self._sessions.request, work)

        model, function = self._sessions.model, self._offered[name]
        return await self._wrappers.around(
            self._pool, name, function, args, {**keys, "timeout": timeout}, go, like=model, limit=limit
        )
