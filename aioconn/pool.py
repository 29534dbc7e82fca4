# SPDX-License-Identifier: Apache-2.0
"""A set of live sessions of one kind that is used like a single connection.

Who gets which session is decided by the plain functions of `Gate`. What is here waits, with deadlines, and does the work
that takes time in tasks of the pool's own, so that nobody who gives a session back can be cancelled in it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import random
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

from aioconn.connection import BaseConnection, State
from aioconn.credentials import Credentials
from aioconn.errors import (
    AioconnError,
    CircuitOpen,
    Deadlock,
    DeviceBusy,
    LimitReached,
    NotOfThisPool,
    PoolClosed,
    PoolTimeout,
    ReleasedTwice,
    SessionBroken,
    UsageError,
    Where,
)
from aioconn.events import Acquired, Listeners, Replaced
from aioconn.exclusive import Caller, Hold, here
from aioconn.gate import Gate, Member, Stage, Task
from aioconn.lease import Lease, lease_type
from aioconn.path import Path
from aioconn.policy import POOL_TIMEOUT, SETTLE_TIMEOUT
from aioconn.request import BaseOptions, Environment, Request
from aioconn.results import Output

if TYPE_CHECKING:
    from aioconn.credentials import Secret

C = TypeVar("C", bound=BaseConnection[Any])

_NEVER = float("inf")
_TICK = 0.01  # seconds; deadlines of waiters are looked at together


class PoolEnvironment(Environment, Protocol):
    """What a pool asks of its device's manager beside what its sessions ask."""

    def claim(self, connection: Any, granted: Callable[[], None]) -> None:
        """Ask for a place for one more session; `granted` is called once, now or later."""
        ...

    def withdraw(self, connection: Any) -> None:
        """Ask no longer, or give back what was granted."""
        ...

    def yields(self, connection: Any, *, wanted: bool) -> bool:
        """Whether a session should be given up for another pool's sake; `wanted`: somebody waits for it here."""
        ...

    def yielding(self, connection: Any) -> None:
        """The session is being given up for another group."""
        ...

    def retry(self, connection: Any) -> tuple[float, Callable[[], BaseException]]:
        """The loop time from which the path may be tried again, and the error for who cannot wait that long."""
        ...


class _Waiter:
    """A caller in line: one future, and who he is."""

    __slots__ = ("caller", "deadline", "future", "since")

    def __init__(self, future: asyncio.Future[Member[Any]], since: float, deadline: float) -> None:
        self.future = future
        self.since = since
        self.deadline = deadline
        self.caller = asyncio.current_task()

    @property
    def done(self) -> bool:
        return self.future.done()

    def grant(self, member: Member[Any], /) -> None:
        self.future.set_result(member)

    def fail(self, make: Callable[[], BaseException], /) -> None:
        self.future.set_exception(make())


class _Inside:
    """The environment of a pool's sessions: the manager's, without the order that the pool keeps itself."""

    exclusivity = None

    def __init__(self, outer: PoolEnvironment, left: Callable[[Any], None]) -> None:
        self._outer = outer
        self._left = left

    @property
    def configures(self) -> Any:
        return self._outer.configures

    @property
    def links(self) -> Any:
        return self._outer.links

    async def admit(self, connection: Any) -> None:
        await self._outer.admit(connection)

    async def admit_login(self, connection: Any) -> None:
        await self._outer.admit_login(connection)

    def admitted(self, connection: Any) -> bool:
        return self._outer.admitted(connection)

    def opened(self, connection: Any) -> None:
        self._outer.opened(connection)

    def leave(self, connection: Any) -> None:
        self._outer.leave(connection)
        self._left(connection)

    def crowd(self) -> str:
        return self._outer.crowd()

    def crowded(self, connection: Any, error: BaseException) -> bool:
        return self._outer.crowded(connection, error)

    def attempted(self, connection: Any, error: BaseException | None) -> None:
        self._outer.attempted(connection, error)

    def lost(self, connection: Any, error: BaseException, lived: float) -> None:
        self._outer.lost(connection, error, lived)

    async def await_attempt(self, connection: Any, until: float) -> None:
        await self._outer.await_attempt(connection, until)

    def tries_again(self, connection: Any, error: BaseException, until: float) -> bool:
        return False

    async def jump(self, connection: Any) -> Any:
        return await self._outer.jump(connection)


