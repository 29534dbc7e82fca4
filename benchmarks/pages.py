# SPDX-License-Identifier: Apache-2.0
"""What README and the page about performance say of measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.blocks import put
from benchmarks.goals import OURS
from benchmarks.report import Report, short
from benchmarks.rounds import Measured
from benchmarks.tables import reasons
from benchmarks.target import ROOT

README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"
_COLUMNS = {
    "floor": "bare asyncssh / asyncio",
    "aioconn": "aioconn",
    "scrapli": "scrapli",
    "netmiko": "netmiko",
}
_DRAWN = ROOT / "benchmarks" / "plots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`keys` are metrics, each with its unit and what its value is multiplied by."""

    words: str
    workload: str
    case: str
    keys: tuple[tuple[str, str, float], ...]

    def cells(self, report: Report) -> list[str] | None:
        """None where aioconn was not measured."""
        found = {
            "floor" if one.floor else one.client: one
            for one in report.of(self.workload)
            if one.case == self.case and one.runs
        }
        if "aioconn" not in found:
            return None
        return [self._cell(found.get(name)) for name in _COLUMNS]

    def _cell(self, one: Measured | None) -> str:
        if one is None:
            return "–"
        return ", ".join(f"{short(one.medians[key] * scale)}{unit}" for key, unit, scale in self.keys)


_BOTH = (("wall", " s", 1.0), ("cpu", " s", 1.0))
_ANSWER = (("p50", " ms", 1e-3), ("cpu", " ms", 1e-3))
ROWS = (
    Row(
        words="`show clock` on a live SSH session: p50, CPU",
        workload="commands",
        case="ssh, 1,000 commands",
        keys=_ANSWER,
    ),
    Row(
        words="300 SSH devices, connect, three commands, close: wall, CPU",
        workload="fanout",
        case="ssh, 300 devices",
        keys=_BOTH,
    ),
    Row(
        words="1,000 telnet devices, one command: wall, CPU",
        workload="visit",
        case="telnet, 1,000 devices",
        keys=_BOTH,
    ),
    Row(
        words="200 SSH devices that think for 1 s: wall, threads",
        workload="waiting",
        case="ssh, 200 devices",
        keys=(("wall", " s", 1.0), ("threads", "", 1.0)),
    ),
    Row(words="50 MB of output over SSH: wall", workload="bulk", case="ssh, 50 MB", keys=_BOTH[:1]),
    Row(
        words="an idle SSH session: memory, descriptors, threads",
        workload="idle",
        case="ssh, 500 sessions",
        keys=(("memory", " KiB", 1.0), ("descriptors", "", 1.0), ("threads", "", 1.0)),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one thing takes, beside the floor where there is one. `case` is how its title begins."""

    words: str
    workload: str
    case: str
    key: str
    unit: str

    def cells(self, report: Report) -> list[str] | None:
        """None where it was not measured."""
        found = [
            one
            for one in report.of(self.workload)
            if one.case.startswith(self.case) and self.key in one.medians
        ]
        floor = next((one for one in found if one.floor), None)
        ours = next((one for one in found if not one.floor and one.client.startswith(OURS)), None)
        if ours is None:
            return None
        return [
            "–" if one is None else f"{short(one.medians[self.key])} {self.unit}" for one in (ours, floor)
        ]


COSTS = (
    Cost(
        words="an SSH device in a fan-out: connect, one command, close",
        workload="visit",
        case="ssh, 500 ",
        key="per_device",
        unit="ms of CPU",
    ),
    Cost(
        words="an SSH device in a fan-out: connect, three commands, close",
        workload="fanout",
        case="ssh, 300 ",
        key="per_device",
        unit="ms of CPU",
    ),
    Cost(
        words="a telnet device: connect, one command, close",
        workload="visit",
        case="telnet, 1,000 ",
        key="per_device",
        unit="ms of CPU",
    ),
    Cost(
        words="a telnet device: connect, three commands, close",
        workload="fanout",
        case="telnet, 300 ",
        key="per_device",
        unit="ms of CPU",
    ),
    Cost(
        words="an SSH device behind a jump host", workload="jump", case="", key="per_device", unit="ms of CPU"
    ),
    Cost(
        words="a further session on an open SSH link",
        workload="second",
        case="",
        key="further_cpu",
        unit="ms of CPU",
    ),
    Cost(words="a short command over SSH", workload="commands", case="ssh", key="cpu", unit="µs of CPU"),
    Cost(
        words="a short command over telnet", workload="commands", case="telnet", key="cpu", unit="µs of CPU"
    ),
    Cost(
        words="a MB of output over SSH",
        workload="bulk",
        case="ssh, 50 ",
        key="per_megabyte",
        unit="ms of CPU",
    ),
    Cost(words="an idle SSH session", workload="idle", case="ssh", key="memory", unit="KiB"),
    Cost(words="an idle telnet session", workload="idle", case="telnet", key="memory", unit="KiB"),
    Cost(
        words="borrowing a session of a pool and giving it back",
        workload="gate",
        case="1 task",
        key="cpu",
        unit="µs of CPU",
    ),
    Cost(
        words="a call from a thread without a loop",
        workload="facade",
        case="a connection's service, 1 thread",
        key="cpu",
        unit="µs of CPU",
    ),
    Cost(
        words="a call from a child process, both sides",
        workload="children",
        case="64 B, 1 child",
        key="cpu",
        unit="µs of CPU",
    ),
    Cost(words="an interpreter that imports it", workload="imports", case="", key="cpu", unit="ms of CPU"),
)


def measured(report: Report) -> list[str]:
    """README's table and plot."""
    versions = {name: report.versions.get(name, "") for name in _COLUMNS}
    titles = [f"{title} {versions[name]}".strip() for name, title in _COLUMNS.items()]
    lines = [f"| | {' | '.join(titles)} |", "|---|" + "---:|" * len(_COLUMNS)]
    lines += _rows(report, ROWS)
    verdicts = [verdict for _, verdict in report.verdicts() if verdict.measured]
    reached = sum(bool(verdict.reached) for verdict in verdicts)
    where = "[which, and how far the others are](benchmarks/RESULTS.md#goals)"
    lines += ["", f"Of {len(verdicts)} goals {reached} are reached: {where}.", ""]
    words = "Many devices over SSH and telnet: wall and CPU time of each client"
    return [*lines, *_plot("benchmarks/plots", "fanout", words)]


def _plot(folder: str, name: str, words: str) -> list[str]:
    return [f"![{words}]({folder}/{name}.png)"] if (_DRAWN / f"{name}.png").exists() else []


def costs(report: Report) -> list[str]:
    lines = ["| | aioconn | the floor |", "|---|---:|---:|", *_rows(report, COSTS)]
    plot = _plot("../benchmarks/plots", "scaling", "CPU per device as the number of devices grows")
    return [*lines, "", *plot] if plot else lines


def _rows(report: Report, wanted: Sequence[Row | Cost]) -> Iterator[str]:
    for one in wanted:
        if (cells := one.cells(report)) is not None:
            yield f"| {one.words} | {' | '.join(cells)} |"


def missed(report: Report) -> list[str]:
    """The goals that were measured and not reached, and why."""
    return list(reasons(report)) or ["All goals that were measured are reached."]


PARTS = ((README, "measured", measured), (PERFORMANCE, "costs", costs), (PERFORMANCE, "missed", missed))


def rewrite(report: Report) -> None:
    for path, name, lines in PARTS:
        put(path, name, lines(report))
