# SPDX-License-Identifier: Apache-2.0
"""Many devices: connect, three commands, close."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

LIMIT = 100
COMMANDS = ("show version", "show clock", "show version")


class FanOut(Workload[DeviceClient]):
    name = "fanout"
    title = "Fan-out: connect, three commands, close"
    about = (
        f"At most {LIMIT} devices at once, each with a name of its own; `show version` is about 1.5 kB long."
        " One device was visited before the clock starts. The servers take CPU of their own (last column):"
        " where it is near the wall time, that is their limit."
    )
    goals = (
        Goal(
            words="CPU at most 1.15 times the floor's with 300 SSH devices",
            key="cpu",
            bound=1.15,
            against="floor",
            cases="^ssh, 300",
        ),
        Goal(
            words="wall time at most 1.15 times the floor's with 300 SSH devices",
            key="wall",
            bound=1.15,
            against="floor",
            cases="^ssh, 300",
        ),
        Goal(words="1.6 times faster than the best peer", key="wall", bound=1.6, against="peers"),
    )
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="cpu", title="CPU s", ratio="CPU"),
        Column(key="per_device", title="CPU ms/device"),
        Column(key="peak", title="memory MB", digits=1),
        Column(key="server_cpu", title="servers' CPU s"),
    )

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count} devices",
                needs=protocol,
                devices=count,
                amounts={"devices": count},
            )
            for protocol, counts in (("ssh", sizes.ssh_devices), ("telnet", sizes.telnet_devices))
            for count in counts
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        sizes = client.fan_out(targets, COMMANDS, LIMIT, meter)
        require(len(sizes), len(targets), "devices")
        require(min(sizes), 2 * 1300 + 30, "three commands")
        return {
            "wall": meter.wall,
            "cpu": meter.cpu,
            "per_device": meter.cpu / len(targets) * 1e3,
            "peak": meter.peak / 1e6,
        }
