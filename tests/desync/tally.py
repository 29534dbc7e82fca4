# SPDX-License-Identifier: Apache-2.0
"""What became of the cuts, and the table of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.desync.cells import Cell

SAMPLES = 5
HEADING = (
    "echo   Ctrl-C  think |    cuts answers   wrong   early  errors |  kept % | recovery p50     p99 ms\n"
    "----------------------+----------------------------------------+---------+------------------------"
)


@dataclass(slots=True)
class Tally:
    """One cell. `early`: answers that end at a look-alike. `waited` are seconds from each cut to the proven prompt."""

    cell: Cell
    cuts: int = 0
    answers: int = 0
    wrong: int = 0
    early: int = 0
    replaced: int = 0
    waited: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    @property
    def kept(self) -> float:
        """The share of cuts that did not cost the session."""
        return 1.0 - self.replaced / self.cuts if self.cuts else 1.0

    def went_wrong(self, what: str) -> None:
        self.wrong += 1
        if len(self.samples) < SAMPLES:
            self.samples.append(f"{self.cell}: {what}")

    def failed(self, error: Exception) -> None:
        self.errors[type(error).__name__] += 1

    def row(self) -> str:
        return (
            f"{self.cell!s:<22}| {self.cuts:>7} {self.answers:>7} {self.wrong:>7} {self.early:>7} "
            f"{self.errors.total():>7} | {100 * self.kept:>7.2f} | {_ms(self.waited, 50):>12} {_ms(self.waited, 99):>7}"
        )


def table(tallies: Sequence[Tally]) -> str:
    """All cells, their sum, and what was wrong."""
    rows = [HEADING, *(tally.row() for tally in tallies), HEADING.splitlines()[-1]]
    cuts = sum(tally.cuts for tally in tallies)
    wrong = sum(tally.wrong for tally in tallies)
    answers = sum(tally.answers for tally in tallies)
    rows.append(
        f"{cuts} commands cut, {wrong} of {answers} answers afterwards wrong, "
        f"{100 * kept(tallies):.2f} % of sessions kept"
    )
    errors = sum((tally.errors for tally in tallies), Counter[str]())
    rows += [f"{count} x {name}" for name, count in errors.most_common()]
    return "\n".join([*rows, *(sample for tally in tallies for sample in tally.samples)])


def kept(tallies: Iterable[Tally]) -> float:
    """The share of all cuts that did not cost the session."""
    every = list(tallies)
    return 1.0 - sum(tally.replaced for tally in every) / max(1, sum(tally.cuts for tally in every))


def _ms(seconds: Sequence[float], percent: int) -> str:
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    return f"{1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]:.0f}"
