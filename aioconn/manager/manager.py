# SPDX-License-Identifier: Apache-2.0
"""One manager for each device: it makes, names, limits and closes all of the device's connections."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from aioconn.admission import Admission, Breaker, ConnectGate
from aioconn.connection import BaseConnection, State
from aioconn.declaration import Loader
from aioconn.errors import AliasInUse, ConnectError, UsageError
from aioconn.exclusive import ExclusiveWork
from aioconn.manager.aliases import Aliases, Connection
from aioconn.manager.defaults import Defaults
from aioconn.manager.dwelling import Dwelling
from aioconn.manager.jump import JumpLink, path_to_jump_over
from aioconn.manager.maker import Maker
from aioconn.manager.openings import Openings
from aioconn.manager.target import Target
from aioconn.path import Path
from aioconn.policy import COMMAND_TIMEOUT, Limits
from aioconn.pool import ConnectionPool
from aioconn.residence import LoopKind, Residence
from aioconn.wrapping import Wrapper, Wrappers, Wrapping


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
        self._admission = Admission(device.name, limits or Limits(), self, device.listeners)
        self._wrappers = Wrappers(device.name)
        self._wrappers.expect(wrappers)
        for path in device.paths.values():
            if path.wrappers:
                self._wrappers.expect(map(Loader, path.wrappers), via=path.name)
        self._maker = Maker(device.name, defaults or Defaults(), self._admission, self._wrappers)
        self._aliases = Aliases(device.name)
        self._openings = Openings(device.name)
        self._dwelling = Dwelling(
            Residence(device.name, loop),
            self._aliases,
            self._openings,
            self._admission.exclusivity,
            self._neighbour,
        )
        self._jump = JumpLink(device.name)

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
        return self._aliases.view()

    @property
    def default_alias(self) -> str:
        """The alias that services called on the device go to: `using_alias()`'s in this task, else the default."""
        return self._aliases.in_use or self._maker.defaults.alias

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The home loop; None until something connects."""
        return self._dwelling.residence.loop

    @property
    def limits(self) -> Limits:
        return self._admission.budget.limits

    @property
    def defaults(self) -> Defaults:
        """What `connect()` starts from."""
        return self._maker.defaults

    @property
    def tied(self) -> bool:
        """Whether it holds what cannot move to another process: connections, the link for devices behind this one, a
        count of logins, wrappers that were attached as objects."""
        return bool(
            any(one.state is not State.CLOSED for one in self._aliases)
            or self._openings
            or self._jump.there
            or self.limits.logins_per_minute is not None
            or self._wrappers.attached
        )

    def default_arguments(self, arguments: Mapping[str, Any]) -> None:
        """Options that every later `connect()` of this device starts from."""
        defaults = self._maker.defaults
        self._maker.defaults = dataclasses.replace(defaults, arguments={**defaults.arguments, **arguments})

    def is_connected(self, alias: str | None = None) -> bool:
        """Whether the alias is live; False for an unknown one."""
        connection = self._aliases.find(alias or self.default_alias)
        return connection is not None and connection.connected

    def get(self, alias: str | None = None) -> Connection:
        """The connection of an alias. Raises `UnknownAlias`."""
        return self._aliases.get(alias or self.default_alias)

    def using_alias(self, name: str) -> AbstractContextManager[Connection]:
        """Within the block, and in this task only, services called on the device go to `name`."""
        return self._aliases.using(name)

    def statistics(self) -> dict[str, Any]:
        """Plain numbers: sessions by state, the budget, the waiters."""
        connections = list(self._aliases)
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
            "pools": {pool.alias: pool.statistics() for pool in self._aliases.pools()},
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
        device, maker = self.device, self._maker
        alias = maker.alias(alias, device)
        path = maker.paths(via, device)[0]
        pooling = maker.defaults.pooling(pool_size, pool_timeout)
        connection, fingerprint = maker.make(device, alias, path, cls, arguments, pooling)
        if (present := self._aliases.find(alias)) is not None and present.connected:
            raise AliasInUse(f"alias {alias!r} is connected", device=self._name, hint="disconnect() it first")
        self._aliases.keep(alias, connection, fingerprint)
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
        if (home := self._dwelling.home_to_connect()) is not asyncio.get_running_loop():
            return await self._dwelling.carry(
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
        failures: list[ConnectError] = []
        try:
            device, maker = self.device, self._maker
            alias = maker.alias(alias, device)
            paths = maker.paths(via, device)
            pooling = maker.defaults.pooling(pool_size, pool_timeout)
            for path in paths:
                try:
                    return await self._connect_one(
                        alias, path, cls, arguments, pooling, timeout=timeout, replace=replace
                    )
                except ConnectError as error:
                    failures.append(error)
        finally:
            self._dwelling.connected()
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
        connection, fingerprint = self._maker.make(self.device, alias, path, cls, arguments, pooling)
        aliases = self._aliases
        present = aliases.find(alias)
        if present is not None and (present.connected or alias in self._openings):
            if aliases.is_for(alias, fingerprint):
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
        elif present is not None and aliases.is_for(alias, fingerprint):
            connection = present  # the same again, after a disconnect: whoever holds it can use it again
        elif present is not None:
            # broken, and perhaps about to be opened again for a call: nobody would close it
            await present.close()
        aliases.keep(alias, connection, fingerprint)
        try:
            await self._openings.wait(alias, connection, timeout)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and alias not in self._openings:
                await connection.close()  # it opened in the very turn in which the caller was cancelled
            mine = aliases.find(alias) is connection and alias not in self._openings
            if mine and not connection.connected and connection.state is not State.OPENING:
                aliases.forget(alias, connection)
                await connection.close()  # who holds it from before would open it again, and nobody close it
            raise
        return connection

    def class_of(self, via: str | Sequence[str] | None = None) -> type[BaseConnection[Any]]:
        """The class that `connect(via=...)` would use on the first path it tries.

        Raises `UnknownPath` and `UnknownClass`.
        """
        path = self._maker.paths(via, self.device)[0]
        return self._maker.defaults.class_of(path, None, device=self._name)

    def claim_home(self) -> asyncio.AbstractEventLoop:
        """The loop to bring a call to from a thread that runs none; found, or started in a thread of its own.

        Raises UsageError if the device is to live on a caller's loop and nothing has connected it yet.
        """
        return self._dwelling.claim_from_thread()

    def _neighbour(self) -> Residence | None:
        """Where the jump host lives whose link carries this device's."""
        for path in self.device.paths.values():
            if path.proxy:
                return self.device.manager_of(path.proxy[0]).residence
        return None

    @property
    def residence(self) -> Residence:
        """Where the device lives; for those behind it."""
        return self._dwelling.residence

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
            self._aliases.forget(alias, connection)

    async def disconnect_all(self) -> None:
        """Close everything, also when cancelled. Failures come as one ExceptionGroup, when all are closed."""
        if self.loop is None and all(connection.state is State.CLOSED for connection in self._aliases):
            return  # nothing lives anywhere: no thread is started to close it
        if (home := self._dwelling.home()) is not asyncio.get_running_loop():
            await self._dwelling.carry(home, self.disconnect_all)
            return
        await self._close_all([connection.close for connection in self._aliases])

    async def destroy_all(self) -> None:
        """The same, and forget every alias."""
        doomed = self._aliases.view()
        try:
            await self.disconnect_all()
        finally:
            for alias, connection in doomed.items():
                self._aliases.forget(alias, connection)

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
            if self._dwelling.quiet:
                await self._admission.links.close()
                await self._jump.close()
            self._dwelling.leave()
        if failures:
            raise ExceptionGroup(f"{self._name}: {len(failures)} connections failed to close", failures)

    # ------------------------------------------------------------------ what the admission asks for

    def relieve(self) -> None:
        """Give up sessions that are idle in one pool for those who wait in another, the longest idle first."""
        budget = self._admission.budget
        while budget.waiting:
            idle = [
                (pool.idle_since, pool.alias, pool)
                for pool in self._aliases.pools()
                if pool.idle_since is not None and budget.hungry(self._time(), pool.alias) is not None
            ]
            if not idle:
                return
            min(idle, key=lambda entry: entry[:2])[2].give_up_idle()

    def device_gone(self, connection: BaseConnection[Any], error: BaseException) -> None:
        """For whoever has had the device restarted: all sessions but his are lost, also those that have not noticed."""
        for other in self._aliases:
            if isinstance(other, ConnectionPool):
                other.lose_all(connection, error)
            elif other is not connection:
                other._lost(error)
        self._jump.abort()

    def path_changed(self, path: str) -> None:
        for pool in self._aliases.pools():
            if pool.via == path:
                pool.path_changed()

    @property
    def connect_gate(self) -> ConnectGate | None:
        return self.device.connect_gate

    def exclusive(self, *, timeout: float = COMMAND_TIMEOUT) -> ExclusiveWork:
        """`async with manager.exclusive():` waits until everybody else has ended on the device, and keeps others out.

        Calls made in the block pass, those of tasks started in it as well. The wait, in the order of all callers, is
        bounded by `timeout` (seconds): `DeviceBusy` says who is in the way. `Deadlock`, at once, if it is the caller,
        or one who waits for the caller in turn.
        """
        return ExclusiveWork(self._name, self._admission.exclusivity, self._dwelling.home, timeout)

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
        self._dwelling.home()
        device = self.device
        path = path_to_jump_over(self._maker.paths(None, device), device.paths.values(), device=self._name)
        for hop in path.proxy if through is None else ():
            through = await device.manager_of(hop).link(through=through)
        return await self._jump.get(path, device.credentials.under(path.credentials), through)