class ConnectionPool(Generic[C]):
    """At most `size` sessions over one path, opened as they are needed, handed out first come, first served.

    It offers the services of its class: each call takes the first session that is free. `acquire()` keeps one session
    for several calls. Everything waits at most as long as it is told, and a caller that is cancelled loses nothing.
    """

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
            raise UsageError(f"pool_size {size} is not above zero", device=request.device, path=request.path.name)
        self.kind = kind
        self.timeout = timeout or None
        self._environment = environment
        self._request = dataclasses.replace(request, pooled=True, environment=_Inside(environment, self._left))
        self._model = kind(self._request)  # never opened: it knows the options, and how its services are called
        options = self._model.options
        self._gate: Gate[C] = Gate(
            size, self._make, check_after=options.check_after, yields=self._yields
        )
        self._gate.closed = True
        self._state = State.NEW
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[asyncio.Task[None], Member[C]] = {}
        self._claims: set[Member[C]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._expires_at = _NEVER
        self._tidying: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._quiet: asyncio.Future[None] | None = None
        self._last_error: BaseException | None = None
        self._random = random.Random()

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
        options: BaseOptions = self._model.options
        return options

    @property
    def credentials(self) -> Credentials:
        return self._request.credentials

    @property
    def listeners(self) -> Listeners:
        return self._request.listeners

    @property
    def services(self) -> tuple[str, ...]:
        return self.kind.services

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
            return State.BROKEN if self._last_error is not None else State.READY
        if gate.count(Stage.IDLE) or gate.total < gate.size:
            return State.READY
        return State.BUSY if gate.count(Stage.LEASED) else State.OPENING

    @property
    def connected(self) -> bool:
        """Whether a session is live, or a caller would get one: open, and the path not known to be down."""
        return not self._gate.closed and not (self._gate.hopeless and self._last_error is not None)

    def statistics(self) -> dict[str, Any]:
        """Plain numbers: sessions by what they do now, who waits, and what has happened since the pool was made."""
        gate = self._gate
        counters = dataclasses.asdict(gate.counters)
        return {
            "size": gate.size,
            "open": gate.total - gate.count(Stage.OPENING) - gate.count(Stage.CLOSING),
            "idle": gate.count(Stage.IDLE),
            "busy": gate.count(Stage.LEASED),
            "opening": gate.count(Stage.OPENING),
            "settling": gate.count(Stage.SETTLING),
            "closing": gate.count(Stage.CLOSING),
            "waiting": gate.waiting,
            **counters,
        }

    def __repr__(self) -> str:
        gate, stages = self._gate, (Stage.IDLE, Stage.LEASED, Stage.OPENING, Stage.SETTLING, Stage.CLOSING)
        parts = [f"{gate.count(stage)} {stage}" for stage in stages if gate.count(stage)]
        if gate.waiting:
            parts.append(f"{gate.waiting} waiting")
        if gate.closed:
            parts.append(str(self.state))
        what = f"{self.kind.__name__} pool {self.device}.{self.alias} via {self.via}"
        return f"<{what} {gate.total}/{gate.size}: {', '.join(parts) or 'nothing open'}>"

    # ------------------------------------------------------------------ opening and closing

    async def open(self, *, timeout: float | None = None) -> None:
        """Open the first session, which shows that the others can be had; nothing happens if the pool is open.

        Raises what opening it raises. Cancelling leaves nothing behind.
        """
        self._claim_loop()
        await self._finish_closing()
        if not self._gate.closed:
            return
        gate = self._gate
        gate.open()
        self._state = State.OPENING
        member = gate.add(self._now())
        try:
            await member.session.open(timeout=timeout)
        except BaseException:
            gate.failed(member, self._now())
            gate.close(self._now(), self._closed)
            self._do_work()
            self._state = State.NEW
            raise
        self._state = State.READY
        self._last_error = None
        gate.opened(member, self._now(), self._expiry_of())
        self._do_work()
        self._tidy()

    async def close(self) -> None:
        """As `drain` within the option `close_timeout`."""
        await self.drain(self.options.close_timeout)

    async def drain(self, timeout: float = POOL_TIMEOUT) -> None:
        """Hand out nothing more, and close: who waits hears `PoolClosed` at once, who holds a session has `timeout` seconds.

        Then sessions are cut. It has closed when it returns, also when it is cancelled: then everything is cut at once.
        """
        if self._closing is None:
            if self._gate.closed:
                self._state = State.CLOSED
                return
            self._claim_loop()
            self._state = State.CLOSED
            self._gate.close(self._now(), self._closed)
            self._do_work()
            self._closing = asyncio.get_running_loop().create_task(self._drain(timeout))
        await self._finish_closing()

    async def _drain(self, timeout: float) -> None:
        gate = self._gate
        try:
            if gate.count(Stage.LEASED):
                self._quiet = asyncio.get_running_loop().create_future()
                async with asyncio.timeout(timeout):
                    await self._quiet
        except TimeoutError:
            pass
        finally:
            self._quiet = None
            self._cut()
            while self._tasks:
                await asyncio.wait(self._tasks)
            self._stop_timers()

    def _cut(self) -> None:
        """Close what is still held; calls that are under way end with `SessionClosed`."""
        now = self._now()
        for member in list(self._gate.members):
            if member.stage is Stage.LEASED:
                self._gate.close_member(member, "closed", now)
        self._do_work()

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
                if self._quiet is not None and not self._quiet.done():
                    self._quiet.set_result(None)
                for task in self._tasks:
                    task.cancel()
                while not closing.done():
                    try:
                        await asyncio.wait({closing})
                    except asyncio.CancelledError:
                        for task in self._tasks:
                            task.cancel()
                self._closing = None
                raise

    def resize(self, size: int) -> None:
        """Bear more or fewer sessions. Idle ones that are too many are closed now, others when they are given back."""
        if size < 1:
            raise UsageError(f"pool_size {size} is not above zero", **self._where())
        if self._loop is None:
            self._gate.size = size
            return
        self._gate.resize(size, self._now())
        self._do_work()

    async def __aenter__(self) -> ConnectionPool[C]:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ------------------------------------------------------------------ one session for several calls

    def acquire(self, *, timeout: float | None = None) -> Acquisition[C]:
        """`async with pool.acquire() as session:`, or `session = await pool.acquire()` and `pool.release(session)`.

        `timeout` (seconds, else `pool_timeout`) bounds the wait: `PoolTimeout` says who holds what and for how long. The
        session offers the services of its class, and ends for its holder when it is given back.
        """
        return Acquisition(self, self.timeout if timeout is None else timeout)

    def transaction(self, *, timeout: float | None = None) -> Acquisition[C]:
        """The same, in the words of a single connection."""
        return self.acquire(timeout=timeout)

    async def lease(self, limit: float | None, caller: Caller) -> Lease[C]:
        """For `Acquisition`: take a session, and a shared hold of the device. A cancel leaves nothing taken."""
        self._claim_loop()
        started = self._now()
        exclusivity = self._environment.exclusivity
        hold: Hold | None = None
        if exclusivity is not None:
            hold = exclusivity.try_hold("session of a pool", caller=caller)
            if hold is None:
                try:
                    async with asyncio.timeout(limit):
                        hold = await exclusivity.hold("session of a pool", caller=caller)
                except TimeoutError:
                    raise DeviceBusy(
                        f"no session within {limit:g} s: {exclusivity.blockers()}", **self._where()
                    ) from None
        try:
            left = None if limit is None else max(limit - (self._now() - started), 0.0)
            member = await self._take(left, None)
        except BaseException:
            if hold is not None:
                hold.release()
            raise
        lease: Lease[C] = lease_type(self.kind)(self, member, caller, hold)
        member.holder = weakref.ref(lease)
        if self.listeners:
            waited = self._now() - started
            self.listeners.emit(
                Acquired(device=self.device, alias=self.alias, path=self.via, waited=waited)
            )
        return lease

    def release(self, lease: Lease[C]) -> None:
        """Give a session back. A plain function: it cannot be cancelled, and what takes time is done by the pool.

        Raises `ReleasedTwice` and `NotOfThisPool`, which change nothing.
        """
        if not isinstance(lease, Lease) or lease.pool is not self:
            raise NotOfThisPool(f"{lease!r} is no session of this pool", **self._where())
        if lease.released:
            raise ReleasedTwice(
                f"the session taken at {lease.place} was given back before", **self._where()
            )
        lease.detach()
        if lease.hold is not None:
            lease.hold.release()
        self._give(lease.member)

    def take_back(self, lease: Lease[C]) -> None:
        """For `Lease`: it was forgotten; from wherever the garbage collector runs."""
        member, hold = lease.member, lease.hold

        def give() -> None:
            if hold is not None:
                hold.release()
            self._give(member)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(give)

    # ------------------------------------------------------------------ services

    @overload
    async def execute(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one command
        self,
        command: str,
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Mapping[str, str | Secret] | None = None,
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
        reply: Mapping[str, str | Secret] | None = None,
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
        reply: Mapping[str, str | Secret] | None = None,
        commit: bool = True,
        exclusive: bool = True,
    ) -> Output:
        """Send configuration lines on the first session that is free. See `CliConnection.configure`."""
        keys = {"check": check, "reply": reply, "commit": commit, "exclusive": exclusive}
        order = self._environment.configures if exclusive else None
        if order is None:
            output: Output = await self._call("configure", (lines,), keys, timeout)
            return output
        limit = self.options.timeout if timeout is None else timeout
        until = self._now() + limit
        try:
            async with asyncio.timeout(limit):
                hold = await order.queue.take("configure")  # so that those who wait do not keep the sessions busy
        except TimeoutError:
            raise DeviceBusy(f"configure was kept out for {limit:g} s: {order.queue.blockers()}", **self._where()) from None
        try:
            output = await self._call("configure", (lines,), keys, max(until - self._now(), 0.001))
            return output
        finally:
            hold.release()

    async def _call(
        self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any], timeout: float | None
    ) -> Any:
        """One call of a service on the first session that is free; `timeout` bounds the wait and the call."""
        service = getattr(self.kind, name, None)
        if name not in self.kind.services or service is None:
            raise UsageError(
                f"{self.kind.__name__} has no {name!r}",
                **self._where(),
                hint=f"it offers {', '.join(self.kind.services)}",
            )
        self._claim_loop()
        limit = self.options.timeout if timeout is None else timeout
        until = self._now() + limit
        exclusivity = self._environment.exclusivity
        if exclusivity is not None and not exclusivity.try_enter():
            try:
                async with asyncio.timeout(limit):
                    await exclusivity.enter()
            except TimeoutError:
                raise DeviceBusy(
                    f"{name} was kept out for {limit:g} s: {exclusivity.blockers()}", **self._where()
                ) from None
        try:
            while True:
                left = until - self._now()
                member = self._gate.take(self._now()) or await self._take(left, (name, args))
                member.holder = (name, args, asyncio.current_task())
                try:
                    left = limit if timeout is not None and left == limit else max(until - self._now(), 0.001)
                    return await service(member.session, *args, timeout=left, **keys)
                except SessionBroken:
                    if not keys.get("idempotent") or until - self._now() <= 0:
                        raise
                finally:
                    self._give(member)
        finally:
            if exclusivity is not None:
                exclusivity.leave()

    async def _stream(self, name: str, args: tuple[Any, ...], keys: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
        async with self.acquire() as session:
            pieces = getattr(session, name)(*args, **keys)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                await pieces.aclose()

    # ------------------------------------------------------------------ waiting in line

    async def _take(self, limit: float | None, what: Any) -> Member[C]:
        """The first session that is free, within `limit` seconds and within `pool_timeout`."""
        gate, now = self._gate, self._now()
        if (member := gate.take(now)) is not None:
            return member
        if gate.closed:
            raise self._closed()
        bound = _NEVER if limit is None else limit
        if what is not None and self.timeout is not None:
            bound = min(bound, self.timeout)
        waiter = _Waiter(asyncio.get_running_loop().create_future(), now, now + bound)
        self._refuse_deadlock(what)
        gate.ask(waiter, now)
        self._do_work()
        self._watch_deadline(waiter.deadline)
        granted: Member[C] | None = None
        try:
            granted = await waiter.future
        except BaseException:
            future = waiter.future
            if future.done() and not future.cancelled() and future.exception() is None:
                granted = future.result()  # cancelled in the very turn of the grant
            gate.withdraw(waiter, granted, self._now())
            self._do_work()
            self._check_quiet()
            raise
        waited = self._now() - now
        counters = gate.counters
        counters.wait_seconds += waited
        counters.longest_wait = max(counters.longest_wait, waited)
        return granted

    def _watch_deadline(self, deadline: float) -> None:
        """One timer for all who wait."""
        if deadline < self._expires_at:
            if self._expiry is not None:
                self._expiry.cancel()
            self._expires_at = deadline
            assert self._loop is not None
            self._expiry = self._loop.call_at(deadline + _TICK, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self._expires_at = _NEVER
        nearest = self._gate.expire(self._now(), self._expired)
        self._do_work()
        if nearest is not None:
            self._watch_deadline(nearest)

    def _expired(self, waiter: Any) -> BaseException:
        error = self._timed_out(waiter.deadline - waiter.since)
        error.__cause__ = self._last_error
        return error

    def _timed_out(self, limit: float) -> PoolTimeout:
        gate = self._gate
        held = [self._describe(member) for member in gate.members if member.stage is Stage.LEASED]
        others = [
            f"{gate.count(stage)} {stage}"
            for stage in (Stage.OPENING, Stage.SETTLING, Stage.CLOSING)
            if gate.count(stage)
        ]
        crowd = f"; the device: {self._environment.crowd()}" if gate.total < gate.size else ""
        reason = f"; opening failed: {self._last_error}" if self._last_error is not None else ""
        return PoolTimeout(
            f"no session of {gate.size} came free within {limit:.3g} s, {gate.waiting} wait: "
            f"{'; '.join([*held, *others]) or 'none is open'}{crowd}{reason}",
            **self._where(),
        )

    def _describe(self, member: Member[C]) -> str:
        holder, age = member.holder, self._now() - member.since
        if (lease := _lease_of(member)) is not None:
            return f"held by {lease.describe()}"
        if isinstance(holder, tuple):
            name, args, task = holder
            what = self.credentials.redact(str(args[0])[:60]) if args else ""
            return f"{name} {what!r} of task {task.get_name() if task is not None else '?'} for {age:.1f} s"
        return f"in use for {age:.1f} s"

    def _refuse_deadlock(self, what: Any) -> None:
        """All sessions are held by tasks that wait for one here: then none of them ever comes back."""
        gate = self._gate
        current = asyncio.current_task()
        if gate.count(Stage.LEASED) < gate.size or current is None:
            return
        leases = [_lease_of(member) for member in gate.members if member.stage is Stage.LEASED]
        mine = None
        waiting = {current, *(waiter.caller for waiter in gate.waiters if isinstance(waiter, _Waiter))}
        for lease in leases:
            if lease is None or lease.shared or lease.task not in waiting:
                return
            if lease.task is current:
                mine = lease
        if mine is not None:
            caller = here()
            raise Deadlock(
                f"{caller.name} waits at {caller.place} for a session of this pool, while all {gate.size} are held by"
                f" tasks that wait for one as well; it took its own at {mine.place}",
                **self._where(),
                hint="give it back first, or make the pool larger",
            )

    # ------------------------------------------------------------------ sessions come and go

    def _make(self) -> C:
        return self.kind(self._request)

    def _give(self, member: Member[C]) -> None:
        """A session comes back from whoever had it; a plain function."""
        session = member.session
        member.holder = None
        self._gate.release(member, self._now(), clean=session.clean, alive=session.connected)
        if self._gate.work:
            self._do_work()
        if member.stage is Stage.IDLE and self._tidying is None:
            self._tidy()
        if self._quiet is not None:
            self._check_quiet()

    def _yields(self, member: Member[C], wanted: bool) -> bool:
        return self._environment.yields(member.session, wanted=wanted)

    def give_up_idle(self) -> None:
        """For the manager: close the session that has been idle longest, for another group's sake."""
        if self._loop is not None and (member := self._gate.give_up(self._now())) is not None:
            self._environment.yielding(member.session)
            self._do_work()

    def path_changed(self) -> None:
        """For the manager: the path may be tried again, or may not."""
        if self._loop is None or self._gate.closed or self._gate.count(Stage.OPENING):
            return  # what is being opened here tells it itself
        gate, now = self._gate, self._now()
        retry_at, refusal = self._environment.retry(self._model)
        if retry_at > now:
            gate.pause(now, retry_at, refusal)
            self._wake_at(retry_at)
        elif not retry_at:
            gate.forgive()
        gate.match(now)
        self._do_work()

    @property
    def idle_since(self) -> float | None:
        """For the manager: the loop time since which the longest idle session is idle."""
        return self._gate.idle[0].since if self._gate.idle else None

    def _left(self, session: C) -> None:
        """A session has ended, by whatever cause."""
        for member in self._gate.members:
            if member.session is session:
                if member.stage is Stage.IDLE:
                    self._gate.lost(member, self._now())
                    self._told_replaced(member)
                    self._do_work()
                return

    def _do_work(self) -> None:
        """Start what the gate wants done."""
        work = self._gate.work
        while work:
            task, member = work.popleft()
            if task is Task.OPEN:
                self._claims.add(member)
                self._environment.claim(member.session, functools.partial(self._admitted, member))
            elif task is Task.ABANDON:
                self._abandon(member)
            elif task is Task.CLOSE:
                self._told_replaced(member)
                self._start(member, self._close(member))
            elif task is Task.CHECK:
                self._start(member, self._settle(member, member.session.check))
            else:
                self._start(member, self._settle(member, member.session.settle))

    def _start(self, member: Member[C], work: Any) -> None:
        assert self._loop is not None
        task = self._loop.create_task(work)
        self._tasks[task] = member
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    def _admitted(self, member: Member[C]) -> None:
        """The device can bear one more."""
        if member in self._claims:
            self._claims.discard(member)
            self._start(member, self._open(member))

    def _abandon(self, member: Member[C]) -> None:
        """An opening is not needed any more. One that has begun goes on, unless the pool closes."""
        if member in self._claims:
            self._claims.discard(member)
            self._environment.withdraw(member.session)
            self._gate.failed(member, self._now())
        elif self._gate.closed:
            for task, other in self._tasks.items():
                if other is member:
                    task.cancel()

    async def _open(self, member: Member[C]) -> None:
        gate = self._gate
        try:
            await self._environment.await_attempt(member.session, 0.0)
            await member.session.open()
        except BaseException as error:
            self._environment.withdraw(member.session)
            gate.failed(member, self._now())
            if isinstance(error, Exception):
                self._opening_failed(member, error)
            self._do_work()
            if not isinstance(error, AioconnError):
                raise
        else:
            self._last_error = None
            gate.opened(member, self._now(), self._expiry_of())
            self._do_work()
            if member.stage is Stage.IDLE:
                self._tidy()
        self._check_quiet()

    def _opening_failed(self, member: Member[C], error: Exception) -> None:
        """Tell those who cannot be helped in time, and come back when it may be tried again."""
        gate, now = self._gate, self._now()
        if not isinstance(error, CircuitOpen):
            self._last_error = error
        retry_at, refusal = self._environment.retry(member.session)
        if isinstance(error, CircuitOpen):
            gate.pause(now, max(retry_at, now), refusal)
        elif isinstance(error, LimitReached):
            pass  # its turn did not come: it asks again, and who waits has a deadline of his own
        elif retry_at > now:
            gate.pause(now, retry_at, lambda: _again(error))  # who waits now hears the thing itself
            gate.pause(now, retry_at, refusal)
        else:  # nothing of it will be right before somebody changes it: a new caller tries again
            gate.pause(now, _NEVER, lambda: _again(error))
            gate.forgive()
        if retry_at > now:
            self._wake_at(retry_at)
        gate.match(now)

    def _wake_at(self, at: float) -> None:
        assert self._loop is not None
        if self._retry is not None:
            self._retry.cancel()
        self._retry = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._retry = None
        self._gate.match(self._now())
        self._do_work()

    async def _settle(self, member: Member[C], work: Callable[[], Awaitable[bool]]) -> None:
        ok = False
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                ok = await work()
        except Exception:
            ok = False
        finally:
            self._gate.settled(member, ok, self._now())
            self._do_work()
            self._check_quiet()

    async def _close(self, member: Member[C]) -> None:
        try:
            await member.session.close()
        finally:
            self._gate.gone(member, self._now())
            self._do_work()
            self._check_quiet()

    def _told_replaced(self, member: Member[C]) -> None:
        if self.listeners and member.reason not in ("", "closed"):
            event = Replaced(device=self.device, alias=self.alias, path=self.via, reason=member.reason)
            self.listeners.emit(event)

    def _expiry_of(self) -> float:
        return self._now() + self.options.lifetime * (1.0 - 0.1 * self._random.random())

    def _tidy(self) -> None:
        """Close what is idle for too long, and come back when the next one will be."""
        if self._tidying is not None:
            self._tidying.cancel()
            self._tidying = None
        at = self._gate.tidy(self._now(), self.options.idle_timeout)
        self._do_work()
        if at is not None and not self._gate.closed:
            assert self._loop is not None
            self._tidying = self._loop.call_at(at, self._tidy)

    def _check_quiet(self) -> None:
        quiet = self._quiet
        if quiet is not None and not quiet.done() and not self._gate.count(Stage.LEASED):
            quiet.set_result(None)

    def _stop_timers(self) -> None:
        for timer in (self._expiry, self._tidying, self._retry):
            if timer is not None:
                timer.cancel()
        self._expiry = self._tidying = self._retry = None
        self._expires_at = _NEVER

    # ------------------------------------------------------------------ words

    def _now(self) -> float:
        assert self._loop is not None
        return self._loop.time()

    def _where(self) -> Where:
        return {"device": self.device, "path": self.via}

    def _closed(self) -> PoolClosed:
        return PoolClosed("the pool is closed", **self._where(), hint="call connect()")

    def _claim_loop(self) -> None:
        running = asyncio.get_running_loop()
        if self._loop is None or self._loop.is_closed() or self._gate.closed and not self._tasks:
            self._loop = running


class Acquisition(Generic[C]):
    """A session that is asked for: to be awaited, or to be entered. One use."""

    __slots__ = ("_lease", "_limit", "_pool")

    def __init__(self, pool: ConnectionPool[C], limit: float | None) -> None:
        self._pool = pool
        self._limit = limit
        self._lease: Lease[C] | None = None

    def __await__(self) -> Any:
        return self._pool.lease(self._limit or None, here()).__await__()

    async def __aenter__(self) -> C:
        lease = self._lease = await self._pool.lease(self._limit or None, here())
        if lease.hold is not None:
            lease.hold.mark()
        return lease  # type: ignore[return-value]  # it offers what C offers, for as long as it lasts

    async def __aexit__(self, *_: object) -> None:
        lease, self._lease = self._lease, None
        if lease is not None and not lease.released:
            if lease.hold is not None:
                lease.hold.unmark()
            self._pool.release(lease)


def _lease_of(member: Member[Any]) -> Lease[Any] | None:
    """Who keeps a session for several calls, if anybody does; held weakly, so that a forgotten one comes back."""
    holder = member.holder
    return holder() if isinstance(holder, weakref.ref) else None


def _again(error: Exception) -> BaseException:
    """The same error for one more caller: an instance that is raised twice would collect both tracebacks."""
    try:
        kind, arguments, *state = error.__reduce_ex__(2)
    except Exception:
        return error
    try:
        copied: BaseException = kind(*arguments)
        if state and state[0]:
            copied.__dict__.update(state[0])
    except Exception:
        return error
    copied.__cause__ = error.__cause__
    return copied


@functools.cache
def pool_type(kind: type[C]) -> type[ConnectionPool[C]]:
    """The pool of a connection class, with each of its services by name."""
    offered: dict[str, Any] = {}
    for name in kind.services:
        if not hasattr(ConnectionPool, name):
            offered[name] = _offer(name, getattr(kind, name))
    for name in kind.streams:
        if not hasattr(ConnectionPool, name):
            offered[name] = _offer_stream(name, getattr(kind, name))
    return type(f"{kind.__name__}Pool", (ConnectionPool,), offered)


def _offer(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    async def call(
        self: ConnectionPool[Any], /, *args: Any, timeout: float | None = None, **keys: Any
    ) -> Any:
        return await self._call(name, args, keys, timeout)

    return call


def _offer_stream(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def stream(self: ConnectionPool[Any], /, *args: Any, **keys: Any) -> Any:
        return self._stream(name, args, keys)

    return stream
