# SPDX-License-Identifier: Apache-2.0
"""The `devices` of a testbed, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aioconn.credentials import Credential, Credentials
from aioconn.errors import AioconnError
from aioconn.testbed.logins import read_logins
from aioconn.testbed.markup import hold
from aioconn.testbed.model import ConnectionDefaults, DeviceSpec
from aioconn.testbed.paths import read_connections
from aioconn.testbed.section import Section
from aioconn.testbed.wiring import read_interfaces

PlatformLookup = Callable[[str, str | None], str | None]

_KNOWN = frozenset(
    (
        "alias",
        "os",
        "platform",
        "type",
        "connections",
        "credentials",
        "tacacs",
        "passwords",
        "custom",
        "peripherals",
        "interfaces",
    )
)
# `version: 17.10` is no number, nor are these
_TEXTS = (
    "series",
    "model",
    "submodel",
    "version",
    "revision",
    "role",
    "region",
    "pid",
    "serial",
    "chassis_type",
)


class DeviceReader:
    """Reads devices that share a testbed's credentials. `platforms` tells which `os` is known."""

    def __init__(self, shared: Mapping[str, Credential], platforms: PlatformLookup) -> None:
        self._shared = shared
        self._platforms = platforms
        self._judged: dict[tuple[str, str | None], str | None] = {}  # os and platform -> hint, None if known

    def read(self, name: str, section: Section) -> DeviceSpec:
        section.misspelled(_KNOWN)
        connections = section.section("connections")
        paths, defaults, strays = (
            ({}, ConnectionDefaults(), {}) if connections is None else read_connections(connections)
        )
        extra = section.rest(_KNOWN)
        extra.update(
            {key: text for key in _TEXTS if key in extra and (text := section.text(key)) is not None}
        )
        platform = section.text("platform")
        return DeviceSpec(
            name=name,
            alias=section.text("alias"),
            os=self._os(section, platform),
            platform=platform,
            type=section.text("type"),
            connections=paths,
            defaults=defaults,
            credentials=Credentials(read_logins(section), self._shared, origin=section.path("credentials")),
            interfaces=read_interfaces(section, name),
            custom=section.free("custom"),
            peripherals=section.free("peripherals"),
            extra=hold({**extra, **({"connections": strays} if strays else {})}),
            origin=section.node.origin,
        )

    def _os(self, section: Section, platform: str | None) -> str | None:
        name = section.text("os")
        if name:
            if (name, platform) not in self._judged:
                self._judged[name, platform] = self._judge(name, platform)
            if (hint := self._judged[name, platform]) is not None:
                section.problem("os", f"no platform is called {name!r}", hint, warning=True)
        return name

    def _judge(self, name: str, platform: str | None) -> str | None:
        """None if the platform is known, else a hint."""
        try:
            known = self._platforms(name, platform)
        except AioconnError as error:
            return error.hint or str(error)
        return None if known is not None else "commands need a known one"
