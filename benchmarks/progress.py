# SPDX-License-Identifier: Apache-2.0
"""How far a run is, for the person who watches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.workloads.base import Workload

_ROUNDS = 2  # what a workload's `takes` is about
_LEAST, _MOST = 0.5, 4.0  # how much quicker and slower than expected a machine is believed to be


def expected(workload: Workload[Any], repeats: int) -> float:
    """Seconds that it takes with all clients and sizes."""
    return workload.takes * min(repeats, workload.repeats) / min(_ROUNDS, workload.repeats)


class Progress:
    """`say` is told of each workload and each measurement. Without `whole`, with other clients or sizes than
    usual, nobody knows how long it takes."""

    def __init__(
        self,
        workloads: Sequence[Workload[Any]],
        *,
        repeats: int,
        say: Callable[[str], None],
        whole: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = {one.name: expected(one, repeats) for one in workloads}
        self._say, self._whole, self._clock = say, whole, clock
        self._begun = clock()
        self._done: list[str] = []
        self._took = self._behind = 0.0
        self._name, self._number, self._of = "", 0, 0

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begun

    def left(self, *names: str) -> float:
        """Seconds that these take, or all that have not begun, at the pace of those that have ended."""
        names = names or tuple(name for name in self._expected if name not in (*self._done, self._name))
        return sum(self._expected[name] for name in names) * self._pace()

    def _pace(self) -> float:
        if not self._behind:
            return 1.0
        return min(_MOST, max(_LEAST, self._took / self._behind))

    def begin(self, name: str, measurements: int) -> None:
        self._name, self._number, self._of = name, 0, measurements
        self._since = self._clock()
        line = f"{len(self._done) + 1} of {len(self._expected)}: {name}"
        if self._whole:
            seconds = self.left() + self.left(name)
            then = datetime.now(UTC) + timedelta(seconds=seconds)
            line += (
                f", about {_words(self.left(name))}; all of it {_words(seconds)} more, until {then:%H:%M} UTC"
            )
        self._say(f"{_clock(self.elapsed)} == {line}")

    def tell(self, line: str) -> None:
        """One measurement, or why there is none."""
        self._number += 1
        self._say(f"{_clock(self.elapsed)} [{self._number}/{self._of}] {line}")

    def end(self) -> float:
        """How many seconds the workload took."""
        took = self._clock() - self._since
        self._took += took
        self._behind += self._expected[self._name]
        self._done.append(self._name)
        self._name = ""
        return took


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:2}:{int(seconds) % 60:02}"


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
