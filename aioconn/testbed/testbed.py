# SPDX-License-Identifier: Apache-2.0
"""A testbed: its devices, and work on all of them at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from aioconn.admission import ConnectGate
from aioconn.collector import crowded, paused
from aioconn.declaration import Loader
from aioconn.errors import Problem, UnknownDevice, nearest
from aioconn.events import Listeners
from aioconn.residence import LoopKind
from aioconn.results import Output, Result, Results
from aioconn.testbed.device import Device
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import Server, TestbedSpec
from aioconn.testbed.pieces import Callables
from aioconn.testbed.round import Round
from aioconn.testbed.topology import Topology
from aioconn.visits import LIMIT, TIMEOUT
from aioconn.wrapping import Wrapper, Wrapping

if TYPE_CHECKING:
    from aioconn.workers.crew import Workers


class _Devices(dict[str, Device]):
    """By name, and looked up by alias as well."""

    def __init__(self, devices: dict[str, Device]) -> None:
        super().__init__(devices)
        self.by_alias = {device.alias: device for device in devices.values()}

    def __missing__(self, name: str) -> Device:
        return self.by_alias[name]

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or name in self.by_alias

    def get(self, name: str, default: Any = None) -> Any:
        return dict.get(self, name) or self.by_alias.get(name, default)


class Testbed:
    """Devices by name or alias. As a context manager it closes every session on leaving, also when cancelled."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, spec: TestbedSpec, *, loop: LoopKind = "caller") -> None:
        self._spec = spec
        self._listeners = Listeners()
        self._named_wrappers = tuple(map(Loader, spec.wrappers))
        self._gates: WeakKeyDictionary[asyncio.AbstractEventLoop, ConnectGate] = WeakKeyDictionary()
        self._devices = _Devices(
            {name: Device.from_spec(device, self, loop=loop) for name, device in spec.devices.items()}
        )
        self._by_alias = self._devices.by_alias
        self._gateways = {
            name: Device.from_spec(server, self, loop=loop) for name, server in spec.gateways.items()
        }

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def spec(self) -> TestbedSpec:
        """All that the file says."""
        return self._spec

    @property
    def devices(self) -> Mapping[str, Device]:
        """By name; an alias is understood as well."""
        return MappingProxyType(self._devices)

    @property
    def servers(self) -> Mapping[str, Server]:
        """What serves all devices: tftp, ntp, a jump host, ..."""
        return self._spec.servers

    def hop(self, name: str) -> Device:
        """A device to go through; or a server of the testbed, as one."""
        gateway = self._gateways.get(name) if name not in self._devices else None
        return self[name] if gateway is None else gateway

    @property
    def topology(self) -> Topology:
        return self._spec.topology

    @property
    def custom(self) -> Mapping[str, Any]:
        return self._spec.custom

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is accepted in the file but probably not meant."""
        return self._spec.warnings

    @property
    def listeners(self) -> Listeners:
        """Who hears of every device's events: `testbed.listeners.add(callback)`."""
        return self._listeners

    @property
    def named_wrappers(self) -> Sequence[Loader]:
        """For its devices: the service wrappers that the file names for all of them."""
        return self._named_wrappers

    def wrap(self, wrapper: Wrapper, *, order: int | None = None) -> Wrapping:
        """Let the calls of every device's services go through `wrapper`. See `ConnectionManager.wrap`."""
        places = [
            place for device in self._devices.values() for place in device.wrap(wrapper, order=order).places
        ]
        return Wrapping(wrapper, places)

    @property
    def connect_gate(self) -> ConnectGate:
        """Bounds the key exchanges under way, per loop."""
        loop = asyncio.get_running_loop()
        if (gate := self._gates.get(loop)) is None:
            gate = self._gates.setdefault(loop, ConnectGate())
        return gate

    def __getitem__(self, name: str) -> Device:
        found = self._devices.get(name) or self._by_alias.get(name)
        if found is None:
            raise UnknownDevice(
                f"no device {name!r} in testbed {self.name}",
                hint=nearest(name, {*self._devices, *self._by_alias}),
            )
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._devices or name in self._by_alias

    def __iter__(self) -> Iterator[str]:
        return iter(self._devices)

    def __len__(self) -> int:
        return len(self._devices)

    def __repr__(self) -> str:
        live = sum(device.connected for device in self._devices.values())
        return f"<Testbed {self.name} {live}/{len(self)} devices connected>"

    async def __aenter__(self) -> Testbed:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    # ------------------------------------------------------------------ all devices at once

    async def connect(
        self,
        devices: Iterable[str] | None = None,
        *,
        via: str | None = None,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
        deadline: float | None = None,
    ) -> Results[Any]:
        """Connect all, or the named, devices. `timeout` bounds each, `deadline` the whole (seconds)."""
        wanted = Round("connect", None, via=via, timeout=timeout, deadline=deadline)
        return await wanted.over(self._chosen(devices), limit=limit)

    async def execute(
        self,
        command: str | Sequence[str],
        devices: Iterable[str] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
        deadline: float | None = None,
        workers: int | Literal["auto"] | Workers = 1,
    ) -> Results[Any]:
        """Run a command, or several, on all devices; those that are not connected are connected, and stay so.

        `workers` is how many processes work on them, as in `fan_out`. With anything but 1, what is not connected is
        connected for the call alone: a session of another process cannot stay in this one.
        """
        wanted = Round("execute", command, timeout=timeout, deadline=deadline)
        return await wanted.over(self._chosen(devices), limit=limit, workers=workers)

    async def configure(
        self,
        lines: str | Sequence[str],
        devices: Iterable[str] | None = None,
        *,
        limit: int = LIMIT,
        timeout: float = TIMEOUT,
        deadline: float | None = None,
        workers: int | Literal["auto"] | Workers = 1,
    ) -> Results[Output]:
        """Send configuration lines to all devices; the same words as `execute`."""
        wanted = Round("configure", lines, timeout=timeout, deadline=deadline)
        return await wanted.over(self._chosen(devices), limit=limit, workers=workers)

    async def disconnect(self, devices: Iterable[str] | None = None) -> Results[None]:
        """Close everything of all, or the named, devices; jump hosts last. Closes also when cancelled."""
        chosen = self._chosen(devices)
        used = {
            hop for device in self._devices.values() for path in device.paths.values() for hop in path.proxy
        }
        inner = [device for device in chosen if device.name not in used]
        outer = [device for device in chosen if device.name in used]
        results: dict[str, Result[None]] = {device.name: Result(device=device.name) for device in chosen}
        cancelled: asyncio.CancelledError | None = None
        servers = list(self._gateways.values()) if devices is None else []
        for group in (inner, outer, servers):
            with crowded(len(group)):
                tasks = {device.name: asyncio.ensure_future(device.disconnect_all()) for device in group}
                while tasks:
                    try:
                        await asyncio.wait(tasks.values())
                        break
                    except asyncio.CancelledError as error:
                        cancelled = error
                        for task in tasks.values():
                            task.cancel()
            for name, task in tasks.items():
                failure = None if task.cancelled() else task.exception()
                if name in results:  # no server was asked for
                    results[name] = Result(device=name, error=failure)
        if cancelled is not None:
            raise cancelled
        return Results(results)

    def _chosen(self, names: Iterable[str] | None) -> list[Device]:
        """The devices asked for, all of them known before anything is touched."""
        return list(self._devices.values()) if names is None else [self[name] for name in names]


def load(
    source: str | os.PathLike[str] | Mapping[str, Any],
    *,
    name: str | None = None,
    format: str | None = None,
    loop: LoopKind = "caller",
    callables: Callables = (),
) -> Testbed:
    """A testbed from a file's path, YAML text or a mapping. Raises one `TestbedError` with every problem.

    The path may be that of an inventory of Nornir or Ansible; `format` ("testbed", "nornir", "ansible") says which,
    where it does not show.

    `loop` says where each device lives, see `Device`. `callables` are the functions that `%CALLABLE{}` in the file may
    call: dotted paths of functions, modules or packages; True allows all.
    """
    with paused():
        return Testbed(load_spec(source, name=name, format=format, callables=callables), loop=loop)
