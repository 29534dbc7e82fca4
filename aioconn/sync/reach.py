# SPDX-License-Identifier: Apache-2.0
"""How a handle reaches what it stands for: at the home loop of its device, or in the process that owns it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextvars import Token
from types import MethodType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aioconn.caller import Caller, here, on_behalf
from aioconn.errors import CannotCross, UsageError
from aioconn.home import homes
from aioconn.home.blocks import enter_from_thread, iterate_from_thread
from aioconn.home.bridge import call_from_thread
from aioconn.home.steps import close
from aioconn.results import Output

if TYPE_CHECKING:
    import asyncio

    from aioconn.broker.estate import Address, Estate
    from aioconn.broker.frames import Target
    from aioconn.manager import ConnectionManager
    from aioconn.pool.lease import Lease

T_co = TypeVar("T_co", covariant=True)

NO_KEYS: Mapping[str, Any] = {}

# What opens something, and so decides where a device lives that lives nowhere yet.
_SETTLES = frozenset(("connect", "exclusive", "open"))
# Results that are no handles and hold none.
PLAIN = frozenset((Output, str, list, bool, int, float, bytes, type(None)))


class Iteration(Protocol[T_co]):
    """An iterator that is to be closed (`contextlib.closing`) by who leaves it early; a forgotten one is closed too."""

    def __iter__(self) -> Iterator[T_co]: ...
    def __next__(self) -> T_co: ...
    def close(self) -> None: ...


class Entered(Protocol):
    """A block that was entered, and is left once."""

    @property
    def value(self) -> Any: ...

    def leave(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
        /,
    ) -> bool | None: ...


class Reach(Protocol):
    """What a handle asks for. `call`, `iterate` and `enter` may wait for the device; `ask` does not."""

    @property
    def local(self) -> Any:
        """What is meant, if it belongs to this process, else None."""
        ...

    @property
    def estate(self) -> str:
        """Which process owns it."""
        ...

    @property
    def address(self) -> Address:
        """Where that process is reached from others."""
        ...

    @property
    def target(self) -> Target: ...

    @property
    def ref(self) -> Any:
        """What other processes are told of it."""
        ...

    def words(self) -> str:
        """Which thing it is, in a few words."""
        ...

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any: ...

    def ask(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any: ...

    def iterate(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS
    ) -> Iteration[Any]: ...

    def enter(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS
    ) -> Entered: ...

    def acquire(self, timeout: float | None) -> Lending:
        """Of a pool: take a session; how to reach it."""
        ...

    def own(self, name: str) -> Any:
        """An attribute that is to be had in the owning process alone. Raises `UsageError` elsewhere."""
        ...


class Lending(Reach, Protocol):
    """How to reach a session that a pool has lent. Its one block is "inside": the thread works on it."""

    def release(self) -> None:
        """Give it back; a plain function. Raises `ReleasedTwice`."""
        ...

    @property
    def released(self) -> bool: ...


class Local:
    """Something of this process. In a forked child it is the parent's, who is asked for it from then on.

    `manager` is that of the device, None for a testbed. `give` makes handles of what comes back. `kept` is kept alive.
    """

    __slots__ = ("_alias", "_away", "_estate", "_give", "_kept", "_key", "_manager", "_thing")

    def __init__(
        self,
        thing: Any,
        manager: ConnectionManager | None,
        estate: Estate,
        key: int,
        alias: str = "",
        *,
        give: Callable[[Any], Any],
        kept: Any = None,
    ) -> None:
        self._thing = thing
        self._manager = manager
        self._estate = estate
        self._key = key
        self._alias = alias
        self._give = give
        self._kept = kept
        self._away: Reach | None = None

    @property
    def local(self) -> Any:
        return self._thing if self._estate.local else None

    @property
    def estate(self) -> str:
        return self._estate.id

    @property
    def address(self) -> Address:
        return self._estate.address()

    @property
    def target(self) -> Target:
        from aioconn.broker.frames import Target

        if self._manager is None:
            return Target("testbed", self._key)
        return Target("connection", self._key, self._alias) if self._alias else Target("device", self._key)

    @property
    def ref(self) -> Any:
        from aioconn.sync.refs import ref_of

        return ref_of(self._thing, self._key)

    def words(self) -> str:
        return self._elsewhere().words()

    def on(self, name: str) -> Local:
        """How to reach what the thing has under this name."""
        part = getattr(self._thing, name)
        return Local(part, self._manager, self._estate, self._key, self._alias, give=self._give, kept=self)

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        if not self._estate.local:
            return self._elsewhere().call(name, args, kwargs)
        manager = self._manager
        if manager is not None and name not in _SETTLES and (home := manager.loop) is not None:
            value = call_from_thread(home, getattr(self._thing, name), args, kwargs)
        else:
            with self._some_loop(name) as loop:
                value = call_from_thread(loop, getattr(self._thing, name), args, kwargs)
        return value if type(value) in PLAIN else self._give(value)

    def ask(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        if not self._estate.local:
            return self._elsewhere().ask(name, args, kwargs)
        value = getattr(self._thing, name)
        if isinstance(value, MethodType):
            value = value(*args, **kwargs)
        return value if type(value) in PLAIN else self._give(value)

    def own(self, name: str) -> Any:
        return getattr(self._thing, name) if self._estate.local else self._elsewhere().own(name)

    def iterate(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS
    ) -> Iteration[Any]:
        if not self._estate.local:
            return self._elsewhere().iterate(name, args, kwargs)
        make = getattr(self._thing, name)
        manager = self._manager
        assert manager is not None
        if (home := manager.loop) is None:
            # If there is none, this says so, and no thread is started for that.
            manager.get(self._alias or None)
            home = manager.claim_home()
        return iterate_from_thread(home, _on_behalf_of, (here(), make, args, kwargs))

    def enter(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Entered:
        if not self._estate.local:
            return self._elsewhere().enter(name, args, kwargs)
        token = on_behalf.set(here())
        try:
            with self._some_loop(name) as loop:
                return _Block(self._estate, enter_from_thread(loop, getattr(self._thing, name), args, kwargs))
        finally:
            on_behalf.reset(token)

    def acquire(self, timeout: float | None) -> Lending:
        if not self._estate.local:
            return self._elsewhere().acquire(timeout)
        pool = self._thing

        async def acquire() -> Any:
            return await pool.acquire(timeout=timeout)

        token = on_behalf.set(here())
        try:
            with self._some_loop("acquire") as loop:
                lease = call_from_thread(loop, acquire, undo=pool.release)
        finally:
            on_behalf.reset(token)
        return Lent(lease, self._manager, self._estate, self._key, self._alias, give=self._give)

    @contextlib.contextmanager
    def _some_loop(self, name: str) -> Iterator[asyncio.AbstractEventLoop]:
        """Where the call is to run. As long as nothing is open, and nothing is to be opened, any loop will do."""
        manager = self._manager
        if manager is not None:
            home = manager.claim_home() if name in _SETTLES else manager.loop
            if home is not None:
                yield home
                return
        lease = homes.shared()
        try:
            yield lease.loop
        finally:
            lease.release()

    def _elsewhere(self) -> Reach:
        if self._away is None:
            from aioconn.sync.remote import Remote

            self._away = Remote(self.address, self.ref)
        return self._away


class Lent(Local):
    """A session that a pool of this process has lent to it."""

    __slots__ = ()

    @property
    def address(self) -> Address:
        raise CannotCross(
            f"{self._thing!r} is lent to this process",
            hint="hand over its device or pool, and acquire() there",
        )

    def enter(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Entered:
        """Only "inside": the calls of this thread count as the holder's, as long as that lasts."""
        return _Inside(self._estate, self._thing) if self._estate.local else self._elsewhere().enter(name)

    @property
    def released(self) -> bool:
        return not self._estate.local or self._thing.released

    def release(self) -> None:
        if self._estate.local:
            self._thing.release()

    def words(self) -> str:
        return "a session that was lent to the process that this one was forked from"

    def _elsewhere(self) -> Reach:
        raise UsageError(
            "this session was lent to the process that this one was forked from", hint="acquire() one"
        )


