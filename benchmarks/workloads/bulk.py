# SPDX-License-Identifier: Apache-2.0
"""A large output on one session."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import BULK, FLAT
from benchmarks.target import Target, bulk
from benchmarks.workloads.base import MEGABYTE, Case, Column, Metrics, Sizes, Workload, require

_PEERS = 50  # MB
_SMALL, _BUDGET = 20, 3.0  # as many MB are looked at, or seconds


class Bulk(Workload[DeviceClient]):
    name = "bulk"
    title = "A large output on one session"
    about = (
        "Lines of 74 bytes, as text at the end (the floor: as bytes). Memory is what the process grew by at its peak."
        " What is small is run several times, each on a new session; the largest is for the floor and aioconn alone."
    )
    goals = (
        Goal(
            words="50 MB over SSH: CPU at most 1.3 × the floor's",
            key="per_megabyte",
            bound=1.3,
            against="floor",
            cases="^ssh, 50 ",
            why=BULK,
        ),
        Goal(
            words="50 MB over telnet: CPU at most 1.3 × the floor's",
            key="per_megabyte",
            bound=1.3,
            against="floor",
            cases="^telnet, 50 ",
            why=BULK,
        ),
        Goal(words="memory at most 2.5 × the output (50 and 100 MB)", key="share", bound=2.5, cases="50|100"),
        Goal(
            words="the same CPU per MB from 1 to 100 MB over SSH (within a quarter)",
            key="per_megabyte",
            bound=1.25,
            against="sizes",
            cases="^ssh",
            why=FLAT,
        ),
        Goal(
            words="the same CPU per MB from 1 to 100 MB over telnet (within a quarter)",
            key="per_megabyte",
            bound=1.25,
            against="sizes",
            cases="^telnet",
            why=FLAT,
        ),
    )
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="per_megabyte", title="CPU ms/MB", ratio="CPU"),
        Column(key="peak", title="memory MB", digits=0),
        Column(key="share", title="memory ÷ output"),
    )
    takes = 135.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count} MB",
                needs=protocol,
                devices=1,
                peers=count <= _PEERS,
                amounts={"megabytes": count},
            )
            for protocol in ("ssh", "telnet")
            for count in sizes.megabytes
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        megabytes = case.amounts["megabytes"]
        if megabytes < _SMALL:
            self._once(client, targets[0], megabytes)  # what an answer costs, not what the first one does
        meters = [self._once(client, targets[0], megabytes)]
        until = time.monotonic() + _BUDGET
        while len(meters) * megabytes < _SMALL and time.monotonic() < until:
            meters.append(self._once(client, targets[0], megabytes))
        cpu = sum(meter.cpu for meter in meters) / len(meters)
        peak = max(meter.peak for meter in meters)
        return {
            "wall": sum(meter.wall for meter in meters) / len(meters),
            "cpu": cpu,
            "per_megabyte": cpu / megabytes * 1e3,
            "peak": peak / 1e6,
            "share": peak / (megabytes * MEGABYTE),
        }

    def _once(self, client: DeviceClient, target: Target, megabytes: int) -> Meter:
        meter = Meter()
        size = client.bulk(target, bulk(megabytes * MEGABYTE), meter)
        # a carriage return less for each line, and at the ends what the client takes for blank
        require(size, megabytes * MEGABYTE * 97 // 100, "output")
        return meter
