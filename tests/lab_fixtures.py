# SPDX-License-Identifier: Apache-2.0
"""A lab for one test, and devices of it that are ready to talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import aioconn
from aioconn.admission import breaker
from aioconn.lab import Faults, Lab, LabDevice

Pair = tuple[aioconn.Device, LabDevice]


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield lab


@pytest.fixture
async def pair(lab: Lab) -> AsyncIterator[Callable[..., Awaitable[Pair]]]:
    """`await pair("ssh", faults=..., **options of the lab device)`: a device of ours and what it talks to."""
    testbeds: list[aioconn.Testbed] = []

    async def make(protocol: str = "ssh", *, faults: Faults | None = None, **keys: Any) -> Pair:
        name = f"r{len(testbeds) + 1}"
        served = await lab.add(name, protocols=(protocol,), faults=faults or Faults(), **keys)
        whole = lab.testbed()
        testbed = aioconn.load({**whole, "devices": {name: whole["devices"][name]}})
        testbeds.append(testbed)
        return testbed[name], served

    yield make
    for testbed in testbeds:
        await testbed.disconnect()


@pytest.fixture
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """For recovery in loops whose clock cannot jump: those of threads, and those that share their time with gRPC."""
    monkeypatch.setattr(breaker, "BACKOFF_BASE", 0.1)


@pytest.fixture(scope="session")
def templates() -> None:
    """The library keeps its index file open for the life of the process once it has parsed anything."""
    parse = pytest.importorskip("ntc_templates.parse")
    parse.parse_output("cisco_ios", "show clock", "12:00:00.000 UTC Sat Nov 21 2026")
