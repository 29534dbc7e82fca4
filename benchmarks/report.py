# SPDX-License-Identifier: Apache-2.0
"""From measurements to RESULTS.json and RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.goals import Verdict, judge
from benchmarks.rounds import Measured
from benchmarks.workloads.base import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was measured in one run. `load` is how many cores were busy before it began, `took` how many seconds
    the run lasted."""

    date: datetime
    machine: dict[str, str | int]
    load: float
    versions: dict[str, str]
    sizes: Mapping[str, Any]
    repeats: int
    took: float
    workloads: Sequence[Workload[Any]]
    results: Sequence[Measured]

    def as_json(self) -> dict[str, Any]:
        return {
            "date": self.date.isoformat(timespec="seconds"),
            "machine": self.machine,
            "load": self.load,
            "versions": self.versions,
            "sizes": self.sizes,
            "repeats": self.repeats,
            "took": round(self.took),
            "results": [
                {
                    "workload": one.workload,
                    "case": one.case,
                    "client": one.client,
                    "floor": one.floor,
                    "runs": one.runs,
                    "rounds": one.rounds,
                    "medians": one.medians,
                    "ratios": self._ratios(one),
                    "error": one.error,
                }
                for one in self.results
            ],
        }

    @classmethod
    def read(cls, folder: Path) -> Report:
        """What `write` has left there. Texts and goals are those of today."""
        found = json.loads((folder / "RESULTS.json").read_text())
        results = [
            Measured(
                workload=one["workload"],
                case=one["case"],
                client=one["client"],
                floor=one["floor"],
                runs=one["runs"],
                rounds=one.get("rounds", list(range(len(one["runs"])))),
                error=one["error"],
            )
            for one in found["results"]
        ]
        names = {one.workload for one in results}
        return cls(
            date=datetime.fromisoformat(found["date"]),
            machine=found["machine"],
            load=found["load"],
            versions=found["versions"],
            sizes=found["sizes"],
            repeats=found["repeats"],
            took=found.get("took", 0.0),
            workloads=[workloads.load(name) for name in workloads.NAMES if name in names],
            results=results,
        )

    def of(self, workload: str) -> list[Measured]:
        return [one for one in self.results if one.workload == workload]

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "RESULTS.json").write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")
        (folder / "RESULTS.md").write_text(self.as_markdown())

    def as_markdown(self) -> str:
        sections = (line for workload in self.workloads for line in self._section(workload))
        return "\n".join([*self._head(), *self._goals(), *sections])

    def _head(self) -> Iterable[str]:
        machine = self.machine
        yield "# Measurements"
        yield ""
        yield "Written by `python -m benchmarks`; whatever is changed here by hand is lost with the next run."
        yield ""
        yield f"- {self.date:%Y-%m-%d %H:%M} UTC, {machine['cores']} cores ({machine['cpu']}), {machine['system']}"
        yield f"- {machine['python']}; " + ", ".join(
            f"{name} {version}" for name, version in self.versions.items()
        )
        rounds = f"medians of up to {self.repeats} rounds, the clients in turns"
        yield f"- load before: {self.load:.1f}; {self._duration()}{rounds}"
        yield (
            "- Each client has a process of its own, the simulated devices another one, all on loopback."
            " CPU is user and system time of the client's process."
        )
        yield (
            "- `×` is how many times the floor's value it was in the same round (median of the rounds)."
            " The floor is bare asyncssh, or a bare asyncio protocol for telnet:"
            " the same bytes, and nothing that a script needs beyond. That of pools is an `asyncio.Semaphore`;"
            " others are named where they are used."
        )
        yield "- 1 MB is 1,000,000 bytes, 1 KiB 1,024. Some of it is drawn in [plots](plots/)."
        yield ""

    def _duration(self) -> str:
        return f"{self.took / 60:.0f} minutes; " if self.took >= 60 else ""

    def verdicts(self) -> Iterator[tuple[Workload[Any], Verdict]]:
        """Of each goal that one of the workloads has."""
        for workload in self.workloads:
            results = self.of(workload.name)
            ratios = [self._ratios(one) for one in results]
            for goal in workload.goals:
                yield workload, judge(goal, results, ratios)

    def _goals(self) -> Iterable[str]:
        found = list(self.verdicts())
        measured = [verdict for _, verdict in found if verdict.value is not None]
        if not measured:
            return
        reached = sum(bool(verdict.reached) for verdict in measured)
        yield "## Goals"
        yield ""
        yield (
            f"{reached} of the {len(measured)} goals that were measured are reached. Each row has the worst of the"
            " cases that its goal is about; values are times the floor, times better than a peer, or in the unit that"
            " the goal names."
        )
        yield ""
        yield "| workload | goal | measured | in | reached |"
        yield "|---|---|---:|---|---|"
        before = ""
        for workload, verdict in found:
            name = workload.title if workload.title != before else ""
            before = workload.title
            value = "–" if verdict.value is None else short(verdict.value)
            yield f"| {name} | {verdict.goal.words} | {value} | {verdict.case or '–'} | {verdict} |"
        yield ""

    def _section(self, workload: Workload[Any]) -> Iterable[str]:
        yield f"## {workload.title}"
        yield ""
        yield workload.about
        yield ""
        titles = ["case", "client"]
        for column in workload.columns:
            titles += [column.title, *([f"{column.ratio} ×"] if column.ratio else [])]
        yield f"| {' | '.join(titles)} |"
        yield "|---|---|" + "---:|" * (len(titles) - 2)
        failures = []
        for one in self.of(workload.name):
            yield self._row(workload, one)
            if one.error is not None:
                failures.append(f"- {one.case}, {one.client}: {one.error}")
        yield ""
        if failures:
            yield from ("Not measured:", "", *failures, "")

    def _row(self, workload: Workload[Any], one: Measured) -> str:
        medians, ratios = one.medians, self._ratios(one)
        cells = [one.case, f"{one.client} (floor)" if one.floor else one.client]
        if 0 < len(one.runs) < min(self.repeats, workload.repeats):
            cells[1] += f" ({len(one.runs)} round{'s' if len(one.runs) > 1 else ''})"
        for column in workload.columns:
            cells.append(f"{medians[column.key]:,.{column.digits}f}" if column.key in medians else "–")
            if column.ratio:
                cells.append(f"{ratios[column.key]:.2f}" if column.key in ratios else "–")
        return f"| {' | '.join(cells)} |"

    def _ratios(self, one: Measured) -> dict[str, float]:
        same = (other for other in self.results if (other.workload, other.case) == (one.workload, one.case))
        floor = next((other for other in same if other.floor and other.runs), None)
        return one.ratios(floor) if floor is not None and one.runs else {}


def short(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
