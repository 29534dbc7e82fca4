# SPDX-License-Identifier: Apache-2.0
"""What other processes may call, and on what.

A name that comes over a wire is looked up here, and nothing else of an object is within reach: no attribute that is not
listed, no credentials, no class by its path. What a connection class offers (`services`, `streams`) is offered as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from aioconn.broker.books import Books
from aioconn.broker.frames import Target
from aioconn.broker.values import ConnectionRef, DeviceRef
from aioconn.connection import BaseConnection
from aioconn.errors import SessionClosed, UnknownDevice, UsageError, nearest
from aioconn.pool import ConnectionPool
from aioconn.pool.lease import Lease
from aioconn.protocols.registry import PYATS
from aioconn.residence import lodging
from aioconn.results import Output, Result, Results
from aioconn.testbed.device import Device
from aioconn.testbed.testbed import Testbed
from aioconn.visits import visits

T = TypeVar("T")

Asked = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What one kind of thing answers to. `asks` are plain: properties, or methods that wait for nothing."""

    calls: frozenset[str] = frozenset()
    asks: Mapping[str, Asked]
    iterations: Mapping[str, Callable[..., AsyncIterator[Any]]] = dataclasses.field(default_factory=dict)
    blocks: frozenset[str] = frozenset()

    def known(self) -> list[str]:
        return [*self.calls, *self.asks, *self.iterations, *self.blocks]


def _attribute(name: str) -> Asked:
    return lambda thing: getattr(thing, name)


def _method(name: str) -> Asked:
    return lambda thing, *args, **kwargs: getattr(thing, name)(*args, **kwargs)


def _asks(attributes: Iterable[str], methods: Iterable[str] = (), **others: Asked) -> dict[str, Asked]:
    found: dict[str, Asked] = {"repr": repr}
    found.update({name: _attribute(name) for name in attributes})
    found.update({name: _method(name) for name in methods})
    return found | others


async def _fan_out(
    testbed: Testbed, devices: Iterable[str] | None, work: str | list[str], **keys: Any
) -> AsyncGenerator[Result[Any], None]:
    """On the one loop that all share: hundreds of devices would take as many threads as are allowed."""
    if callable(work):
        raise UsageError("a function cannot be run in another process", hint="fan out over commands")
    chosen = list(testbed.devices.values()) if devices is None else [testbed[name] for name in devices]
    async with contextlib.aclosing(visits(chosen, work, **keys)) as results:
        with lodged():  # the first step makes the tasks that do the work
            result = await anext(results, None)
        while result is not None:
            yield result
            result = await anext(results, None)


TESTBED = Words(
    calls=frozenset({"connect", "execute", "configure", "disconnect"}),
    asks=_asks(
        ("name", "custom", "warnings", "topology"),
        devices=lambda testbed: dict(testbed.devices),
        get=lambda testbed, name: testbed[name],
        names=lambda testbed: list(testbed.devices),
    ),
    iterations={"fan_out": _fan_out},
)

DEVICE = Words(
    calls=frozenset(
        {"connect", "disconnect", "destroy", "disconnect_all", "destroy_all", "execute", "configure", "parse"}
    ),
    asks=_asks(
        ("name", "alias", "os", "platform", "type", "custom", "interfaces", "connections", "connected"),
        ("is_connected",),
        get=lambda device, alias=None: device.manager.get(alias),
        instantiate=lambda device, **keys: device.manager.instantiate(**keys),
        statistics=lambda device: device.manager.statistics(),
        limits=lambda device: device.manager.limits,
        default_alias=lambda device: device.manager.default_alias,
        paths=lambda device: list(device.paths),
        reset_breaker=lambda device, path: device.manager.breaker(path).reset(),
    ),
    iterations={"stream": _method("stream")},
    blocks=frozenset({"transaction", "exclusive"}),
)

CONNECTION = Words(
    calls=frozenset({"open", "close"}),
    asks=_asks(("device", "alias", "via", "state", "connected", "mode")),
    blocks=frozenset({"transaction"}),
)

POOL = Words(
    calls=frozenset({"open", "close", "drain"}),
    asks=_asks(("device", "alias", "via", "state", "connected", "size", "timeout"), ("statistics", "resize")),
    blocks=frozenset({"transaction", "acquire"}),
)

SESSION = Words(asks=_asks(("device", "alias", "via", "state", "connected", "mode")))

HOLD = Words(asks=_asks(("kind", "live", "age", "place", "exclusive")))

BROKER = Words(asks={"statistics": _method("statistics")})


