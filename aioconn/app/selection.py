# SPDX-License-Identifier: Apache-2.0
"""Which devices are meant: names, aliases and glob patterns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from aioconn.errors import UnknownDevice, UnknownPath, nearest
from aioconn.testbed.device import Device


class Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def alias(self) -> str: ...


D = TypeVar("D", bound=Named)


def select(devices: Mapping[str, D], patterns: Sequence[str]) -> list[D]:
    """The devices that match any of the patterns, all without patterns, in the testbed's order.

    A pattern that is a name is that name, whatever `[` and `*` it holds. Raises `UnknownDevice` with every
    pattern that matches nothing.
    """
    if not patterns:
        return list(devices.values())
    chosen: set[str] = set()
    missed = []
    for pattern in patterns:
        exact = {name for name, device in devices.items() if pattern in (name, device.alias)}
        found = exact or {
            name
            for name, device in devices.items()
            if fnmatchcase(name, pattern) or fnmatchcase(device.alias, pattern)
        }
        chosen |= found
        if not found:
            missed.append(pattern)
    if missed:
        known = {*devices, *(device.alias for device in devices.values())}
        hints = "; ".join(nearest(pattern, known) for pattern in missed)
        raise UnknownDevice(f"no device matches {', '.join(map(repr, missed))}", hint=hints)
    return [device for name, device in devices.items() if name in chosen]


def require_path(devices: Sequence[Device], via: str | None) -> None:
    """Raises `UnknownPath` if no device at all has that path; that some lack it is their own failure."""
    if via is None or any(via in device.paths for device in devices):
        return
    known = {name for device in devices for name in device.paths}
    raise UnknownPath(f"no device has a path {via!r}", hint=nearest(via, known))
