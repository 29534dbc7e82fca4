# SPDX-License-Identifier: Apache-2.0
"""The template of every way to talk to a device.

A connection class implements `_open()` and `_close()` and marks its operations with `@service`. From here it gets
transactions, streams, and what pools ask of it; from `Serving` the order among callers, deadlines, events and errors
that name device, path and phase; from `Life` its state, and what happens when a session is opened, lost and closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, TypeVar

from aioconn.caller import Caller, here
from aioconn.connection.serving import Serving, pipelined, service, streaming
from aioconn.connection.skeleton import O_co, State
from aioconn.connection.transaction import Transaction
from aioconn.errors import AioconnError, DeviceBusy
from aioconn.exclusive import Exclusivity
from aioconn.exclusive.hold import Hold
from aioconn.home import call_at_home, carry_acquiring, carry_iterator

__all__ = ["BaseConnection", "State", "pipelined", "service", "streaming"]

R = TypeVar("R")
C = TypeVar("C", bound="BaseConnection[Any]")

_READY = State.READY  # each turn of a pool asks for it, and on 3.11 by its name it costs 0.1 us


class BaseConnection(Serving[O_co]):
    """One way to one device, opened or not. Made by a manager, or directly from a `Request` for tests."""

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

    # ------------------------------------------------------------------ streams

    async def _streamed(
        self, name: str, what: str, timeout: float | None, make: Callable[[float], AsyncGenerator[R, None]]
    ) -> AsyncGenerator[R, None]:
        """For a stream that has the session to itself: what `make(limit)` yields, begun in its turn, and at home.

        `timeout` (else the option) bounds the wait for the turn; it is the limit that `make` gets for each piece.
        """
        self._check_usable()
        limit = self._options.timeout if timeout is None else timeout
        hold = await self._let_in(name, limit)
        try:
            async with contextlib.aclosing(
                carry_iterator(self._home(), self._stream_in_turn, name, what, limit, make)
            ) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if hold is not None:
                hold.unmark()
                call_at_home(self._home(), hold.release)

    async def _stream_in_turn(
        self, name: str, what: str, limit: float, make: Callable[[float], AsyncGenerator[R, None]]
    ) -> AsyncGenerator[R, None]:
        taken = False
        try:
            async with asyncio.timeout(limit) as deadline:
                await self._turn.take(self._in_transaction())
                taken = True
                await self._take_session(deadline.when() or 0.0)
            async with contextlib.aclosing(make(limit)) as pieces:
                async for piece in pieces:
                    yield piece
        except TimeoutError as error:
            if isinstance(error, AioconnError):
                raise
            if not taken:
                raise self._kept_waiting(name, what, limit, entered=True) from None
            raise self._timed_out(name, what, limit) from None
        finally:
            if self._state is State.BUSY and taken:
                self._enter(State.READY)
            if taken:
                self._turn.give()

    async def _let_in(self, kind: str, limit: float) -> Hold | None:
        """A hold around what the caller's own code runs in between: his calls there pass exclusive work that waits."""
        exclusivity = self._exclusivity
        if exclusivity is None:
            return None

        async def hold(caller: Caller) -> Hold:
            try:
                async with asyncio.timeout(limit):
                    return await exclusivity.hold(kind, caller=caller)
            except TimeoutError:
                raise DeviceBusy(
                    f"{kind} was kept out for {limit:g} s: {exclusivity.blockers()}", **self._where()
                ) from None

        held = await carry_acquiring(self._home(), hold, Hold.release, here())
        held.mark()
        return held

    # ------------------------------------------------------------------ for pools

    @property
    def clean(self) -> bool:
        """Whether the next caller of a pool may have it as it is; plain and quick."""
        return self._state is _READY and self._is_clean()

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
