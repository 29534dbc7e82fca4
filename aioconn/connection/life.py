# SPDX-License-Identifier: Apache-2.0
"""The life of one session: opened, lost, recovered, opened again, closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

from aioconn.connection.deadline import Alarm
from aioconn.connection.skeleton import O_co, Skeleton, State
from aioconn.connection.turn import Turn
from aioconn.errors import (
    AioconnError,
    AuthenticationFailed,
    ConnectTimeout,
    HostUnknown,
    HostUnreachable,
    LimitReached,
    Phase,
    SessionBroken,
    SessionClosed,
    ShellRefused,
)
from aioconn.events import Closed, Opened, OpenFailed, Opening, Recovered
from aioconn.home import carry
from aioconn.policy import SETTLE_TIMEOUT
from aioconn.request import Request
from aioconn.residence import home_of, home_to_open_at, settling
from aioconn.transport.base import Progress

# The phases that cost us work rather than waiting: the key exchange is the dearest part of a connection.
_WORK = (Phase.RESOLVE, Phase.TCP, Phase.KEX)


class Life(Skeleton[O_co]):
    """What `BaseConnection` is beneath its services."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._turn = Turn()
        self._opening: asyncio.Timeout | None = None  # what bounds the opening under way
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alarm: Alarm  # of that loop
        self._recovery: asyncio.Task[None] | None = None
        self._closing: asyncio.Future[None] | None = None  # done when it has closed
        self._opened_at = 0.0

    # ------------------------------------------------------------------ opening

    async def open(self, *, timeout: float | None = None) -> None:
        """Open the session; nothing happens if it is live. Raises a ConnectError that says which phase failed.

        `timeout` (else the option `connect_timeout`) bounds it all. Cancelling leaves nothing behind.
        """
        if (home := self._home_to_open()) is not asyncio.get_running_loop():
            await carry(home, self.open, timeout=timeout)
            return
        if self._loop is not home:
            with settling:
                self._settle_at(home)
        if self._state is State.CLOSED:
            await self._finish_closing()
            self._enter(State.NEW)
        if self.connected:
            return
        limit = left = timeout or self._options.connect_timeout
        if not self._turn.try_take(inside := self._in_transaction()):
            started = time.monotonic()
            try:
                async with asyncio.timeout(limit):
                    await self._turn.take(inside)
            except TimeoutError:
                raise ConnectTimeout(
                    f"no session within {limit:g} s, and a call that opens it again goes on", **self._where()
                ) from None
            left = max(limit - (time.monotonic() - started), 0.001)
        try:
            if not self.connected:
                await self._open_now(left)
        finally:
            self._turn.give()

    def _home(self) -> asyncio.AbstractEventLoop:
        """The loop to carry a call to: the one that opened the connection, or if that has ended, the device's home."""
        loop = self._loop
        if loop is None or loop.is_closed():
            home = home_to_open_at(self._request.environment.home)
            if home is not asyncio.get_running_loop():
                return home
            with settling:
                if self._loop is loop:
                    self._settle_at(home)
                    return home
            return self._home()  # it has been opened in another thread, this very moment
        return home_of(loop, f"{self.device} {self.alias}")

    def _home_to_open(self) -> asyncio.AbstractEventLoop:
        """The same for what opens or closes: if nothing of the connection is left where it was, the device's home."""
        return home_to_open_at(self._request.environment.home) if self._is_nowhere else self._home()

    def _settle_at(self, home: asyncio.AbstractEventLoop) -> None:
        """Live at `home` from now on, which is the running loop: callers elsewhere must not interfere with that."""
        self._loop = home
        self._alarm = Alarm(home)

    @property
    def closing(self) -> asyncio.Future[None] | None:
        """What is done when it has closed, while that goes on."""
        closing = self._closing
        return closing if closing is not None and not closing.done() else None

    @property
    def _is_nowhere(self) -> bool:
        """Whether nothing of it is left on any loop."""
        return self._state is State.NEW or (self._state is State.CLOSED and self.closing is None)

    async def _open_now(self, timeout: float) -> None:
        """Open, as the holder of the turn."""
        self._enter(State.OPENING)
        self._closing = None
        self._progress = Progress(self._phase_reached)
        started = time.monotonic()
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline as self._opening:
                try:
                    await self._open_admitted(deadline)
                finally:
                    self._opening = None
                    self._progress.on_phase = None  # else each would keep the other until the collector comes
        except BaseException as error:
            self._last_seen = self._redacted_seen()
            admitted = self._request.environment.admitted(self)
            failure = error
            if self._state is State.CLOSED and isinstance(error, Exception):
                failure = self._closed_meanwhile()  # what came of that says nothing about the device
            elif isinstance(error, TimeoutError) and deadline.expired():
                failure = self._open_timed_out(timeout) if admitted else self._not_admitted(timeout)
            self._abort()
            if self._state is State.OPENING:
                self._enter(State.BROKEN if self._broken_by is not None else State.NEW)
            self._request.environment.attempted(self, failure)
            self._request.environment.leave(self)
            self._emit_open_failed(failure, time.monotonic() - started)
            if failure is error:
                raise
            raise failure from None
        finally:
            self._request.environment.opened(self)
        self._request.environment.attempted(self, None)
        if self._state is not State.OPENING:  # closed, or lost again, in the meantime
            self._abort()
            self._request.environment.leave(self)
            raise self._closed_meanwhile()
        self._broken_by = None
        self._opened_at = asyncio.get_running_loop().time()
        self._enter(State.READY)
        if self.listeners:
            elapsed = time.monotonic() - started
            self.listeners.emit(Opened(device=self.device, alias=self.alias, path=self.via, elapsed=elapsed))

    async def _open_admitted(self, deadline: asyncio.Timeout) -> None:
        """Open when the device can bear it. One that says it is full is asked again when a session of ours ends."""
        environment = self._request.environment
        while True:
            await environment.admit(self)
            try:
                await self._open_some_way(deadline)
                return
            except (ShellRefused, HostUnreachable) as error:
                self._last_seen = self._redacted_seen()
                self._abort()
                crowded = environment.crowded(self, error)
                environment.opened(self)
                if not crowded:
                    raise
                if self._request.pooled:  # its pool asks again, if the session is still wanted then
                    raise LimitReached(
                        f"the device would not have one more session: {error.message}", **self._where()
                    ) from error

    async def _open_some_way(self, deadline: asyncio.Timeout) -> None:
        """Over the way that was used last; then, as far as that can help, over the others of the path."""
        ways, loop = self._ways, asyncio.get_running_loop()
        ways.begin()
        while True:
            self._credentials = self._request.credentials.logging_in(ways.current.login, ways.current.user)
            try:
                if (share := ways.share(loop.time(), deadline.when())) is None:
                    await self._open()
                else:
                    async with asyncio.timeout_at(share):
                        await self._open()
                return
            except (AuthenticationFailed, HostUnknown, HostUnreachable, TimeoutError) as error:
                about_it = not isinstance(error, AioconnError) or error.device in (None, self.device)
                if not (about_it and ways.follow(error)):
                    raise
                self._last_seen = self._redacted_seen()
                self._abort()

    def _phase_reached(self, phase: Phase) -> None:
        if phase not in _WORK:
            self._request.environment.opened(self)
        if self.listeners:
            self.listeners.emit(Opening(device=self.device, alias=self.alias, path=self.via, phase=phase))

    def _emit_open_failed(self, error: BaseException, elapsed: float) -> None:
        if self.listeners:
            self.listeners.emit(
                OpenFailed(device=self.device, alias=self.alias, path=self.via, error=error, elapsed=elapsed)
            )

    # ------------------------------------------------------------------ recovery, and loss

    def _end_early(self, error: BaseException) -> None:
        """An operation under way ended with `error`: note what the device said, recover if that is needed."""
        self._last_seen = self._redacted_seen()
        if self._state is State.BUSY and self._needs_recovery(error):
            self._start_recovery()

    def _start_recovery(self) -> None:
        """In a task of the connection's own: whoever cancelled the call does not wait for it, and cannot cancel it."""
        self._enter(State.RECOVERING)
        assert self._loop is not None
        self._recovery = self._loop.create_task(self._recover_or_give_up(time.monotonic()))

    def _when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` once the operation that ends now has ended, and the recovery that it brings about, if any."""
        assert self._loop is not None
        self._loop.call_soon(
            self._after_recovery, then
        )  # a recovery begins when the operation has been unwound

    def _after_recovery(self, then: Callable[[], None]) -> None:
        if (recovery := self._recovery) is not None and not recovery.done():
            recovery.add_done_callback(lambda _: then())
        else:
            then()

    async def _recover_or_give_up(self, started: float) -> None:
        kept = False
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                kept = await self._recover()
        except TimeoutError:
            pass
        except Exception as error:
            self._broken_by = error
        finally:
            if self._state is State.RECOVERING:
                if kept:
                    self._enter(State.READY)
                else:
                    await self._give_up()
        if self.listeners:
            elapsed, reason = time.monotonic() - started, None if kept else self._broken_by
            self.listeners.emit(
                Recovered(
                    device=self.device,
                    alias=self.alias,
                    path=self.via,
                    kept=kept,
                    elapsed=elapsed,
                    error=reason,
                )
            )

    async def _give_up(self) -> None:
        """Close a session that cannot be trusted any more; the next call opens a new one."""
        self._broken_by = self._broken_by or SessionBroken(
            "could not be brought back in step", **self._where(), seen=self._redacted_seen()
        )
        try:
            await self._end_session(politely=True)
        finally:
            if self._state is not State.CLOSED:
                self._enter(State.BROKEN)

    def _lost(self, error: BaseException | None) -> None:
        """For subclasses: the other side, or the network, ended the session."""
        if self._state in (State.READY, State.BUSY, State.RECOVERING):
            # why it was given up, if it was, says more than that the device then closed it
            closed = SessionBroken("the device closed the session", **self._where())
            self._broken_by = self._broken_by or error or closed
            self._enter(State.BROKEN)
            self._abort()
            # the loss first: the place that is given back may let somebody else try the path
            lived = self._loop.time() - self._opened_at if self._loop is not None else 0.0
            self._request.environment.lost(self, self._broken_by, lived)
            self._request.environment.leave(self)
            if self.listeners:
                event = Closed(device=self.device, alias=self.alias, path=self.via, error=self._broken_by)
                self.listeners.emit(event)

    # ------------------------------------------------------------------ closing

    async def close(self) -> None:
        """Close the session: politely within the option `close_timeout`, then at once. Safe to call again.

        It has closed when it returns, also when it is cancelled. Calls under way end with `SessionClosed`.
        """
        if (home := self._home_to_open()) is not asyncio.get_running_loop():
            try:
                await carry(home, self.close)
            except SessionClosed:
                if not self._is_nowhere:  # else somebody has closed it there, and the loop has ended
                    raise
            return
        if self._closing is None:
            if self._state in (State.NEW, State.CLOSED):
                self._enter(State.CLOSED)
                return
            was_broken = self._state is State.BROKEN
            self._enter(State.CLOSED)
            self._stop_opening()
            closing = self._closing = asyncio.get_running_loop().create_future()
            try:
                await self._close_now(politely=not was_broken)
            finally:
                closing.set_result(None)
            return
        await self._finish_closing()

    def abort(self) -> None:
        """End the session now, without a goodbye. A plain function: it also runs where a cancellation struck."""
        if self._recovery is not None:
            self._recovery.cancel()
        self._enter(State.CLOSED)
        self._stop_opening()
        self._abort()
        self._request.environment.leave(self)

    def _stop_opening(self) -> None:
        """Whoever opens it hears now that it was closed, and not when his time is up."""
        if (opening := self._opening) is not None and not opening.expired():
            assert self._loop is not None
            opening.reschedule(self._loop.time())

    async def _finish_closing(self) -> None:
        """Wait for whoever closes it; a cancellation makes him abort, and is passed on when he has ended."""
        while (closing := self.closing) is not None:
            await self._end_of(closing)

    async def _end_of(self, work: asyncio.Future[None]) -> None:
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            self._abort()
            await asyncio.wait({work})
            raise

    async def _close_now(self, *, politely: bool) -> None:
        try:
            if self._recovery is not None and not self._recovery.done():
                self._recovery.cancel()
                await self._end_of(self._recovery)
        except asyncio.CancelledError:
            politely = False
            raise
        finally:
            await self._end_session(politely=politely)
            if self.listeners:
                self.listeners.emit(Closed(device=self.device, alias=self.alias, path=self.via))

    async def _end_session(self, *, politely: bool) -> None:
        """Close, within the deadline, and free everything in any case."""
        self._request.environment.leaving(self)
        try:
            if politely:
                async with asyncio.timeout(self._options.close_timeout):
                    await self._close()
        except Exception:  # noqa: S110  a goodbye is a courtesy: whatever went wrong with it, the session ends now
            pass
        finally:
            self._abort()
            self._alarm.stop()
            self._request.environment.leave(self)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ words

    def _in_transaction(self) -> bool:
        transaction = self._turn.transaction
        return transaction is not None and bool(transaction.inside())

    def _open_timed_out(self, timeout: float) -> AioconnError:
        return ConnectTimeout(
            f"no session within {timeout:g} s",
            **self._where(),
            phase=self._progress.phase,
            seen=self._last_seen,
        )

    def _closed_meanwhile(self) -> AioconnError:
        return SessionClosed("closed while it was being opened", **self._where())

    def _not_admitted(self, timeout: float) -> AioconnError:
        return LimitReached(
            f"no session came free within {timeout:g} s: {self._request.environment.crowd()}", **self._where()
        )
