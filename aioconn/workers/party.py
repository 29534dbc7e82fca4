# SPDX-License-Identifier: Apache-2.0
"""Devices that stay together, and those that have to stay in this process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aioconn.errors import UnknownDevice
from aioconn.testbed.device import Device
from aioconn.visits import Reachable
from aioconn.workers.rota import parties

HOPS = 32


@dataclass(slots=True, eq=False)
class Member:
    """One device of a fan-out. `through` are those that it may be reached through, itself if others go through it."""

    device: Reachable
    place: int = -1
    through: list[Device] = field(default_factory=list)
    stays: bool = True


Party: TypeAlias = list[Member]


def gathered(devices: Sequence[Reachable], via: str | None) -> tuple[list[Member], list[Party]]:
    """Those that have to be worked on here, and the parties of the others, in their order.

    Here stay objects that are no devices of ours, those with connections, wrappers or counts of logins that a process
    cannot share with another, and whatever is reached through one of them.
    """
    places: dict[int, int] = {}
    members = [_member(device, via, places) for device in devices]
    hops = {(member.place, hop.name) for member in members for hop in member.through}
    names = []
    for member in members:
        own = (member.place, member.device.name)
        if own in hops and isinstance(member.device, Device) and member.device not in member.through:
            member.through.append(member.device)
        names.append([f"{member.place}/{hop.name}" for hop in member.through])
    here: list[Member] = []
    free: list[Party] = []
    for party in parties(names):
        found = [members[place] for place in party]
        if any(member.stays for member in found):
            here += found
        else:
            free.append(found)
    return here, free


def _member(device: Reachable, via: str | None, places: dict[int, int]) -> Member:
    if type(device) is not Device:
        return Member(device)
    testbed = device.testbed
    place = places.setdefault(id(device if testbed is None else testbed), len(places))
    try:
        through = list(_hops(device, via))
    except UnknownDevice:  # whoever connects will say so
        return Member(device, place)
    stays = device.manager.tied or any(hop.manager.tied for hop in through)
    return Member(device, place, through, stays)


def _hops(device: Device, via: str | None) -> Iterable[Device]:
    """The devices that the paths of this one go through, and theirs."""
    found: dict[str, Device] = {}
    paths: list[Any] = [path for path in device.paths.values() if via is None or path.name == via]
    while paths:
        for name in paths.pop().proxy:
            if name in found or len(found) > HOPS:
                continue
            if (testbed := device.testbed) is None:
                raise UnknownDevice(f"{device.name} goes through {name!r}, but belongs to no testbed")
            found[name] = hop = testbed.hop(name)
            paths += hop.paths.values()
    return found.values()
