# SPDX-License-Identifier: Apache-2.0
"""Calls on a device that are meant for another alias than its default one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aioconn.sync.reach import NO_KEYS, Entered, Iteration, Lending, Reach

if TYPE_CHECKING:
    from aioconn.broker.estate import Address
    from aioconn.broker.frames import Target
    from aioconn.sync.devices import Device

# What means the default alias if it is told no other.
_TAKE_AN_ALIAS = frozenset(("destroy", "disconnect", "is_connected"))
# What is about the whole device, or names what it means.
_OF_THE_DEVICE = frozenset(("connect", "destroy_all", "disconnect_all"))


class Redirected:
    """The reach of a device (or its manager) for a thread that is inside `using_alias()`."""

    __slots__ = ("_alias", "_device", "_reach")

    def __init__(self, reach: Reach, alias: str, device: Device) -> None:
        self._reach = reach
        self._alias = alias
        self._device = device

    @property
    def local(self) -> Any:
        return self._reach.local

    @property
    def estate(self) -> str:
        return self._reach.estate

    @property
    def address(self) -> Address:
        return self._reach.address

    @property
    def target(self) -> Target:
        return self._reach.target

    @property
    def ref(self) -> Any:
        return self._reach.ref

    def words(self) -> str:
        return self._reach.words()

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        if name in _OF_THE_DEVICE:
            return self._reach.call(name, args, kwargs)
        if name in _TAKE_AN_ALIAS:
            return self._reach.call(name, self._with_alias(args), kwargs)
        return getattr(self._device.connection(self._alias), name)(*args, **kwargs)

    def ask(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        if name == "default_alias":
            return self._alias
        if name == "connected":
            return self._reach.ask("is_connected", (self._alias,))
        if name in _TAKE_AN_ALIAS:
            return self._reach.ask(name, self._with_alias(args), kwargs)
        return self._reach.ask(name, args, kwargs)

    def own(self, name: str) -> Any:
        return self._reach.own(name)

    def iterate(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS
    ) -> Iteration[Any]:
        pieces: Iteration[Any] = getattr(self._device.connection(self._alias), name)(*args, **kwargs)
        return pieces

    def enter(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Entered:
        return self._reach.enter(name, args, kwargs)

    def acquire(self, timeout: float | None) -> Lending:
        return self._reach.acquire(timeout)

    def _with_alias(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return args if args and args[0] is not None else (self._alias,)
