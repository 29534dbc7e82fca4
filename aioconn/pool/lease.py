# SPDX-License-Identifier: Apache-2.0
"""A session of a pool in somebody's hands, and how the services of its class are reached through it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import warnings
import weakref
from collections.abc import Callable, Coroutine, Generator
from types import CodeType, FrameType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from aioconn.caller import Caller, here, on_behalf
from aioconn.connection import BaseConnection
from aioconn.errors import UsageError, UsedAfterRelease
from aioconn.exclusive import Exclusivity
from aioconn.hold import Hold
from aioconn.home import running_loop
from aioconn.pool.member import Member

C = TypeVar("C", bound=BaseConnection[Any])


class Lender(Protocol):
    """What a lease needs of its pool."""

    exclusivity: Exclusivity
    asker: CodeType | None
    """The code that asked last, if that is the user's own: it need not be looked for again."""

    def lend(self, lease: Any, frame: FrameType) -> Lent | None: ...

    def lease(
        self, lease: Any, lent: Lent, limit: float | None, running: asyncio.AbstractEventLoop
    ) -> Coroutine[Any, Any, None]: ...

    def give_back(self, lease: Any, lent: Lent) -> None: ...

    def release(self, lease: Any, /) -> None: ...

    def take_back(self, lease: Any, /) -> None:
        """The lease was forgotten. Called wherever the garbage collector runs."""
        ...


class Lent(Hold):
    """What others see of a lease: who has the session, since when, and that he keeps the device from exclusive work.

    It does not keep the lease, so that one that is forgotten is noticed. `since` is in the loop's time.
    """

    __slots__ = ("_at", "_code", "loop", "shared", "task", "thread")

    kind = "session of a pool"
    exclusive = False

    def __init__(
        self,
        exclusivity: Exclusivity,
        loop: asyncio.AbstractEventLoop,
        task: asyncio.Task[Any] | None,
        frame: FrameType,
    ) -> None:
        self.keeper = exclusivity
        self._caller = None
        self._code = frame.f_code
        self._at = frame.f_lasti
        self.task = weakref.ref(task) if task is not None else None
        self.loop = loop
        self.thread = 0  # where it was taken, if that was in the pool's own loop
        self.live = False
        self.shared = False  # used by another task than the one that took it

    @property
    def caller(self) -> Caller:
        if self._caller is None:
            task = self.task() if self.task is not None else None
            self._caller = Caller(None, task, self._code, self._at)
        return self._caller

    @property
    def age(self) -> float:
        return self.loop.time() - self.since

    def give_to(self, caller: Caller) -> None:
        """It is taken on behalf of somebody else, or for code further out than the frame that asks."""
        self._caller = caller
        self.task = (
            None if caller.itself is None or not isinstance(caller.itself, asyncio.Task) else self.task
        )

    def describe(self) -> str:
        """Who holds it and for how long, in a few words."""
        return f"{self.caller.name} for {self.age:.1f} s, taken at {self.place}"


class Acquisition(Generic[C]):
    """A session that is asked for: to be awaited, or to be entered. One use.

    It is the lease as well, once there is a session: one object for each turn.
    """

    __slots__ = ("__weakref__", "_limit", "hold", "lender", "member", "released")

    def __init__(self, lender: Lender, limit: float | None) -> None:
        self.lender = lender
        self._limit = limit
        self.hold: Lent | None = None
        self.released = True  # there is nothing to give back yet
        self.member: Member[C] | None = None

    def __await__(self) -> Generator[Any, None, Lease[C]]:
        frame = sys._getframe(1)
        if self.lender.lend(self, frame) is None:
            running = asyncio.get_running_loop()
            lent = self._ask(running, frame)
            yield from self.lender.lease(self, lent, self._limit or None, running).__await__()
        return self  # type: ignore[return-value]  # every one that is made is a lease

    async def __aenter__(self) -> C:
        frame = sys._getframe(1)
        if (lent := self.lender.lend(self, frame)) is None:
            running = asyncio.get_running_loop()
            lent = self._ask(running, frame)
            await self.lender.lease(self, lent, self._limit or None, running)
        lent.mark()
        return self  # type: ignore[return-value]  # it offers what C offers, for as long as it lasts

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if not self.released:
            self.released = True
            self.lender.give_back(self, self.hold)  # type: ignore[arg-type]  # there is one: it was taken

    def _ask(self, running: asyncio.AbstractEventLoop, frame: FrameType) -> Lent:
        """Note who asks: the running task, in `frame` or further out."""
        if self.hold is not None:
            raise UsageError(
                f"this session was asked for before, at {self.hold.place}", hint="acquire() again"
            )
        task, lender = asyncio.current_task(running), self.lender
        lent = self.hold = Lent(lender.exclusivity, running, task, frame)
        if frame.f_code is not lender.asker or on_behalf.get() is not None:
            caller = here(task)
            if caller.itself is task and caller.is_at(frame.f_code):
                lender.asker = frame.f_code
            else:  # somebody on whose behalf this is done, or code further out
                lent.give_to(caller)
        return lent


class Lease(Acquisition[C]):
    """One session, for one holder, until it is given back. It offers the services and properties of its class."""

    __slots__ = ()

    kind: ClassVar[type[BaseConnection[Any]]]

    @property
    def place(self) -> str:
        """Where it was taken: `file.py:12 in function`."""
        return self.hold.place if self.hold is not None else "no place so far"

    def session(self) -> C:
        """The connection underneath. Raises `UsedAfterRelease`."""
        hold, member = self.hold, self.member
        if hold is None or member is None:
            raise UsageError("the session was not taken yet", hint="enter it with `async with`, or await it")
        if self.released:
            session = member.session
            raise UsedAfterRelease(
                f"the session taken at {self.place} was given back",
                device=session.device,
                path=session.via,
                hint="use it inside its block, or acquire() another one",
            )
        if (
            not hold.shared and (loop := running_loop()) is not None
        ):  # a thread without one asks for properties
            task = asyncio.current_task(loop)
            hold.shared = hold.task is None or hold.task() is not task
        return member.session

    def release(self) -> None:
        """Give the session back; a plain function. Raises `ReleasedTwice`."""
        self.lender.release(self)

    def __repr__(self) -> str:
        what = "not taken yet" if self.member is None else repr(self.member.session)
        return f"<Lease {'given back' if self.released and self.member is not None else what}>"

    def __del__(self) -> None:
        if not self.released:
            warnings.warn(
                f"a session taken at {self.place} was never given back",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
            self.lender.take_back(self)


@functools.cache
def lease_type(kind: type[C]) -> type[Lease[C]]:
    """The lease of a connection class: its services, streams and public properties, each forwarded by name."""
    forwarded: dict[str, Any] = {
        "kind": kind,
        "__doc__": f"A {kind.__name__} of a pool, until it is given back.",
        "__slots__": (),
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
    if name.startswith("_") or name in Acquisition.__slots__:  # those of one that was never made
        raise AttributeError(name)
    return getattr(self.session(), name)
