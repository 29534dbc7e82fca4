# SPDX-License-Identifier: Apache-2.0
"""A call of a service on its way through the wrappers that stand around it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aioconn.declaration import name_of
from aioconn.errors import AioconnError, CommandTimeout, UsageError, WrapperFailed, shorten

# The service's own deadline passes first, so that the wrappers see what it says: seconds, and a share of the limit.
_EPILOGUE, _SHARE = 0.1, 0.1
# A call that was begun so many seconds later has all of its time still, in words.
_AT_ONCE = 0.001

# The wrappers whose code is running, outermost first: they do not see the calls that are made there.
under_way: ContextVar[tuple[object, ...]] = ContextVar("aioconn wrappers under way", default=())

Proceed = Callable[..., Awaitable[Any]]
Go = Callable[[tuple[Any, ...], Mapping[str, Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """One call of a service on its way.

    `args` are what has a place in the signature, `kwargs` the rest, without what is at its default. `connection` is the
    connection or pool that was called, `device`, `alias` and `via` are its names. The repr shows no secrets.
    """

    service: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    connection: Any
    device: str
    alias: str
    via: str
    begun: float
    """When it was made, on the clock of the loop."""
    until: float
    """When its deadline passes."""
    clock: Callable[[], float] = field(repr=False)

    @property
    def elapsed(self) -> float:
        """Seconds since the caller made it."""
        return self.clock() - self.begun

    @property
    def left(self) -> float:
        """Seconds to its deadline; a stream as a whole has none."""
        return self.until - self.clock()

    @property
    def subject(self) -> str:
        """What it is about in a few words, such as the command, with the device's secrets blotted out."""
        text: str = self.connection.credentials.redact(str(self.args[0]) if self.args else "")
        return shorten(text)

    def replace(self, *, args: Iterable[Any] | None = None, kwargs: Mapping[str, Any] | None = None) -> Call:
        """The same call with other arguments, for `proceed`."""
        return dataclasses.replace(
            self,
            args=self.args if args is None else tuple(args),
            kwargs=self.kwargs if kwargs is None else MappingProxyType(dict(kwargs)),
        )

    def __repr__(self) -> str:
        return f"<Call {self.service} {self.subject!r} on {self.device}.{self.alias} via {self.via}>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """A wrapper in its place. `via`: the path whose connections it is for, None for all."""

    wrapper: Any
    order: int
    number: int
    via: str | None

    @property
    def name(self) -> str:
        return name_of(self.wrapper)


def applies(layer: Layer, connection: Any, service: str) -> bool:
    """Whether the wrapper has a word in this. Raises WrapperFailed."""
    try:
        return bool(layer.wrapper.applies(connection, service))
    except AioconnError:
        raise
    except Exception as error:
        raise _failed(layer, connection, service, error, "applies()") from error


class Passage:
    """One call on its way through the layers."""

    __slots__ = ("_begun", "_clock", "_ends", "_go", "_layers", "_limit", "_outer", "_where", "started")

    def __init__(self, layers: list[Layer], go: Go | None, limit: float) -> None:
        self._layers = layers
        self._go = go
        self._limit = limit
        self._clock = asyncio.get_running_loop().time
        self._begun = self._clock()
        self._ends = self._begun + limit + min(_EPILOGUE, limit * _SHARE)
        self._outer = under_way.get()
        self._where = 0  # in which layer it is now
        self.started = False  # the service itself

    def call(
        self,
        connection: Any,
        service: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> Call:
        args, kwargs = _in_order(function, args, kwargs)
        return Call(
            service=service,
            args=args,
            kwargs=MappingProxyType(dict(kwargs)),
            connection=connection,
            device=connection.device,
            alias=connection.alias,
            via=connection.via,
            begun=self._begun,
            until=self._begun + self._limit,
            clock=self._clock,
        )

    async def run(self, call: Call, function: Callable[..., Any]) -> Any:
        deadline = asyncio.timeout_at(self._ends)
        try:
            async with deadline:
                return await self._step(0, call, "timeout" in _signature(function).parameters)
        except TimeoutError as error:
            if not deadline.expired() or isinstance(error, AioconnError):
                raise
            layers, where = self._layers, self._where
            held_up = f"the wrapper {layers[where].name}" if where < len(layers) else "the service"
            raise self._timed_out(call, f"it was with {held_up}") from None

    def _timed_out(self, call: Call, why: str) -> CommandTimeout:
        return CommandTimeout(
            f"{call.service} {call.subject!r} did not end within {self._limit:g} s: {why}",
            device=call.device,
            path=call.via,
            command=call.subject,
            maybe_executed=self.started,
        )

    async def _step(self, index: int, call: Call, bounded: bool) -> Any:
        if index == len(self._layers):
            return await self._serve(call, bounded)
        layer = self._layers[index]
        passed: list[Exception] = []

        async def proceed(given: Call | None = None, /) -> Any:
            try:
                return await self._step(index + 1, _checked(layer, given, call), bounded)
            except Exception as error:
                passed.append(error)
                raise
            finally:
                if self._clock() < self._ends:  # else this is the way out of where it was
                    self._where = index

        self._where = index
        before = under_way.get()
        under_way.set((*before, layer.wrapper))
        try:
            return await layer.wrapper.call(call, proceed)
        except Exception as error:
            if isinstance(error, AioconnError) or any(error is one for one in passed):
                raise
            raise _failed(layer, call.connection, call.service, error) from error
        finally:
            passed.clear()
            under_way.set(before)

    async def _serve(self, call: Call, bounded: bool) -> Any:
        kwargs = dict(call.kwargs)
        left = call.left
        if left <= 0:
            raise self._timed_out(call, "no time is left to go on")
        if bounded:
            if self._limit - left < _AT_ONCE:
                left = self._limit
            wanted = kwargs.get("timeout")
            kwargs["timeout"] = left if wanted is None else min(wanted, left)
        self.started = True
        self._where = len(self._layers)
        before = under_way.get()
        # Who listens to events, and what a service calls elsewhere, is no wrapper's work.
        under_way.set(self._outer)
        try:
            assert self._go is not None
            return await self._go(call.args, kwargs)
        finally:
            under_way.set(before)

    async def stream(self, index: int, call: Call, function: Callable[..., Any]) -> AsyncGenerator[Any, None]:
        """Step by step: between two of them the caller's own code runs, in the same context."""
        served = index == len(self._layers)
        passed: list[Exception] = []
        opened: list[AsyncGenerator[Any, None]] = []
        inside = self._outer
        if served:
            pieces: Any = function(call.connection, *call.args, **call.kwargs)
        else:
            layer = self._layers[index]
            inside = (*inside, *(one.wrapper for one in self._layers[: index + 1]))

            async def inner(given: Call | None) -> AsyncGenerator[Any, None]:
                steps = self.stream(index + 1, _checked(layer, given, call), function)
                try:
                    async for piece in steps:
                        yield piece
                except Exception as error:
                    passed.append(error)
                    raise
                finally:
                    await steps.aclose()

            def proceed(given: Call | None = None, /) -> AsyncGenerator[Any, None]:
                opened.append(inner(given))
                return opened[-1]

            pieces = layer.wrapper.stream(call, proceed)
        try:
            while True:
                before = under_way.get()
                under_way.set(inside)
                try:
                    piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    if served or isinstance(error, AioconnError) or any(error is one for one in passed):
                        raise
                    layer = self._layers[index]
                    raise _failed(layer, call.connection, call.service, error, "stream()") from error
                finally:
                    under_way.set(before)
                yield piece
        finally:
            passed.clear()
            await pieces.aclose()
            for steps in opened:  # what the wrapper has begun, and left
                await steps.aclose()


def _checked(layer: Layer, given: Call | None, call: Call) -> Call:
    if given is None:
        return call
    if not isinstance(given, Call):
        raise UsageError(
            f"proceed() of {layer.name} was given {type(given).__name__}",
            device=call.device,
            path=call.via,
            hint="give it the call, or call.replace(...)",
        )
    return given


def _failed(
    layer: Layer, connection: Any, service: str, error: Exception, where: str = "call()"
) -> WrapperFailed:
    text = connection.credentials.redact(str(error))
    return WrapperFailed(
        f"{where} of the wrapper {layer.name} failed around {service}: {type(error).__name__}: {text}",
        device=connection.device,
        path=connection.via,
        wrapper=layer.name,
        service=service,
        hint="an error that is meant for the caller is a subclass of AioconnError",
    )


@functools.lru_cache(maxsize=1024)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def _in_order(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """The arguments in one form, however they were given, and whatever handed them on."""
    signature = _signature(function)
    try:
        bound = signature.bind(None, *args, **kwargs)
    except TypeError:  # which the service says itself
        return args, kwargs
    known = signature.parameters
    return bound.args[1:], {
        name: value
        for name, value in bound.kwargs.items()
        if name not in known or value is not known[name].default
    }
