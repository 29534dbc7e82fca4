# SPDX-License-Identifier: Apache-2.0
"""Connections of one device that share SSH links, without a manager."""

from __future__ import annotations

import asyncio
from typing import Any

import aioconn
from aioconn.environment import Alone
from aioconn.events import Event
from aioconn.links import Links
from aioconn.protocols.cli import CliConnection
from aioconn.request import Request


class Sharers(Alone):
    """What a manager is to its connections, as far as links go. `logins` are those who asked for one."""

    links: Any

    def __init__(self, device: aioconn.Device) -> None:
        self.device = device
        self.links = Links(device.name)
        self.logins: list[Any] = []
        self.connections: list[CliConnection] = []
        self.events: list[Event] = []
        device.listeners.add(self.events.append)

    async def admit_login(self, connection: Any) -> None:
        self.logins.append(connection)

    def connection(self, *, via: str = "cli", platform: Any = None, **arguments: Any) -> CliConnection:
        device, path = self.device, self.device.paths[via]
        made = CliConnection(
            Request(
                device=device.name,
                path=path,
                alias=f"c{len(self.connections)}",
                arguments=arguments,
                credentials=device.credentials.under(path.credentials),
                platform=platform or device.platform_hint,
                listeners=device.listeners,
                environment=self,
            )
        )
        self.connections.append(made)
        return made

    async def several(self, number: int) -> list[CliConnection]:
        connections = [self.connection() for _ in range(number)]
        await asyncio.gather(*(connection.open() for connection in connections))
        return connections

    async def close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self.connections))
        await self.links.close()
        assert self.links.statistics()["links"] == self.links.statistics()["links_opening"] == 0
