# SPDX-License-Identifier: Apache-2.0
"""The manager of a device, as scripts without a loop use it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from aioconn.home import call_at_home
from aioconn.sync.words import ManagerWords

if TYPE_CHECKING:
    from aioconn.admission.breaker import Circuit
    from aioconn.connection import BaseConnection
    from aioconn.sync.devices import Device
    from aioconn.sync.reach import Reach


class Breaker:
    """One path of a device, and when it may be tried again after failures."""

    __slots__ = ("_device", "_path", "_reach")

    def __init__(self, reach: Reach, device: str, path: str) -> None:
        self._reach = reach
        self._device = device
        self._path = path

    @property
    def state(self) -> Circuit:
        state: Circuit = self._own().state
        return state

    @property
    def failures(self) -> int:
        """How many there were in a row."""
        failures: int = self._own().failures
        return failures

    @property
    def last_error(self) -> BaseException | None:
        error: BaseException | None = self._own().last_error
        return error

    def reset(self) -> None:
        """Forget the failures: the path may be tried now."""
        manager = self._reach.local
        if manager is None:
            self._reach.ask("reset_breaker", (self._path,))
        else:
            call_at_home(manager.loop, manager.breaker(self._path).reset)

    def _own(self) -> Any:
        return self._reach.own("breaker")(self._path)

    def __repr__(self) -> str:
        return f"<Breaker of {self._device} via {self._path}>"


class ConnectionManager(ManagerWords):
    """Owns every connection of one device: `device.manager`."""

    __slots__ = ("_device",)

    _device: Device

    def of(self, device: Device) -> ConnectionManager:
        """For the device: that it is the manager of this one."""
        self._device = device
        return self

    @property
    def _reach(self) -> Reach:
        return self._device.redirected(self._at)

    @property
    def device(self) -> Device:
        return self._device

    @property
    def connections(self) -> Mapping[str, Any]:
        """Alias -> connection or pool, live or not; read-only."""
        return self._device.connections

    def get(self, alias: str | None = None) -> Any:
        """The connection of an alias. Raises `UnknownAlias`."""
        return self._device.connection(alias)

    def breaker(self, path: str) -> Breaker:
        """What the attempts on a path have come to, and when it will be tried again; `reset()` forgets its failures."""
        return Breaker(self._at, self._device.name, path)

    def using_alias(self, name: str) -> AbstractContextManager[Any]:
        """Within the block, and in this thread only, services called on the device go to `name`."""
        return self._device.using_alias(name)

    def instantiate(
        self,
        *,
        alias: str | None = None,
        via: str | None = None,
        cls: type[BaseConnection[Any]] | str | None = None,
        pool_size: int | None = None,
        pool_timeout: float | None = None,
        **arguments: Any,
    ) -> Any:
        """Make a connection under `alias` without opening it. Raises what is wrong with the request, nothing else."""
        keys = {
            "alias": alias,
            "via": via,
            "cls": cls,
            "pool_size": pool_size,
            "pool_timeout": pool_timeout,
            **arguments,
        }
        return self._at.ask("instantiate", (), keys)
