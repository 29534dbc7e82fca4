# SPDX-License-Identifier: Apache-2.0
"""Devices that take their time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.clients.base import DeviceClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter, threads
from benchmarks.reasons import WAITING
from benchmarks.target import Target, wait
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, require

_THINKING = 1000  # milliseconds
_GLANCE = 0.02  # seconds


class Waiting(Workload[DeviceClient]):
    name = "waiting"
    title = "Devices that think for a second"
    about = (
        f"Connect, one command about which the device thinks for {_THINKING / 1e3:g} s, close, on all devices at once."
        " Threads are those of the process at the most, beyond the ones before: a client that waits in threads needs"
        " one for each device."
    )
    goals = (
        Goal(
            words="over SSH: wall time at most 1.05 × the floor's",
            key="wall",
            bound=1.05,
            against="floor",
            cases="^ssh",
            why=WAITING,
        ),
        Goal(
            words="over telnet: wall time at most 1.05 × the floor's",
            key="wall",
            bound=1.05,
            against="floor",
            cases="^telnet",
            why=WAITING,
        ),
        Goal(words="no thread per device (one per twenty at most)", key="per_device", bound=0.05),
    )
    columns = (
        Column(key="wall", title="wall s", ratio="wall"),
        Column(key="cpu", title="CPU s", ratio="CPU"),
        Column(key="threads", title="threads", digits=0),
        Column(key="peak", title="memory MB", digits=1),
        Column(key="server_cpu", title="servers' CPU s"),
    )
    takes = 95.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{protocol}, {count} devices",
                needs=protocol,
                devices=count,
                amounts={"devices": count},
            )
            for protocol in ("ssh", "telnet")
            for count in sizes.waiting
        ]

    def run(self, client: DeviceClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        with _most_threads() as most:
            sizes = client.fan_out(targets, [wait(_THINKING)], len(targets), meter)
        require(len(sizes), len(targets), "devices")
        require(min(sizes), 30, wait(_THINKING))
        return {
            "wall": meter.wall,
            "cpu": meter.cpu,
            "threads": most[0],
            "per_device": most[0] / len(targets),
            "peak": meter.peak / 1e6,
        }


@contextmanager
def _most_threads() -> Iterator[list[int]]:
    """How many threads there are at the most, but for those before and the one that looks."""
    before, most, done = threads(), [0], threading.Event()

    def look() -> None:
        while not done.wait(_GLANCE):
            most[0] = max(most[0], threads() - before - 1)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        done.set()
        looking.join()
