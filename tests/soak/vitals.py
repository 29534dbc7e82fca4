# SPDX-License-Identifier: Apache-2.0
"""What a process has of the machine, and how long its loops stood still."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
BEAT = 0.05
STILL = 0.1  # seconds that a beat may be late before it counts
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """`memory` is what is resident, in bytes, after the collector and the allocator gave back what they could."""

    at: float
    memory: int
    objects: int
    descriptors: int
    tasks: int
    threads: int


def take_vitals() -> Vitals:
    """In a running loop."""
    gc.collect()
    give_back_free_memory()
    return Vitals(
        at=time.monotonic(),
        memory=resident(),
        objects=len(gc.get_objects()),
        descriptors=len(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")),
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
    )


def resident() -> int:
    """Bytes of this process in memory; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0


def give_back_free_memory() -> None:
    """glibc keeps what was freed; what it keeps says nothing of what is used."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        pass  # another C library


def census() -> Counter[str]:
    """How many objects of each class there are, among those that the collector knows."""
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line nearest to the points, in units of y per unit of x."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


class Pulse:
    """Notices when its loop stood still, and how much of that was the machine's doing.

    `excuse()` is what a call in that time may have been late for: where others had the processor, no deadline of ours
    can hold. Time in which this process worked is none.
    """

    def __init__(self) -> None:
        self.longest = 0.0
        self.longest_own = 0.0
        self._stills: deque[tuple[float, float, float]] = deque(maxlen=500)

    async def beat(self) -> None:
        """In each loop that counts, until cancelled."""
        while True:
            before, worked = time.monotonic(), time.process_time()
            await asyncio.sleep(BEAT)
            now = time.monotonic()
            late = now - before - BEAT
            if late > STILL:
                own = min(late, time.process_time() - worked)
                self.longest = max(self.longest, late)
                self.longest_own = max(self.longest_own, own)
                self._stills.append((before, now, late - own))

    def excuse(self, start: float, end: float) -> float:
        return sum(foreign for since, until, foreign in list(self._stills) if since < end and until > start)
