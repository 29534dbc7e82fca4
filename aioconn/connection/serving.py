# SPDX-License-Identifier: Apache-2.0
"""Calls on a session: the order among them, their deadline, their events and errors."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, cast

from aioconn.connection.life import Life
from aioconn.connection.skeleton import O_co, State
from aioconn.errors import (
    AioconnError,
    CommandTimeout,
    ConnectError,
    DeviceBusy,
    SessionBroken,
    SessionClosed,
)
from aioconn.events import ServiceFinished, ServiceStarted
from aioconn.home import carry, carry_iterator
from aioconn.request import Request
from aioconn.wrapping import let_through, letting_through

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="Serving[Any]")
F = TypeVar("F", bound=Callable[..., Any])

# Each call asks for them several times, and on 3.11 `State.READY` costs 0.1 us each time.
_READY, _BUSY, _UNUSABLE = State.READY, State.BUSY, (State.CLOSED, State.NEW)


def service(
    function: Callable[Concatenate[C, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[C, P], Coroutine[Any, Any, R]]:
    """Mark a coroutine method as an operation of the connection.

    The caller's `timeout=` (else the option `timeout`) bounds everything: waiting for earlier callers, reopening a
    broken session, the operation. Callers are served in order. When the deadline passes or the caller is cancelled in
    the middle, the session is recovered or replaced before anyone uses it again. A service may call other services of
    the same connection: they run inside its turn and its deadline.
    """

    @functools.wraps(function)
    async def call(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._serve(function, args, kwargs)

    call.__aioconn_service__ = "call"  # type: ignore[attr-defined]
    return call


def pipelined(
    function: Callable[Concatenate[C, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[C, P], Coroutine[Any, Any, R]]:
    """Mark a coroutine method as an operation of which several may be under way at once on one session.

    For protocols that keep answers apart by themselves (message-ids, request-ids, streams). As `service`, except that
    calls begin in order and do not wait for each other's end; one that ends early leaves nothing to recover: the class
    drops an answer that comes too late, and tells by `_lost` if the whole session is out of step.
    """

    @functools.wraps(function)
    async def call(self: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._serve(function, args, kwargs, together=True)

    call.__aioconn_service__ = "call"  # type: ignore[attr-defined]
    return call


def streaming(function: F) -> F:
    """Mark an asynchronous generator method that takes its own turn, so that pools offer it too."""

    @functools.wraps(function)
    def stream(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if self._wrappers.layers:
            return self._stream_wrapped(function, args, kwargs)
        return function(self, *args, **kwargs)

    stream.__aioconn_service__ = "stream"  # type: ignore[attr-defined]
    return cast(F, stream)


class Serving(Life[O_co]):
    """What `BaseConnection` is as far as single calls go."""

    services: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        marks = {
            name: getattr(getattr(cls, name, None), "__aioconn_service__", None)
            for name in dir(cls)
            if not name.startswith("_")
        }
        cls.services = tuple(name for name, mark in marks.items() if mark == "call")
        cls.streams = tuple(name for name, mark in marks.items() if mark == "stream")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._exclusivity = request.environment.exclusivity
        self._wrappers = request.wrappers
        self._turn_task: asyncio.Task[Any] | None = None
        self._together: set[asyncio.Task[Any] | None] = set()  # the pipelined calls under way

    # ------------------------------------------------------------------ serving

    def _what(self, service_name: str, args: tuple[Any, ...]) -> str:
        """The subject of a call, for events and errors."""
        return str(args[0]) if args else ""

    async def _serve(
        self,
        function: Callable[..., Awaitable[R]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        together: bool = False,
        wrapped: bool = False,
    ) -> R:
        if (self._turn_task is not None or self._together) and self._is_inside():
            return await function(self, *args, **kwargs)
        if self._state is not _READY:
            self._check_usable()
        if self._loop is not asyncio.get_running_loop():
            return await carry(
                self._home(), self._serve, function, args, kwargs, together=together, wrapped=wrapped
            )
        if self._wrappers.layers and not wrapped:
            return await self._serve_wrapped(function, args, kwargs, together)
        limit = kwargs.get("timeout")
        timeout: float = self._options.timeout if limit is None else limit
        listeners = self._request.listeners
        if listeners.anywhere:
            self._emit_started(function.__name__, args)
        failure: BaseException | None = None
        turn, exclusivity = self._turn, self._exclusivity
        entered = exclusivity is None or exclusivity.try_enter()
        taken = False
        deadline = self._alarm.after(timeout)
        try:
            with deadline:
                if not entered:
                    await exclusivity.enter()  # type: ignore[union-attr]
                    entered = True
                inside = turn.transaction is not None and self._in_transaction()
                while True:
                    if together:
                        await self._join(inside, deadline.when)
                    elif not (taken or turn.try_take(inside)):
                        await turn.take(inside)
                    taken = True
                    if self._state is not _READY and not together:
                        await self._make_ready(deadline.when)
                    try:
                        if together:
                            return await self._serve_together(function, args, kwargs)
                        # not in a coroutine of its own: each that is awaited takes half a microsecond
                        self._enter(_BUSY)
                        self._turn_task = deadline.task
                        try:
                            return await function(self, *args, **kwargs)
                        except BaseException as error:
                            self._end_early(error)
                            raise
                        finally:
                            self._turn_task = None
                            if self._state is _BUSY:
                                self._enter(_READY)
                    except SessionBroken:
                        if (
                            not kwargs.get("idempotent")
                            or self._request.pooled
                            or turn.transaction is not None
                        ):
                            raise
                    if together:
                        taken = False
                        turn.leave()
        except TimeoutError as error:
            failure = error
            if deadline.passed:
                name = function.__name__
                what = self._what(name, args)
                failure = (
                    self._timed_out(name, what, timeout)
                    if taken
                    else self._kept_waiting(name, what, timeout, entered)
                )
                raise failure from None
            raise
        except BaseException as error:
            failure = error
            raise
        finally:
            if taken:
                (turn.leave if together else turn.give)()
            if entered and exclusivity is not None:
                exclusivity.leave()
            if listeners.anywhere:
                elapsed = self._alarm.loop.time() - (deadline.when - timeout)
                self._emit_finished(function.__name__, args, elapsed, failure)

    async def _serve_wrapped(
        self,
        function: Callable[..., Awaitable[R]],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        together: bool,
    ) -> R:
        """Through the wrappers, unless it is a part of another call: a pool's, or one of the class itself."""

        def go(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Awaitable[R]:
            return self._serve(function, args, kwargs, together=together, wrapped=True)

        name = function.__name__
        if name.startswith("_") or let_through(self._request):
            return await go(args, kwargs)
        return cast(R, await self._wrappers.around(self, name, function, args, kwargs, go))

    def _is_to_be_wrapped(self) -> bool:
        """For what stands around a service and is a part of it: whether the wrappers come first, see `_wrapped`."""
        if not self._wrappers.layers or let_through(self._request):
            return False
        return not ((self._turn_task is not None or self._together) and self._is_inside())

    async def _wrapped(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        limit: float,
        work: Callable[..., Awaitable[R]],
    ) -> R:
        """Through the wrappers, at home; then `work(self, ...)`, which finds itself let through."""
        self._check_usable()
        if self._loop is not asyncio.get_running_loop():
            return await carry(self._home(), self._wrapped, function, args, kwargs, limit, work)

        async def go(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
            return await letting_through(self._request, functools.partial(work, self, *args, **kwargs))

        around = self._wrappers.around
        result = await around(self, function.__name__, function, args, kwargs, go, limit=limit)
        return cast(R, result)

    async def _stream_wrapped(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> AsyncIterator[Any]:
        self._check_usable()
        around = self._wrappers.stream_around
        async with contextlib.aclosing(
            carry_iterator(self._home(), around, self, function.__name__, function, args, kwargs)
        ) as pieces:
            async for piece in pieces:
                yield piece

    async def _serve_together(
        self, function: Callable[..., Awaitable[R]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> R:
        task = asyncio.current_task(self._loop)
        self._enter(_BUSY)
        self._together.add(task)
        try:
            return await function(self, *args, **kwargs)
        except BaseException:
            self._last_seen = self._redacted_seen()
            raise
        finally:
            self._together.discard(task)
            if self._state is _BUSY and not self._together:
                self._enter(_READY)

    async def _join(self, inside: bool, until: float) -> None:
        """Share the turn, on a session that is live. A cancel leaves nothing taken."""
        turn = self._turn
        while True:
            if not turn.try_share(inside):
                await turn.share(inside)
            if self._state is _READY or self._state is _BUSY:
                return
            turn.leave()
            await turn.take(inside)  # alone: one opens what broke, for all
            try:
                await self._make_ready(until)
            finally:
                turn.give()

    def _is_inside(self) -> bool:
        """Whether the running code is an operation of this connection."""
        task = asyncio.current_task()
        return self._turn_task is task or task in self._together

    async def _take_session(self, until: float) -> None:
        """As the holder of the turn: a session that is ready, and from now on busy."""
        if self._state is not State.READY:
            await self._make_ready(until)
        self._enter(State.BUSY)

    def _check_usable(self) -> None:
        if self._state in _UNUSABLE:
            raise SessionClosed(
                "the connection is closed" if self._state is State.CLOSED else "not connected yet",
                **self._where(),
                hint="call connect()",
            )

    async def _make_ready(self, until: float) -> None:
        """Wait for a recovery under way, reopen what broke; in the caller's turn, and before `until` (loop time)."""
        if (recovery := self._recovery) is not None and not recovery.done():
            await asyncio.wait({recovery})
        self._check_usable()
        if self.connected:
            return
        if self._request.pooled or self._turn.transaction is not None:
            raise self._broken_error()  # what stood on that session is lost with it: the caller has to know
        environment = self._request.environment
        while not self.connected:
            await environment.await_attempt(self, until)
            if self._state is State.CLOSED:  # in the meantime
                environment.leave(self)
                self._check_usable()
            try:
                await self._open_now(self._options.connect_timeout)
            except ConnectError as error:
                if not environment.tries_again(self, error, until):
                    raise

    def occupant(self) -> str:
        """Who keeps others from this connection now, for errors."""
        if (transaction := self._turn.transaction) is not None:
            return f"kept by a transaction of {transaction.describe()}"
        if self._exclusivity is not None and self._exclusivity.waiting:
            return self._exclusivity.blockers()
        return f"{self._turn.waiting} calls wait for their turn"

    # ------------------------------------------------------------------ words

    def _timed_out(self, name: str, what: str, timeout: float) -> AioconnError:
        return CommandTimeout(
            f"{name} {self.credentials.redact(what)!r} did not end within {timeout:g} s",
            **self._where(),
            seen=self._last_seen,
            command=self.credentials.redact(what),
        )

    def _kept_waiting(self, name: str, what: str, timeout: float, entered: bool) -> AioconnError:
        """The deadline passed before the operation began."""
        what = self.credentials.redact(what)
        if not entered or self._turn.transaction is not None:
            alone = self._exclusivity if not entered else None
            kept_by = self.occupant() if alone is None else alone.blockers()
            return DeviceBusy(f"{name} {what!r} was kept out for {timeout:g} s: {kept_by}", **self._where())
        return CommandTimeout(
            f"{name} {what!r}: its turn did not come within {timeout:g} s, {self.occupant()}",
            **self._where(),
            command=what,
            maybe_executed=False,
        )

    def _emit_started(self, name: str, args: tuple[Any, ...]) -> None:
        if not self.listeners:
            return
        what = self.credentials.redact(self._what(name, args))
        event = ServiceStarted(device=self.device, alias=self.alias, path=self.via, service=name, what=what)
        self.listeners.emit(event)

    def _emit_finished(
        self, name: str, args: tuple[Any, ...], elapsed: float, error: BaseException | None
    ) -> None:
        if not self.listeners:
            return
        self.listeners.emit(
            ServiceFinished(
                device=self.device,
                alias=self.alias,
                path=self.via,
                service=name,
                what=self.credentials.redact(self._what(name, args)),
                elapsed=elapsed,
                error=error,
            )
        )
