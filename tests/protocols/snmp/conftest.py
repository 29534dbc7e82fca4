# SPDX-License-Identifier: Apache-2.0
"""An agent of the lab, and connections to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from aioconn.credentials import Secret
from aioconn.lab import Lab, LabDevice
from aioconn.lab.snmp import SnmpServer, serve
from aioconn.protocols.snmp.connection import SnmpConnection
from aioconn.protocols.snmp.usm import User
from aioconn.testbed.device import Device

READER = User(
    name="reader",
    auth="sha",
    auth_password=Secret("auth-password"),
    priv="aes",
    priv_password=Secret("priv-password"),
)
AS_READER: dict[str, Any] = {
    "user": "reader",
    "auth": "sha",
    "auth_password": "auth-password",
    "priv": "aes",
    "priv_password": "priv-password",
}
NUMBERS = "enterprises.99999.1"
VERSIONS: dict[str, dict[str, Any]] = {
    "2c": {"community": "private"},
    "3": AS_READER,
    "3-open": {"user": "open"},
}


@dataclass
class Site:
    """A lab device with its agent, and the devices of ours that were connected to it."""

    lab: Lab
    served: LabDevice
    agent: SnmpServer
    devices: list[Device] = field(default_factory=list)

    def device(self, *, loop: Any = "caller", credentials: Any = None, **path: Any) -> Device:
        where = {"protocol": "snmp", "ip": "127.0.0.1", "port": self.agent.port, "try_timeout": 0.05}
        if "user" not in path and credentials is None:
            path.setdefault("community", "private")
        device = Device(
            "r1", loop=loop, connections={"snmp": {**where, **path}}, credentials=credentials or {}
        )
        self.devices.append(device)
        return device

    async def connect(self, **path: Any) -> SnmpConnection:
        session = await self.device(**path).connect()
        assert isinstance(session, SnmpConnection)
        return session


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Lab() as lab:
        served = await lab.add("r1", protocols=())
        agent = await serve(lab, served, users=[READER, User(name="open")])
        agent.mib.extra.update({f"{NUMBERS}.{number}": number for number in range(200)})
        site = Site(lab, served, agent)
        try:
            yield site
        finally:
            for device in site.devices:
                await device.manager.destroy_all()
            await agent.close()


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> dict[str, Any]:
    return VERSIONS[request.param]
