# SPDX-License-Identifier: Apache-2.0
"""What a simulated device speaks, and how a testbed reaches it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aioconn.errors import MissingDependency, UsageError, nearest

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice
    from aioconn.lab.lab import Lab


class Server(Protocol):
    """What a module's `serve(lab, device)` returns: a listener on 127.0.0.1.

    A server may have `keys`, a mapping: what else the device's entries in a testbed say (`ca_file`, `community`).
    """

    @property
    def port(self) -> int: ...

    def cut(self) -> None:
        """End all connections now; plain, and idempotent."""
        ...

    async def close(self) -> None:
        """Listen no more and free everything; idempotent."""
        ...


class Kind(NamedTuple):
    """Where a protocol is served, the extra that brings its library, and its connections in a testbed."""

    module: str
    extra: str
    connections: Mapping[str, str]  # name: protocol


CONSOLES = ("ssh", "telnet")  # command lines: the lab itself listens for them
KINDS: Mapping[str, Kind] = {
    "http": Kind("aioconn.lab.http", "rest", {"rest": "http", "restconf": "restconf"}),
    "https": Kind("aioconn.lab.http", "rest", {"rest": "https", "restconf": "restconf"}),
    "netconf": Kind("aioconn.lab.netconf", "netconf", {"netconf": "netconf"}),
    "snmp": Kind("aioconn.lab.snmp", "snmp", {"snmp": "snmp"}),
    "gnmi": Kind("aioconn.lab.gnmi", "gnmi", {"gnmi": "gnmi"}),
    "gnmis": Kind("aioconn.lab.gnmi", "gnmi", {"gnmi": "gnmi"}),  # over TLS
}
PROTOCOLS = (*CONSOLES, *KINDS)


def check(protocol: str) -> None:
    """Raises `UsageError` for a protocol that no device here speaks."""
    if protocol not in PROTOCOLS:
        raise UsageError(f"no protocol {protocol!r}", hint=nearest(protocol, PROTOCOLS))


async def serve(protocol: str, lab: Lab, device: LabDevice) -> Server:
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
    server: Server = await module.serve(lab, device, **more)
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
