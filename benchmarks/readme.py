# SPDX-License-Identifier: Apache-2.0
"""README's table, written from what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report, short
from benchmarks.rounds import Measured
from benchmarks.target import ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- measured: begin, written by `python -m benchmarks --redraw` -->", "<!-- measured: end -->"
_COLUMNS = {
    "floor": "bare asyncssh / asyncio",
    "aioconn": "aioconn",
    "scrapli": "scrapli",
    "netmiko": "netmiko",
}
_PLOTS = {
    "fanout": "Fan-out over SSH and telnet: wall and CPU time of each client",
    "scaling": "CPU per device as the number of devices grows",
}


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
    Row(words="the same over telnet", workload="commands", case="telnet, 1,000 commands", keys=_ANSWER),
    Row(
        words="300 SSH devices, connect, three commands, close: wall, CPU",
        workload="fanout",
        case="ssh, 300 devices",
        keys=_BOTH,
    ),
    Row(
        words="500 SSH devices, connect, one command, close",
        workload="visit",
        case="ssh, 500 devices",
        keys=_BOTH,
    ),
    Row(words="1,000 telnet devices, the same", workload="visit", case="telnet, 1,000 devices", keys=_BOTH),
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
    Row(
        words="9,001 live SSH sessions: until all are open, until all have answered",
        workload="live",
        case="ssh, 9,001 sessions",
        keys=(("opening", " s", 1.0), ("answering", " s", 1.0)),
    ),
    Row(
        words="importing it, the whole process: wall",
        workload="imports",
        case="5 times",
        keys=(("wall", " ms", 1.0),),
    ),
)


def block(report: Report) -> str:
    """What stands between the marks."""
    return "\n".join((BEGIN, *_lines(report), END))


def _lines(report: Report) -> Iterator[str]:
    rows = [(row, cells) for row in ROWS if (cells := row.cells(report)) is not None]
    versions = {name: report.versions.get("asyncssh" if name == "floor" else name, "") for name in _COLUMNS}
    titles = [f"{title} {versions[name]}".strip() for name, title in _COLUMNS.items()]
    titles[0] = _COLUMNS["floor"]
    yield f"| | {' | '.join(titles)} |"
    yield "|---|" + "---:|" * len(_COLUMNS)
    for row, cells in rows:
        yield f"| {row.words} | {' | '.join(cells)} |"
    yield ""
    verdicts = [verdict for _, verdict in report.verdicts() if verdict.value is not None]
    reached = sum(bool(verdict.reached) for verdict in verdicts)
    where = "[which, and how far the others are](benchmarks/RESULTS.md#goals)"
    yield f"Of {len(verdicts)} goals {reached} are reached: {where}."
    yield ""
    for name, words in _PLOTS.items():
        if (ROOT / "benchmarks" / "plots" / f"{name}.png").exists():
            yield f"![{words}](benchmarks/plots/{name}.png)"


def rewrite(report: Report, path: Path = README) -> None:
    """Raises ValueError where the marks are missing."""
    text = path.read_text(encoding="utf-8")
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    path.write_text(text[:begin] + block(report) + text[end:], encoding="utf-8")
