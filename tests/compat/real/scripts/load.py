# SPDX-License-Identifier: Apache-2.0
"""What pyATS makes of a testbed, as plain data: `load.py REPORT TESTBED`."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyats.topology import loader


def plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in dict(value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(hidden := getattr(value, "plaintext", None), str):
        return hidden
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
        return str(value)
    if isinstance(value, (ipaddress.IPv4Interface, ipaddress.IPv6Interface)):
        return str(value)
    return value


def logins(credentials: Any) -> dict[str, Any]:
    return {name: plain(credentials[name]) for name in dict(credentials)}


testbed = loader.load(sys.argv[2])
devices = {}
for name, device in testbed.devices.items():
    paths = {path: dict(keys) for path, keys in device.connections.items() if isinstance(keys, Mapping)}
    own = {path: logins(keys.pop("credentials", {})) for path, keys in paths.items()}
    devices[name] = {
        "alias": device.alias,
        "os": device.os,
        "platform": device.platform,
        "type": device.type,
        "credentials": logins(device.credentials),
        "tacacs": plain(device.tacacs),
        "passwords": plain(device.passwords),
        "defaults": plain(paths.pop("defaults", {})),
        "connections": plain(paths),
        "logins": {path: logins for path, logins in own.items() if path in paths},
        "custom": plain({key: value for key, value in dict(device.custom).items() if key != "abstraction"}),
        "interfaces": {
            interface.name: {
                "alias": interface.alias,
                "type": interface.type,
                "link": interface.link.name if interface.link is not None else None,
                "ipv4": plain(getattr(interface, "ipv4", None)),
            }
            for interface in device.interfaces.values()
        },
    }
links = {
    link.name: sorted(f"{interface.device.name} {interface.name}" for interface in link.interfaces)
    for link in testbed.links
}
report = {
    "name": testbed.name,
    "alias": testbed.alias,
    "credentials": logins(testbed.credentials),
    "custom": plain(dict(testbed.custom)),
    "servers": plain({name: dict(server) for name, server in testbed.servers.items()}),
    "devices": devices,
    "links": links,
}
Path(sys.argv[1]).write_text(json.dumps(report, sort_keys=True, default=repr))
