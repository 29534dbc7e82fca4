# SPDX-License-Identifier: Apache-2.0
"""Many devices: connect, three commands, close."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import SSH_VISIT, SSH_VISIT_WALL, TWO_PROCESSES
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

LIMIT = 100
SSH = "^ssh, (300|500) "
COMMANDS = ("show version", "show clock", "show version")


def many_devices(which: str) -> tuple[Goal, ...]:
    """What holds for connect, a few commands, close on hundreds of devices over SSH."""
    return (
        Goal(
            words=f"{which}: CPU at most 1.15 × the floor's",
            key="cpu",
            bound=1.15,
            against="floor",
            cases=SSH,
            why=SSH_VISIT,
        ),
        Goal(
            words=f"{which}: wall time at most 1.15 × the floor's",
            key="wall",
            bound=1.15,
            against="floor",
            cases=SSH,
            why=SSH_VISIT_WALL,
        ),
        Goal(
            words=f"{which}: 1.6 × less wall time than the best peer",
            key="wall",
            bound=1.6,
            against="peers",
            cases=SSH,
        ),
        Goal(
            words=f"{which}: 2 × less CPU than the best peer", key="cpu", bound=2, against="peers", cases=SSH
        ),
        Goal(
            words=f"{which}, two processes: wall time at most 0.65 of that with one",
            key="wall",
            bound=0.65,
            multiple_of="aioconn",
            client="aioconn.workers",
            cases=SSH,
            why=TWO_PROCESSES,
        ),
        Goal(
            words=f"{which}, two processes: 3 × less wall time than the best peer",
            key="wall",
            bound=3,
            against="peers",
            client="aioconn.workers",
            cases=SSH,
            why=TWO_PROCESSES,
        ),
    )


class FanOut(Workload[DeviceClient]):
    name = "fanout"
    title = "Fan-out: connect, three commands, close"
    about = f"The same with three commands, at most {LIMIT} devices at once."
    goals = many_devices("300 and 500 over SSH, three commands")
    columns = (
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
                title=f"{protocol}, {count} devices",
                needs=protocol,
                devices=count,
                amounts={"devices": count},
            )
            for protocol, counts in (("ssh", sizes.ssh_fanout), ("telnet", sizes.telnet_devices))
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