@dataclass(slots=True)  # not frozen: one is made for every call
class Found:
    """What a call is for. `owner`: the device, or the testbed, that it belongs to."""

    thing: Any
    words: Words
    owner: Device | Testbed | None
    kind: Any = None
    """The class of the connection underneath, whose services are offered as well."""

    @property
    def home(self) -> asyncio.AbstractEventLoop | None:
        return self.owner.manager.loop if isinstance(self.owner, Device) else None

    # ------------------------------------------------------------------ the four ways to call

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Awaitable[Any]:
        """Begin a coroutine method. Raises `UsageError`."""
        if name not in self.words.calls and name not in self._services():
            raise self._unknown(name)
        if kwargs:
            _check(kwargs)
        work: Awaitable[Any] = getattr(self.thing, name)(*args, **kwargs)
        return _lodged(work) if self.words is TESTBED else work

    def ask(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What a property or plain method gives. Raises `UsageError`."""
        asked = self.words.asks.get(name)
        if asked is None:
            raise self._unknown(name)
        _check(kwargs)
        return asked(self.thing, *args, **kwargs)

    def iterate(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        """An asynchronous generator. Raises `UsageError`."""
        make = self.words.iterations.get(name)
        if make is not None:
            return make(self.thing, *args, **kwargs)
        if name not in self._streams():
            raise self._unknown(name)
        stream: AsyncIterator[Any] = getattr(self.thing, name)(*args, **kwargs)
        return stream

    def block(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AbstractAsyncContextManager[Any]:
        """What is to be entered. Raises `UsageError`."""
        if name not in self.words.blocks and not self._is_block(name):
            raise self._unknown(name)
        block: AbstractAsyncContextManager[Any] = getattr(self.thing, name)(*args, **kwargs)
        return block

    def _services(self) -> tuple[str, ...]:
        kind = self.kind or self._default()
        return kind.services if kind is not None else ()

    def _streams(self) -> tuple[str, ...]:
        kind = self.kind or self._default()
        return kind.streams if kind is not None else ()

    def _is_block(self, name: str) -> bool:
        """Whether the connection class has a method of that name that is to be entered, and marked as such."""
        method = getattr(self.kind or self._default(), name, None)
        return getattr(method, "__aioconn_service__", None) == "block"

    def _default(self) -> Any:
        """For a device, the class of its default alias: its services may be called on the device."""
        if not isinstance(self.thing, Device):
            return None
        manager = self.thing.manager
        current = manager.connections.get(manager.default_alias)
        return None if current is None else type(current)

    def _unknown(self, name: str) -> UsageError:
        offered = [*self.words.known(), *self._services(), *self._streams()]
        return UsageError(
            f"{type(self.thing).__name__} has no {name!r} for other processes", hint=nearest(name, offered)
        )


def find(books: Books, target: Target) -> Found:
    """What a target stands for. Raises `UnknownDevice`, `UnknownAlias`."""
    owner = books.find(target.key)
    if isinstance(owner, Device):
        if target.kind == "connection":
            return _found(owner.manager.get(target.alias), owner)
        if target.kind == "device":
            return Found(owner, DEVICE, owner)
    elif isinstance(owner, Testbed) and target.kind == "testbed":
        return Found(owner, TESTBED, owner)
    raise UnknownDevice(
        f"process {books.pid} has no such {'testbed' if target.kind == 'testbed' else 'device'} any more",
        hint="keep a reference to the testbed there for as long as other processes use it",
    )


def entered(value: Any, owner: Device | Testbed | None) -> Found:
    """What a block gave, as something to be called."""
    if isinstance(value, (BaseConnection, ConnectionPool)):
        return _found(value, owner)
    if isinstance(value, Lease):
        return Found(value, SESSION, owner, value.kind)
    return Found(value, HOLD, owner)


def _found(connection: BaseConnection[Any] | ConnectionPool[Any], owner: Device | Testbed | None) -> Found:
    words = POOL if isinstance(connection, ConnectionPool) else CONNECTION
    return Found(connection, words, owner, type(connection))


def home_of(books: Books, target: Target | None) -> asyncio.AbstractEventLoop | None:
    """The loop on which a target's device lives now, if it is one and has one."""
    if target is None or target.kind not in ("device", "connection"):
        return None
    owner = books.find(target.key)
    return owner.manager.loop if isinstance(owner, Device) else None


def _check(kwargs: Mapping[str, Any]) -> None:
    wanted = kwargs.get("cls")
    if wanted is not None and wanted not in PYATS:
        raise UsageError(
            f"the class {wanted!r} cannot be asked for by another process",
            hint="name it in the testbed, or connect in the process that holds the sessions",
        )


# ---------------------------------------------------------------------- what goes back

_PLAIN = frozenset({Output, str, bytes, int, float, bool, type(None)})


def present(value: Any, books: Books, owner: Device | Testbed | None) -> Any:
    """The same, with a reference in the place of each connection and device: those stay here."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is list or kind is tuple:
        return kind([present(item, books, owner) for item in value])
    if isinstance(value, Device):
        return refer_to_device(value, books)
    if isinstance(value, (BaseConnection, ConnectionPool, Lease)):
        return refer_to_connection(value, books, owner)
    if isinstance(value, Result):
        return dataclasses.replace(value, value=present(value.value, books, owner))
    if isinstance(value, Results):
        return Results({name: present(result, books, owner) for name, result in value.items()})
    if isinstance(value, Mapping):
        return {key: present(item, books, owner) for key, item in value.items()}
    return value


def refer_to_device(device: Device, books: Books) -> DeviceRef:
    return DeviceRef(
        key=books.enroll(device),
        name=device.name,
        alias=device.alias,
        os=device.os,
        platform=device.platform,
        type=device.type,
    )


def refer_to_connection(
    connection: BaseConnection[Any] | ConnectionPool[Any] | Lease[Any],
    books: Books,
    owner: Device | Testbed | None,
) -> ConnectionRef:
    name: str = connection.device  # type: ignore[union-attr]  # a lease offers what its class offers
    alias: str = connection.alias  # type: ignore[union-attr]
    device = owner[name] if isinstance(owner, Testbed) else owner
    if device is None or device.name != name:
        raise SessionClosed(f"nothing is known of the device {name} here")
    kind: Any = type(connection) if isinstance(connection, BaseConnection) else connection.kind
    return ConnectionRef(
        key=books.enroll(device),
        alias=alias,
        device=name,
        kind=kind.__name__,
        services=kind.services,
        streams=kind.streams,
        pool=isinstance(connection, ConnectionPool),
    )


@contextlib.contextmanager
def lodged() -> Any:
    """Devices that settle meanwhile do so on the one loop that all share."""
    token = lodging.set("shared")
    try:
        yield
    finally:
        lodging.reset(token)


async def _lodged(work: Awaitable[T]) -> T:
    with lodged():
        return await work
