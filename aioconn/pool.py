# SPDX-License-Identifier: Apache-2.0
"""A set of live sessions of one kind that is used like a single connection.

`Gate` decides who gets which session, `Waiting` is where callers wait for one, `Sessions` opens, settles, closes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Mapping,
    Sequence,
)
from threading import get_ident
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, overload

from aioconn.caller import on_behalf
from aioconn.connection import BaseConnection, State
from aioconn.credentials import Credentials
from aioconn.environment import Inside, PoolEnvironment
from aioconn.errors import (
    DeviceBusy,
    NotOfThisPool,
    PoolClosed,
    ReleasedTwice,
    SessionBroken,
    SessionClosed,
    UsageError,
    Where,
)
from aioconn.events import Acquired, Listeners
from aioconn.exclusive import Exclusivity, Hold
from aioconn.gate import Member, Stage
from aioconn.home import call_at_home, carry, carry_acquiring, carry_iterator, running_loop
from aioconn.lease import Acquisition, Lease, Lent, lease_type
from aioconn.path import Path
from aioconn.policy import POOL_TIMEOUT
from aioconn.protocols.lasting import Lasting, alone
from aioconn.request import BaseOptions, Request
from aioconn.residence import home_of, home_to_open_at
from aioconn.results import Output
from aioconn.sessions import Sessions
from aioconn.waiting import Waiting
from aioconn.wrapping import let_through, letting_through

if TYPE_CHECKING:
    from aioconn.protocols.statements import Replies

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")


class ConnectionPool(Generic[C]):
    """At most `size` sessions over one path, opened as they are needed, handed out first come, first served.

    It offers the services of its class: each call takes the first session that is free. `acquire()` keeps one session
    for several calls. Everything waits at most as long as it is told, and a caller that is cancelled loses nothing.
    """

    services: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        kind: type[C],
        request: Request,
        environment: PoolEnvironment,
        *,
        size: int,
        timeout: float | None = POOL_TIMEOUT,
    ) -> None:
        if size < 1:
            raise UsageError(
                f"pool_size {size} is not above zero", device=request.device, path=request.path.name
            )
        self.kind = kind
        self.timeout = timeout or None
        self._environment = environment
        self._request = dataclasses.replace(request, pooled=True, environment=Inside(environment, self._left))
        self._wrappers = request.wrappers
        self._sessions: Sessions[C] = Sessions(kind, self._request, environment, size)
        self._waiting = Waiting(self._sessions, environment)
        self._gate = self._sessions.gate
        self._gate.closed = True
        self.exclusivity = environment.exclusivity or Exclusivity(request.device)
        self.asker: CodeType | None = None
        self._listening = request.listeners.anywhere
        self._offered = {name: getattr(kind, name) for name in kind.services}
        self._lease_kind = lease_type(kind)
        self._state = State.NEW
        self._closing: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ what it is

    @property
    def device(self) -> str:
        """The device's name."""
        return self._request.device

    @property
    def alias(self) -> str:
        return self._request.alias

    @property
    def path(self) -> Path:
        return self._request.path

    @property
    def via(self) -> str:
        """The path's name."""
        return self._request.path.name

    @property
    def options(self) -> BaseOptions:
        options: BaseOptions = self._sessions.model.options
        return options

    @property
    def credentials(self) -> Credentials:
        return self._request.credentials

    @property
    def listeners(self) -> Listeners:
        return self._request.listeners

    @property
    def size(self) -> int:
        return self._gate.size

    @property
    def state(self) -> State:
        """That of the whole: ready while a session is free or can be opened, busy while all are in use."""
        gate = self._gate
        if gate.closed:
            return State.CLOSED if self._state is not State.NEW else State.NEW
        if gate.hopeless:
            return State.BROKEN if self._sessions.last_error is not None else State.READY
        if gate.count(Stage.IDLE) or gate.total < gate.size:
            return State.READY
        return State.BUSY if gate.count(Stage.LEASED) else State.OPENING

    @property
    def closing(self) -> asyncio.Task[None] | None:
        """What closes it, while that goes on."""
        closing = self._closing
        return closing if closing is not None and not closing.done() else None

    @property
    def connected(self) -> bool:
        """Whether a session is live, or a caller would get one: open, and the path not known to be down."""
        return not self._gate.closed and not (self._gate.hopeless and self._sessions.last_error is not None)

    def statistics(self) -> dict[str, Any]:
        """Plain numbers: sessions by what they do now, who waits, and what has happened since the pool was made."""
        gate = self._gate
        return {
            "size": gate.size,
            "open": gate.total - gate.count(Stage.OPENING) - gate.count(Stage.CLOSING),
            "idle": gate.count(Stage.IDLE),
            "busy": gate.count(Stage.LEASED),
            "opening": gate.count(Stage.OPENING),
            "settling": gate.count(Stage.SETTLING) + gate.count(Stage.CHECKING),
            "closing": gate.count(Stage.CLOSING),
            "waiting": gate.waiting,
            **{name: getattr(gate.counters, name) for name in gate.counters.__slots__},
        }

    def __repr__(self) -> str:
        gate = self._gate
        parts = [f"{gate.count(stage)} {stage}" for stage in Stage if gate.count(stage)]
        if gate.waiting:
            parts.append(f"{gate.waiting} waiting")
        if gate.closed:
            parts.append(str(self.state))
        what = f"{self.kind.__name__} pool {self.device}.{self.alias} via {self.via}"
        return f"<{what} {gate.total}/{gate.size}: {', '.join(parts) or 'nothing open'}>"

    # ------------------------------------------------------------------ opening and closing

    async def open(self, *, timeout: float | None = None) -> None:
        """Open the first session, which shows that the others can be had; nothing happens if one could be had now.

        Raises what opening it raises. Cancelling leaves nothing behind.
        """
        if (home := self._home_to_open()) is not asyncio.get_running_loop():
            await carry(home, self.open, timeout=timeout)
            return
        self._sessions.loop = home
        await self._finish_closing()
        if not self._gate.closed:
            if (
                not self.connected
            ):  # the path is down, and its next attempt not due: it is asked for in so many words
                await self._sessions.open_first(timeout)
            return
        self._state, gate = State.OPENING, self._gate
        try:
            await self._sessions.open_first(timeout)
            if gate.closed:
                raise self._waiting.closed()
        except BaseException as error:
            closed = gate.closed  # somebody has closed it in the meantime
            if not closed:
                gate.close(self._sessions.now(), self._waiting.closed)
                self._state = State.NEW
            self._sessions.work()
            await self._finish_closing()
            if self._sessions.tasks:
                self._closing = asyncio.get_running_loop().create_task(self._sessions.end(0.0))
                await self._finish_closing()
            if closed and isinstance(error, Exception) and not isinstance(error, PoolClosed):
                raise self._waiting.closed() from error
            raise
        self._state = State.READY

    async def close(self) -> None:
        """As `drain` within the option `close_timeout`."""
        await self.drain(self.options.close_timeout)

    async def drain(self, timeout: float = POOL_TIMEOUT) -> None:
        """Hand out nothing more, and close: who waits hears `PoolClosed` at once, who holds a session has `timeout`
        seconds. Then sessions are cut. It has closed when it returns, also when cancelled: then all are cut at once.
        """
        if (home := self._home_to_open()) is not asyncio.get_running_loop():
            try:
                await carry(home, self.drain, timeout)
            except SessionClosed:
                if not self._is_nowhere:  # else somebody has closed it there, and the loop has ended
                    raise
            return
        if self._closing is None:
            if self._gate.closed:
                self._state = State.CLOSED
                return
            self._sessions.loop = home
            self._state = State.CLOSED
            self._gate.close(self._sessions.now(), self._waiting.closed)
            self._waiting.stop()
            self._sessions.work()
            self._closing = asyncio.get_running_loop().create_task(self._sessions.end(timeout))
        await self._finish_closing()

    async def _finish_closing(self) -> None:
        """Wait for the closing task; a cancellation cuts everything, and is passed on when it has ended."""
        while (closing := self._closing) is not None:
            if closing.done():
                self._closing = None
                closing.result()
                return
            try:
                await asyncio.wait({closing})
            except asyncio.CancelledError:
                self._sessions.hurry()
                while not closing.done():
                    try:
                        await asyncio.wait({closing})
                    except asyncio.CancelledError:
                        self._sessions.hurry()
                self._closing = None
                raise

    def resize(self, size: int) -> None:
        """Bear more or fewer sessions. Idle ones that are too many are closed now, others when they are given back."""
        if size < 1:
            raise UsageError(f"pool_size {size} is not above zero", **self._where())
        if self._sessions.loop is None:
            self._gate.size = size
            return
        call_at_home(self._sessions.loop, self._resize, size)

    def _resize(self, size: int) -> None:
        self._gate.resize(size, self._sessions.now())
        self._sessions.work()

    async def __aenter__(self) -> ConnectionPool[C]:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ one session for several calls

    def acquire(self, *, timeout: float | None = None) -> Acquisition[C]:
        """`async with pool.acquire() as session:`, or `session = await pool.acquire()` and `pool.release(session)`.

        `timeout` (seconds, else `pool_timeout`) bounds the wait: `PoolTimeout` says who holds what, and for how long.
        The session offers the services of its class, and ends for its holder when it is given back.
        """
        return self._lease_kind(self, self.timeout if timeout is None else timeout)

    def transaction(self, *, timeout: float | None = None) -> Acquisition[C]:
        """The same, in the words of a single connection."""
        return self.acquire(timeout=timeout)

    def lend(self, lease: Lease[C], frame: FrameType) -> Lent | None:
        """For `Acquisition`: give it a session that can be had at once by code that is known; else None.

        A plain function, and a long one: this is what a turn costs whose session is free, and a call of a function of
        its own for each of these steps would be a third of that.
        """
        gate, exclusivity, loop = self._gate, self.exclusivity, self._sessions.loop
        if (
            not gate.idle
            or frame.f_code is not self.asker
            or lease.hold is not None
            or loop is None
            or loop is not running_loop()
            or on_behalf.get() is not None
        ):
            return None
        now = loop.time()
        lent = Lent(exclusivity, loop, asyncio.current_task(loop), frame)
        if not exclusivity.try_share(lent, now):
            return None
        member = gate.take(now)
        if member is None:
            exclusivity.end(lent)
            return None
        lent.thread = get_ident()
        member.holder = lease.hold = lent
        lease.member = member
        lease.released = False
        if self._listening and self.listeners:
            self._tell_acquired(0.0)
        return lent

    def lease(
        self, lease: Lease[C], lent: Lent, limit: float | None, running: asyncio.AbstractEventLoop
    ) -> Coroutine[Any, Any, None]:
        """For `Acquisition`: wait for a session and a shared hold of the device. A cancel leaves nothing taken."""
        if self._sessions.loop is running and not self._gate.closed:
            lent.thread = get_ident()
            return self._lend(lease, lent, limit)
        return carry_acquiring(self._home(), self._lend, lambda _: self.release(lease), lease, lent, limit)

    async def _lend(self, lease: Lease[C], lent: Lent, limit: float | None) -> None:
        exclusivity, waiting = self.exclusivity, self._waiting
        lent.loop = self._sessions.home()
        now = started = lent.loop.time()
        if not exclusivity.try_share(lent, now):
            try:
                async with asyncio.timeout(limit):
                    await exclusivity.share(lent)
            except TimeoutError:
                raise DeviceBusy(
                    f"no session within {limit:g} s: {exclusivity.blockers()}", **self._where()
                ) from None
            now = lent.loop.time()
        try:
            member = self._gate.take(now)
            if member is None:
                left = _NEVER if limit is None else max(limit - (now - started), 0.0)
                caller = waiting.line_up(left, lent.task)
                try:
                    member = await caller.future
                except BaseException:
                    waiting.leave(caller)
                    raise
                waiting.served(caller)
        except BaseException:
            lent.release()
            raise
        member.holder = lent
        lent.since = member.since
        lease.member = member
        lease.released = False
        if self.listeners:
            self._tell_acquired(self._sessions.now() - started)

    def _tell_acquired(self, waited: float) -> None:
        self.listeners.emit(Acquired(device=self.device, alias=self.alias, path=self.via, waited=waited))

    def release(self, lease: Lease[C]) -> None:
        """Give a session back. A plain function: it cannot be cancelled, and what takes time is done by the pool.

        Raises `ReleasedTwice` and `NotOfThisPool`, which change nothing.
        """
        if getattr(lease, "pool", None) is not self:
            raise NotOfThisPool(f"{lease!r} is no session of this pool", **self._where())
        if lease.released:
            raise ReleasedTwice(f"the session taken at {lease.place} was given back before", **self._where())
        lease.released = True
        assert lease.member is not None
        assert lease.hold is not None
        call_at_home(self._sessions.loop, self._take_back, lease.member, lease.hold)

    def give_back(self, lease: Lease[C], lent: Lent) -> None:
        """For `Acquisition`: the same at the end of a block."""
        member = lease.member
        assert member is not None
        loop = lent.loop
        # Data alone, so it is enough to be in the thread in which the loop ran at the beginning: to ask for the loop
        # that runs now takes as long as all the rest. The context is left as it is: the hold in it is over then.
        if get_ident() == lent.thread and member.session.clean and self._gate.rest(member, loop.time()):
            member.holder = None
            self.exclusivity.end(lent)
        elif loop is running_loop():
            self._take_back(member, lent)
        else:
            lent.unmark()
            call_at_home(loop, self._take_back, member, lent)

    def _take_back(self, member: Member[C], lent: Lent) -> None:
        if lent.live:
            self.exclusivity.end(lent)
        self._sessions.give(member)

    def take_back(self, lease: Lease[C]) -> None:
        """For `Lease`: it was forgotten; from wherever the garbage collector runs."""
        loop, member, lent = self._sessions.loop, lease.member, lease.hold
        if loop is not None and not loop.is_closed() and member is not None and lent is not None:
            member.holder = None  # from now on nobody holds it, though it comes back only then
            loop.call_soon_threadsafe(self._take_back, member, lent)

    # ------------------------------------------------------------------ services

    @overload
    async def execute(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one command
        self,
        command: str,
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        confirm: Literal["prompt", "probe"] | None = None,
        idempotent: bool = False,
    ) -> Output: ...

    @overload
    async def execute(
        self,
        command: Sequence[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        confirm: Literal["prompt", "probe"] | None = None,
        idempotent: bool = False,
    ) -> list[Output]: ...

    async def execute(
        self, command: str | Sequence[str], *, timeout: float | None = None, **keys: Any
    ) -> Any:
        """Run a command, or several in order, on the first session that is free. See `CliConnection.execute`."""
        return await self._call("execute", (command,), keys, timeout)

    async def configure(
        self,
        lines: str | Iterable[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        commit: bool = True,
        exclusive: bool = True,
    ) -> Output:
        """Send configuration lines on the first session that is free. See `CliConnection.configure`."""
        if (home := self._home()) is not asyncio.get_running_loop():
            return await carry(
                home,
                self.configure,
                lines,
                timeout=timeout,
                check=check,
                reply=reply,
                commit=commit,
                exclusive=exclusive,
            )
        keys = {"check": check, "reply": reply, "commit": commit, "exclusive": exclusive}
        if self._wrappers.layers and "configure" in self._offered and not let_through(self._request):
            result: Output = await self._call_wrapped("configure", self.configure, (lines,), keys, timeout)
            return result
        exclusivity = self.exclusivity
        order = self._environment.configures if exclusive else None
        # Who is inside a hold may have a session already, for which somebody in the queue waits: he does not queue.
        if order is None or exclusivity.inside:
            output: Output = await self._call("configure", (lines,), keys, timeout)
            return output
        limit = self.options.timeout if timeout is None else timeout
        until = self._sessions.now() + limit
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
                raise DeviceBusy(why, **self._where()) from None
            raise
        entered.mark()
        try:
            left = max(until - self._sessions.now(), 0.001)
            return await self._call("configure", (lines,), keys, left)  # type: ignore[no-any-return]
        finally:
            entered.unmark()
            hold.release()
            entered.release()

    async def _call(
        self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any], timeout: float | None
    ) -> Any:
        """One call of a service on the first session that is free; `timeout` bounds the wait and the call."""
        service = self._offered.get(name)
        if service is None:
            raise UsageError(
                f"{self.kind.__name__} has no {name!r}",
                **self._where(),
                hint=f"it offers {', '.join(self.kind.services)}",
            )
        sessions = self._sessions
        if (
            sessions.loop is not (running := asyncio.get_running_loop())
            and (home := self._home()) is not running
        ):
            return await carry(home, self._call, name, args, keys, timeout)
        if self._wrappers.layers and not let_through(self._request):
            work = functools.partial(self._call_through, name)
            return await self._call_wrapped(name, work, args, keys, timeout)
        limit = left = self.options.timeout if timeout is None else timeout
        now = sessions.now()
        until = now + limit
        exclusivity = self.exclusivity
        if not exclusivity.try_enter():
            try:
                async with asyncio.timeout(limit):
                    await exclusivity.enter()
            except TimeoutError:
                raise DeviceBusy(
                    f"{name} was kept out for {limit:g} s: {exclusivity.blockers()}", **self._where()
                ) from None
            now = sessions.now()
            left = max(until - now, 0.001)
        try:
            while True:
                member = self._gate.take(now)
                if member is None:
                    member = await self._waiting.wait(min(until - now, self.timeout or _NEVER))
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

    async def _call_wrapped(
        self,
        name: str,
        work: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        keys: Mapping[str, Any],
        timeout: float | None,
        limit: float | None = None,
    ) -> Any:
        """The same through the wrappers, which do not see it again on the session that it goes to."""

        async def go(args: tuple[Any, ...], keys: Mapping[str, Any]) -> Any:
            return await letting_through(self._request, functools.partial(work, *args, **keys))

        keys = {**keys, "timeout": timeout}
        model = self._sessions.model
        function = self._offered[name]
        return await self._wrappers.around(self, name, function, args, keys, go, like=model, limit=limit)

    async def _call_through(self, name: str, *args: Any, timeout: float | None = None, **keys: Any) -> Any:
        return await self._call(name, args, keys, timeout)

    async def _stream(
        self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any]
    ) -> AsyncGenerator[Any, None]:
        limits = [limit for limit in (keys.get("timeout"), self.timeout) if limit is not None]
        async with self.acquire(timeout=min(limits, default=0.0)) as session:
            pieces = getattr(session, name)(*args, **keys)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await pieces.aclose()

    # ------------------------------------------------------------------ for the manager

    def give_up_idle(self) -> None:
        """Close the session that has been idle longest, for another group's sake."""
        if self._sessions.loop is not None:
            self._sessions.give_up_idle()

    def lose_all(self, spared: Any, error: BaseException) -> None:
        """The device has gone, and with it all sessions but `spared`; called at home."""
        for member in list(self._gate.members):
            if member.session is not spared:
                member.session._lost(error)

    def path_changed(self) -> None:
        """The path may be tried again, or may not."""
        if self._sessions.loop is not None:
            self._sessions.path_changed()

    @property
    def idle_since(self) -> float | None:
        """The loop time since which the longest idle session is idle; None if none is."""
        idle = self._gate.idle
        return idle[0].since if idle else None

    # ------------------------------------------------------------------ words

    def _where(self) -> Where:
        return {"device": self.device, "path": self.via}

    def _left(self, session: C) -> None:
        self._sessions.left(session)

    @property
    def _is_nowhere(self) -> bool:
        """Whether nothing of it is left on any loop."""
        return self._gate.closed and not self._sessions.tasks and self.closing is None

    def _home(self) -> asyncio.AbstractEventLoop:
        """The loop to carry a call to: the one that opened the pool, or if that has ended, the device's home. Raises
        PoolClosed: a pool that is closed is nowhere, and may be opened anywhere the very next moment."""
        sessions = self._sessions
        if self._gate.closed:
            raise self._waiting.closed()
        if sessions.loop is None or sessions.loop.is_closed():
            home = home_to_open_at(self._environment.home)
            if home is asyncio.get_running_loop():
                sessions.loop = home
            return home
        return home_of(sessions.loop, f"{self.device} {self.alias}")

    def _home_to_open(self) -> asyncio.AbstractEventLoop:
        """The same for what opens or closes: if nothing of the pool is left where it was, the device's home."""
        loop = self._sessions.loop
        if loop is None or loop.is_closed() or self._is_nowhere:
            return home_to_open_at(self._environment.home)
        return home_of(loop, f"{self.device} {self.alias}")


