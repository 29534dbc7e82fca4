# SPDX-License-Identifier: Apache-2.0
"""The `devices` of a testbed, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aioconn.credentials import Credential, Credentials
from aioconn.errors import AioconnError
from aioconn.testbed import keys
from aioconn.testbed.logins import read_layers
from aioconn.testbed.markup import hold
from aioconn.testbed.model import ConnectionDefaults, DeviceSpec
from aioconn.testbed.paths import read_connections
from aioconn.testbed.section import Section
from aioconn.testbed.wiring import read_interfaces
from aioconn.testbed.wrappers import read_wrappers

PlatformLookup = Callable[[str, str | None], str | None]

# What is read, and not kept in `extra`.
_READ = frozenset(keys.DEVICE) - {*keys.FACTS, "class", "power", "hardware", "management", "clean"}


class DeviceReader:
    """Reads devices that share a testbed's credentials, and those of the `older` form. `platforms` tells which `os` is
    known."""

    def __init__(
        self,
        shared: Mapping[str, Credential],
        older: Mapping[str, Credential],
        platforms: PlatformLookup,
    ) -> None:
        self._shared = shared
        self._older = older
        self._platforms = platforms
        self._judged: dict[tuple[str, str | None], str | None] = {}  # os and platform -> hint, None if known

    def read(self, name: str, section: Section) -> DeviceSpec:
        section.misspelled(keys.DEVICE)
        section.unused("class")
        logins, older = read_layers(section, self._older)
        connections = section.section("connections")
        paths, defaults, strays = (
            ({}, ConnectionDefaults(), {})
            if connections is None
            else read_connections(connections, {**older, **self._shared, **logins})
        )
        extra = section.rest(_READ)
        for fact in extra:
            if fact in keys.FACTS and (text := section.text(fact)) is not None:
                extra[fact] = text
        platform = section.text("platform")
        return DeviceSpec(
            name=name,
            alias=section.text("alias"),
            os=self._os(section, platform),
            platform=platform,
            type=section.text("type"),
            connections=paths,
            defaults=defaults,
            credentials=Credentials(logins, self._shared, older, origin=section.path("credentials")),
            interfaces=read_interfaces(section, name),
            custom=section.free("custom"),
            peripherals=section.free("peripherals"),
            extra=hold({**extra, **({"connections": strays} if strays else {})}),
            wrappers=read_wrappers(section),
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
