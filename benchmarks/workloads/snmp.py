# SPDX-License-Identifier: Apache-2.0
"""Reading from an SNMP agent, and walks through it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.clients.snmp import SnmpClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import SNMP_WALK
from benchmarks.target import SNMP_VALUE, SNMP_VARIABLES, Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile

_BUDGET = 3.0  # seconds; a slow client asks less
_CALLERS = 30
_TITLES = {"snmp": "one after the other", "snmp-many": f"{_CALLERS} callers on one session"}
_OF_AN_AGENT: Any = {"devices": 1, "server": "snmp"}


class Snmp(Workload[SnmpClient]):
    name = "snmp"
    title = "SNMP: requests and walks"
    about = (
        "GetRequests of one variable, and walks by GetBulk of 25, version 2c, of an agent that sends what it made "
        "before. Times of walks are per variable. A client that is not done after 3 s is stopped there (see `n`). "
        "The floor decodes nothing."
    )
    goals = (
        Goal(
            words="walks ten times as fast as pysnmp's high-level API",
            key="rate",
            bound=10,
            higher=True,
            against="pysnmp",
            cases="^walks",
            why=SNMP_WALK,
        ),
    )
    columns = (
        Column(key="rate", title="per second", digits=0, ratio="rate"),
        Column(key="p50", title="p50 µs", digits=1, ratio="p50"),
        Column(key="p99", title="p99 µs", digits=1),
        Column(key="cpu", title="CPU µs each", digits=1, ratio="CPU"),
        Column(key="count", title="n", digits=0),
    )
    takes = 15.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        found = [
            Case(title=f"{title}, {count:,} requests", needs=needs, amounts={"count": count}, **_OF_AN_AGENT)
            for needs, title in _TITLES.items()
            for count in sizes.commands
        ]
        walks = f"walks of {SNMP_VARIABLES:,} variables"
        return [*found, Case(title=walks, needs="snmp-walk", amounts={"count": 10}, **_OF_AN_AGENT)]

    def run(self, client: SnmpClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter, count = Meter(), case.amounts["count"]
        seconds: list[float] = []
        if case.needs == "snmp-walk":
            took = client.walks(targets[0], count, _BUDGET, meter)
            if any(found != SNMP_VARIABLES for _, found in took):
                raise RuntimeError(f"wrong answer: walks of {sorted({found for _, found in took})} variables")
            seconds = sorted(second / SNMP_VARIABLES for second, _ in took)
            done = len(took) * SNMP_VARIABLES
        elif case.needs == "snmp-many":
            got = client.many(targets[0], _CALLERS, count, _BUDGET, meter)
            _require(got)
            done = len(got)
        else:
            took = client.gets(targets[0], count, _BUDGET, meter)
            _require([value for _, value in took])
            seconds = sorted(second for second, _ in took)
            done = len(took)
        times = (
            {"p50": statistics.median(seconds) * 1e6, "p99": percentile(seconds, 99) * 1e6} if seconds else {}
        )
        return {
            "rate": done / meter.wall,
            **times,
            "cpu": meter.cpu / done * 1e6,
            "wall": meter.wall,
            "count": done,
        }


def _require(got: Sequence[int]) -> None:
    """A quick client that gives something else is not quick."""
    if not got or any(value != SNMP_VALUE for value in got):
        raise RuntimeError(f"wrong answer: {sorted(set(got))[:5]}, {SNMP_VALUE} is right")
