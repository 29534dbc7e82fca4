# SPDX-License-Identifier: Apache-2.0
"""A large output on one session."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.target import Target, bulk
from benchmarks.workloads.base import MEGABYTE, Case, Column, Metrics, Sizes, Workload, require


class Bulk(Workload[DeviceClient]):
    name = "bulk"
    title = "A large output on one session"
    about = (
        "Lines of 74 bytes, as text at the end (the floor: as bytes)."
        " Memory is what the process grew by at its peak."
    )
    goals = (
        Goal(words="CPU at most 1.3 times the floor's", key="per_megabyte", bound=1.3, against="floor"),
        Goal(
            words="the same CPU per MB at any size over SSH (within a quarter)",
            key="per_megabyte",
            bound=1.25,
            against="sizes",
            cases="^ssh",
        ),
        Goal(words="memory at most 2.5 times the output", key="share", bound=2.5),
    )
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="per_megabyte", title="CPU ms/MB", ratio="CPU"),
        Column(key="peak", title="memory MB", digits=0),
        Column(key="share", title="memory ÷ output"),
    )

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(title=f"{protocol}, {count} MB", needs=protocol, devices=1, amounts={"megabytes": count})
            for protocol, counts in (("ssh", sizes.ssh_megabytes), ("telnet", sizes.telnet_megabytes))
            for count in counts
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        megabytes = case.amounts["megabytes"]
        meter = Meter()
        size = client.bulk(targets[0], bulk(megabytes * MEGABYTE), meter)
        # a carriage return less for each line, and at the ends what the client takes for blank
        require(size, megabytes * MEGABYTE * 97 // 100, "output")
        return {
            "wall": meter.wall,
            "cpu": meter.cpu,
            "per_megabyte": meter.cpu / megabytes * 1e3,
            "peak": meter.peak / 1e6,
            "share": meter.peak / (megabytes * MEGABYTE),
        }
