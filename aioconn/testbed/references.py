# SPDX-License-Identifier: Apache-2.0
"""What names what in a testbed: aliases that must differ, proxies that must exist and lead somewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from aioconn.errors import nearest
from aioconn.path import Path
from aioconn.testbed.model import DeviceSpec
from aioconn.testbed.section import Section


def device_names(section: Section, devices: Mapping[str, DeviceSpec]) -> dict[str, str]:
    """Every name and alias -> the device's name. An alias that is taken is a problem."""
    names = {name: name for name in devices}
    for name, device in devices.items():
        if device.alias is None or names.get(device.alias) == name:
            continue
        if (owner := names.get(device.alias)) is not None:
            entry = _entry(section, name)
            what = "its name" if owner == device.alias else "its alias"
            entry.problem(
                "alias", f"device {owner!r} already has {device.alias!r} as {what}", "choose another alias"
            )
        else:
            names[device.alias] = name
    return names


def resolve_proxies(
    section: Section, devices: dict[str, DeviceSpec], names: Mapping[str, str]
) -> dict[str, DeviceSpec]:
    """The devices with the proxies of their paths by name, not alias. Unknown ones and circles: problems."""
    resolved: dict[str, DeviceSpec] = {}
    for name, device in devices.items():
        if not any(path.proxy for path in device.connections.values()):
            resolved[name] = device
            continue
        paths = {key: _resolve(section, name, path, names) for key, path in device.connections.items()}
        resolved[name] = dataclasses.replace(device, connections=paths)
    _circles(section, resolved)
    return resolved


def _resolve(section: Section, device: str, path: Path, names: Mapping[str, str]) -> Path:
    hops: list[str] = []
    for proxy in path.proxy:
        if proxy not in names:
            connection = _connection(section, device, path.name)
            connection.problem("proxy", f"no device is called {proxy!r}", nearest(proxy, names))
        elif names[proxy] == device:
            _connection(section, device, path.name).problem("proxy", "the device is its own proxy")
        else:
            hops.append(names[proxy])
    return dataclasses.replace(path, proxy=tuple(hops)) if path.proxy else path


def _circles(section: Section, devices: Mapping[str, DeviceSpec]) -> None:
    """A device is reached if one of its paths goes only through such as are; the rest goes in circles."""
    open_paths = {name: list(device.connections.values()) for name, device in devices.items()}
    waiting: dict[str, set[str]] = {}  # proxy -> the devices with a path through it
    reached = [
        name for name, paths in open_paths.items() if not paths or any(not path.proxy for path in paths)
    ]
    for name, paths in open_paths.items():
        for path in paths:
            for hop in path.proxy:
                waiting.setdefault(hop, set()).add(name)
    known = set(reached)
    for name in reached:  # grows while we walk it
        for other in waiting.get(name, ()):
            if other not in known and any(known.issuperset(path.proxy) for path in open_paths[other]):
                known.add(other)
                reached.append(other)
    told: set[str] = set()
    for name in devices:
        if name in known or name in told:
            continue
        trail = [name]
        while (hop := _stuck(open_paths[trail[-1]], known)) not in trail:
            trail.append(hop)
        told.update(trail)
        circle = [*trail[trail.index(hop) :], hop]
        first = open_paths[hop][0]
        _connection(section, hop, first.name).problem(
            "proxy",
            f"proxies go in a circle: {' -> '.join(circle)}",
            "one of them needs a connection without proxy",
        )


def _stuck(paths: list[Path], known: set[str]) -> str:
    return next(hop for path in paths for hop in path.proxy if hop not in known)


def _entry(section: Section, name: str) -> Section:
    found = section.section(name)
    assert found is not None  # it made a DeviceSpec
    return found


def _connection(section: Section, device: str, path: str) -> Section:
    found = _entry(_entry(section, device), "connections")
    return _entry(found, path)
