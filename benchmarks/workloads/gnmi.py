# SPDX-License-Identifier: Apache-2.0
"""Reading from a gNMI target, and what it streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.clients.gnmi import GnmiClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import GNMI, GNMI_CPU
from benchmarks.target import GNMI_LEAVES, GNMI_MESSAGES, Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

CALLERS = 20
_BUDGET = 3.0  # seconds; a slow client asks less
_OF_A_TARGET: Any = {"devices": 1, "server": "gnmi"}


class Gnmi(Workload[GnmiClient]):
    name = "gnmi"
    title = "gNMI: get and subscribe"
    about = (
        f"Get of {GNMI_LEAVES} leaves, one call after the other and by {CALLERS} callers on one session, at most for"
        f" 3 s; and a subscription that brings {GNMI_MESSAGES:,} messages of {GNMI_LEAVES} updates, counted one by"
        " one. The target sends bytes that it made before. The floor is grpcio, which looks at nothing that comes."
    )
    goals = (
        Goal(words="not slower than pygnmi", key="rate", bound=1, higher=True, against="pygnmi", why=GNMI),
        Goal(
            words="with several callers on one session two thirds of pygnmi's CPU",
            key="cpu",
            bound=1.5,
            against="pygnmi",
            cases="callers",
            why=GNMI_CPU,
        ),
    )
    columns = (
        Column(key="rate", title="per second", digits=0, ratio="rate"),
        Column(key="cpu", title="CPU µs each", digits=1, ratio="CPU"),
        Column(key="wall", title="wall s"),
        Column(key="count", title="n", digits=0),
    )
    takes = 15.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        def case(title: str, needs: str, callers: int, count: int) -> Case:
            return Case(
                title=title, needs=needs, amounts={"callers": callers, "count": count}, **_OF_A_TARGET
            )

        return [
            *(case(f"one after the other, {count:,} calls", "gnmi", 1, count) for count in sizes.commands),
            *(
                case(f"{CALLERS} callers, {count:,} calls", "gnmi", CALLERS, count)
                for count in sizes.commands
            ),
            case(f"{GNMI_MESSAGES * GNMI_LEAVES:,} updates", "gnmi-updates", 1, 1),
        ]

    def run(self, client: GnmiClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        if case.needs == "gnmi":
            got = client.gets(targets[0], case.amounts["callers"], case.amounts["count"], _BUDGET, meter)
            right, done = GNMI_LEAVES, len(got)
        else:
            got = [client.updates(targets[0], meter)]
            right = done = GNMI_MESSAGES * GNMI_LEAVES
        if not got or any(found != right for found in got):
            raise RuntimeError(f"wrong answer: {sorted(set(got))[:5]} updates, {right} are right")
        return {"rate": done / meter.wall, "cpu": meter.cpu / done * 1e6, "wall": meter.wall, "count": done}
