# SPDX-License-Identifier: Apache-2.0
"""A testbed as plain data: what a file says, checked, with nothing of it resolved, asked or connected.

Mappings keep the order of the file. `custom`, `network`, `peripherals` and `extra` are free data, left out of
reprs, because people keep passwords in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aioconn.credentials import Credentials, Secret
from aioconn.declaration import Declaration
from aioconn.errors import Problem
from aioconn.path import Path
from aioconn.testbed.topology import Interface as Interface
from aioconn.testbed.topology import Link as Link
from aioconn.testbed.topology import Topology as Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionDefaults:
    """`connections.defaults` of a device: what `connect()` does unless told. `pool_timeout` is in seconds.

    `via` are the paths to try in this order: the file's `via` (or its consoles, if it lists `connections`), then its
    `fallback`.
    """

    class_name: str | None = None
    alias: str | None = None
    via: tuple[str, ...] = ()
    max_sessions: int | None = None
    logins_per_minute: int | None = None
    pool_size: int | None = None
    pool_timeout: float | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server of the testbed. `credentials` fall back to the testbed's; `extra` keeps other keys."""

    name: str
    server: str | None = None
    type: str | None = None
    address: tuple[str | Secret, ...] = ()
    port: int | Secret | None = None
    path: str | None = None
    credentials: Credentials = field(default_factory=Credentials)
    custom: Mapping[str, Any] = field(default_factory=dict, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpec:
    """One device. `credentials` fall back to the testbed's; `path.credentials` are a layer above them.

    `interfaces` are found by name or alias.
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
    wrappers: tuple[Declaration, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestbedSpec:
    """A whole testbed. `source` is its file, if any; `warnings` is what is odd in it, but not wrong.

    `gateways` are the servers that devices are reached through, as devices.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    name: str
    alias: str | None = None
    devices: Mapping[str, DeviceSpec] = field(default_factory=dict)
    credentials: Credentials = field(default_factory=Credentials)
    topology: Topology = field(default_factory=Topology)
    custom: Mapping[str, Any] = field(default_factory=dict, repr=False)
    servers: Mapping[str, Server] = field(default_factory=dict)
    gateways: Mapping[str, DeviceSpec] = field(default_factory=dict)
    network: Any = field(default_factory=dict, repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    wrappers: tuple[Declaration, ...] = ()
    source: str = ""
    warnings: tuple[Problem, ...] = ()
