# SPDX-License-Identifier: Apache-2.0
"""Which class speaks which protocol, and what `class:` in a testbed means."""

from __future__ import annotations

import functools
from typing import Any

from aioconn.connection import BaseConnection
from aioconn.declaration import imported
from aioconn.errors import MissingDependency, UnknownClass, nearest

GROUP = "aioconn.connections"

BUILT_IN = {
    "ssh": "aioconn.protocols.cli:CliConnection",
    "telnet": "aioconn.protocols.cli:CliConnection",
    "command": "aioconn.protocols.cli:CliConnection",
    "http": "aioconn.protocols.rest.connection:RestConnection",
    "https": "aioconn.protocols.rest.connection:RestConnection",
    "eapi": "aioconn.protocols.rest.commands:EapiConnection",
    "nxapi": "aioconn.protocols.rest.commands:NxapiConnection",
    "restconf": "aioconn.protocols.restconf.connection:RestconfConnection",
    "netconf": "aioconn.protocols.netconf.connection:NetconfConnection",
    "snmp": "aioconn.protocols.snmp.connection:SnmpConnection",
    "gnmi": "aioconn.protocols.gnmi.connection:GnmiConnection",
}

# pyATS testbeds name the class of another framework; the way they describe is the same.
PYATS = {
    "unicon.Unicon": "aioconn.protocols.cli:CliConnection",
    "unicon.bases.connection.Connection": "aioconn.protocols.cli:CliConnection",
    "rest.connector.Rest": "aioconn.protocols.rest.connection:RestConnection",
    "yang.connector.Netconf": "aioconn.protocols.netconf.connection:NetconfConnection",
    "yang.connector.Gnmi": "aioconn.protocols.gnmi.connection:GnmiConnection",
}

# What gives pyATS aioconn's sessions. In a file that both read it means: whatever class the protocol has.
INSIDE_PYATS = ("aioconn.compat.pyats.Connection", "aioconn.compat.pyats:Connection")


def protocols() -> dict[str, str]:
    """Every protocol that has a class, with where the class is."""
    return {**BUILT_IN, **_entry_points()}


@functools.cache
def _entry_points() -> dict[str, str]:
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=GROUP)}


def class_for(
    wanted: type[BaseConnection[Any]] | str | None, protocol: str, *, device: str, path: str
) -> type[BaseConnection[Any]]:
    """The class to use: `wanted` (a class or a dotted path) or the one registered for `protocol`."""
    if isinstance(wanted, type):
        if not issubclass(wanted, BaseConnection):
            raise UnknownClass(f"{wanted.__qualname__} is no BaseConnection", device=device, path=path)
        return wanted
    if wanted and wanted not in INSIDE_PYATS:
        return _load(PYATS.get(wanted, wanted), device=device, path=path)
    name = protocol.lower()
    place = BUILT_IN.get(name) or _entry_points().get(name)
    if place is None:
        raise UnknownClass(
            f"no connection class for protocol {protocol!r}",
            device=device,
            path=path,
            hint=nearest(name, protocols()),
        )
    return _load(place, device=device, path=path)


def _load(place: str, *, device: str, path: str) -> type[BaseConnection[Any]]:
    try:
        found = imported(place)
    except MissingDependency:
        raise
    except Exception as error:
        raise UnknownClass(
            f"class {place!r} cannot be loaded: {type(error).__name__}: {error}", device=device, path=path
        ) from error
    if not (isinstance(found, type) and issubclass(found, BaseConnection)):
        raise UnknownClass(f"class {place!r} is no BaseConnection", device=device, path=path)
    return found
