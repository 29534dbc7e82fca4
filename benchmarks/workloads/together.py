# SPDX-License-Identifier: Apache-2.0
"""Commands on many live sessions at once."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient, Together
from benchmarks.goals import Goal
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require
from benchmarks.workloads.commands import COST

_TIMES = 40
_COMMAND = "show clock"


class AllTogether(Workload[DeviceClient]):
    name = "together"
    title = "Commands on many live sessions at once"
    about = (
        f"Sessions to as many devices are open; each runs `{_COMMAND}` {_TIMES} times, one after the other, and all of"
        " them at once. Clients without coroutines have a thread for each session."
    )
    goals = (
        *COST,
        Goal(
            words="more commands per second than every peer",
            key="rate",
            bound=1,
            higher=True,
            against="peers",
        ),
    )
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="rate", title="commands/s", digits=0),
        Column(key="cpu", title="CPU µs/command", digits=0, ratio="CPU"),
        Column(key="count", title="n", digits=0),
        Column(key="server_cpu", title="servers' CPU s"),
    )
    takes = 50.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count} sessions",
                needs=protocol,
                devices=count,
                amounts={"sessions": count},
            )
            for protocol in ("ssh", "telnet")
            for count in sizes.together
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        plan = Together(command=_COMMAND, times=_TIMES, limit=len(targets))
        sizes = client.together(targets, plan)
        require(len(sizes), _TIMES * len(targets), "answers")
        require(min(sizes), 30, _COMMAND)
        meter = plan.answering
        return {
            "wall": meter.wall,
            "rate": len(sizes) / meter.wall,
            "cpu": meter.cpu / len(sizes) * 1e6,
            "count": len(sizes),
        }
