# SPDX-License-Identifier: Apache-2.0
"""Requests to HTTP APIs: many to one device, a few to each of many."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.clients.rest import RestClient
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import REST
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

LIMIT = 100
PATH = "/facts"
REQUESTS = 3
_BUDGET = 3.0  # seconds; a slow client asks less


class Rest(Workload[RestClient]):
    name = "rest"
    title = "REST: GET"
    about = (
        "Plain HTTP with Basic credentials, a short answer: one request after the other on one connection, at most for"
        f" 3 s; and connect, {REQUESTS} requests, close, on at most {LIMIT} devices at once, each with a client of its"
        " own. The floor is aiohttp by hand."
    )
    goals = (
        Goal(
            words="three times the rate of httpx, with one device and with many",
            key="rate",
            bound=3,
            higher=True,
            against="httpx",
            why=REST,
        ),
    )
    columns = (
        Column(key="rate", title="requests/s", digits=0, ratio="rate"),
        Column(key="cpu", title="CPU µs each", digits=0, ratio="CPU"),
        Column(key="wall", title="wall s"),
        Column(key="count", title="n", digits=0),
    )
    takes = 22.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        def case(title: str, needs: str, devices: int, count: int) -> Case:
            return Case(title=title, needs=needs, devices=devices, server="http", amounts={"count": count})

        return [
            *(case(f"one device, {count:,} requests", "rest", 1, count) for count in sizes.commands),
            *(case(f"{count} devices", "rest-many", count, count) for count in sizes.ssh_devices),
        ]

    def run(self, client: RestClient, case: Case, targets: Sequence[Target]) -> Metrics:
        meter = Meter()
        if case.needs == "rest":
            got = client.asked(targets[0], PATH, case.amounts["count"], _BUDGET, meter)
        else:
            got = client.visits(targets, [PATH] * REQUESTS, LIMIT, meter)
        if not got or set(got) != {PATH.removeprefix("/")}:
            raise RuntimeError(f"wrong answers: {sorted(set(got))[:5]}")
        return {
            "rate": len(got) / meter.wall,
            "cpu": meter.cpu / len(got) * 1e6,
            "wall": meter.wall,
            "count": len(got),
        }
