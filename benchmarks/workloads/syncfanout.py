# SPDX-License-Identifier: Apache-2.0
"""Many devices from a script without an event loop: connect, three commands, close."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.scripts import ScriptClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import SCRIPT
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require
from benchmarks.workloads.fanout import COMMANDS, LIMIT

_KINDS = {"script": "commands", "function": "a function"}


class SyncFanOut(Workload[ScriptClient]):
    name = "syncfanout"
    title = "Fan-out from a script without a loop"
    about = (
        "The fan-out over SSH with three commands again, with `aioconn.sync`, beside aioconn's asynchronous side, which"
        " is the floor here, and a pool of threads with netmiko. Commands are given as such, or run by a function of"
        " the script for each device (for the floor a coroutine function), which takes a thread each."
    )
    goals = (
        Goal(
            words="wall time at most 1.1 times the floor's with commands",
            key="wall",
            bound=1.1,
            against="floor",
            cases="^commands",
            why=SCRIPT,
        ),
        Goal(
            words="CPU at most 1.1 times the floor's with commands",
            key="cpu",
            bound=1.1,
            against="floor",
            cases="^commands",
            why=SCRIPT,
        ),
    )
    floor = "aioconn"
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="cpu", title="CPU s", ratio="CPU"),
        Column(key="per_device", title="CPU ms/device"),
        Column(key="peak", title="memory MB", digits=1),
        Column(key="server_cpu", title="servers' CPU s"),
    )
    takes = 35.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(title=f"{kind}, {count} devices", needs=needs, devices=count, amounts={"devices": count})
            for needs, kind in _KINDS.items()
            for count in sizes.script_devices
        ]

    def run(self, client: ScriptClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        work = client.fan_out if case.needs == "script" else client.visit_all
        sizes = work(targets, COMMANDS, LIMIT, meter)
        require(len(sizes), len(targets), "devices")
        require(min(sizes), 2 * 1300 + 30, "three commands")
        return {
            "wall": meter.wall,
            "cpu": meter.cpu,
            "per_device": meter.cpu / len(targets) * 1e3,
            "peak": meter.peak / 1e6,
        }
