# SPDX-License-Identifier: Apache-2.0
"""A testbed, as scripts without a loop use it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aioconn.errors import UnknownDevice, nearest
from aioconn.sync import finding
from aioconn.sync.devices import Device, Home, checked_home
from aioconn.sync.handle import Handles
from aioconn.sync.words import TestbedWords
from aioconn.testbed import testbed as async_testbed
from aioconn.testbed.pieces import Callables

if TYPE_CHECKING:
    from aioconn.sync.reach import Iteration, Reach
    from aioconn.testbed.model import TestbedSpec


class Testbed(TestbedWords):
    """Devices by name or alias. As a context manager it closes every session on leaving, also when interrupted."""

    __slots__ = ("_by_alias", "_devices")

    __test__ = False  # not a test class, whatever pytest thinks of its name

    _devices: Mapping[str, Device] | None
    _by_alias: Mapping[str, Device]

    def __init__(self, spec: TestbedSpec, *, loop: Home = "own") -> None:
        self.stand_for(finding.reach_of_testbed(async_testbed.Testbed(spec, loop=checked_home(loop))))
        finding.remember(self)

    def stand_for(self, reach: Reach) -> None:
        super().stand_for(reach)
        self._devices = None

    @property
    def devices(self) -> Mapping[str, Device]:
        """The devices by name."""
        if (known := self._devices) is not None:
            return known
        testbed = self._at.local
        if testbed is not None:
            devices = {name: finding.of_device(device) for name, device in testbed.devices.items()}
        else:
            devices = self._at.ask("devices")
        for device in devices.values():
            device.belongs_to(self)
        self._by_alias = {device.alias: device for device in devices.values()}
        self._devices = known = Handles(devices)
        return known

    def elsewhere(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iteration[Any]:
        """For a fan-out: what the process that owns the testbed gives, item by item."""
        return self._at.iterate(name, args, kwargs)

    def __getitem__(self, name: str) -> Device:
        devices = self.devices
        found = devices.get(name) or self._by_alias.get(name)
        if found is None:
            raise UnknownDevice(
                f"no device {name!r} in testbed {self.name}", hint=nearest(name, {*devices, *self._by_alias})
            )
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.devices or name in self._by_alias

    def __iter__(self) -> Iterator[str]:
        return iter(self.devices)

    def __len__(self) -> int:
        return len(self.devices)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything. Another process than the one that owns the testbed closes nothing: it is in use there."""
        if self._at.local is not None:
            self.disconnect()


def load(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    name: str | None = None,
    format: str | None = None,
    loop: Home = "own",
    callables: Callables = (),
) -> Testbed:
    """A testbed from a file's path, YAML text or a mapping. Raises one `TestbedError` with every problem.

    The path may be that of an inventory of Nornir or Ansible; `format` ("testbed", "nornir", "ansible") says which,
    where it does not show.

    `loop` says where each device lives, see `Device`. `callables` are the functions that `%CALLABLE{}` may call.
    """
    return finding.of_testbed(
        async_testbed.load(source, name=name, format=format, loop=checked_home(loop), callables=callables)
    )
