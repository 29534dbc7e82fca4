# SPDX-License-Identifier: Apache-2.0
"""From measurements to RESULTS.json and RESULTS.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.rounds import Measured
from benchmarks.workloads.base import Sizes, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was measured in one run. `load` is how many cores were busy before it began."""

    date: datetime
    machine: dict[str, str | int]
    load: float
    versions: dict[str, str]
    sizes: Sizes
    repeats: int
    workloads: Sequence[Workload[Any]]
    results: Sequence[Measured]

    def as_json(self) -> dict[str, Any]:
        return {
            "date": self.date.isoformat(timespec="seconds"),
            "machine": self.machine,
            "load": self.load,
            "versions": self.versions,
            "sizes": asdict(self.sizes),
            "repeats": self.repeats,
            "results": [
                {
                    "workload": one.workload,
                    "case": one.case,
                    "client": one.client,
                    "floor": one.floor,
                    "runs": one.runs,
                    "medians": one.medians,
                    "ratios": self._ratios(one),
                    "error": one.error,
                }
                for one in self.results
            ],
        }

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "RESULTS.json").write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")
        (folder / "RESULTS.md").write_text(self.as_markdown())

    def as_markdown(self) -> str:
        return "\n".join(
            [*self._head(), *(line for workload in self.workloads for line in self._section(workload))]
        )

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
        yield f"- load before: {self.load:.1f}; medians of up to {self.repeats} rounds, the clients in turns"
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
        yield "- 1 MB is 1,000,000 bytes, 1 KiB 1,024."
        yield ""

    def _section(self, workload: Workload[Any]) -> Iterable[str]:
        yield f"## {workload.title}"
        yield ""
        yield workload.about + (f" Goal: {workload.goal}." if workload.goal else "")
        yield ""
        titles = ["case", "client"]
        for column in workload.columns:
            titles += [column.title, *([f"{column.ratio} ×"] if column.ratio else [])]
        yield f"| {' | '.join(titles)} |"
        yield "|---|---|" + "---:|" * (len(titles) - 2)
        failures = []
        for one in self.results:
            if one.workload == workload.name:
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
