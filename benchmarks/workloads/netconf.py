# SPDX-License-Identifier: Apache-2.0
"""Configurations over NETCONF: many from one session, one from each of many devices."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.netconf import NetconfClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import NETCONF, NETCONF_CALLS
from benchmarks.target import NETCONF_INTERFACES, Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

CALLERS = 20
LIMIT = 100
_BUDGET = 3.0  # seconds; a slow client asks less


class Netconf(Workload[NetconfClient]):
    name = "netconf"
    title = "NETCONF: get-config"
    about = (
        f"`get-config` of {NETCONF_INTERFACES} interfaces, whose names are counted in the parsed answer: on one"
        f" session, one call after the other and by {CALLERS} callers, at most for 3 s (ncclient's are in its"
        f" asynchronous mode); and connect, one call, close, on at most {LIMIT} devices at once. The floor is asyncssh"
        " with framing and lxml by hand, without checks."
    )
    goals = (
        Goal(
            words="with several callers on one session five times the rate of ncclient",
            key="rate",
            bound=5,
            higher=True,
            against="ncclient",
            cases="callers",
            why=NETCONF_CALLS,
        ),
        Goal(
            words="300 devices: CPU at most 1.3 × the floor's",
            key="cpu",
            bound=1.3,
            against="floor",
            cases="^300 devices",
            why=NETCONF,
        ),
    )
    columns = (
        Column(key="rate", title="per second", digits=0, ratio="rate"),
        Column(key="cpu", title="CPU µs each", digits=0, ratio="CPU"),
        Column(key="wall", title="wall s"),
        Column(key="count", title="n", digits=0),
    )
    takes = 50.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        def case(title: str, needs: str, devices: int, count: int, callers: int) -> Case:
            amounts = {"count": count, "callers": callers}
            return Case(title=title, needs=needs, devices=devices, server="netconf", amounts=amounts)

        return [
            *(
                case(f"{how}, {count:,} calls", "netconf", 1, count, callers)
                for how, callers in (("one after the other", 1), (f"{CALLERS} callers", CALLERS))
                for count in sizes.commands
            ),
            *(case(f"{count} devices", "netconf-visits", count, count, LIMIT) for count in sizes.ssh_devices),
        ]

    def run(self, client: NetconfClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        callers, count = case.amounts["callers"], case.amounts["count"]
        if case.needs == "netconf":
            got = client.asked(targets[0], callers, count, _BUDGET, meter)
        else:
            got = client.visits(targets, callers, meter)
        if not got or any(found != NETCONF_INTERFACES for found in got):
            raise RuntimeError(f"wrong answer: {sorted(set(got))[:5]}, {NETCONF_INTERFACES} is right")
        return {
            "rate": len(got) / meter.wall,
            "cpu": meter.cpu / len(got) * 1e6,
            "wall": meter.wall,
            "count": len(got),
        }
