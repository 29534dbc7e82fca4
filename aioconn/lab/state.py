# SPDX-License-Identifier: Apache-2.0
"""What a simulated device observes of itself: whether interfaces are up, how much has passed, since when."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aioconn.lab.settings import Settings

if TYPE_CHECKING:
    from aioconn.lab.memory import Memory

RATES = {  # of an interface that is up, in a second
    "in-octets": 2000,
    "out-octets": 1500,
    "in-unicast-pkts": 20,
    "out-unicast-pkts": 15,
}
LOSSES = ("in-errors", "in-discards", "out-errors", "out-discards")  # none ever


class State:
    """The facts that no configuration says. Counters begin at numbers of the device's own, and grow while it is up."""

    __slots__ = ("_memory", "_started")

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._started = time.time()

    def get(self, fact: str, keys: Mapping[str, str], settings: Settings) -> Any:
        """None if there is no such fact."""
        if fact in RATES or fact in LOSSES:
            return self._count(fact, keys, settings)
        if fact == "current-datetime":
            return _written(time.time())
        if fact == "boot-datetime":
            return _written(self._started)
        if fact == "boot-time":
            return int(self._started * 1e9)
        if fact == "os-name":
            return self._memory.personality.os
        if fact == "os-version":
            return self._memory.facts.get("version")
        if fact == "machine":
            return self._memory.facts.get("model")
        if fact == "hostname":
            return self._memory.host
        return self._of_interface(fact, keys, settings)

    def _of_interface(self, fact: str, keys: Mapping[str, str], settings: Settings) -> Any:
        name = keys.get("interface", "")
        if fact.lower() in ("admin-status", "oper-status"):
            status = "up" if settings.get("enabled", keys) else "down"
            return status.upper() if fact.isupper() else status
        if fact == "if-index":
            return list(settings.entries("interface", {})).index(name) + 1
        if fact == "speed":
            return 1_000_000_000
        if fact == "phys-address":
            last = hashlib.sha256(name.encode()).hexdigest()[:2]
            return f"{self._memory.facts['mac'][:-2]}{last}"
        return None

    def _count(self, fact: str, keys: Mapping[str, str], settings: Settings) -> int:
        if fact in LOSSES:
            return 0
        digest = hashlib.sha256(
            f"{self._memory.facts['octets']}/{keys['interface']}/{fact}".encode()
        ).digest()
        passed = (time.time() - self._started) if settings.get("enabled", keys) else 0.0
        return int.from_bytes(digest[:4], "big") + int(passed * RATES[fact])


def _written(seconds: float) -> str:
    """RFC 6991, date-and-time."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(seconds))
