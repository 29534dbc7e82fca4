# SPDX-License-Identifier: Apache-2.0
"""Sessions that are open and do nothing."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import descriptors, resident, threads, trim
from benchmarks.reasons import IDLE
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

_LIMIT = 50


class Idle(Workload[DeviceClient]):
    name = "idle"
    title = "Idle sessions"
    about = (
        "What the process grew by for each open session, the first of which is not counted."
        " Of clients that start a program for each session, unicon that is, the program is not counted either."
    )
    goals = (
        Goal(words="at most 40 KiB for an SSH session", key="memory", bound=40, cases="^ssh", why=IDLE),
        Goal(words="at most 30 KiB for a telnet session", key="memory", bound=30, cases="^telnet", why=IDLE),
        Goal(words="one descriptor for a session", key="descriptors", bound=1),
        Goal(words="no thread for a session", key="threads", bound=0),
    )
    columns = (
        Column(key="memory", title="KiB/session", digits=1, ratio="memory"),
        Column(key="descriptors", title="descriptors/session"),
        Column(key="threads", title="threads/session"),
    )
    takes = 70.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count} sessions",
                needs=protocol,
                devices=count,
                amounts={"sessions": count},
            )
            for protocol in ("ssh", "telnet")
            for count in sizes.idle
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        seen: list[tuple[int, int, int]] = []

        def look() -> None:
            gc.collect()
            trim()
            seen.append((resident(), descriptors(), threads()))

        client.idle(targets, _LIMIT, look, look)
        memory, files, running = (
            (after - before) / len(targets) for before, after in zip(*seen, strict=True)
        )
        return {"memory": memory / 1024, "descriptors": files, "threads": running}
