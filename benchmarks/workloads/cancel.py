# SPDX-License-Identifier: Apache-2.0
"""From a command that is cut short to the next clean answer."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

from benchmarks.clients.cuts import CutClient, CutSession, CutShort
from benchmarks.goals import Goal
from benchmarks.target import ECHOES, STEADY, Target, lines_of, steady_device, word
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile

_WAYS = {"cancels": "cancelled", "timeouts": "its own timeout"}
_PATIENCE = 3
"""So many commands may follow until one has its own answer."""


class Cancel(Workload[CutClient]):
    name = "cancel"
    title = "From a cut command to the next answer"
    about = (
        f"A device thinks for {STEADY} ms about each command. One is cut at a random moment, by cancelling its task or"
        " by the client's own timeout, and another one follows at once. The device's own time is what was left of the"
        " first and all of the second; beyond it is what the client adds until it has the second one's answer and no"
        " other. It is less than nothing where the client interrupts the first, and the device heeds it."
    )
    goals = (
        Goal(
            words="10 ms at most beyond the device's own time, where it echoes as it reads",
            key="beyond",
            bound=10,
            cases="as it reads",
        ),
        Goal(words="no wrong answer", key="wrong", bound=0),
    )
    columns = (
        Column(key="next", title="next answer p50 ms", digits=1),
        Column(key="own", title="device's own p50 ms", digits=1),
        Column(key="beyond", title="beyond p50 ms", digits=1),
        Column(key="beyond90", title="beyond p90 ms", digits=1),
        Column(key="wrong", title="wrong", digits=0),
        Column(key="cuts", title="cuts", digits=0),
    )
    repeats = 1
    patience = 120.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{way}; {echoes}",
                needs=needs,
                devices=1,
                server=steady_device(echo),
                amounts={"cuts": cuts},
            )
            for needs, way in _WAYS.items()
            for echo, echoes in ECHOES.items()
            for cuts in sizes.cancelled
        ]

    def run(self, client: CutClient, case: Case, targets: Sequence[Target]) -> Metrics:
        lot, thinks = random.Random(1), STEADY / 1e3
        session = client.cut_session(case.needs, targets[0])
        waits: list[float] = []
        owns: list[float] = []
        wrong = 0
        for number in range(0, 4 * case.amounts["cuts"], 4):
            after = lot.uniform(0.05, 0.8) * thinks
            begun = time.perf_counter()
            try:
                session.ask(f"show {word(number)}", after)
            except CutShort:
                pass
            else:
                raise RuntimeError(f"a command of {STEADY} ms was answered within {after * 1e3:.0f} ms")
            for follower in range(number + 1, number + 1 + _PATIENCE):
                if _is_right(session, word(follower)):
                    waits.append(time.perf_counter() - begun - after)
                    owns.append(2 * thinks - after)
                    break
                wrong += 1
        session.close()
        beyond = sorted(wait - own for wait, own in zip(waits, owns, strict=True))
        counts: Metrics = {"wrong": wrong, "cuts": case.amounts["cuts"]}
        if not beyond:
            return counts
        return counts | {
            "next": statistics.median(waits) * 1e3,
            "own": statistics.median(owns) * 1e3,
            "beyond": statistics.median(beyond) * 1e3,
            "beyond90": percentile(beyond, 90) * 1e3,
        }


def _is_right(session: CutSession, asked: str) -> bool:
    text = session.ask(f"show {asked}", None)
    return [line.strip() for line in text.splitlines() if line.strip()] == lines_of(asked)