@functools.cache
def pool_type(kind: type[C]) -> type[ConnectionPool[C]]:
    """The pool of a connection class, with each of its services by name."""
    offered: dict[str, Any] = {"services": kind.services, "streams": kind.streams}
    for name in kind.services:
        if not hasattr(ConnectionPool, name):
            offered[name] = _offer(name, getattr(kind, name))
    for name in kind.streams:
        if not hasattr(ConnectionPool, name):
            offered[name] = _offer_stream(name, getattr(kind, name))
    for name in dir(kind):
        if getattr(getattr(kind, name, None), "__aioconn_service__", None) == "block":
            offered[name] = _offer_block(name, getattr(kind, name))
    return type(f"{kind.__name__}Pool", (ConnectionPool,), offered)


def _offer(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    lasting: Lasting | None = getattr(original, "__aioconn_lasting__", None)

    @functools.wraps(original)
    async def call(
        self: ConnectionPool[Any], /, *args: Any, timeout: float | None = None, **keys: Any
    ) -> Any:
        if lasting is not None:
            if self._wrappers.layers and not let_through(self._request):
                if (home := self._home()) is not asyncio.get_running_loop():
                    return await carry(home, call, self, *args, timeout=timeout, **keys)
                work = functools.partial(call, self)
                return await self._call_wrapped(name, work, args, keys, timeout, lasting.seconds)
            timeout = lasting.seconds if timeout is None else timeout
            if lasting.alone:
                work = functools.partial(self._call, name, args, keys)
                return await alone(self.device, self.exclusivity, self._home, timeout, work)
        return await self._call(name, args, keys, timeout)

    return call


def _offer_block(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """What is to be entered, on a session that is lent for that long."""

    @contextlib.asynccontextmanager
    @functools.wraps(original)
    async def block(self: ConnectionPool[Any], /, *args: Any, **keys: Any) -> AsyncIterator[Any]:
        async with (
            self.acquire(timeout=keys.get("timeout")) as session,
            getattr(session, name)(*args, **keys),
        ):
            yield session

    return block


def _offer_stream(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stream(self: ConnectionPool[Any], /, *args: Any, **keys: Any) -> Any:
        # A pool that is closed says so at the first step, here.
        home = asyncio.get_running_loop() if self._gate.closed else self._home()
        return carry_iterator(home, self._stream, name, args, keys)

    return stream
