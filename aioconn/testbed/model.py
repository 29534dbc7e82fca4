# SPDX-License-Identifier: Apache-2.0
"""A testbed as plain data: what a file says, checked, with nothing of it resolved, asked or connected.

Mappings keep the order of the file. `custom`, `servers`, `peripherals` and `extra` are free data, left out of
reprs, because people keep passwords in them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aioconn.credentials import Credentials
from aioconn.errors import Problem
from aioconn.path import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDefaults:
    """`connections.defaults` of a device: what `connect()` does unless told. `pool_timeout` is in seconds."""

    class_name: str | None = None
    alias: str | None = None
    via: tuple[str, ...] = ()
    max_sessions: int | None = None
    logins_per_minute: int | None = None
    pool_size: int | None = None
    pool_timeout: float | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """An interface of a device, by the device's name. Addresses are as written; of a list the first."""

    name: str
    device: str
    type: str | None = None
    link: str | None = None
    alias: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What joins interfaces; declared under `topology.links`, or only named by interfaces."""

    name: str
    alias: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)  # no slots: it caches what it looks up
class Topology:
    """Interfaces by device and name, links by name."""

    interfaces: Mapping[str, Mapping[str, Interface]] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)

    def on_link(self, link: str) -> tuple[Interface, ...]:
        """The interfaces on a link, by the link's name or alias; empty if there are none."""
        name = next((name for name, known in self.links.items() if link in (name, known.alias)), link)
        return self._by_link.get(name, ())

    def links_of(self, device: str) -> tuple[Link, ...]:
        """The links that a device has an interface on, each once."""
        names = dict.fromkeys(interface.link for interface in self.interfaces.get(device, {}).values())
        return tuple(self.links[name] for name in names if name is not None)

    def neighbours(self, device: str) -> tuple[str, ...]:
        """The names of the devices that share a link with this one."""
        ends = [end for link in self.links_of(device) for end in self._by_link[link.name]]
        return tuple(dict.fromkeys(end.device for end in ends if end.device != device))

    @functools.cached_property
    def _by_link(self) -> dict[str, tuple[Interface, ...]]:
        found: dict[str, list[Interface]] = {}
        for interfaces in self.interfaces.values():
            for interface in interfaces.values():
                if interface.link is not None:
                    found.setdefault(interface.link, []).append(interface)
        return {name: tuple(ends) for name, ends in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """One device. `credentials` fall back to the testbed's; `path.credentials` are a layer above them.

    `os` and `platform` are as written (`NX-OS` stays so). `extra` keeps other keys. `origin`: `file:line`.
    """

    name: str
    alias: str | None = None
    os: str | None = None
    platform: str | None = None
    type: str | None = None
    connections: Mapping[str, Path] = field(default_factory=dict)
    defaults: ConnectionDefaults = field(default_factory=ConnectionDefaults)
    credentials: Credentials = field(default_factory=Credentials)
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    custom: Mapping[str, Any] = field(default_factory=dict, repr=False)
    peripherals: Mapping[str, Any] = field(default_factory=dict, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestbedSpec:
    """A whole testbed. `source` is its file, if any; `warnings` is what is odd in it, but not wrong."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    name: str
    alias: str | None = None
    devices: Mapping[str, DeviceSpec] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    topology: Topology = field(default_factory=Topology)
    custom: Mapping[str, Any] = field(default_factory=dict, repr=False)
    servers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    source: str = ""
    warnings: tuple[Problem, ...] = ()
