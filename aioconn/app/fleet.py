# SPDX-License-Identifier: Apache-2.0
"""The simulated devices of `aioconn demo` and `aioconn lab`: names, kinds, and what to ask them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from aioconn.errors import UnknownPlatform, nearest
from aioconn.lab.personality import names as personalities
from aioconn.platforms.loader import platform_name
from aioconn.results import Output

# role and personality, in the order in which a network of any size is filled
ROLES = (
    ("core", "cisco_iosxr"),
    ("leaf", "arista_eos"),
    ("edge", "juniper_junos"),
    ("branch", "cisco_iosxe"),
    ("spine", "cisco_nxos"),
    ("branch", "cisco_iosxe"),
    ("leaf", "arista_eos"),
    ("reflector", "frr"),
    ("gw", "nokia_srl"),
    ("pe", "nokia_sros"),
    ("cpe", "huawei_vrp"),
    ("wifi", "mikrotik_routeros"),
    ("vpn", "vyos"),
    ("fw", "cisco_asa"),
    ("jump", "linux"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One device to be simulated."""

    name: str
    personality: str


def fleet(size: int, wanted: Sequence[str] = ()) -> list[Member]:
    """`size` devices of the wanted personalities, in turn, or of a mixture of all there are.

    Raises `UnknownPlatform` for a personality that the lab does not have. Aliases (`iosxe`) will do.
    """
    known = personalities()
    chosen = [_personality(name, known) for name in wanted]
    roles = [(role, kind) for role, kind in ROLES if kind in (chosen or known)]
    named = {kind for _, kind in roles}
    roles += [(kind.rpartition("_")[2], kind) for kind in chosen or known if kind not in named]
    return list(itertools.islice(_members(roles), size))


def _members(roles: list[tuple[str, str]]) -> Iterator[Member]:
    numbers: dict[str, Iterator[int]] = {}
    for role, kind in itertools.cycle(roles):
        number = next(numbers.setdefault(role, itertools.count(1)))
        yield Member(name=f"{role}-{number:02d}", personality=kind)


def _personality(name: str, known: Sequence[str]) -> str:
    """A personality by its name or by any alias of its platform; the path of a folder as it is."""
    if name in known or "/" in name:
        return name
    found = platform_name(name)
    if found is not None and found in known:
        return found
    raise UnknownPlatform(f"the lab cannot simulate {name!r}", hint=nearest(name, known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Commands that a system knows, and the most telling part of the first output: a match, or its groups."""

    commands: tuple[str, ...]
    telling: str = r"(?im)^.*\bversion\b.*$"


QUESTIONS = {
    "arista_eos": Question(
        commands=("show version", "show ip interface brief", "show clock"),
        telling=r"(?ms)^(Arista \S+).*^Software image version: (\S+)",
    ),
    "cisco_iosxe": Question(
        commands=("show version", "show ip interface brief", "show clock"),
        telling=r"(?m)^Cisco (IOS XE) Software, Version (\S+)",
    ),
    "cisco_iosxr": Question(
        commands=("show version", "show ipv4 interface brief", "show clock"),
        telling=r"(?m)^Cisco (IOS XR) Software, Version (\S+)",
    ),
    "cisco_nxos": Question(
        commands=("show version", "show ip interface brief", "show clock"),
        telling=r"(?m)^\s*(NX-?OS): +version (\S+)",
    ),
    "juniper_junos": Question(
        commands=("show version", "show interfaces terse", "show system uptime"),
        telling=r"(?m)^(Junos): (\S+)",
    ),
    "frr": Question(
        commands=("show version", "show interface brief", "show ip route"), telling=r"(?m)^(FRRouting) (\S+)"
    ),
    "linux": Question(commands=("uname -sr", "uptime", "ip -br addr"), telling=r"(?m)^(\S+) (\S+)$"),
}
DEFAULT_QUESTION = Question(commands=("show version",))


def question(personality: str) -> Question:
    return QUESTIONS.get(personality, DEFAULT_QUESTION)


def telling(personality: str, outputs: Sequence[Output]) -> str:
    """The part of the first output that tells most, in one line."""
    if not outputs:
        return ""
    found = re.search(question(personality).telling, outputs[0])
    if found is None:
        return next((line.strip() for line in outputs[0].splitlines() if line.strip()), "")
    return " ".join(found.groups()) if found.groups() else found[0].strip()
