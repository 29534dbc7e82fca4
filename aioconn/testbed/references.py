# SPDX-License-Identifier: Apache-2.0
"""What names what in a testbed: aliases that must differ, proxies that must exist and lead somewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

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
    section: Section,
    devices: dict[str, DeviceSpec],
    names: Mapping[str, str],
    servers: Collection[str] = (),
) -> tuple[dict[str, DeviceSpec], set[str]]:
    """The devices with the proxies of their paths by name, not alias, and the servers that are among these.

    Unknown ones and circles are problems.
    """
    resolved: dict[str, DeviceSpec] = {}
    used: set[str] = set()
    for name, device in devices.items():
        if not any(path.proxy for path in device.connections.values()):
            resolved[name] = device
            continue
        paths = {
            key: _resolve(section, name, path, names, servers) for key, path in device.connections.items()
        }
        changed = any(paths[key] is not path for key, path in device.connections.items())
        resolved[name] = dataclasses.replace(device, connections=paths) if changed else device
        used.update(hop for path in paths.values() for hop in path.proxy if hop not in devices)
    _circles(section, resolved, used)
    return resolved, used


def _resolve(
    section: Section, device: str, path: Path, names: Mapping[str, str], servers: Collection[str]
) -> Path:
    if not path.proxy:
        return path
    hops: list[str] = []
    for proxy in path.proxy:
        known = names.get(proxy, proxy if proxy in servers else None)
        if known is not None and known != device:
            hops.append(known)
            continue
        connection = _connection(section, device, path.name)
        key = "proxy" if "proxy" in connection.node.entries else "sshtunnel"
        if known is None:
            hint = section.report.nearest(proxy, names)
            connection.problem(key, f"no device is called {proxy!r}", hint)
        else:
            connection.problem(key, "the device is its own proxy")
    through = tuple(hops)
    if through == path.proxy:  # nearly always: replacing a path takes as long as reading one
        return path
    others = tuple(dataclasses.replace(way, proxy=through) for way in path.others)
    return dataclasses.replace(path, proxy=through, others=others)


def _circles(section: Section, devices: Mapping[str, DeviceSpec], servers: Collection[str]) -> None:
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
    known = {*reached, *servers}
    reached += servers
    for name in reached:  # grows while we walk it
        for other in waiting.get(name, ()):
            if other not in known and any(known.issuperset(path.proxy) for path in open_paths[other]):
                known.add(other)
                reached.append(other)
    told: set[str] = set()
    for name in devices:
        if name in known or name in told:
            continue
        trail = {name: None}  # in its order
        hop = name
        while (hop := _stuck(open_paths[hop], known)) not in trail:
            trail[hop] = None
        told.update(trail)
        way = list(trail)
        circle = [*way[way.index(hop) :], hop]
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
