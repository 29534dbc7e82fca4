# SPDX-License-Identifier: Apache-2.0
"""A session of a pool in somebody's hands, and how the services of its class are reached through it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
import warnings
from collections.abc import Callable
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from aioconn.connection import BaseConnection
from aioconn.errors import UsedAfterRelease
from aioconn.exclusive import Caller, Hold, here
from aioconn.gate import Member
from aioconn.home import running_loop

C = TypeVar("C", bound=BaseConnection[Any])


class Lender(Protocol):
    """What a lease needs of its pool."""

    def lend(self, running: asyncio.AbstractEventLoop, caller: Caller) -> Lease[Any] | None: ...

    async def lease(self, limit: float | None, caller: Caller) -> Lease[Any]: ...

    def release(self, lease: Any, /) -> None: ...

    def take_back(self, lease: Any, /) -> None:
        """The lease was forgotten. Called wherever the garbage collector runs."""
        ...


class Lease(Generic[C]):
    """One session, for one holder, until it is given back. It offers the services and properties of its class."""

    kind: ClassVar[type[BaseConnection[Any]]]

    def __init__(self, pool: Lender, member: Member[C], caller: Caller, hold: Hold | None) -> None:
        self.pool = pool
        self.hold = hold
        self.released = False
        self._member = member
        self._caller = caller
        self.since = time.monotonic()
        self.shared = False  # used by another task than the one that took it

    @property
    def task(self) -> Any:
        """The task that took it, if it is still there."""
        return self._caller.itself

    @property
    def place(self) -> str:
        """Where it was taken: `file.py:12 in function`."""
        return self._caller.place

    @property
    def member(self) -> Member[C]:
        return self._member

    def session(self) -> C:
        """The connection underneath. Raises `UsedAfterRelease`."""
        if self.released:
            session = self._member.session
            raise UsedAfterRelease(
                f"the session taken at {self.place} was given back",
                device=session.device,
                path=session.via,
                hint="use it inside its block, or acquire() another one",
            )
        if (
            not self.shared and (loop := running_loop()) is not None
        ):  # a thread without one asks for properties
            self.shared = asyncio.current_task(loop) is not self.task
        return self._member.session

    def release(self) -> None:
        """Give the session back; a plain function. Raises `ReleasedTwice`."""
        self.pool.release(self)

    def detach(self) -> None:
        """From here on the session is not this holder's."""
        self.released = True

    def describe(self) -> str:
        """Who holds it and for how long, in a few words."""
        return f"{self._caller.name} for {time.monotonic() - self.since:.1f} s, taken at {self.place}"

    def __repr__(self) -> str:
        return f"<Lease {'given back' if self.released else repr(self._member.session)}>"

    def __del__(self) -> None:
        if not getattr(self, "released", True):
            warnings.warn(
                f"a session taken at {self.place} was never given back",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
            self.pool.take_back(self)


@functools.cache
def lease_type(kind: type[C]) -> type[Lease[C]]:
    """The lease of a connection class: its services, streams and public properties, each forwarded by name."""
    forwarded: dict[str, Any] = {
        "kind": kind,
        "__doc__": f"A {kind.__name__} of a pool, until it is given back.",
    }
    for name in (*kind.services, *kind.streams):
        if not hasattr(Lease, name):
            forwarded[name] = _forward_call(name, getattr(kind, name))
    for name in dir(kind):
        if not (name.startswith("_") or name in forwarded or hasattr(Lease, name)):
            value = inspect.getattr_static(kind, name)
            if isinstance(value, property):
                forwarded[name] = _forward_property(name, value)
            elif not callable(value) and not isinstance(value, (staticmethod, classmethod)):
                forwarded[name] = value
    forwarded["__getattr__"] = _attribute
    return type(f"{kind.__name__}Lease", (Lease,), forwarded)


def _forward_call(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Lease[Any], /, *args: Any, **kwargs: Any) -> Any:
        return getattr(self.session(), name)(*args, **kwargs)

    return call


def _forward_property(name: str, original: property) -> property:
    return property(lambda self: getattr(self.session(), name), doc=original.__doc__)


def _attribute(self: Lease[Any], name: str) -> Any:
    """What a class keeps on its instances (`platform`)."""
    if name.startswith("_"):
        raise AttributeError(name)
    return getattr(self.session(), name)


class Acquisition(Generic[C]):
    """A session that is asked for: to be awaited, or to be entered. One use."""

    __slots__ = ("_lease", "_limit", "_pool")

    def __init__(self, pool: Lender, limit: float | None) -> None:
        self._pool = pool
        self._limit = limit
        self._lease: Lease[C] | None = None

    def __await__(self) -> Any:
        caller = here()
        if (lease := self._pool.lend(asyncio.get_running_loop(), caller)) is None:
            lease = yield from self._pool.lease(self._limit or None, caller).__await__()
        return lease

    async def __aenter__(self) -> C:
        running = asyncio.get_running_loop()
        caller = here(asyncio.current_task(running))
        if (lease := self._pool.lend(running, caller)) is None:
            lease = await self._pool.lease(self._limit or None, caller)
        self._lease = lease
        if lease.hold is not None:
            lease.hold.mark()
        return lease  # type: ignore[return-value]  # it offers what C offers, for as long as it lasts

    async def __aexit__(self, *_: object) -> None:
        lease, self._lease = self._lease, None
        if lease is not None and not lease.released:
            if lease.hold is not None:
                lease.hold.unmark()
            self._pool.release(lease)
