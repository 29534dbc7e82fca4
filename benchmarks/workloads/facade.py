# SPDX-License-Identifier: Apache-2.0
"""Calls from threads without an event loop to the loop that does the work."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

from benchmarks.clients.calls import ANSWER, Call, CallClient, after_a_turn, at_once
from benchmarks.goals import Goal
from benchmarks.meter import Meter
from benchmarks.reasons import THREADS
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile, require

_WARM_UP = 0.1  # seconds
_PATIENCE = 10.0
_KINDS = {
    "immediate": "returns at once",
    "waiting": "waits a turn",
    "service": "a connection's service",
    "shell": "`show clock` over SSH",
}


class Facade(Workload[CallClient]):
    name = "facade"
    title = "Calls from threads"
    about = (
        "A thread without an event loop calls a coroutine function on a loop in another thread and waits for its"
        " result, again and again: one that returns at once, one that waits for a turn of the loop, a service of an"
        " aioconn connection which asks no device, and a command. The floor is `asyncio.run_coroutine_threadsafe`,"
        " portal is anyio's `BlockingPortal`; both carry calls of aioconn's asynchronous side. wake-up is what nobody"
        " can be faster than: the loop is woken and wakes the thread, without a task. With several threads, commands"
        " have a pool of as many sessions."
    )
    goals = (
        Goal(
            words="1.5 times the floor's calls, where no device is asked",
            key="rate",
            bound=1.5,
            higher=True,
            against="floor",
            cases="^[^`]",
            why=THREADS,
        ),
    )
    columns = (
        Column(key="rate", title="calls/s", digits=0, ratio="calls"),
        Column(key="p50", title="p50 µs", digits=0, ratio="p50"),
        Column(key="p99", title="p99 µs", digits=0),
        Column(key="cpu", title="CPU µs/call", digits=1, ratio="CPU"),
    )
    takes = 90.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{kind}, {threads} thread{'s' if threads > 1 else ''}",
                needs=needs,
                devices=int(needs == "shell"),
                amounts={"threads": threads, "milliseconds": milliseconds},
            )
            for needs, kind in _KINDS.items()
            for threads in sizes.threads
            for milliseconds in sizes.milliseconds
        ]

    def run(self, client: CallClient, case: Case, targets: Sequence[Target]) -> Metrics:
        threads, seconds = case.amounts["threads"], case.amounts["milliseconds"] / 1e3
        meter = Meter()
        with self._calling(client, case, targets) as call:
            repeat(call, threads, min(seconds, _WARM_UP), Meter())
            took, least = repeat(call, threads, seconds, meter)
        require(least, 30 if targets else len(ANSWER), "an answer")
        return {
            "rate": len(took) / meter.wall,
            "p50": percentile(took, 50) * 1e6,
            "p99": percentile(took, 99) * 1e6,
            "cpu": meter.cpu / len(took) * 1e6,
        }

    def _calling(
        self, client: CallClient, case: Case, targets: Sequence[Target]
    ) -> AbstractContextManager[Call]:
        match case.needs:
            case "immediate":
                return client.coroutine(at_once)
            case "waiting":
                return client.coroutine(after_a_turn)
            case "service":
                return client.service()
            case _:
                return client.shell(targets[0], case.amounts["threads"])


def repeat(call: Call, threads: int, seconds: float, meter: Meter) -> tuple[Sequence[float], int]:
    """So many threads for so long: the seconds that each call took, ascending, and the shortest answer."""
    start = threading.Barrier(threads, timeout=_PATIENCE)

    def caller() -> tuple[array[float], int]:
        took, least = array("d"), 1 << 30
        start.wait()
        end = time.perf_counter()
        until = end + seconds
        while (begun := end) < until:
            size = len(call())
            end = time.perf_counter()
            took.append(end - begun)
            if size < least:
                least = size
        return took, least

    with ThreadPoolExecutor(threads) as pool, meter:
        found = [one.result() for one in [pool.submit(caller) for _ in range(threads)]]
    return sorted(took for one, _ in found for took in one), min(least for _, least in found)
