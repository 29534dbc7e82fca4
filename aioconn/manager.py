# SPDX-License-Identifier: Apache-2.0
"""One manager for each device: it makes, names, limits and closes all of the device's connections."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import functools
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from aioconn.admission import Admission
from aioconn.breaker import Breaker
from aioconn.connect_gate import ConnectGate
from aioconn.connection import BaseConnection, State
from aioconn.credentials import Credentials
from aioconn.declaration import Loader
from aioconn.defaults import Defaults
from aioconn.errors import (
    AliasInUse,
    ConnectError,
    InvalidAlias,
    SessionClosed,
    UnknownAlias,
    UnknownPath,
    UsageError,
    nearest,
)
from aioconn.events import Listeners
from aioconn.exclusive_work import ExclusiveWork
from aioconn.home import carry
from aioconn.jump import JumpLink
from aioconn.openings import Openings
from aioconn.path import Path
from aioconn.policy import COMMAND_TIMEOUT, Limits
from aioconn.pool import ConnectionPool, pool_type
from aioconn.request import Request
from aioconn.residence import LoopKind, Residence, undisturbed
from aioconn.wrapping import Wrapper, Wrappers, Wrapping

Connection = BaseConnection[Any] | ConnectionPool[Any]

T = TypeVar("T")


class Target(Protocol):
    """What a manager has to know of its device."""

    @property
    def name(self) -> str: ...
    @property
    def platform_hint(self) -> Any:
        """A Platform, or what the testbed calls it, or None."""
        ...

    @property
    def paths(self) -> Mapping[str, Path]: ...
    @property
    def credentials(self) -> Credentials: ...
    @property
    def listeners(self) -> Listeners: ...
    def manager_of(self, device: str) -> ConnectionManager:
        """The manager of another device of the testbed, for jumps."""
        ...

    def owns_name(self, name: str) -> bool:
        """Whether `name` is an attribute of the device already."""
        ...

    @property
    def connect_gate(self) -> ConnectGate | None:
        """Bounds how many connections of the whole testbed are opened at once."""
        ...


class ConnectionManager:
    """Owns every connection of one device; made by the device, which it holds weakly.

    Its home loop is the loop that first connects, or as `loop` says. Coroutines find their way there by themselves;
    a thread without a loop brings them there, after `claim_home()`.
    """

    def __init__(
        self,
        device: Target,
        *,
        defaults: Defaults | None = None,
        limits: Limits | None = None,
        loop: LoopKind = "caller",
        wrappers: Sequence[Loader] = (),
    ) -> None:
        self._device = weakref.ref(device)
        self._name = device.name
        self._defaults = defaults or Defaults()
        self._admission = Admission(device.name, limits or Limits(), self, device.listeners)
        self._residence = Residence(device.name, loop)
        self._wrappers = Wrappers(device.name)
        self._wrappers.expect(wrappers)
        for path in device.paths.values():
            if path.wrappers:
                self._wrappers.expect(map(Loader, path.wrappers), via=path.name)
        self._connections: dict[str, Connection] = {}
        self._fingerprints: dict[str, tuple[Any, ...]] = {}
        self._openings = Openings(device.name)
        self._connecting = 0  # calls of `connect` that go on at home
        self._leaves_soon = False  # was to leave home while somebody connected
        self._jump = JumpLink(device.name)
        self._alias_in_use: contextvars.ContextVar[str | None] = contextvars.ContextVar(
            f"aioconn alias of {device.name}", default=None
        )

    # ------------------------------------------------------------------ what there is

    @property
    def device(self) -> Target:
        device = self._device()
        if device is None:
            raise UsageError("the device of this manager no longer exists", device=self._name)
        return device

    @property
    def connections(self) -> Mapping[str, Connection]:
        """Alias -> connection or pool, live or not, as they are now; read-only."""
        return MappingProxyType(self._connections.copy())

    @property
    def default_alias(self) -> str:
        """The alias that services called on the device go to: `using_alias()`'s in this task, else the default."""
        return self._alias_in_use.get() or self._defaults.alias

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The home loop; None until something connects."""
        return self._residence.loop

    @property
    def limits(self) -> Limits:
        return self._admission.budget.limits

    @property
    def defaults(self) -> Defaults:
        """What `connect()` starts from."""
        return self._defaults

    @property
    def tied(self) -> bool:
        """Whether it holds what cannot move to another process: connections, the link for devices behind this one, a
        count of logins, wrappers that were attached as objects."""
        return bool(
            any(one.state is not State.CLOSED for one in self._connections.values())
            or self._openings
            or self._jump.there
            or self.limits.logins_per_minute is not None
            or self._wrappers.attached
        )

    def default_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Options that every later `connect()` of this device starts from."""
        self._defaults = dataclasses.replace(
            self._defaults, arguments={**self._defaults.arguments, **arguments}
        )

    def is_connected(self, alias: str | None = None) -> bool:
        """Whether the alias is live; False for an unknown one."""
        connection = self._connections.get(alias or self.default_alias)
        return connection is not None and connection.connected

    def get(self, alias: str | None = None) -> Connection:
        """The connection of an alias. Raises `UnknownAlias`."""
        alias = alias or self.default_alias
        connection = self._connections.get(alias)
        if connection is None:
            raise UnknownAlias(
                f"no connection {alias!r}",
                device=self._name,
                hint=nearest(alias, list(self._connections)) if self._connections else "call connect()",
            )
        return connection

    @contextlib.contextmanager
    def using_alias(self, name: str) -> Iterator[Connection]:
        """Within the block, and in this task only, services called on the device go to `name`."""
        connection = self.get(name)
        token = self._alias_in_use.set(name)
        try:
            yield connection
        finally:
            self._alias_in_use.reset(token)

    def statistics(self) -> dict[str, Any]:
        """Plain numbers: sessions by state, the budget, the waiters."""
        connections = list(self._connections.values())
        states = [connection.state for connection in connections]
        budget = self._admission.budget
        return {
            "connections": len(states),
            "connected": sum(connection.connected for connection in connections),
            "busy": states.count(State.BUSY),
            "broken": states.count(State.BROKEN),
            "sessions_used": budget.used,
            "max_sessions": self.limits.max_sessions,
            "learned_sessions": budget.learned,
            "waiting": budget.waiting,
            "exclusive": self._admission.exclusivity.statistics(),
            **self._admission.links.statistics(),
            "pools": {pool.alias: pool.statistics() for pool in self._pools()},
        }

    def __repr__(self) -> str:
        numbers = self.statistics()
        return f"<ConnectionManager {self._name} {numbers['connected']}/{numbers['connections']} connected>"

    # ------------------------------------------------------------------ wrappers

    def wrap(self, wrapper: Wrapper, *, order: int | None = None) -> Wrapping:
        """Let the calls of this device's services, over all its connections and pools, go through `wrapper`.

        The one with the lowest `order` (else its attribute `order`, else 0) is the outermost, among equals the one that
        was attached first. Those that begin from now on are concerned, until `unwrap()` of what this returns.
        """
        return Wrapping(wrapper, [(self._wrappers, self._wrappers.attach(wrapper, order))])

    # ------------------------------------------------------------------ making

    def instantiate(
        self,
        *,
        alias: str | None = None,
        via: str | None = None,
        cls: type[BaseConnection[Any]] | str | None = None,
        pool_size: int | None = None,
        pool_timeout: float | None = None,
        **arguments: Any,
    ) -> Connection:
        """Make a connection under `alias` without opening it. Raises what is wrong with the request, nothing else."""
        alias = self._checked_alias(alias)
        path = self._paths(via)[0]
        connection, fingerprint = self._make(
            alias, path, cls, arguments, self._defaults.pooling(pool_size, pool_timeout)
        )
        if (present := self._connections.get(alias)) is not None and present.connected:
            raise AliasInUse(f"alias {alias!r} is connected", device=self._name, hint="disconnect() it first")
        self._register(alias, connection, fingerprint)
        return connection

    async def connect(
        self,
        *,
        alias: str | None = None,
        via: str | Sequence[str] | None = None,
        cls: type[BaseConnection[Any]] | str | None = None,
        timeout: float | None = None,
        replace: bool = False,
        pool_size: int | None = None,
        pool_timeout: float | None = None,
        **arguments: Any,
    ) -> Connection:
        """Open a connection and return it; the live one if the same was asked for before.

        `via` names a path, or several that are tried in order. `timeout` (seconds) bounds each attempt. A failed
        attempt leaves no alias behind; the last path's error is raised, with the others' as notes.

        `pool_size` makes a pool of at most so many sessions; one is opened now, the others when they are needed. A call
        waits at most `pool_timeout` seconds for one of them (30 if not given; 0: no limit but its own deadline).
        """
        if (home := self._home()) is not asyncio.get_running_loop():
            return await self._carry(
                home,
                functools.partial(
                    self.connect,
                    alias=alias,
                    via=via,
                    cls=cls,
                    timeout=timeout,
                    replace=replace,
                    pool_size=pool_size,
                    pool_timeout=pool_timeout,
                    **arguments,
                ),
            )
        alias = self._checked_alias(alias)
        paths = self._paths(via)
        pooling = self._defaults.pooling(pool_size, pool_timeout)
        failures: list[ConnectError] = []
        self._connecting += 1
        try:
            for path in paths:
                try:
                    return await self._connect_one(
                        alias, path, cls, arguments, pooling, timeout=timeout, replace=replace
                    )
                except ConnectError as error:
                    failures.append(error)
        finally:
            self._connecting -= 1
            if self._leaves_soon:
                self._leave_home()
        for failure in failures[:-1]:
            failures[-1].add_note(f"before that: {failure}")
        raise failures[-1]

    async def _connect_one(
        self,
        alias: str,
        path: Path,
        cls: type[BaseConnection[Any]] | str | None,
        arguments: Mapping[str, Any],
        pooling: tuple[int | None, float | None],
        *,
        timeout: float | None,
        replace: bool,
    ) -> Connection:
        connection, fingerprint = self._make(alias, path, cls, arguments, pooling)
        present = self._connections.get(alias)
        if present is not None and (present.connected or alias in self._openings):
            if self._fingerprints[alias] == fingerprint:
                await self._openings.wait(alias, present, timeout)
                return present
            if not replace:
                raise AliasInUse(
                    f"alias {alias!r} is connected via {present.via}",
                    device=self._name,
                    path=path.name,
                    hint="choose another alias, or pass replace=True",
                )
            await self.destroy(alias)
        elif present is not None and self._fingerprints[alias] == fingerprint:
            connection = present  # the same again, after a disconnect: whoever holds it can use it again
        elif present is not None:
            await (
                present.close()
            )  # broken, and perhaps about to be opened again for a call: nobody would close it
        self._register(alias, connection, fingerprint)
        try:
            await self._openings.wait(alias, connection, timeout)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and alias not in self._openings:
                await connection.close()  # it opened in the very turn in which the caller was cancelled
            mine = self._connections.get(alias) is connection and alias not in self._openings
            if mine and not connection.connected and connection.state is not State.OPENING:
                self._forget(alias)
                await connection.close()  # who holds it from before would open it again, and nobody close it
            raise
        return connection

    def _make(
        self,
        alias: str,
        path: Path,
        cls: type[BaseConnection[Any]] | str | None,
        arguments: Mapping[str, Any],
        pooling: tuple[int | None, float | None],
    ) -> tuple[Connection, tuple[Any, ...]]:
        device = self.device
        kind = self._defaults.class_of(path, cls, device=self._name)
        self._wrappers.complete(path.name)
        merged = {**self._defaults.arguments, **arguments}
        request = Request(
            device=self._name,
            alias=alias,
            path=path,
            arguments=merged,
            credentials=device.credentials.under(path.credentials),
            platform=device.platform_hint,
            listeners=device.listeners,
            environment=self._admission,
            wrappers=self._wrappers,
        )
        size, wait = pooling
        fingerprint = (kind, path.name, size, wait, tuple(sorted(merged.items(), key=lambda item: item[0])))
        if size is None:
            return kind(request), fingerprint
        return pool_type(kind)(kind, request, self._admission, size=size, timeout=wait), fingerprint

    def class_of(self, via: str | Sequence[str] | None = None) -> type[BaseConnection[Any]]:
        """The class that `connect(via=...)` would use on the first path it tries.

        Raises `UnknownPath` and `UnknownClass`.
        """
        return self._defaults.class_of(self._paths(via)[0], None, device=self._name)

    def _pools(self) -> list[ConnectionPool[Any]]:
        return [one for one in list(self._connections.values()) if isinstance(one, ConnectionPool)]

    def _register(self, alias: str, connection: Connection, fingerprint: tuple[Any, ...]) -> None:
        self._connections[alias] = connection
        self._fingerprints[alias] = fingerprint

    def _forget(self, alias: str) -> None:
        self._connections.pop(alias, None)
        self._fingerprints.pop(alias, None)

    def _checked_alias(self, alias: str | None) -> str:
        alias = self._defaults.checked_alias(alias, device=self._name)
        if self.device.owns_name(alias):
            raise InvalidAlias(f"the device already has something called {alias!r}", device=self._name)
        return alias

    def _paths(self, via: str | Sequence[str] | None) -> list[Path]:
        return self._defaults.chosen(via, self.device.paths, device=self._name)

    def _home(self) -> asyncio.AbstractEventLoop:
        """The loop to carry a call to; claimed by the first one. Raises LoopMismatch if it does not run."""
        if (here := self._residence.here) is not None:
            return here
        return self._residence.claim(vacant=self._vacant(), neighbour=self._neighbour())

    async def _carry(self, home: asyncio.AbstractEventLoop, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `call()` gives at home. If the device leaves that one while the call is still on its way there, the call
        is made again from here, and finds where the device lives next."""
        begun = False

        async def work() -> T:
            nonlocal begun
            begun = True
            return await call()

        try:
            return await carry(home, work)
        except SessionClosed:
            if begun or self._residence.loop is home:
                raise
        return await call()

    def claim_home(self) -> asyncio.AbstractEventLoop:
        """The loop to bring a call to from a thread that runs none; found, or started in a thread of its own.

        Raises UsageError if the device is to live on a caller's loop and nothing has connected it yet.
        """
        if (home := self._residence.leased) is not None:
            return home
        return undisturbed(
            lambda: self._residence.claim_from_thread(vacant=self._vacant(), neighbour=self._neighbour())
        )

    def _vacant(self) -> bool:
        """Whether nothing of the device lives at its home."""
        open_ = any(connection.state is not State.NEW for connection in list(self._connections.values()))
        return not open_ and not self._openings

    def _is_all_closed(self) -> bool:
        states = [connection.state for connection in list(self._connections.values())]
        return not self._openings and all(state in (State.NEW, State.CLOSED) for state in states)

    def _neighbour(self) -> Residence | None:
        """Where the jump host lives whose link carries this device's."""
        for path in self.device.paths.values():
            if path.proxy:
                return self.device.manager_of(path.proxy[0]).residence
        return None

    @property
    def residence(self) -> Residence:
        """Where the device lives; for those behind it."""
        return self._residence

    # ------------------------------------------------------------------ closing

    async def disconnect(self, alias: str | None = None) -> None:
        """Close a connection; its alias stays, its services raise `SessionClosed` until it is connected again."""
        await self.get(alias).close()

    async def destroy(self, alias: str | None = None) -> None:
        """Close a connection and forget its alias."""
        alias = alias or self.default_alias
        connection = self.get(alias)
        try:
            await connection.close()
        finally:
            if self._connections.get(alias) is connection:
                self._forget(alias)

    async def disconnect_all(self) -> None:
        """Close everything, also when cancelled. Failures come as one ExceptionGroup, when all are closed."""
        if self._residence.loop is None and all(
            connection.state is State.CLOSED for connection in self._connections.values()
        ):
            return  # nothing lives anywhere: no thread is started to close it
        if (home := self._home()) is not asyncio.get_running_loop():
            await self._carry(home, self.disconnect_all)
            return
        await self._close_all([connection.close for connection in self._connections.values()])

    async def destroy_all(self) -> None:
        """The same, and forget every alias."""
        doomed = list(self._connections.items())
        try:
            await self.disconnect_all()
        finally:
            for alias, connection in doomed:
                if self._connections.get(alias) is connection:
                    self._forget(alias)

    async def _close_all(self, closers: list[Callable[[], Any]]) -> None:
        tasks: list[asyncio.Future[Any]] = []
        failures: list[Exception] = []
        try:
            if len(closers) == 1:  # it ends well by itself when it is cancelled
                await closers[0]()
            elif closers:
                tasks += [asyncio.ensure_future(closer()) for closer in closers]
                await asyncio.wait(tasks)
        except Exception as error:
            failures.append(error)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            raise
        finally:
            errors = [task.exception() for task in tasks if task.done() and not task.cancelled()]
            failures += [error for error in errors if isinstance(error, Exception)]
            # What somebody has connected meanwhile lives on, here, and its own close does the rest.
            if self._is_all_closed():
                await self._admission.links.close()
                await self._jump.close()
            self._leave_home()
        if failures:
            raise ExceptionGroup(f"{self._name}: {len(failures)} connections failed to close", failures)

    def _leave_home(self) -> None:
        """Once nothing lives there: nor anybody who keeps the device, or waits for it, and gives back at this loop."""
        exclusivity, home = self._admission.exclusivity, self._residence.loop
        if home is None or home is not asyncio.get_running_loop():
            return  # it lives elsewhere by now
        self._leaves_soon = bool(self._connecting)  # which may open something here the very next moment
        if self._leaves_soon or not self._is_all_closed():
            return
        for connection in self._connections.values():
            if (closing := connection.closing) is not None:
                closing.add_done_callback(lambda _: self._leave_home())
                return
        if exclusivity.idle:
            self._residence.leave()
        else:
            exclusivity.on_idle = self._leave_home

    # ------------------------------------------------------------------ what the admission asks for

    def relieve(self) -> None:
        """Give up sessions that are idle in one pool for those who wait in another, the longest idle first."""
        budget = self._admission.budget
        while budget.waiting:
            idle = [
                (pool.idle_since, pool.alias, pool)
                for pool in self._pools()
                if pool.idle_since is not None and budget.hungry(self._time(), pool.alias) is not None
            ]
            if not idle:
                return
            min(idle, key=lambda entry: entry[:2])[2].give_up_idle()

    def device_gone(self, connection: BaseConnection[Any], error: BaseException) -> None:
        """For whoever has had the device restarted: all sessions but his are lost, also those that have not noticed."""
        for other in list(self._connections.values()):
            if isinstance(other, ConnectionPool):
                other.lose_all(connection, error)
            elif other is not connection:
                other._lost(error)
        self._jump.abort()

    def path_changed(self, path: str) -> None:
        for pool in self._pools():
            if pool.via == path:
                pool.path_changed()

    @property
    def connect_gate(self) -> ConnectGate | None:
        return self.device.connect_gate

    def exclusive(self, *, timeout: float = COMMAND_TIMEOUT) -> ExclusiveWork:
        """`async with manager.exclusive():` waits until everybody else has ended on the device, and keeps others out.

        Calls made in the block pass, those of tasks started in it as well. The wait, in the order of all callers, is
        bounded by `timeout` (seconds): `DeviceBusy` says who is in the way. `Deadlock`, at once, if it is the caller.
        """
        return ExclusiveWork(self._name, self._admission.exclusivity, self._home, timeout)

    def breaker(self, path: str) -> Breaker:
        """What the attempts on a path have come to, and when it will be tried again; `reset()` forgets its failures."""
        return self._admission.breaker(path)

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    async def jump(self, connection: BaseConnection[Any]) -> Any:
        """The SSH link that carries this connection, through every hop of its path; None without a proxy."""
        link = None
        for hop in connection.path.proxy:
            link = await self.device.manager_of(hop).link(through=link)
        return link

    async def link(self, *, through: Any = None) -> Any:
        """This device's own SSH link as a jump host: connected once, shared by all devices behind it."""
        self._home()
        device = self.device
        candidates = [
            path for path in self._paths(None) if path.protocol in (None, "ssh") and not path.command
        ]
        candidates += [
            path for path in device.paths.values() if path.protocol in (None, "ssh") and not path.command
        ]
        if not candidates:
            raise UnknownPath("a jump host needs a path with protocol ssh", device=self._name)
        path = candidates[0]
        for hop in path.proxy if through is None else ():
            through = await device.manager_of(hop).link(through=through)
        return await self._jump.get(path, device.credentials.under(path.credentials), through)
