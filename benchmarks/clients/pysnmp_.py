# SPDX-License-Identifier: Apache-2.0
"""pysnmp's high-level API, without the translation of names."""

from __future__ import annotations

from importlib import import_module

from benchmarks.clients.snmp import COMMUNITY, REPETITIONS, SnmpClient, SnmpSession
from benchmarks.target import SNMP_ROOT, SNMP_VARIABLE, Target


class Pysnmp(SnmpClient):
    name = "pysnmp"
    offers = frozenset({"snmp", "snmp-many", "snmp-walk"})
    packages = ("pysnmp",)
    separate = True

    def snmp_session(self, target: Target) -> SnmpSession:
        return _Session(target)


class _Session(SnmpSession):
    def __init__(self, target: Target) -> None:
        self._api = import_module("pysnmp.hlapi.v3arch.asyncio")
        self._target = target

    async def open(self) -> None:
        api = self._api
        where = await api.UdpTransportTarget.create((self._target.host, self._target.port), timeout=5)
        self._with = api.SnmpEngine(), api.CommunityData(COMMUNITY, mpModel=1), where, api.ContextData()

    async def get(self) -> int:
        api = self._api
        variable = api.ObjectType(api.ObjectIdentity(SNMP_VARIABLE))
        error, status, _, found = await api.get_cmd(*self._with, variable, lookupMib=False)
        if error or status:
            raise RuntimeError(f"{error or status}")
        return int(found[0][1])

    async def walk(self) -> int:
        api = self._api
        root = api.ObjectType(api.ObjectIdentity(SNMP_ROOT))
        count = 0
        async for error, status, _, found in api.bulk_walk_cmd(
            *self._with, 0, REPETITIONS, root, lexicographicMode=False, lookupMib=False
        ):
            if error or status:
                raise RuntimeError(f"{error or status}")
            count += len(found)
        return count

    async def close(self) -> None:
        self._with[0].close_dispatcher()
