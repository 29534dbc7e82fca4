# SPDX-License-Identifier: Apache-2.0
"""From a command that is cut short to the next clean answer."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence

from benchmarks.clients.cuts import CutClient, CutSession, CutShort
from benchmarks.goals import Goal
from benchmarks.reasons import CANCEL
from benchmarks.target import ECHOES, STEADY, Target, lines_of, steady_device, word
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload, percentile

_WAYS = {"cancels": "cancelled", "timeouts": "its own timeout"}
_PATIENCE = 3
"""So many commands may follow until one has its own answer."""


class Cancel(Workload[CutClient]):
    name = "cancel"
    title = "From a cut command to the next answer"
    about = (
        f"A device thinks for {STEADY} ms about each line that it is to run, and heeds Ctrl-C at once. A command is cut"
        " while it thinks, at a random moment, by cancelling its task or by the client's own timeout, and another one"
        " follows at once. The device's own time is what it takes for that; beyond it is what the client adds until it"
        " has this answer and no other. The floor does the least that is right on such a device: Ctrl-C, the prompt,"
        " the next command. A client that does not interrupt waits for what is left of the first one. aioconn proves"
        " the prompt by a word. Where a device echoes as it reads, that takes a round trip. Where it echoes at once an"
        " echo tells nothing of what has been read: before each of two words, about which the device thinks, aioconn"
        " waits for a silence of 2.5 times the device's longest of late, at least 150 ms."
    )
    goals = (
        Goal(
            words="10 ms at most beyond the device's own time, where it echoes as it reads",
            key="beyond",
            bound=10,
            cases="as it reads",
            why=CANCEL,
        ),
        Goal(words="no wrong answer", key="wrong", bound=0),
    )
    columns = (
        Column(key="next", title="next answer p50 ms", digits=1, ratio="next"),
        Column(key="beyond", title="beyond p50 ms", digits=1),
        Column(key="beyond90", title="beyond p90 ms", digits=1),
        Column(key="wrong", title="wrong", digits=0),
        Column(key="cuts", title="cuts", digits=0),
    )
    repeats = 1
    patience = 120.0
    takes = 150.0

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
                    break
                wrong += 1
        session.close()
        counts: Metrics = {"wrong": wrong, "cuts": case.amounts["cuts"]}
        if not waits:
            return counts
        waits.sort()
        return counts | {
            "next": statistics.median(waits) * 1e3,
            "beyond": (statistics.median(waits) - thinks) * 1e3,
            "beyond90": (percentile(waits, 90) - thinks) * 1e3,
        }


def _is_right(session: CutSession, asked: str) -> bool:
    text = session.ask(f"show {asked}", None)
    return [line.strip() for line in text.splitlines() if line.strip()] == lines_of(asked)
