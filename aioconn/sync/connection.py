# SPDX-License-Identifier: Apache-2.0
"""Connections, as scripts without a loop use them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Self

from aioconn.sync.handle import Block
from aioconn.sync.words import CliProperties, CliServices, ConnectionWords

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection
    from aioconn.platforms.model import Platform

CLI = "CliConnection"


class Connection(ConnectionWords):
    """One connection of a device. The services of its class are methods."""

    __slots__ = ()

    services: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[tuple[str, ...]] = ()

    def transaction(self, *, timeout: float | None = None) -> AbstractContextManager[Self]:
        """`with connection.transaction() as session:` keeps others out for several calls of this thread.

        The wait for it, in the order of all callers, is bounded by `timeout` (else the option); `DeviceBusy` names who
        holds it. A session that breaks in between is not reopened in the transaction: its calls raise `SessionBroken`.
        """
        return Block(self._reach, "transaction", (), {"timeout": timeout}, self)


class CommandLine(CliServices, CliProperties):
    """What the command line of a device offers, over a connection or a session that a pool has lent."""

    __slots__ = ()

    @property
    def platform(self) -> Platform:
        """The operating system's command line as data. To be had in the process that owns the session."""
        platform: Platform = self._reach.own("platform")
        return platform


class CliConnection(Connection, CommandLine):
    """A session on a device's command line."""

    __slots__ = ()

    services = ("configure", "enter_mode", "execute", "expect", "parse", "receive", "send")
    streams = ("stream",)


# ---------------------------------------------------------------------- classes that are not written anywhere


@functools.cache
def connection_type(kind: type[BaseConnection[Any]]) -> type[Connection]:
    """The handle of a connection class: its services by name."""
    return offering(kind, Connection, CliConnection)


@functools.cache
def connection_type_of(kind: str, services: tuple[str, ...], streams: tuple[str, ...]) -> type[Connection]:
    """The same, of a class that only another process has."""
    return offering_names(kind, services, streams, Connection, CliConnection)


def offering(kind: type[BaseConnection[Any]], plain: type[Any], cli: type[Any]) -> type[Any]:
    """`cli` for the class of command lines and those that are built on it, else `plain`, with all the services that the
    class has beside. Its public properties as well, and what it sets on instances."""
    from aioconn.protocols.cli import CliConnection as AsyncCli

    if kind is AsyncCli:
        return cli
    base = cli if issubclass(kind, AsyncCli) else plain
    known = {name for name in base.services if getattr(kind, name) is getattr(AsyncCli, name)}
    known |= {name for name in base.streams if getattr(kind, name) is getattr(AsyncCli, name)}
    members = _members(kind.services, kind.streams, known, originals=kind)
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        if isinstance(value, property) and not (name.startswith("_") or hasattr(base, name)):
            members[name] = _property(name, value.__doc__)
    return type(f"{kind.__name__}{_suffix(plain)}", (base,), {"__doc__": kind.__doc__, **members})


def offering_names(
    kind: str, services: tuple[str, ...], streams: tuple[str, ...], plain: type[Any], cli: type[Any]
) -> type[Any]:
    """The same, as far as names tell."""
    if kind == CLI and set(services) == set(cli.services) and set(streams) == set(cli.streams):
        return cli
    return type(f"{kind}{_suffix(plain)}", (plain,), _members(services, streams, (), originals=None))


def _suffix(plain: type[Any]) -> str:
    return "" if plain is Connection else plain.__name__.removeprefix("Connection")


def _members(
    services: tuple[str, ...], streams: tuple[str, ...], known: Iterable[str], *, originals: Any
) -> dict[str, Any]:
    members: dict[str, Any] = {"__slots__": (), "services": services, "streams": streams}
    for names, make in ((services, _service), (streams, _stream)):
        for name in set(names).difference(known):
            method = make(name)
            members[name] = functools.wraps(getattr(originals, name))(method) if originals else method
    return members


def _service(name: str) -> Callable[..., Any]:
    def call(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._reach.call(name, args, kwargs)

    return _named(call, name)


def _stream(name: str) -> Callable[..., Any]:
    def stream(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self._reach.iterate(name, args, kwargs)

    return _named(stream, name)


def _named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    return function


def _property(name: str, doc: str | None) -> property:
    return property(lambda self: self._reach.ask(name), doc=doc)