class _Block:
    """A block of this process. A forked child that leaves it leaves nothing: it was never in."""

    __slots__ = ("_entered", "_estate")

    def __init__(self, estate: Estate, entered: Entered) -> None:
        self._estate = estate
        self._entered = entered

    @property
    def value(self) -> Any:
        return self._entered.value

    def leave(self, *failure: Any) -> bool | None:
        return self._entered.leave(*failure) if self._estate.local else None


class _Inside:
    """A thread that works in a block on a session that was lent to it."""

    __slots__ = ("_estate", "_hold", "_lease", "value")

    def __init__(self, estate: Estate, lease: Lease[Any]) -> None:
        self._estate = estate
        self._lease = lease
        self.value = None
        assert lease.hold is not None
        self._hold = lease.hold
        self._hold.mark()

    def leave(self, *_: Any) -> None:
        self._hold.unmark()
        if self._estate.local and not self._lease.released:
            self._lease.release()


async def _on_behalf_of(
    caller: Caller, make: Callable[..., AsyncIterator[Any]], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> AsyncGenerator[Any, None]:
    """The iteration of a thread, in the name of that thread."""
    token: Token[Caller | None] | None = on_behalf.set(caller)
    items = make(*args, **kwargs)
    try:
        async for item in items:
            if token is not None:  # what is asked for from here on, the thread asks for itself
                on_behalf.reset(token)
                token = None
            yield item
    finally:
        await close(items)
