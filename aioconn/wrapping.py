# SPDX-License-Identifier: Apache-2.0
"""Service wrappers: objects through which the calls of a device's services go.

    class Audit:
        def applies(self, connection, service):
            return service == "configure"

        async def call(self, call, proceed):
            print(call.device, call.args)
            return await proceed(call)

    device.wrap(Audit())

They stand around a call as the skins of an onion: the one with the lowest `order` is the outermost, among equals the
one that was attached first. A call of the caller goes through them once, in front of the queue for the session: while a
wrapper works, the session is free for others.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

from aioconn.declaration import Loader, name_of, of_packages
from aioconn.errors import UsageError
from aioconn.home.locks import Lock
from aioconn.passage import Call as Call
from aioconn.passage import Go, Layer, Passage, applies, under_way
from aioconn.passage import Proceed as Proceed

# What has been through the wrappers of a pool: the request its sessions are made from, and the task that calls.
_let_through: ContextVar[tuple[object, object] | None] = ContextVar("aioconn let through", default=None)


class Wrapper(Protocol):
    """What can be attached. It may have an `order` (0), and a `stream(call, proceed)` for services that iterate."""

    def applies(self, connection: Any, service: str, /) -> bool:
        """Whether to be called for this service. Asked before each call: plain and quick.

        `connection` is the one that is called; in the place of a pool, a session like those of the pool, not open.
        """
        ...

    async def call(self, call: Call, proceed: Proceed, /) -> Any:
        """In the place of the service: what this returns or raises is what the caller gets.

        `await proceed(call)` goes on with the call, or with `call.replace(...)`; not at all, or as often as wanted.
        """
        ...


_numbers = itertools.count(1)
_changing = Lock()  # of all devices: it is quick, and nobody's code runs inside


class Wrappers:
    """Those of one device. `layers` is what a call looks at: replaced as a whole, by any thread."""

    __slots__ = ("_attached", "_awaited", "_device", "_looked", "layers")

    def __init__(self, device: str = "") -> None:
        self.layers: tuple[Layer, ...] = ()
        self._device = device
        self._attached: set[int] = set()  # the numbers of those that are named nowhere
        self._awaited: list[tuple[Loader, int, str | None]] = []
        self._looked = False  # for those of packages

    @property
    def attached(self) -> bool:
        """Whether there are some that nobody but this process knows of: neither a testbed nor a package names them."""
        return any(layer.number in self._attached for layer in self.layers)

    def attach(self, wrapper: Any, order: int | None = None) -> Layer:
        """Let calls that begin from now on go through it. Raises UsageError for what is no wrapper."""
        layer = _layer(wrapper, order, next(_numbers), None)
        with _changing:
            self._attached.add(layer.number)
            self._put(layer)
        return layer

    def _put(self, layer: Layer) -> None:
        layers = (*self.layers, layer)
        self.layers = tuple(sorted(layers, key=lambda one: (one.order, one.number)))

    def detach(self, layer: Layer) -> None:
        """Calls under way are not touched; may be repeated."""
        with _changing:
            self._attached.discard(layer.number)
            self.layers = tuple(one for one in self.layers if one is not layer)

    def expect(self, loaders: Iterable[Loader], *, via: str | None = None) -> None:
        """What is loaded and attached when the first connection (over `via`) is made. It has its place from now on."""
        self._awaited += [(loader, next(_numbers), via) for loader in loaders]

    def complete(self, via: str) -> None:
        """Attach what was expected, and what packages bring, which comes before that. Raises UnknownWrapper."""
        if not self._looked:
            brought = [(loader, 0, None) for loader in of_packages()]
            with _changing:
                if not self._looked:
                    self._looked = True
                    self._awaited = [*brought, *self._awaited]
        while self._awaited:
            with _changing:
                due = [entry for entry in self._awaited if entry[2] in (None, via)]
            if not due:
                return
            loader, number, where = due[0]
            wrapper = loader.load(self._device, via)
            try:
                layer = _layer(wrapper, loader.declaration.order, number, where)
            except UsageError as error:
                raise loader.refusal("cannot be attached", error, self._device, via) from error
            with _changing:
                if due[0] in self._awaited:  # else another thread was at it
                    self._awaited.remove(due[0])
                    self._put(layer)

    # ------------------------------------------------------------------ calls

    async def around(
        self,
        connection: Any,
        service: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        go: Go,
        *,
        like: Any = None,
        limit: float | None = None,
    ) -> Any:
        """A call through those that apply, and at last `go(args, kwargs)`. `like`: a session, where a pool is called.

        All of it together is bounded by `timeout` among the arguments, else by `limit`, else by the option:
        CommandTimeout. A cancel goes where the call is.
        """
        layers = self._applying(connection if like is None else like, service)
        if not layers:
            return await go(args, kwargs)
        bound: float = connection.options.timeout if limit is None else limit
        asked: float | None = kwargs.get("timeout")
        passage = Passage(layers, go, bound if asked is None else asked)
        return await passage.run(passage.call(connection, service, function, args, kwargs), function)

    async def stream_around(
        self,
        connection: Any,
        service: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> AsyncGenerator[Any, None]:
        """The same for a service that iterates, through those that have a `stream`. It has no deadline as a whole."""
        layers = self._applying(connection, service, word="stream")
        passage = Passage(layers, None, float("inf"))
        call = passage.call(connection, service, function, args, kwargs)
        pieces = passage.stream(0, call, function) if layers else function(connection, *args, **kwargs)
        try:
            async for piece in pieces:
                yield piece
        finally:
            await pieces.aclose()

    def _applying(self, connection: Any, service: str, word: str = "call") -> list[Layer]:
        inside = under_way.get()
        return [
            layer
            for layer in self.layers
            if (layer.via is None or layer.via == connection.via)
            and not any(layer.wrapper is one for one in inside)
            and hasattr(layer.wrapper, word)
            and applies(layer, connection, service)
        ]


def _layer(wrapper: Any, order: int | None, number: int, via: str | None) -> Layer:
    _check(wrapper)
    order = getattr(wrapper, "order", 0) if order is None else order
    if type(order) is not int:
        raise UsageError(f"the order of {name_of(wrapper)} is {order!r}, and no whole number")
    return Layer(wrapper=wrapper, order=order, number=number, via=via)


class Wrapping:
    """A wrapper that was attached; `unwrap()` takes it off again, as leaving it as a block does."""

    __slots__ = ("places", "wrapper")

    def __init__(self, wrapper: Any, places: Iterable[tuple[Wrappers, Layer]]) -> None:
        self.wrapper = wrapper
        self.places = tuple(places)

    def unwrap(self) -> None:
        """Calls that begin from now on do not go through it. From any thread; may be repeated."""
        for wrappers, layer in self.places:
            wrappers.detach(layer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unwrap()

    def __repr__(self) -> str:
        attached = any(layer in wrappers.layers for wrappers, layer in self.places)
        return f"<Wrapping {name_of(self.wrapper)}{'' if attached else ', taken off'}>"


def _check(wrapper: object) -> None:
    """Raises UsageError for what cannot be attached."""
    call, applies = getattr(wrapper, "call", None), getattr(wrapper, "applies", None)
    if isinstance(wrapper, type):
        raise UsageError(f"{name_of(wrapper)} is a class", hint="attach an object of it")
    if not callable(applies) or not callable(call):
        raise UsageError(
            f"{name_of(wrapper)} is no wrapper",
            hint="it needs applies(connection, service) and call(call, proceed)",
        )
    if inspect.iscoroutinefunction(applies):
        raise UsageError(f"applies() of {name_of(wrapper)} is asynchronous", hint="write `def applies`")
    if not (inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)):
        raise UsageError(
            f"call() of {name_of(wrapper)} is no coroutine function: it runs in the loop of the device",
            hint="write `async def call`, in scripts without a loop as well",
        )
    stream = getattr(wrapper, "stream", None)
    if stream is not None and not inspect.isasyncgenfunction(stream):
        raise UsageError(
            f"stream() of {name_of(wrapper)} is no asynchronous generator", hint="write `async def` and yield"
        )


def let_through(request: object) -> bool:
    """Whether the running call has been through the wrappers of the pool whose sessions are made from `request`."""
    passed = _let_through.get()
    return passed is not None and passed[0] is request and passed[1] is asyncio.current_task()


async def letting_through(request: object, work: Callable[[], Awaitable[Any]]) -> Any:
    """`work()` as a call that has been through."""
    before = _let_through.get()
    _let_through.set((request, asyncio.current_task()))
    try:
        return await work()
    finally:
        _let_through.set(before)
