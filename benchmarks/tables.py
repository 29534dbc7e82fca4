# SPDX-License-Identifier: Apache-2.0
"""A report as a page of tables: RESULTS.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.goals import Verdict
from benchmarks.report import Moment, Report, short
from benchmarks.rounds import Measured
from benchmarks.workloads.base import Workload


def markdown(report: Report) -> str:
    sections = (line for workload in report.workloads for line in _section(report, workload))
    return "\n".join([*_head(report), *_goals(report), *sections])


def _head(report: Report) -> Iterator[str]:
    machine = report.machine
    yield "# Measurements"
    yield ""
    yield "Written by `python -m benchmarks`; whatever is changed here by hand is lost with the next run."
    yield ""
    commit = f", commit {report.commit}" if report.commit else ""
    where = f"{machine['cores']} cores ({machine['cpu']}), {machine['system']}"
    yield f"- {report.date:%Y-%m-%d %H:%M} UTC{commit}, {where}"
    yield f"- {machine['python']}; " + ", ".join(
        f"{name} {version}" for name, version in report.versions.items()
    )
    duration = f"{report.took / 60:.0f} minutes; " if report.took >= 60 else ""
    rounds = f"medians of up to {report.repeats} rounds, the clients in turns"
    most = max((len(one.runs) for one in report.results), default=0)
    if most > report.repeats:
        rounds += f", and of up to {most} of those whom a goal compares, where that does not take long"
    yield f"- load before: {report.load:.1f}; {duration}{rounds}"
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
    if report.missing:
        yield f"- Left out: {', '.join(report.missing)}."
    yield ""


def _goals(report: Report) -> Iterator[str]:
    found = list(report.verdicts())
    measured = [verdict for _, verdict in found if verdict.measured]
    if not measured:
        return
    reached = sum(bool(verdict.reached) for verdict in measured)
    yield "## Goals"
    yield ""
    yield (
        f"**{reached} of the {len(measured)} goals that were measured are reached.** Each row has the worst of the"
        " cases that its goal is about; values are times the floor, times better than a peer, or in the unit that"
        " the goal names."
    )
    yield ""
    yield "| | goal | measured | in | reached |"
    yield "|---|---|---:|---|---|"
    before = ""
    for workload, verdict in found:
        name = f"[{workload.title}](#{anchor(workload.title)})" if workload.title != before else ""
        before = workload.title
        value = "–" if verdict.value is None else short(verdict.value)
        yield f"| {name} | {verdict.goal.words} | {value} | {verdict.case or '–'} | {_sign(verdict)} |"
    yield ""
    missed = list(reasons(report))
    if missed:
        yield "### How far, and why"
        yield ""
        yield from missed
        yield ""


def _sign(verdict: Verdict) -> str:
    if verdict.reached is False:
        return f"❌ {verdict}"
    return "✅ yes" if verdict.reached else f"– {verdict}"


def reasons(report: Report) -> Iterator[str]:
    """The goals that were missed, how far, and why: an item for all of one reason."""
    grouped: dict[str, list[str]] = {}
    for workload, verdict in report.verdicts():
        if verdict.reached is not False:
            continue
        value = "" if verdict.value is None else f" {short(verdict.value)} ({verdict.case}),"
        missed = f"**{workload.title}:** {verdict.goal.words}:{value} {str(verdict).removeprefix('no: ')}"
        grouped.setdefault(verdict.goal.why or missed, []).append(missed)
    for why, goals in grouped.items():
        yield f"- {'; '.join(goals)}."
        if why not in goals:
            yield f"  {why}"


def anchor(title: str) -> str:
    """What a heading is linked by, as GitHub makes it."""
    kept = "".join(sign for sign in title.lower() if sign.isalnum() or sign in " -_")
    return kept.replace(" ", "-")


def _section(report: Report, workload: Workload[Any]) -> Iterator[str]:
    rows = report.of(workload.name)
    if not rows:
        return
    moment = report.moments.get(workload.name)
    yield f"## {workload.title}"
    yield ""
    yield workload.about
    yield ""
    if (apart := report.apart(workload.name)) is not None:
        yield _when(apart)
        yield ""
    titles = ["case", "client"]
    for column in workload.columns:
        titles += [column.title, *([f"{column.ratio} ×"] if column.ratio else [])]
    yield f"| {' | '.join(titles)} |"
    yield "|---|---|" + "---:|" * (len(titles) - 2)
    rounds = min(moment.repeats if moment else report.repeats, workload.repeats)
    for one in rows:
        yield _row(workload, one, report.ratios(one), rounds)
    yield ""
    failures = [f"- {one.case}, {one.client}: {one.error}" for one in rows if one.error is not None]
    if failures:
        yield from ("Not measured:", "", *failures, "")


def _when(moment: Moment) -> str:
    commit = f", commit {moment.commit}" if moment.commit else ""
    rounds = f"{moment.repeats} round{'s' if moment.repeats > 1 else ''}"
    alone = ", by itself" if moment.alone else ""
    return f"Measured on {moment.date:%Y-%m-%d %H:%M} UTC{commit}, {rounds}{alone}."


def _row(workload: Workload[Any], one: Measured, ratios: dict[str, float], rounds: int) -> str:
    medians = one.medians
    cells = [one.case, f"{one.client} (floor)" if one.floor else one.client]
    if 0 < len(one.runs) < rounds:
        cells[1] += f" ({len(one.runs)} round{'s' if len(one.runs) > 1 else ''})"
    for column in workload.columns:
        cells.append(f"{medians[column.key]:,.{column.digits}f}" if column.key in medians else "–")
        if column.ratio:
            cells.append(f"{ratios[column.key]:.2f}" if column.key in ratios else "–")
    return f"| {' | '.join(cells)} |"
