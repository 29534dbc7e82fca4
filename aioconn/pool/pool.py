# SPDX-License-Identifier: Apache-2.0
"""A pool as those see it who use it, and the manager that keeps it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, overload

from aioconn.connection import BaseConnection, State
from aioconn.credentials import Credentials
from aioconn.environment import Inside, PoolEnvironment
from aioconn.errors import UsageError
from aioconn.events import Listeners
from aioconn.exclusive import Exclusivity
from aioconn.path import Path
from aioconn.policy import POOL_TIMEOUT
from aioconn.pool.calls import Calls
from aioconn.pool.lease import Acquisition, Lease, lease_type
from aioconn.pool.lending import Lending
from aioconn.pool.life import PoolLife
from aioconn.pool.member import Stage
from aioconn.pool.sessions import Sessions
from aioconn.pool.waiting import Waiting
from aioconn.request import BaseOptions, Request
from aioconn.results import Output

if TYPE_CHECKING:
    from aioconn.protocols.statements import Replies

C = TypeVar("C", bound=BaseConnection[Any])


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
        self._request = dataclasses.replace(request, pooled=True, environment=Inside(environment, self._left))
        self._sessions: Sessions[C] = Sessions(kind, self._request, environment, size)
        self._gate = self._sessions.gate
        self._waiting = Waiting(self._sessions)
        self._life = PoolLife(self._sessions, self._waiting)
        self.exclusivity = environment.exclusivity or Exclusivity(request.device)
        self._lending = Lending(self._sessions, self._waiting, self._life, self.exclusivity)
        self._lease_kind: type[Lease[C]] = lease_type(kind)
        self._calls = Calls(self, self._sessions, self._waiting, self._life, self.exclusivity)

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
        return self._life.state

    @property
    def closing(self) -> asyncio.Task[None] | None:
        """What closes it, while that goes on."""
        return self._life.closing

    @property
    def connected(self) -> bool:
        """Whether a session is live, or a caller would get one: open, and the path not known to be down."""
        return self._life.connected

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
        await self._life.open(timeout)

    async def close(self) -> None:
        """As `drain` within the option `close_timeout`."""
        await self.drain(self.options.close_timeout)

    async def drain(self, timeout: float = POOL_TIMEOUT) -> None:
        """Hand out nothing more, and close: who waits hears `PoolClosed` at once, who holds a session has `timeout`
        seconds. Then sessions are cut. It has closed when it returns, also when cancelled: then all are cut at once.
        """
        await self._life.drain(timeout)

    def resize(self, size: int) -> None:
        """Bear more or fewer sessions. Idle ones that are too many are closed now, others when they are given back."""
        if size < 1:
            raise UsageError(f"pool_size {size} is not above zero", **self._sessions.where())
        self._life.resize(size)

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
        lease: Acquisition[C] = self._lease_kind()
        lease.lender, lease.hold = self._lending, None
        lease.limit = self.timeout if timeout is None else timeout
        return lease

    def transaction(self, *, timeout: float | None = None) -> Acquisition[C]:
        """The same, in the words of a single connection."""
        return self.acquire(timeout=timeout)

    def release(self, lease: Lease[C]) -> None:
        """Give a session back. A plain function: it cannot be cancelled, and what takes time is done by the pool.

        Raises `ReleasedTwice` and `NotOfThisPool`, which change nothing.
        """
        self._lending.release(lease)

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
        return await self._calls.call("execute", (command,), keys, timeout)

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
        keys = {"check": check, "reply": reply, "commit": commit, "exclusive": exclusive}
        output: Output = await self._calls.configure((lines,), keys, timeout)
        return output

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

    def _left(self, session: C) -> None:
        self._sessions.left(session)
