# SPDX-License-Identifier: Apache-2.0
"""A device that vanishes and comes back, and tells nobody: calls end in time and say so, the next ones reach it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from aioconn.errors import CommandTimeout
from tests.grpc_alive import grpc_alive

__all__ = ["grpc_alive"]

JUMPING = pytest.mark.clock("jumping")

# path, what serves it, and a call that asks the device for something
CALLS = [
    pytest.param("cli", "ssh", "execute", "show clock", marks=JUMPING),
    pytest.param("vty", "telnet", "execute", "show clock", marks=JUMPING),
    pytest.param("netconf", "netconf", "get_config", "running", marks=JUMPING),
    ("rest", "http", "get", "/api/facts"),
    ("rest", "https", "get", "/api/facts"),
    ("restconf", "https", "get", "ietf-system:system"),
    ("gnmi", "gnmi", "get", "/system/config/hostname"),
    ("gnmi", "gnmis", "get", "/system/config/hostname"),
]


@pytest.mark.parametrize(("via", "protocol", "service", "subject"), CALLS)
async def test_the_next_call_reaches_it(
    pair: Any, via: str, protocol: str, service: str, subject: str
) -> None:
    device, served = await pair(protocol, vanishes=True, boot=0.1)
    session = await device.connect(via=via)
    ask = getattr(session, service)
    assert await ask(subject)
    served.restart()
    while served.away:
        await asyncio.sleep(0.01)
    with pytest.raises(CommandTimeout, match="did not end within") as caught:
        await ask(subject, timeout=0.3)
    assert (caught.value.device, caught.value.path, caught.value.phase) == ("r1", via, "command")
    assert await ask(subject)
    assert session.connected
    assert served.boots == 2


@pytest.mark.parametrize(("via", "protocol", "service", "subject"), CALLS)
async def test_so_do_several_at_once(pair: Any, via: str, protocol: str, service: str, subject: str) -> None:
    """Several callers, who know nothing of each other: those who come after one that had no answer have theirs."""
    device, served = await pair(protocol, vanishes=True, boot=0.1)
    session = await device.connect(via=via)
    ask = getattr(session, service)
    served.restart()
    while served.away:
        await asyncio.sleep(0.01)
    with contextlib.suppress(CommandTimeout):
        await ask(subject, timeout=0.3)
    assert all(await asyncio.gather(*[ask(subject) for _ in range(3)]))


async def test_an_agent_of_snmp_is_asked_until_it_is_back(pair: Any) -> None:
    device, served = await pair("snmp", vanishes=True)
    served.on_restart = lambda: None  # it comes back when this test says so
    session = await device.connect(via="snmp", try_timeout=0.05)
    served.restart()
    with pytest.raises(CommandTimeout, match="no answer") as caught:
        await session.get("sysName.0")
    assert (caught.value.device, caught.value.path, caught.value.phase) == ("r1", "snmp", "command")
    served.away = False
    assert (await session.get("sysName.0", timeout=20)).value == "r1"
