# SPDX-License-Identifier: Apache-2.0
"""What a simulated device speaks, and how a testbed reaches it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aioconn.errors import MissingDependency, UsageError, nearest

if TYPE_CHECKING:
    import asyncio
    import ssl

    from aioconn.lab.device import LabDevice, Server
    from aioconn.lab.ssh import SshServer


class Site(Protocol):
    """What a server needs of the lab that it is part of."""

    async def ssh(self) -> SshServer: ...

    async def listen(
        self, accept: Callable[[], asyncio.BaseProtocol], device: LabDevice, tls: ssl.SSLContext | None = None
    ) -> asyncio.Server: ...


class Kind(NamedTuple):
    """Where a protocol is served, the extra that brings its library, and its connections in a testbed."""

    module: str
    extra: str
    connections: Mapping[str, str]  # name: protocol


CONSOLES = ("ssh", "telnet")  # command lines: the lab itself listens for them
KINDS: Mapping[str, Kind] = {
    "http": Kind("aioconn.lab.http", "rest", {"rest": "http", "restconf": "restconf"}),
    "https": Kind("aioconn.lab.http", "rest", {"rest": "https", "restconf": "restconf"}),
    "netconf": Kind("aioconn.lab.netconf_session", "netconf", {"netconf": "netconf"}),
    "snmp": Kind("aioconn.lab.snmp", "snmp", {"snmp": "snmp"}),
    "gnmi": Kind("aioconn.lab.gnmi", "gnmi", {"gnmi": "gnmi"}),
    "gnmis": Kind("aioconn.lab.gnmi", "gnmi", {"gnmi": "gnmi"}),  # over TLS
}
PROTOCOLS = (*CONSOLES, *KINDS)


def check(protocol: str) -> None:
    """Raises `UsageError` for a protocol that no device here speaks."""
    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {protocol!r}", hint=nearest(protocol, PROTOCOLS))


async def serve(protocol: str, site: Site, device: LabDevice) -> Server:
    """Begin to serve a protocol that is no command line. Raises `MissingDependency` without its library."""
    kind = KINDS[protocol]
    try:
        module = importlib.import_module(kind.module)
    except ImportError as error:
        if not error.name or error.name.split(".")[0] == "aioconn":
            raise
        raise MissingDependency(
            f"{protocol!r} in the lab needs {error.name}",
            device=device.name,
            hint=f"pip install 'aioconn[{kind.extra}]'",
        ) from error
    more = {"tls": True} if protocol in ("https", "gnmis") else {}
    server: Server = await module.serve(site, device, **more)
    device.servers[protocol] = server
    device.ports[protocol] = server.port
    return server


def entry(device: LabDevice, host_key: str | None) -> dict[str, Any]:
    """A device of a testbed."""
    login = {"username": device.username, "password": device.password}
    credentials: dict[str, Any] = {"default": login}
    if device.enable:
        credentials["enable"] = {"password": device.enable}
    connections: dict[str, Any] = {}
    if device.ssh_port is not None:
        connections["cli"] = {
            "protocol": "ssh",
            "ip": device.address,
            "port": device.ssh_port,
            "host_key": host_key,
        }
    if device.telnet_port is not None:
        connections["vty"] = {"protocol": "telnet", "ip": device.address, "port": device.telnet_port}
    for protocol, server in device.servers.items():
        more = dict(getattr(server, "keys", {}))
        if protocol == "netconf":
            more.setdefault("host_key", host_key)
        for name, spoken in KINDS[protocol].connections.items():
            place = name if name not in connections else f"{name}_{protocol}"
            connections[place] = {"protocol": spoken, "ip": device.address, "port": server.port, **more}
    return {
        "os": device.personality.os,
        "type": device.personality.type,
        "credentials": credentials,
        "connections": connections,
    }
