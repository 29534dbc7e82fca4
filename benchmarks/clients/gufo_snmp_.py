# SPDX-License-Identifier: Apache-2.0
"""gufo-snmp, whose encoding is in Rust. A session has one request under way at a time, and knows no types of values."""

from __future__ import annotations

from importlib import import_module

from benchmarks.clients.snmp import COMMUNITY, REPETITIONS, SnmpClient, SnmpSession
from benchmarks.target import SNMP_ROOT, SNMP_VARIABLE, Target


class GufoSnmp(SnmpClient):
    name = "gufo-snmp"
    offers = frozenset({"snmp", "snmp-walk"})
    packages = ("gufo-snmp",)
    separate = True

    def snmp_session(self, target: Target) -> SnmpSession:
        return _Session(target)


class _Session(SnmpSession):
    def __init__(self, target: Target) -> None:
        session = import_module("gufo.snmp.aio").SnmpSession
        self._session = session(
            addr=target.host, port=target.port, community=COMMUNITY, max_repetitions=REPETITIONS
        )

    async def open(self) -> None:
        """It has its socket from the beginning."""

    async def get(self) -> int:
        return int(await self._session.get(SNMP_VARIABLE))

    async def walk(self) -> int:
        return len([one async for one in self._session.getbulk(SNMP_ROOT)])

    async def close(self) -> None:
        """It ends with the object."""
