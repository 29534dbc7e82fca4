# SPDX-License-Identifier: Apache-2.0
"""Connections, as scripts without a loop use them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from aioconn.sync.handle import Block, Handle
from aioconn.sync.words import (
    CliProperties,
    CliServices,
    CommandServices,
    ConnectionWords,
    GnmiServices,
    NetconfProperties,
    NetconfServices,
    RestconfProperties,
    RestconfServices,
    RestServices,
    SnmpServices,
)

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection
    from aioconn.platforms.model import Platform


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


class CliConnection(CommandLine, Connection):
    """A session on a device's command line."""

    __slots__ = ()

    def bash_console(self, *, timeout: float | None = None) -> AbstractContextManager[Self]:
        """`with connection.bash_console() as bash:` the session is in the shell below the command line, for this block
        alone: `bash.execute("ls")`.

        Whatever way the block ends, also by Ctrl-C, the session goes back to the mode in which it was; the next caller
        waits for that. A session that breaks in between is not reopened in the block. `timeout` bounds the wait for the
        session, and each way. Raises `UsageError` where the platform names no such shell.
        """
        return Block(self._reach, "bash_console", (), {"timeout": timeout}, self)


class CommandsConnection(CommandServices, Connection):
    """A session of an API that runs commands: Arista's eAPI, Cisco's NX-API."""

    __slots__ = ()


class RestConnection(RestServices, Connection):
    """A session with a REST API."""

    __slots__ = ()


class RestconfConnection(RestconfServices, RestconfProperties, Connection):
    """A session with a RESTCONF server."""

    __slots__ = ()


class NetconfConnection(NetconfServices, NetconfProperties, Connection):
    """A session with a NETCONF server."""

    __slots__ = ()

    def locked(
        self, target: str | None = None, *, discard: bool = True, timeout: float | None = None
    ) -> AbstractContextManager[Self]:
        """`with connection.locked("candidate"):` the datastore is locked, and the session is for this block alone.

        Whatever way it ends, also by Ctrl-C, the lock is given back; a block that ends with an error discards what it
        changed in the candidate (unless `discard` is False). A session that breaks in between is not reopened in the
        block. `timeout` bounds the wait for the session, and each of the calls.
        """
        return Block(self._reach, "locked", (target,), {"discard": discard, "timeout": timeout}, self)


class SnmpConnection(SnmpServices, Connection):
    """A session with an SNMP agent."""

    __slots__ = ()


class GnmiConnection(GnmiServices, Connection):
    """A session with a gNMI target."""

    __slots__ = ()


HANDLES: dict[str, type[Connection]] = {
    "aioconn.protocols.cli:CliConnection": CliConnection,
    "aioconn.protocols.gnmi.connection:GnmiConnection": GnmiConnection,
    "aioconn.protocols.netconf.connection:NetconfConnection": NetconfConnection,
    "aioconn.protocols.rest.commands:CommandsConnection": CommandsConnection,
    "aioconn.protocols.rest.connection:RestConnection": RestConnection,
    "aioconn.protocols.restconf.connection:RestconfConnection": RestconfConnection,
    "aioconn.protocols.snmp.connection:SnmpConnection": SnmpConnection,
}
"""By the class that they stand for, which is not imported for them: it may need what is not installed."""


# ---------------------------------------------------------------------- classes that are not written anywhere

H = TypeVar("H", bound=Handle)


@functools.cache
def connection_type(kind: type[BaseConnection[Any]]) -> type[Connection]:
    """The handle of a connection class: its services by name."""
    return offering(kind, Connection, HANDLES)


@functools.cache
def connection_type_of(kind: str, services: tuple[str, ...], streams: tuple[str, ...]) -> type[Connection]:
    """The same, of a class that only another process has."""
    return offering_names(kind, services, streams, Connection, HANDLES)


def offering(kind: type[BaseConnection[Any]], plain: type[H], handles: Mapping[str, type[H]]) -> type[H]:
    """The handle that is written for the class or for one that it is built on, else `plain`, with all the services that
    the class has beside. Its public properties as well, and what it sets on instances."""
    original = next((one for one in kind.__mro__ if _place(one) in handles), None)
    base: Any = plain if original is None else handles[_place(original)]
    if kind is original:
        return cast("type[H]", base)
    known = {name for name in base.services if getattr(kind, name) is getattr(original, name)}
    known |= {name for name in base.streams if getattr(kind, name) is getattr(original, name)}
    members = _members(kind.services, kind.streams, known, originals=kind)
    for name in dir(kind):
        value = inspect.getattr_static(kind, name)
        if isinstance(value, property) and not (name.startswith("_") or hasattr(base, name)):
            members[name] = _property(name, value.__doc__)
    return type(f"{kind.__name__}{_suffix(plain)}", (base,), {"__doc__": kind.__doc__, **members})


def offering_names(
    kind: str,
    services: tuple[str, ...],
    streams: tuple[str, ...],
    plain: type[H],
    handles: Mapping[str, type[H]],
) -> type[H]:
    """The same, as far as names tell."""
    for place, handle in handles.items():
        written: Any = handle
        same = set(services) == set(written.services) and set(streams) == set(written.streams)
        if same and place.rpartition(":")[2] == kind:
            return handle
    bases: tuple[type[Any], ...] = (plain,)
    return cast(
        "type[H]", type(f"{kind}{_suffix(plain)}", bases, _members(services, streams, (), originals=None))
    )


def _place(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


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
