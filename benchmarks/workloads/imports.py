# SPDX-License-Identifier: Apache-2.0
"""What an import costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.clients.base import Client
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

LIBRARIES = (
    "aiohttp", "asyncssh", "cryptography", "grpc", "httpx", "lxml", "ncclient",
    "paramiko", "pysnmp", "telnetlib3",
)  # fmt: skip
_SCRIPT = """\
import sys
import {module}
from benchmarks.meter import peak
print(len(sys.modules), sum(name in sys.modules for name in {libraries}), peak())
"""


class Imports(Workload[Client]):
    name = "imports"
    title = "Imports"
    about = (
        "A fresh interpreter that imports the client and ends; the floor imports nothing. Times are of the whole"
        f" process. Libraries are those for a protocol ({', '.join(LIBRARIES)}) that are loaded although no device has"
        " been spoken of yet."
    )
    goals = (
        Goal(words="150 ms at most, with the start of the interpreter", key="wall", bound=150),
        Goal(words="no library for a protocol", key="libraries", bound=0),
    )
    floor = "python"
    columns = (
        Column(key="wall", title="wall ms", digits=0, ratio="wall"),
        Column(key="cpu", title="CPU ms", digits=0, ratio="CPU"),
        Column(key="memory", title="memory MB", digits=1),
        Column(key="modules", title="modules", digits=0),
        Column(key="libraries", title="libraries", digits=0),
    )
    takes = 16.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(title=f"{count} times", needs="import", amounts={"count": count}) for count in sizes.imports
        ]

    def run(self, client: Client, case: Case, targets: Sequence[Target]) -> Metrics:
        script = _SCRIPT.format(module=client.module, libraries=LIBRARIES)
        walls: list[float] = []
        cpus: list[float] = []
        said = ""
        for _ in range(1 + case.amounts["count"]):  # the first finds its files on the disk
            with Meter() as meter:
                done = subprocess.run(
                    [sys.executable, "-c", script], capture_output=True, text=True, check=True
                )
            said = done.stdout
            walls.append(meter.wall)
            cpus.append(meter.cpu)
        modules, libraries, memory = (int(word) for word in said.split())
        return {
            "wall": statistics.median(walls[1:]) * 1e3,
            "cpu": statistics.median(cpus[1:]) * 1e3,
            "memory": memory / 1e6,
            "modules": modules,
            "libraries": libraries,
        }
