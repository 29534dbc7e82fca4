# SPDX-License-Identifier: Apache-2.0
"""Devices behind a jump host."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import SSH_VISIT, SSH_VISIT_WALL
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require
from benchmarks.workloads.fanout import LIMIT
from benchmarks.workloads.visit import COMMANDS


class Jump(Workload[DeviceClient]):
    name = "jump"
    title = "Devices behind one jump host"
    about = (
        f"Connect, one command, close, at most {LIMIT} devices at once, all through one SSH jump host; the floor is"
        " `asyncssh.connect(tunnel=…)` over one connection. One of the connections to the jump host is that of the"
        " visit before the clock starts. The jump host is asyncssh, and the devices have a process beside its own."
    )
    goals = (
        Goal(
            words="one connection to the jump host, and one for the visit before", key="jump_links", bound=2
        ),
        Goal(words="CPU at most 1.15 × the floor's", key="cpu", bound=1.15, against="floor", why=SSH_VISIT),
        Goal(
            words="wall time at most 1.15 × the floor's",
            key="wall",
            bound=1.15,
            against="floor",
            why=SSH_VISIT_WALL,
        ),
    )
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="cpu", title="CPU s", ratio="CPU"),
        Column(key="per_device", title="CPU ms/device"),
        Column(key="jump_links", title="connections to the jump host", digits=0),
        Column(key="server_cpu", title="servers' CPU s"),
    )
    takes = 15.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{count} devices",
                needs="jump",
                devices=count,
                server="jump",
                amounts={"devices": count},
            )
            for count in sizes.behind
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        sizes = client.fan_out(targets, COMMANDS, LIMIT, meter)
        require(len(sizes), len(targets), "devices")
        require(min(sizes), 1300, COMMANDS[0])
        return {"wall": meter.wall, "cpu": meter.cpu, "per_device": meter.cpu / len(targets) * 1e3}
