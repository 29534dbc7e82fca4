# SPDX-License-Identifier: Apache-2.0
"""aioconn over two processes, which are there before the clock starts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.clients.aioconn_ import _TIMEOUT, Aioconn
from benchmarks.meter import Meter
from benchmarks.target import Target

PROCESSES = 2


class AioconnWorkers(Aioconn):
    """Devices over SSH and telnet, and nothing else: the CPU of the other process is counted too."""

    name = "aioconn.workers"
    offers = frozenset({"ssh", "telnet"})
    only = frozenset({"fanout", "visit", "scaling"})

    def fan_out(
        self, targets: Sequence[Target], commands: Sequence[str], limit: int, meter: Meter
    ) -> list[int]:
        import aioconn

        async def run() -> list[int]:
            async with aioconn.Workers(PROCESSES) as workers:
                testbed = self.testbed(targets)
                async for result in aioconn.fan_out(testbed, list(commands), limit=limit, workers=workers):
                    result.unwrap()  # until all are at work
                testbed = self.testbed(targets)
                before = cpu(workers.pids)
                with meter:
                    results = aioconn.fan_out(
                        testbed, list(commands), limit=limit, timeout=_TIMEOUT, workers=workers
                    )
                    sizes = [sum(map(len, result.unwrap())) async for result in results]
                meter.cpu += cpu(workers.pids) - before
            return sizes

        return asyncio.run(run())


def cpu(pids: Sequence[int]) -> float:
    """CPU seconds of running processes (proc(5), /proc/PID/stat)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
