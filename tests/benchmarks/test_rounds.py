# SPDX-License-Identifier: Apache-2.0
"""Who is measured how often: all clients in turns, and those whom a goal compares some more."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from benchmarks.clients.base import Client
from benchmarks.goals import Goal
from benchmarks.rounds import COMPARED, Measured, Rounds
from benchmarks.target import Target
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload


def client(named: str, *, floored: bool = False) -> Client:
    class One(Client):
        name = named
        offers = frozenset({"work"})
        floor = floored

    return One()


CLIENTS = [client("scrapli"), client("aioconn"), client("aioconn.workers"), client("asyncssh", floored=True)]


class Work(Workload[Client]):
    name = "work"
    columns = (Column(key="cpu", title="CPU"),)

    def __init__(self, *, repeats: int = 100, **goal: Any) -> None:
        self.goals = (Goal(words="", key="cpu", bound=1, **goal),)  # type: ignore[misc]
        self.repeats = repeats  # type: ignore[misc]

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [Case(title="ssh, 5", needs="work", amounts={})]

    def run(self, client: Client, case: Case, targets: Sequence[Target]) -> Metrics:
        raise NotImplementedError


class Played(Rounds):
    """Each measurement takes `lasts` seconds of a clock that nobody waits for; `order` is who was measured."""

    lasts = 1.0
    now = 0.0
    order: list[str]

    def _run(self, workload: Workload[Any], case: Case, client: Client) -> Metrics:
        self.order.append(client.name)
        Played.now += self.lasts
        return {"cpu": 1.0}


FLOOR: dict[str, Any] = {"against": "floor"}


@pytest.mark.parametrize(
    ("work", "repeats", "lasts", "times"),
    [
        (Work(**FLOOR), 1, 1, {"asyncssh": 1, "aioconn": 1, "scrapli": 1, "aioconn.workers": 1}),
        (
            Work(**FLOOR),
            2,
            0.5,
            {"asyncssh": COMPARED, "aioconn": COMPARED, "scrapli": 2, "aioconn.workers": 2},
        ),
        (Work(**FLOOR), 2, 4, {"asyncssh": 3, "aioconn": 3, "scrapli": 2, "aioconn.workers": 2}),
        (Work(**FLOOR), 2, 6, {"asyncssh": 1, "aioconn": 1, "scrapli": 1, "aioconn.workers": 1}),  # too slow
        (Work(**FLOOR), 10, 1, {name.name: 10 for name in CLIENTS}),
        (Work(**FLOOR, repeats=1), 2, 1, {"asyncssh": 1, "aioconn": 1, "scrapli": 1, "aioconn.workers": 1}),
        (Work(**FLOOR, cases="^telnet"), 2, 1, {name.name: 2 for name in CLIENTS}),
        (Work(against="peers"), 2, 1, {name.name: 2 for name in CLIENTS}),
        (
            Work(against="sizes", client="aioconn.workers"),
            2,
            1,
            {"asyncssh": COMPARED, "aioconn": 2, "scrapli": 2, "aioconn.workers": COMPARED},
        ),
    ],
)
def test_those_whom_a_goal_compares_are_measured_some_more(
    work: Work, repeats: int, lasts: float, times: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.rounds.time", SimpleNamespace(monotonic=lambda: Played.now))
    nobody = cast(Any, None)
    played = Played(servers=nobody, clients=CLIENTS, repeats=repeats, say=print, tell=print)
    played.order, played.lasts = [], lasts
    (case,) = work.cases(Sizes())
    found: list[Measured] = played.measure(work, case)
    assert {one.client: one.rounds for one in found} == {
        name: list(range(count)) for name, count in times.items()
    }
    assert {one.client: len(one.runs) for one in found} == times
    if lasts == 1:
        assert played.count(work, case) == len(played.order)
    if "aioconn" in times and times["aioconn"] == COMPARED:
        # each other time the floor is second
        further = played.order[-2 * (COMPARED - 2) :]
        pair = ["asyncssh", "aioconn"]
        expected = [name for number in range(COMPARED - 2) for name in (pair[::-1] if number % 2 else pair)]
        assert further == expected
