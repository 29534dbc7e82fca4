# SPDX-License-Identifier: Apache-2.0
"""Over nine thousand sessions in one process."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient, Together
from benchmarks.goals import Goal
from benchmarks.meter import descriptors, resident, threads
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

_LIMIT = 64
COMMAND = "show clock"


class Live(Workload[DeviceClient]):
    name = "live"
    title = "Over nine thousand live sessions"
    about = (
        f"As many devices are connected, {_LIMIT} at a time, and stay connected; then each answers one command, all of"
        " them at once. Memory, descriptors and threads are what the process has more than before, when all have"
        " answered. Peers are not asked for so many: scrapli takes five descriptors and two threads for each,"
        " netmiko a thread."
    )
    goals = (
        Goal(
            words="9,001 sessions over SSH, each answering",
            key="sessions",
            bound=9001,
            higher=True,
            cases="^ssh, 9,001",
        ),
        Goal(
            words="9,001 sessions over telnet, each answering",
            key="sessions",
            bound=9001,
            higher=True,
            cases="^telnet, 9,001",
        ),
        Goal(words="one descriptor each (1 % more at most)", key="descriptors", bound=1.01, cases="9,001"),
        Goal(words="no thread per session (32 threads at most)", key="threads", bound=32, cases="9,001"),
    )
    columns = (
        Column(key="opening", title="opening s", ratio="opening"),
        Column(key="opening_cpu", title="opening CPU ms each"),
        Column(key="answering", title="answering s", ratio="answering"),
        Column(key="memory", title="KiB/session", digits=1, ratio="memory"),
        Column(key="descriptors", title="descriptors/session"),
        Column(key="threads", title="threads", digits=0),
        Column(key="sessions", title="answered", digits=0),
    )
    repeats = 1
    patience = 300.0
    takes = 90.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count:,} sessions",
                needs=f"live {protocol}",
                devices=count,
                server=f"crowd, {protocol}",
                amounts={"sessions": count},
            )
            for protocol in ("ssh", "telnet")
            for count in sizes.live
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        seen: list[tuple[int, int, int]] = []

        def look() -> None:
            gc.collect()
            seen.append((resident(), descriptors(), threads()))

        plan = Together(command=COMMAND, times=1, limit=_LIMIT, begun=look, answered=look)
        sizes = client.together(targets, plan)
        require(min(sizes), 30, COMMAND)
        memory, files, running = (after - before for before, after in zip(*seen, strict=True))
        return {
            "opening": plan.opening.wall,
            "opening_cpu": plan.opening.cpu / len(targets) * 1e3,
            "answering": plan.answering.wall,
            "memory": max(0, memory) / len(targets) / 1024,
            "descriptors": files / len(targets),
            "threads": running,
            "sessions": len(sizes),
        }
