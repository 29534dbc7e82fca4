# SPDX-License-Identifier: Apache-2.0
"""What was measured, as it is kept: RESULTS.json, and UNFINISHED.json while a run is not at its end."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import workloads
from benchmarks.goals import Verdict, judge
from benchmarks.rounds import Measured
from benchmarks.workloads.base import Workload

RESULTS, UNFINISHED = "RESULTS.json", "UNFINISHED.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When one workload was measured, of which commit (empty if nobody knows), in how many rounds and seconds, and
    whether that was later than the others, by itself."""

    date: datetime
    commit: str
    repeats: int
    took: float
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was measured in one run, which began at `date` with `commit`. `load` is how many cores were busy before
    it; `missing` are the names of workloads that it was to measure and has not: those still to come, or left out."""

    date: datetime
    commit: str = ""
    machine: dict[str, str | int]
    load: float
    versions: dict[str, str] = field(default_factory=dict)
    clients: Sequence[str] = ()
    sizes: Mapping[str, Any]
    repeats: int
    moments: Mapping[str, Moment] = field(default_factory=dict)
    missing: Sequence[str] = ()
    results: Sequence[Measured] = ()

    def with_measured(
        self, name: str, results: Sequence[Measured], moment: Moment, versions: Mapping[str, str]
    ) -> Report:
        """The same, with these rows in place of those that the workload had."""
        rows = {**{one.workload: self.of(one.workload) for one in self.results}, name: list(results)}
        return dataclasses.replace(
            self,
            results=[one for known in workloads.NAMES for one in rows.get(known, ())],
            moments={**self.moments, name: moment},
            versions={**self.versions, **versions},
            missing=[other for other in self.missing if other != name],
        )

    @property
    def workloads(self) -> list[Workload[Any]]:
        """Those that were measured and those that are missing."""
        names = {one.workload for one in self.results} | {*self.moments, *self.missing}
        return [workloads.load(name) for name in workloads.NAMES if name in names]

    @property
    def took(self) -> float:
        """Seconds of all that was measured."""
        return sum(moment.took for moment in self.moments.values())

    def apart(self, name: str) -> Moment | None:
        """When a workload was measured, if not in the run of all the others, or not of the same commit."""
        moment = self.moments.get(name)
        return moment if moment is not None and (moment.alone or moment.commit != self.commit) else None

    def of(self, workload: str) -> list[Measured]:
        return [one for one in self.results if one.workload == workload]

    def verdicts(self) -> Iterator[tuple[Workload[Any], Verdict]]:
        """Of each goal that one of the workloads has."""
        for workload in self.workloads:
            results = self.of(workload.name)
            ratios = [self.ratios(one) for one in results]
            for goal in workload.goals:
                yield workload, judge(goal, results, ratios)

    def ratios(self, one: Measured) -> dict[str, float]:
        """How many times the floor's values it was."""
        same = (other for other in self.results if (other.workload, other.case) == (one.workload, one.case))
        floor = next((other for other in same if other.floor and other.runs), None)
        return one.ratios(floor) if floor is not None and one.runs else {}

    def as_json(self) -> dict[str, Any]:
        return {
            "date": self.date.isoformat(timespec="seconds"),
            "commit": self.commit,
            "machine": self.machine,
            "load": self.load,
            "versions": self.versions,
            "clients": list(self.clients),
            "sizes": self.sizes,
            "repeats": self.repeats,
            "missing": list(self.missing),
            "workloads": {
                name: {**dataclasses.asdict(moment), "date": moment.date.isoformat(timespec="seconds")}
                for name, moment in self.moments.items()
            },
            "results": [
                {
                    "workload": one.workload,
                    "case": one.case,
                    "client": one.client,
                    "floor": one.floor,
                    "runs": one.runs,
                    "rounds": one.rounds,
                    "medians": one.medians,
                    "ratios": self.ratios(one),
                    "error": one.error,
                    "seconds": round(one.seconds, 1),
                }
                for one in self.results
            ],
        }

    @classmethod
    def read(cls, path: Path) -> Report:
        """What `save` has left there. Texts and goals are those of today."""
        found = json.loads(path.read_text(encoding="utf-8"))
        results = [
            Measured(
                workload=one["workload"],
                case=one["case"],
                client=one["client"],
                floor=one["floor"],
                runs=one["runs"],
                rounds=one.get("rounds", list(range(len(one["runs"])))),
                error=one["error"],
                seconds=one.get("seconds", 0.0),
            )
            for one in found["results"]
        ]
        moments = {
            name: Moment(**{**one, "date": datetime.fromisoformat(one["date"])})
            for name, one in found.get("workloads", {}).items()
        }
        return cls(
            date=datetime.fromisoformat(found["date"]),
            commit=found.get("commit", ""),
            machine=found["machine"],
            load=found["load"],
            versions=found["versions"],
            clients=found.get("clients", ()),
            sizes=found["sizes"],
            repeats=found["repeats"],
            moments=moments,
            missing=found.get("missing", ()),
            results=results,
        )

    def save(self, path: Path) -> None:
        """In one step: what stood there before stays until all of it is written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        written = path.with_name(f".{path.name}.new")
        written.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(written, path)


def short(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
