# SPDX-License-Identifier: Apache-2.0
"""aioconn's SNMP."""

from __future__ import annotations

from typing import Any

import aioconn
from benchmarks.clients.snmp import COMMUNITY, REPETITIONS, SnmpSession
from benchmarks.target import SNMP_ROOT, SNMP_VARIABLE, Target


class AioconnSnmp(SnmpSession):
    def __init__(self, target: Target) -> None:
        where = {"protocol": "snmp", "ip": target.host, "port": target.port, "community": COMMUNITY}
        path = {**where, "try_timeout": 5, "max_repetitions": REPETITIONS}
        self._testbed = aioconn.load({"devices": {target.name: {"connections": {"snmp": path}}}})
        self._device = self._testbed[target.name]

    async def open(self) -> None:
        self._session: Any = await self._device.connect()

    async def get(self) -> int:
        return int((await self._session.get(SNMP_VARIABLE)).value)

    async def walk(self) -> int:
        return len([one async for one in self._session.walk(SNMP_ROOT)])

    async def close(self) -> None:
        await self._testbed.disconnect()
