# SPDX-License-Identifier: Apache-2.0
"""Many devices: connect, one command, close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import TELNET_VISIT
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require
from benchmarks.workloads.fanout import LIMIT, many_devices

COMMANDS = ("show version",)
TELNET = "^telnet, 1,000 "


class Visit(Workload[DeviceClient]):
    name = "visit"
    title = "Fan-out: connect, one command, close"
    about = (
        "`show version`, which is about 1.5 kB long, on devices in growing numbers, each with a name of its own, at"
        f" most {LIMIT} at once. One device was visited before the clock starts. The floor over SSH has one ready set"
        " of options with the cheapest algorithms, and knows no more than that. The devices are"
        " one process, which does as little for each visit as the protocol allows; its CPU is in the last column."
    )
    goals: ClassVar[tuple[Goal, ...]] = (
        *many_devices("300 and 500 over SSH"),
        Goal(
            words="1,000 over telnet: CPU at most 1.5 × the floor's",
            key="cpu",
            bound=1.5,
            against="floor",
            cases=TELNET,
            why=TELNET_VISIT,
        ),
        Goal(
            words="1,000 over telnet: 5 × less CPU than scrapli",
            key="cpu",
            bound=5,
            against="scrapli",
            cases=TELNET,
        ),
    )
    columns: ClassVar[tuple[Column, ...]] = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="cpu", title="CPU s", ratio="CPU"),
        Column(key="per_device", title="CPU ms/device"),
        Column(key="peak", title="memory MB", digits=1),
        Column(key="server_cpu", title="servers' CPU s"),
    )
    takes = 145.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count:,} devices",
                needs=protocol,
                devices=count,
                amounts={"devices": count},
            )
            for protocol, counts in (("ssh", sizes.ssh_visits), ("telnet", sizes.telnet_visits))
            for count in counts
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        sizes = client.fan_out(targets, COMMANDS, LIMIT, meter)
        require(len(sizes), len(targets), "devices")
        require(min(sizes), 1300, COMMANDS[0])
        return {
            "wall": meter.wall,
            "cpu": meter.cpu,
            "per_device": meter.cpu / len(targets) * 1e3,
            "peak": meter.peak / 1e6,
        }
