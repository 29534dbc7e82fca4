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

from aioconn.caller import Caller
from aioconn.connection import BaseConnection
from aioconn.errors import UsageError, UsedAfterRelease, Where
from aioconn.exclusive.hold import Hold
from aioconn.home import running_loop
from aioconn.pool.member import Member
from aioconn.pool.queue import Awaiting

C = TypeVar("C", bound=BaseConnection[Any])


class Lender(Protocol):
    """What a lease needs of its pool."""

    def lend(self, lease: Any, frame: FrameType) -> Lent | None: ...

    def lend_otherwise(self, lease: Any, frame: FrameType) -> Coroutine[Any, Any, Lent]: ...

    def served(self, lent: Lent, member: Member[Any]) -> None: ...

    def leave(self, lent: Lent) -> None: ...

    def give_back(self, lent: Lent, member: Member[Any]) -> None: ...

    def release(self, lease: Any, /) -> None: ...

    def take_back(self, lent: Lent, /) -> None:
        """The lease was forgotten. Called wherever the garbage collector runs."""
        ...

    def now(self) -> float: ...

    def where(self) -> Where: ...


class Lent(Hold, Awaiting):
    """What others see of a lease: who has the session, since when, and that he keeps the device from exclusive work.

    It does not keep the lease, so that one that is forgotten is noticed. `since` is in the loop's time.
    """

    __slots__ = ("at", "code", "deadline", "future", "lender", "member", "task", "waited")

    kind = "session of a pool"
    exclusive = False

    # One is made for each turn, by `Lending`: in Python 3.11 an `__init__` takes as long as all that it does.
    lender: Lender
    code: CodeType | Caller  # where it was asked for; or whose it is, if that is not simply the task
    at: int
    task: weakref.ref[asyncio.Task[Any]] | None  # None: others than one task use it
    member: Member[Any] | None  # from the grant until it is given back
    deadline: float  # from here on: of one that was waited for

    @property
    def caller(self) -> Caller:
        if isinstance(self.code, Caller):
            return self.code
        return Caller(None, self.task() if self.task is not None else None, self.code, self.at)

    def give_to(self, caller: Caller) -> None:
        self.code = caller
        if not isinstance(caller.itself, asyncio.Task):
            self.task = None

    @property
    def age(self) -> float:
        return self.lender.now() - self.since

    def end(self) -> Member[Any]:
        """It is over for its holder. Its keeper hears of it at home."""
        member, self.member, self.live = self.member, None, False
        assert member is not None
        return member

    def describe(self) -> str:
        """Who holds it and for how long, in a few words."""
        return f"{self.caller.name} for {self.age:.1f} s, taken at {self.place}"

    def lend(self, lease: Any, frame: FrameType) -> Lent | None:
        """In the place of its lender, for whoever asks again."""
        raise UsageError(f"this session was asked for before, at {self.place}", hint="acquire() again")


class Acquisition(Generic[C]):
    """A session that is asked for: to be awaited, or to be entered. One use.

    It is the lease as well, once there is a session: one object for each turn.
    """

    __slots__ = ("__weakref__", "hold", "lender", "limit")

    lender: Lender
    """Whom to ask; in his place its hold, as soon as it was asked for."""
    hold: Lent | None
    limit: float | None

    # Of a lease, whose class has a `__getattr__`, Python 3.11 finds no attribute the quick way. So what goes on is
    # written into its hold, of which this is looked up once.

    def __await__(self) -> Generator[Any, None, Lease[C]]:
        lent = self.lender.lend(self, sys._getframe(1))
        if lent is None:
            yield from self.lender.lend_otherwise(self, sys._getframe(1)).__await__()
        elif lent.member is None:
            try:
                member = yield from lent.future
            except BaseException:
                lent.lender.leave(lent)
                raise
            lent.lender.served(lent, member)
        return self  # type: ignore[return-value]  # every one that is made is a lease

    async def __aenter__(self) -> C:
        lent = self.lender.lend(self, sys._getframe(1))
        if lent is None:
            lent = await self.lender.lend_otherwise(self, sys._getframe(1))
        elif lent.member is None:
            try:
                member = await lent.future
            except BaseException:
                lent.lender.leave(lent)
                raise
            lent.lender.served(lent, member)
        lent.mark()
        return self  # type: ignore[return-value]  # it offers what C offers, for as long as it lasts

    async def __aexit__(self, kind: Any, error: Any, trace: Any) -> None:
        if (lent := self.hold) is not None and (member := lent.member) is not None:
            lent.lender.give_back(lent, member)


class Lease(Acquisition[C]):
    """One session, for one holder, until it is given back. It offers the services and properties of its class."""

    __slots__ = ()

    kind: ClassVar[type[BaseConnection[Any]]]

    @property
    def place(self) -> str:
        """Where it was taken: `file.py:12 in function`."""
        return self.hold.place if self.hold is not None else "no place so far"

    @property
    def released(self) -> bool:
        """Whether there is nothing (any more) to give back."""
        return self.hold is None or self.hold.member is None

    def session(self) -> C:
        """The connection underneath. Raises `UsedAfterRelease`."""
        hold = self.hold
        if hold is None or (hold.member is None and hold.live):
            raise UsageError("the session was not taken yet", hint="enter it with `async with`, or await it")
        if (member := hold.member) is None:
            raise UsedAfterRelease(
                f"the session taken at {self.place} was given back",
                **hold.lender.where(),
                hint="use it inside its block, or acquire() another one",
            )
        if (
            hold.task is not None
            and (loop := running_loop()) is not None  # a thread without one asks for properties
            and hold.task() is not asyncio.current_task(loop)
        ):
            hold.code, hold.task = hold.caller, None
        session: C = member.session
        return session

    def release(self) -> None:
        """Give the session back; a plain function. Raises `ReleasedTwice`."""
        (self.lender if self.hold is None else self.hold.lender).release(self)

    def __repr__(self) -> str:
        hold = self.hold
        if hold is None or (hold.member is None and hold.live):
            return "<Lease not taken yet>"
        return f"<Lease {'given back' if hold.member is None else repr(hold.member.session)}>"

    def __del__(self) -> None:
        if (lent := self.hold) is not None and lent.member is not None:
            warnings.warn(
                f"a session taken at {self.place} was never given back",
                ResourceWarning,
                source=self,
                stacklevel=1,
            )
            lent.lender.take_back(lent)


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
