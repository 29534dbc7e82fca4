# SPDX-License-Identifier: Apache-2.0
"""What a manager has to know of its device, and of the devices on the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from aioconn.admission import ConnectGate
from aioconn.credentials import Credentials
from aioconn.events import Listeners
from aioconn.manager.aliases import Connection
from aioconn.path import Path
from aioconn.residence import Residence


class Host(Protocol):
    """The manager of a jump host."""

    @property
    def residence(self) -> Residence: ...
    @property
    def connections(self) -> Mapping[str, Connection]: ...
    async def disconnect_all(self) -> None: ...
    async def link(self, *, through: Any = None) -> Any:
        """Its SSH link, shared by all devices behind it."""
        ...


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
    def manager_of(self, device: str) -> Host:
        """The manager of another device of the testbed, for jumps."""
        ...

    def owns_name(self, name: str) -> bool:
        """Whether `name` is an attribute of the device already."""
        ...

    @property
    def connect_gate(self) -> ConnectGate | None:
        """Bounds how many connections of the whole testbed are opened at once."""
        ...
