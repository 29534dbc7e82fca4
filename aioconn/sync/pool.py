# SPDX-License-Identifier: Apache-2.0
"""Pools and the sessions that they lend, as scripts without a loop use them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

from aioconn.errors import AioconnError, NotOfThisPool, UsageError
from aioconn.sync.connection import HANDLES, CommandLine, offering, offering_names
from aioconn.sync.handle import Handle
from aioconn.sync.words import (
    CliServices,
    CommandServices,
    GnmiServices,
    NetconfProperties,
    NetconfServices,
    PoolWords,
    RestconfProperties,
    RestconfServices,
    RestServices,
    SnmpServices,
)

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection
    from aioconn.sync.reach import Entered, Lending


class Session(Handle):
    """A session that a pool has lent, until it is given back: at the end of a `with` block, or by `release()`.

    The services of its class are methods. One that is forgotten comes back by itself, with a `ResourceWarning`.
    """

    __slots__ = ("_entered", "_lending", "pool")

    services: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[tuple[str, ...]] = ()

    _lending: Lending
    _entered: Entered | None
    pool: ConnectionPool[Any]

    def lent(self, lending: Lending, pool: ConnectionPool[Any]) -> Self:
        """For its pool: what it stands for."""
        self.stand_for(lending)
        self._lending = lending
        self._entered = None
        self.pool = pool
        return self

    @property
    def released(self) -> bool:
        """Whether it was given back."""
        return self._lending.released

    def release(self) -> None:
        """Give it back, without waiting. Raises `ReleasedTwice`."""
        self._lending.release()

    def __enter__(self) -> Self:
        if self._entered is not None:
            raise UsageError("this session is in use by another block", hint="acquire() one for each")
        self._entered = self._lending.enter("inside")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.leave(kind, error, trace)

    def __eq__(self, other: object) -> bool:
        return self is other  # two sessions of one pool are two

    def __hash__(self) -> int:
        return id(self)


class CliSession(CommandLine, Session):
    """A session on a device's command line that a pool has lent."""

    __slots__ = ()

    @contextlib.contextmanager
    def bash_console(self, *, timeout: float | None = None) -> Iterator[Self]:
        """`with session.bash_console() as bash:` it is in the shell below the command line, then in the mode before.

        If that is interrupted, its pool brings it back. `timeout` bounds each way. Raises `UsageError` where the
        platform names no such shell.
        """
        before = self.mode
        try:
            self.switchto("bash_console", timeout=timeout)
            yield self
        except Exception:
            with contextlib.suppress(AioconnError):  # what went wrong before is what counts
                self.switchto(before, timeout=timeout)
            raise
        self.switchto(before, timeout=timeout)


class CommandsSession(CommandServices, Session):
    """A session of an API that runs commands that a pool has lent."""

    __slots__ = ()


class RestSession(RestServices, Session):
    """A session with a REST API that a pool has lent."""

    __slots__ = ()


class RestconfSession(RestconfServices, RestconfProperties, Session):
    """A session with a RESTCONF server that a pool has lent."""

    __slots__ = ()


class NetconfSession(NetconfServices, NetconfProperties, Session):
    """A session with a NETCONF server that a pool has lent."""

    __slots__ = ()


class SnmpSession(SnmpServices, Session):
    """A session with an SNMP agent that a pool has lent."""

    __slots__ = ()


class GnmiSession(GnmiServices, Session):
    """A session with a gNMI target that a pool has lent."""

    __slots__ = ()


S = TypeVar("S", bound=Session)


