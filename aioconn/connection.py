# SPDX-License-Identifier: Apache-2.0
"""The template of every way to talk to a device.

A connection class implements `_open()` and `_close()` and marks its operations with `@service`. From here it gets the
order among callers, deadlines, transactions, events and errors that name device, path and phase; from `Life` its state,
and what happens when a session is opened, lost and closed.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

from aioconn.errors import (
    AioconnError,
    CommandTimeout,
    ConnectError,
    DeviceBusy,
    SessionBroken,
    SessionClosed,
)
from aioconn.events import ServiceFinished, ServiceStarted
from aioconn.exclusive import Caller, Exclusivity, Hold
from aioconn.home import call_at_home, carry, carry_acquiring
from aioconn.life import Life, O_co, State
from aioconn.request import Request
from aioconn.transaction import Transaction

__all__ = ["BaseConnection", "State", "service", "streaming"]

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound="BaseConnection[Any]")
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


def streaming(function: F) -> F:
    """Mark an asynchronous generator method that takes its own turn, so that pools offer it too."""
    function.__aioconn_service__ = "stream"  # type: ignore[attr-defined]
    return function


class BaseConnection(Life[O_co]):
    """One way to one device, opened or not. Made by a manager, or directly from a `Request` for tests."""

    services: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        marks = {name: getattr(getattr(cls, name, None), "__aioconn_service__", None) for name in dir(cls)}
        cls.services = tuple(name for name, mark in marks.items() if mark == "call")
        cls.streams = tuple(name for name, mark in marks.items() if mark == "stream")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._exclusivity = request.environment.exclusivity
        self._turn_task: asyncio.Task[Any] | None = None

    # ------------------------------------------------------------------ serving

    def _what(self, service_name: str, args: tuple[Any, ...]) -> str:
        """The subject of a call, for events and errors."""
        return str(args[0]) if args else ""

    async def _serve(
        self, function: Callable[..., Awaitable[R]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> R:
        if self._turn_task is not None and self._turn_task is asyncio.current_task():
            return await function(self, *args, **kwargs)
        self._check_usable()
        if self._loop is not asyncio.get_running_loop():
            return await carry(self._home(), self._serve, function, args, kwargs)
        limit = kwargs.get("timeout")
        timeout: float = self._options.timeout if limit is None else limit
        name = function.__name__
        started = time.monotonic()
        failure: BaseException | None = None
        if self.listeners:
            self._emit_started(name, args)
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
                if not turn.try_take(inside):
                    await turn.take(inside)
                taken = True
                while True:
                    if self._state is not _READY:
                        await self._make_ready(deadline.when)
                    try:
                        return await self._serve_in_turn(function, args, kwargs)
                    except SessionBroken:
                        if (
                            not kwargs.get("idempotent")
                            or self._request.pooled
                            or turn.transaction is not None
                        ):
                            raise
        except TimeoutError as error:
            failure = error
            if deadline.passed:
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
                turn.give()
            if entered and exclusivity is not None:
                exclusivity.leave()
            if self.listeners:
                self._emit_finished(name, args, time.monotonic() - started, failure)

    async def _serve_in_turn(
        self, function: Callable[..., Awaitable[R]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> R:
        self._enter(_BUSY)
        self._turn_task = asyncio.current_task(self._loop)
        try:
            return await function(self, *args, **kwargs)
        except BaseException as error:
            self._end_early(error)
            raise
        finally:
            self._turn_task = None
            if self._state is _BUSY:
                self._enter(_READY)

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

    # ------------------------------------------------------------------ transactions

    def transaction(self: C, *, timeout: float | None = None) -> Transaction[C]:
        """`async with connection.transaction() as session:` keeps others out for several calls.

        The wait for it, in the order of all callers, is bounded by `timeout` (else the option); `DeviceBusy` names who
        holds it. A session that breaks in between is not reopened in the transaction: its calls raise `SessionBroken`.
        """
        return Transaction(self, self._options.timeout if timeout is None else timeout)

    async def begin_transaction(
        self, transaction: Transaction[Any], caller: Caller, timeout: float
    ) -> Hold | None:
        """For `Transaction`; None inside another one of this connection. A cancel leaves nothing held."""
        self._check_usable()
        undo = functools.partial(self._end_transaction, transaction)
        return await carry_acquiring(
            self._home(), self._begin_transaction, undo, transaction, caller, timeout
        )

    async def _begin_transaction(
        self, transaction: Transaction[Any], caller: Caller, timeout: float
    ) -> Hold | None:
        if self._in_transaction():
            return None
        hold: Hold | None = None
        try:
            async with asyncio.timeout(timeout):
                hold = await (self._exclusivity or Exclusivity(self.device)).hold(
                    "transaction", caller=caller
                )
                await self._turn.begin(transaction)
                return hold
        except BaseException as error:
            if hold is not None:
                hold.release()
            if isinstance(error, TimeoutError):
                raise DeviceBusy(
                    f"no transaction within {timeout:g} s: {self.occupant()}", **self._where()
                ) from None
            raise

    def end_transaction(self, transaction: Transaction[Any], hold: Hold) -> None:
        """For `Transaction`; a plain function."""
        call_at_home(self._loop, self._end_transaction, transaction, hold)

    def _end_transaction(self, transaction: Transaction[Any], hold: Hold | None) -> None:
        self._turn.end(transaction)
        if hold is not None:
            hold.release()

    def occupant(self) -> str:
        """Who keeps others from this connection now, for errors."""
        if (transaction := self._turn.transaction) is not None:
            return f"kept by a transaction of {transaction.describe()}"
        if self._exclusivity is not None and self._exclusivity.waiting:
            return self._exclusivity.blockers()
        return f"{self._turn.waiting} calls wait for their turn"

    # ------------------------------------------------------------------ for pools

    @property
    def clean(self) -> bool:
        """Whether the next caller of a pool may have it as it is; plain and quick."""
        return self._state is State.READY and self._is_clean()

    async def settle(self) -> bool:
        """For pools: bring it to where it stood when it was opened. False: replace it. No deadline here."""
        if (recovery := self._recovery) is not None and not recovery.done():
            await asyncio.wait({recovery})
        if self._state is not State.READY:
            return False
        return self._is_clean() or await self._in_turn(self._reset)

    async def check(self) -> bool:
        """For pools: whether a session that was idle for long still answers. Bounded by the caller."""
        return self._state is State.READY and await self._in_turn(self._check)

    async def _in_turn(self, work: Callable[[], Awaitable[bool]]) -> bool:
        await self._turn.take(inside=False)
        try:
            self._enter(State.BUSY)
            ok = await work()
        except Exception:
            ok = False
        finally:
            self._turn.give()
            if self._state is State.BUSY:
                self._enter(State.READY)
        return ok and self.clean

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
        what = self.credentials.redact(self._what(name, args))
        event = ServiceStarted(device=self.device, alias=self.alias, path=self.via, service=name, what=what)
        self.listeners.emit(event)

    def _emit_finished(
        self, name: str, args: tuple[Any, ...], elapsed: float, error: BaseException | None
    ) -> None:
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
