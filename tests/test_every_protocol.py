# SPDX-License-Identifier: Apache-2.0
"""One device, spoken to in every way at once: one configuration behind all of them, one limit over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import aioconn
from aioconn.lab import Lab
from aioconn.lab.device import LabDevice
from tests.grpc_alive import grpc_alive as grpc_alive

PROTOCOLS = ("ssh", "http", "netconf", "snmp", "gnmi")
PATHS = ("cli", "rest", "restconf", "netconf", "snmp", "gnmi")
INTERFACE = "ietf-interfaces:interfaces/interface=Loopback0"


@pytest.fixture
async def device() -> AsyncIterator[LabDevice]:
    async with Lab() as lab:
        device = await lab.add("r1", protocols=PROTOCOLS)
        device.testbed = lab.testbed()  # type: ignore[attr-defined]
        yield device


async def descriptions(r1: Any) -> dict[str, str]:
    """What each protocol says that the interface is described as."""
    running, reply, listed, updates, index, plain = await asyncio.gather(
        r1.cli.execute("show running-config"),
        r1.netconf.get_config("running"),
        r1.restconf.get(f"{INTERFACE}/description"),
        r1.gnmi.get("/interfaces/interface[name=Loopback0]/config/description"),
        r1.snmp.get_next("ifAlias"),
        r1.rest.get("/restconf/data/" + INTERFACE),
    )
    loopback = running.partition("interface Loopback0\n")[2].partition("!")[0]
    name = reply.partition("<name>Loopback0</name><description>")[2]
    return {
        "cli": loopback.partition("description ")[2].partition("\n")[0],
        "netconf": name.partition("</description>")[0],
        "restconf": listed["ietf-interfaces:description"],
        "gnmi": updates[0].value,
        "snmp": index.value,
        "rest": plain.json()["ietf-interfaces:interface"][0]["description"],
    }


async def test_a_change_shows_everywhere(device: Any) -> None:
    async with aioconn.load(device.testbed) as testbed:
        r1 = testbed["r1"]
        await asyncio.gather(*(r1.connect(alias=path, via=path) for path in PATHS))
        leaf = f"{INTERFACE}/description"
        edit = (
            '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>Loopback0</name>'
            "<description>by netconf</description></interface></interfaces>"
        )
        changes = {
            "by cli": lambda: r1.cli.configure(["interface Loopback0", "description by cli"]),
            "by netconf": lambda: edit_by_netconf(r1, edit),
            "by restconf": lambda: r1.restconf.put(leaf, {"ietf-interfaces:description": "by restconf"}),
            "by gnmi": lambda: r1.gnmi.set(
                {"/interfaces/interface[name=Loopback0]/config/description": "by gnmi"}
            ),
            "by snmp": lambda: set_by_snmp(r1, "by snmp"),
        }
        for told, change in changes.items():
            await change()
            assert await descriptions(r1) == dict.fromkeys(PATHS, told)


async def edit_by_netconf(r1: Any, config: str) -> None:
    target = "candidate" if ":candidate" in r1.netconf.server_capabilities else "running"
    async with r1.netconf.locked(target) as session:
        await session.edit_config(config, target=target)
        if target == "candidate":
            await session.commit()


async def set_by_snmp(r1: Any, text: str) -> None:
    first = await r1.snmp.get_next("ifAlias")
    await r1.snmp.set({first.name: text})


async def test_under_one_limit_of_sessions(device: Any) -> None:
    """Three at a time, whatever they speak: each waits until another has ended."""
    device.testbed["devices"]["r1"]["connections"]["defaults"] = {"max_sessions": 3}
    async with aioconn.load(device.testbed) as testbed:
        r1 = testbed["r1"]
        most = 0

        async def visit(path: str) -> str:
            nonlocal most
            await r1.connect(alias=path, via=path, timeout=30)
            most = max(most, sum(r1.is_connected(alias) for alias in PATHS))
            try:
                return await say_hello(r1, path)
            finally:
                await r1.disconnect(path)

        for said in await asyncio.gather(*(visit(path) for path in PATHS)):
            assert "r1" in said
        assert most <= 3
        assert r1.manager.statistics()["sessions_used"] == 0


async def say_hello(r1: Any, path: str) -> str:
    session = r1[path]
    match path:
        case "cli":
            return str(await session.execute("show running-config"))
        case "netconf":
            return str(await session.get_config("running"))
        case "rest":
            return str(await session.get("/api/facts"))
        case "restconf":
            return str(await session.get("ietf-system:system"))
        case "snmp":
            return str(await session.get("sysName.0"))
        case _:
            return str(await session.get("/system/config/hostname"))