class ConnectionPool(PoolWords, Generic[S]):
    """At most `size` sessions over one path. Each call of a service takes the first session that is free."""

    __slots__ = ()

    services: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[tuple[str, ...]] = ()
    session_type: ClassVar[type[Session]] = Session

    def acquire(self, *, timeout: float | None = None) -> S:
        """Take a session: `with pool.acquire() as session:`, or `session = pool.acquire()` and `session.release()`.

        `timeout` (seconds, else `pool_timeout`) bounds the wait: `PoolTimeout` says who holds what, and for how long.
        The session offers the services of its class, and ends for its holder when it is given back.
        """
        session = self.session_type.__new__(self.session_type)
        return cast("S", session.lent(self._reach.acquire(timeout), self))

    def transaction(self, *, timeout: float | None = None) -> S:
        """The same, in the words of a single connection."""
        return self.acquire(timeout=timeout)

    def release(self, lease: Session) -> None:
        """Give a session back. Raises `ReleasedTwice` and `NotOfThisPool`, which change nothing."""
        if getattr(lease, "pool", None) != self:
            raise NotOfThisPool(f"{lease!r} is no session of this pool", device=self.device, path=self.via)
        lease.release()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it. Another process than the one that owns it closes nothing: it is in use there."""
        if self._at.local is not None:
            self.close()


class CliPool(ConnectionPool[CliSession], CliServices):
    """A pool of sessions on a device's command line."""

    __slots__ = ()

    services = CliServices.services
    streams = CliServices.streams
    session_type = CliSession

    @contextlib.contextmanager
    def bash_console(self, *, timeout: float | None = None) -> Iterator[CliSession]:
        """`with pool.bash_console() as bash:` on a session that is lent for it. See `CliConnection.bash_console`."""
        with self.acquire(timeout=timeout) as session, session.bash_console(timeout=timeout):
            yield session


class CommandsPool(ConnectionPool[CommandsSession]):
    """A pool of sessions of an API that runs commands, whose services every pool has."""

    __slots__ = ()

    services = CommandServices.services
    session_type = CommandsSession


class RestPool(RestServices, ConnectionPool[RestSession]):
    """A pool of sessions with a REST API."""

    __slots__ = ()

    session_type = RestSession


class RestconfPool(RestconfServices, ConnectionPool[RestconfSession]):
    """A pool of sessions with a RESTCONF server."""

    __slots__ = ()

    session_type = RestconfSession


class NetconfPool(NetconfServices, ConnectionPool[NetconfSession]):
    """A pool of sessions with a NETCONF server."""

    __slots__ = ()

    session_type = NetconfSession


class SnmpPool(SnmpServices, ConnectionPool[SnmpSession]):
    """A pool of sessions with an SNMP agent."""

    __slots__ = ()

    session_type = SnmpSession


class GnmiPool(GnmiServices, ConnectionPool[GnmiSession]):
    """A pool of sessions with a gNMI target."""

    __slots__ = ()

    session_type = GnmiSession


# For each class that a handle of a connection is written for, those of its pools and of what they lend.
_WRITTEN: dict[str, type[ConnectionPool[Any]]] = {
    "CliConnection": CliPool,
    "CommandsConnection": CommandsPool,
    "GnmiConnection": GnmiPool,
    "NetconfConnection": NetconfPool,
    "RestConnection": RestPool,
    "RestconfConnection": RestconfPool,
    "SnmpConnection": SnmpPool,
}
POOLS = {place: _WRITTEN[handle.__name__] for place, handle in HANDLES.items()}
SESSIONS = {place: pool.session_type for place, pool in POOLS.items()}


# ---------------------------------------------------------------------- classes that are not written anywhere


@functools.cache
def pool_type(kind: type[BaseConnection[Any]]) -> type[ConnectionPool[Any]]:
    """The handle of a pool of a connection class: its services by name."""
    pool: type[ConnectionPool[Any]] = offering(kind, ConnectionPool, POOLS)
    if pool not in POOLS.values():
        pool.session_type = offering(kind, Session, SESSIONS)
    return pool


@functools.cache
def pool_type_of(kind: str, services: tuple[str, ...], streams: tuple[str, ...]) -> type[ConnectionPool[Any]]:
    """The same, of a class that only another process has."""
    pool: type[ConnectionPool[Any]] = offering_names(kind, services, streams, ConnectionPool, POOLS)
    if pool not in POOLS.values():
        pool.session_type = offering_names(kind, services, streams, Session, SESSIONS)
    return pool
