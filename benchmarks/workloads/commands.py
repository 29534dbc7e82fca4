# SPDX-License-Identifier: Apache-2.0
"""Short commands on one live session."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import COMMAND, TELNET_COMMAND
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

_BUDGET = 1.5  # seconds; a slow client runs fewer commands


COST = (
    Goal(
        words="over SSH: CPU at most 1.3 × the floor's",
        key="cpu",
        bound=1.3,
        against="floor",
        cases="^ssh",
        why=COMMAND,
    ),
    Goal(
        words="over telnet: CPU at most 1.3 × the floor's",
        key="cpu",
        bound=1.3,
        against="floor",
        cases="^telnet",
        why=TELNET_COMMAND,
    ),
)
"""What a command may cost, on one session as on many."""


class Commands(Workload[DeviceClient]):
    name = "commands"
    title = "Short commands on one live session"
    about = (
        f"`show clock`, one after the other. Who is not done after {_BUDGET:g} s is stopped there (see `n`)."
    )
    goals = (
        *COST,
        Goal(words="less CPU than every peer", key="cpu", bound=1, against="peers"),
        Goal(words="answers sooner than from every peer", key="p50", bound=1, against="peers"),
    )
    columns = (
        Column(key="p50", title="p50 µs", digits=0, ratio="p50"),
        Column(key="p99", title="p99 µs", digits=0),
        Column(key="cpu", title="CPU µs/command", digits=0, ratio="CPU"),
        Column(key="count", title="n", digits=0),
    )
    takes = 35.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(title=f"{protocol}, {count:,} commands", needs=protocol, devices=1, amounts={"count": count})
            for protocol in ("ssh", "telnet")
            for count in sizes.commands
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        took = client.commands(targets[0], "show clock", case.amounts["count"], _BUDGET, meter)
        require(min(size for _, size in took), 30, "show clock")
        seconds = sorted(second for second, _ in took)
        return {
            "p50": statistics.median(seconds) * 1e6,
            "p99": seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))] * 1e6,
            "cpu": meter.cpu / len(took) * 1e6,
            "wall": meter.wall,
            "count": len(took),
        }
