# SPDX-License-Identifier: Apache-2.0
"""A run: what it is to measure, and what it has measured so far, which is kept after each workload."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import clients, machine, workloads
from benchmarks.goals import OURS
from benchmarks.progress import Progress
from benchmarks.report import RESULTS, UNFINISHED, Moment, Report
from benchmarks.rounds import Measured, Rounds
from benchmarks.servers import Servers
from benchmarks.workloads.base import Sizes


class Run:
    """Measures the workloads `names` for `report`, with so many `repeats`. `path` is where it is kept after each of
    them, if anywhere; with `alone` it is a complete report, in which they take the place of what was there. `report`
    is there at any time, also after a Ctrl-C.

    `within`, in seconds: what would not be done by then is left out.
    """

    def __init__(
        self,
        report: Report,
        names: Collection[str],
        path: Path | None,
        *,
        repeats: int,
        say: Callable[[str], None],
        alone: bool = False,
        within: float | None = None,
    ) -> None:
        self.report = report
        self._names, self._path = names, path
        self._repeats, self._say = repeats, say
        self._alone, self._within = alone, within

    def go(self) -> None:
        wanted = [workloads.load(name) for name in workloads.NAMES if name in self._names]
        sizes = Sizes(**{name: tuple(amounts) for name, amounts in self.report.sizes.items()})
        asked = [clients.load(name) for name in self.report.clients]
        whole = sizes == Sizes() and len(asked) == len(clients.NAMES)
        progress = Progress(wanted, repeats=self._repeats, say=self._say, whole=whole)
        with Servers() as servers:
            rounds = Rounds(
                servers=servers, clients=asked, repeats=self._repeats, say=self._say, tell=progress.tell
            )
            rounds.prepare((workload, case) for workload in wanted for case in workload.cases(sizes))
            for workload in wanted:
                if (
                    self._within is not None
                    and progress.elapsed + progress.left(workload.name) > self._within
                ):
                    self._say(f"{workload.name}: left out, it would not be done in time")
                    continue
                cases = workload.cases(sizes)
                date, commit = datetime.now(UTC), machine.commit()
                progress.begin(workload.name, sum(rounds.count(workload, case) for case in cases))
                results = [one for case in cases for one in rounds.measure(workload, case)]
                moment = Moment(
                    date=date,
                    commit=commit,
                    repeats=self._repeats,
                    took=round(progress.end(), 1),
                    alone=self._alone,
                )
                self.report = self.report.with_measured(workload.name, results, moment, rounds.versions)
                if self._path is not None:
                    self.report.save(self._path)


def new(names: list[str], asked: list[str], sizes: Sizes, repeats: int) -> Report:
    """Nothing yet, of these workloads and clients."""
    return Report(
        date=datetime.now(UTC),
        commit=machine.commit(),
        machine=machine.describe(),
        load=machine.load(),
        clients=asked,
        sizes=dataclasses.asdict(sizes),
        repeats=repeats,
        missing=[name for name in workloads.NAMES if name in names],
    )


def unfinished(folder: Path) -> Report | None:
    """What an earlier run has left, that was stopped."""
    path = folder / UNFINISHED
    return Report.read(path) if path.exists() else None


def finished(folder: Path) -> Report:
    """A complete report. Raises OSError, and ValueError if it is of an older kind."""
    report = Report.read(folder / RESULTS)
    if not is_of_today(report):
        raise ValueError("it is of other workloads: a complete run has to come before")
    return report


def is_of_today(report: Report) -> bool:
    """Whether there is all that it was measured with, and in the same sizes."""
    known = set(report.clients) <= set(clients.NAMES) and set(report.missing) <= set(workloads.NAMES)
    return bool(report.clients) and known and set(report.sizes) == set(Sizes.names())


def errors(report: Report) -> list[Measured]:
    """What could not be measured of aioconn and the floors."""
    return [one for one in report.results if one.error and (one.floor or one.client.startswith(OURS))]
