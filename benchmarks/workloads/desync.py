# SPDX-License-Identifier: Apache-2.0
"""Commands that end early, and what the next ones are answered."""

from __future__ import annotations

import contextlib
import random
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.clients.cuts import CutClient, CutShort
from benchmarks.goals import Goal
from benchmarks.target import ECHOES, WORDS, Target, lines_of, slow_device, word
from benchmarks.workloads.base import Case, Column, Metrics, Sizes, Workload

_SESSIONS = 10
_FOLLOWERS = 2
_WAYS = {
    "timeouts": "its own timeout",
    "cancels": "cancelled",
    "timeouts, prompt": "its own timeout, told the prompt",
}


class Desync(Workload[CutClient]):
    name = "desync"
    title = "Commands that end early"
    about = (
        "A command is cut at a random moment before its answer is complete, by the client's own timeout or by"
        f" cancelling its task; then {_FOLLOWERS} other commands follow, whose answers only they have. Devices echo"
        " what is typed at once, as terminals do, or when they read it, as IOS does. For each 100 cuts: wrong answers"
        f" and errors, of the {100 * _FOLLOWERS} that could be right, and sessions that had to be opened again. `next`"
        " is the median time until a following command has its own answer. Devices that think for long are for aioconn"
        " alone: with peers it takes minutes and ends the same."
    )
    goals = (
        Goal(words="no wrong answer", key="wrong", bound=0),
        Goal(words="no error", key="errors", bound=0),
    )
    columns = (
        Column(key="wrong", title="wrong", digits=1),
        Column(key="errors", title="errors", digits=1),
        Column(key="lost", title="opened again", digits=1),
        Column(key="next", title="next ms", digits=0),
        Column(key="cuts", title="cuts", digits=0),
    )
    repeats = 1
    patience = 400.0
    takes = 110.0

    def cases(self, sizes: Sizes) -> Sequence[Case]:
        return [
            Case(
                title=f"{way}; {echoes}, thinks up to {thinking} ms",
                needs=needs,
                devices=_SESSIONS,
                server=slow_device(echo, thinking),
                peers=thinking == min(sizes.thinking),
                amounts={"cuts": cuts, "thinking": thinking},
            )
            for needs, way in _WAYS.items()
            for echo, echoes in ECHOES.items()
            for thinking in sizes.thinking
            for cuts in sizes.cuts
        ]

    def run(self, client: CutClient, case: Case, targets: Sequence[Target]) -> Metrics:
        cuts, longest = -(-case.amounts["cuts"] // len(targets)), case.amounts["thinking"] / 1e3
        drives = [
            _Drive(client, case.needs, target, longest, random.Random(number))
            for number, target in enumerate(targets)
        ]
        with ThreadPoolExecutor(len(drives)) as threads:
            list(threads.map(lambda drive: drive.run(cuts), drives))
        counts = [drive.count for drive in drives]
        waits = [wait for count in counts for wait in count.waits]
        whole = sum(count.cuts for count in counts)
        if not whole:
            raise RuntimeError("no command was cut")
        return {
            "wrong": 100 * sum(count.wrong for count in counts) / whole,
            "errors": 100 * sum(count.errors for count in counts) / whole,
            "lost": 100 * sum(count.lost for count in counts) / whole,
            "cuts": whole,
            **({"next": 1e3 * statistics.median(waits)} if waits else {}),
        }


@dataclass(slots=True)
class _Count:
    cuts: int = 0
    wrong: int = 0
    errors: int = 0
    lost: int = 0
    waits: list[float] = field(default_factory=list)


class _Drive:
    """One session: cut, ask, ask, and again. What does not answer twice in a row is opened again."""

    def __init__(
        self, client: CutClient, needs: str, target: Target, longest: float, rng: random.Random
    ) -> None:
        self._client, self._needs, self._target = client, needs, target
        self._longest, self._rng = longest, rng
        self._words = rng.sample([word(number) for number in range(WORDS)], WORDS)
        self._place = 0
        self.count = _Count()

    def run(self, cuts: int) -> None:
        self._open()
        for _ in range(20 * cuts):
            if self.count.cuts >= cuts:
                break
            try:
                self._ask(self._rng.uniform(0.001, self._longest))
            except CutShort:
                self.count.cuts += 1
                self._follow()
        self.count.lost += self._session.replaced
        self._close()

    def _follow(self) -> None:
        began, waited, failures = time.perf_counter(), None, 0
        for _ in range(_FOLLOWERS):
            try:
                right = self._ask(None)
            except Exception:
                failures += 1
                continue
            self.count.wrong += not right
            if right and waited is None:
                waited = time.perf_counter() - began
        self.count.errors += failures
        if waited is not None:
            self.count.waits.append(waited)
        if failures == _FOLLOWERS:
            self.count.lost += 1 + self._session.replaced
            self._close()
            self._open()

    def _ask(self, limit: float | None) -> bool:
        """Whether the answer is that of the command."""
        self._place = (self._place + 1) % WORDS
        asked = self._words[self._place]
        text = self._session.ask(f"show {asked}", limit)
        return [line.strip() for line in text.splitlines() if line.strip()] == lines_of(asked)

    def _open(self) -> None:
        self._session = self._client.cut_session(self._needs, self._target)

    def _close(self) -> None:
        with contextlib.suppress(Exception):
            self._session.close()
