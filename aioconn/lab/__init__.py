# SPDX-License-Identifier: Apache-2.0
"""Simulated devices over real protocols on loopback: for the demo, for tests, for trying things out.

    async with Lab() as lab:
        r1 = await lab.add("r1", personality="cisco_iosxe", faults=Faults(latency=0.05))
        testbed = lab.testbed()

A `Proxy` stands between a client and any server on loopback and makes the `Weather` on the way.

Nothing here is meant for a network that others can reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice as LabDevice
    from aioconn.lab.faults import Faults as Faults
    from aioconn.lab.lab import Lab as Lab
    from aioconn.lab.personality import Personality as Personality
    from aioconn.lab.proxy import Proxy as Proxy
    from aioconn.lab.threaded import ThreadedLab as ThreadedLab
    from aioconn.lab.weather import Ending as Ending
    from aioconn.lab.weather import Weather as Weather
    from aioconn.lab.weather import storm as storm

__all__ = ["Ending", "Faults", "Lab", "LabDevice", "Personality", "Proxy", "ThreadedLab", "Weather", "storm"]

_HOMES = {
    "Ending": "weather",
    "Faults": "faults",
    "Lab": "lab",
    "LabDevice": "device",
    "Personality": "personality",
    "Proxy": "proxy",
    "ThreadedLab": "threaded",
    "Weather": "weather",
    "storm": "weather",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
