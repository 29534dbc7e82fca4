# SPDX-License-Identifier: Apache-2.0
"""What a run writes: goals are judged by what was measured, and README says nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages, tables, workloads
from benchmarks.blocks import block, put
from benchmarks.goals import Goal, judge
from benchmarks.progress import Progress
from benchmarks.report import RESULTS, Moment, Report
from benchmarks.rounds import Measured
from benchmarks.target import ROOT
from benchmarks.workloads.base import Sizes

HERE = ROOT / "benchmarks"


def measured(client: str, value: float, case: str = "ssh, 5", floor: bool = False) -> Measured:
    return Measured(workload="w", case=case, client=client, floor=floor, runs=[{"cpu": value}], rounds=[0])


FLOOR, OURS = measured("asyncssh", 2, floor=True), measured("aioconn", 3)
PEERS = [measured("scrapli", 9), measured("netmiko", 6), measured("asyncssh.plain", 4)]
BROKEN = Measured(workload="w", case="snmp", client="aioconn.workers", floor=False, error="it broke")
OTHERS = [measured("aioconn", 12, "ssh, 50"), measured("aioconn.sync", 4, "telnet, 5")]


@pytest.mark.parametrize(
    ("goal", "value", "case", "said"),
    [
        ({"bound": 12}, 12, "ssh, 50", "yes"),
        ({"bound": 8}, 12, "ssh, 50", "no: 1.50 times too much"),
        ({"bound": 0}, 12, "ssh, 50", "no"),
        ({"bound": 3, "cases": "^ssh, 5$"}, 3, "ssh, 5", "yes"),
        ({"bound": 4, "higher": True}, 3, "ssh, 5", "no: 1.33 times too little"),
        ({"bound": 1.5, "against": "floor"}, 1.5, "ssh, 5", "yes"),
        ({"bound": 1.2, "against": "floor"}, 1.5, "ssh, 5", "no: 1.25 times too much"),
        ({"bound": 2, "against": "peers"}, 2, "ssh, 5", "yes"),
        ({"bound": 3, "against": "scrapli"}, 3, "ssh, 5", "yes"),
        ({"bound": 4, "against": "scrapli"}, 3, "ssh, 5", "no: 1.33 times too little"),
        ({"bound": 0.5, "against": "peers", "higher": True}, 1 / 3, "ssh, 5", "no: 1.50 times too little"),
        ({"bound": 4, "against": "sizes", "cases": "^ssh"}, 4, "ssh, 50", "yes"),
        ({"bound": 2, "against": "sizes", "cases": "^ssh"}, 4, "ssh, 50", "no: 2.00 times too much"),
        ({"bound": 1, "cases": "^http"}, None, "", "not measured"),
        ({"bound": 1, "against": "unicon"}, None, "", "not measured"),
        ({"bound": 0.65, "multiple_of": "netmiko"}, 0.5, "ssh, 5", "yes"),
        ({"bound": 0.4, "multiple_of": "netmiko"}, 0.5, "ssh, 5", "no: 1.25 times too much"),
        ({"bound": 9, "client": "aioconn.workers"}, None, "snmp", "no: it broke"),
    ],
)
def test_a_goal_is_judged_by_the_worst_of_its_cases(
    goal: dict[str, object], value: float | None, case: str, said: str
) -> None:
    results = [FLOOR, OURS, *PEERS, *OTHERS, BROKEN]
    ratios = [{}, {"cpu": 1.5}, {"cpu": 4.5}, {"cpu": 3.0}, {"cpu": 2.0}, {}, {}, {}]
    verdict = judge(Goal(words="", key="cpu", **goal), results, ratios)  # type: ignore[arg-type]
    assert (verdict.case, str(verdict)) == (case, said)
    assert verdict.value == pytest.approx(value)


def test_goals_are_about_what_is_measured() -> None:
    """A goal whose metric or whose cases do not exist would never be reached, nor missed."""
    for name in workloads.NAMES:
        workload = workloads.load(name)
        titles = [case.title for case in workload.cases(Sizes())]
        keys = {column.key for column in workload.columns} | {"per_device"}
        for goal in workload.goals:
            assert goal.key in keys, (name, goal.words)
            assert any(re.search(goal.cases, title) for title in titles), (name, goal.words)


@pytest.mark.parametrize(("path", "name", "lines"), pages.PARTS)
def test_pages_say_what_was_measured(path: Path, name: str, lines: Any, tmp_path: Path) -> None:
    found = lines(Report.read(HERE / RESULTS))
    assert block(name, found) in path.read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{block(name, ['old'])}\nafter\n", encoding="utf-8")
    put(page, name, found)
    assert page.read_text(encoding="utf-8") == f"before\n{block(name, found)}\nafter\n"


def test_what_is_read_is_written_again_as_it_was(tmp_path: Path) -> None:
    report = Report.read(HERE / RESULTS)
    report.save(tmp_path / RESULTS)
    again = Report.read(tmp_path / RESULTS)
    assert again.as_json() == report.as_json()
    assert tables.markdown(again) == tables.markdown(report)


def whole(name: str, share: float, case: str = "ssh, 50 MB") -> list[Measured]:
    runs = [{"share": share}]
    return [
        Measured(workload=name, case=case, client="aioconn", floor=False, runs=runs, rounds=[0], seconds=7)
    ]


def test_a_workload_that_is_measured_again_says_so_and_leaves_the_others_alone() -> None:
    begun = datetime(2026, 3, 1, 12, tzinfo=UTC)
    report = Report(
        date=begun,
        commit="aaa",
        machine={"cores": 2, "cpu": "x", "system": "y", "python": "z"},
        load=0.1,
        sizes={},
        repeats=2,
        missing=["bulk", "idle"],
    )
    moment = Moment(date=begun, commit="aaa", repeats=2, took=60)
    report = report.with_measured("bulk", whole("bulk", 3), moment, {"aioconn": "1"})
    assert report.missing == ["idle"]
    report = report.with_measured("idle", whole("idle", 1, "ssh, 5 sessions"), moment, {})
    page = tables.markdown(report)
    assert (report.missing, report.took, "Measured on" in page) == ([], 120, False)
    why = next(goal.why for goal in workloads.load("bulk").goals if goal.why)
    assert ":** memory at most 2.5 × the output (50 and 100 MB): 3 (ssh, 50 MB), 1.20 times too much." in page
    assert why not in page  # the goals that it is about were not measured

    later = Moment(date=begun + timedelta(hours=1), commit="bbb", repeats=3, took=30, alone=True)
    again = report.with_measured("bulk", whole("bulk", 2), later, {})
    page = tables.markdown(again)
    assert [one.workload for one in again.results] == ["bulk", "idle"]
    assert again.of("idle") == report.of("idle")
    assert "Measured on 2026-03-01 13:00 UTC, commit bbb, 3 rounds, by itself." in page
    assert page.count("Measured on") == 1
    assert "How far, and why" not in page


def test_why_is_said_where_a_goal_is_missed_and_has_no_numbers() -> None:
    reasons = {goal.why for name in workloads.NAMES for goal in workloads.load(name).goals if goal.why}
    assert len(reasons) > 10
    for why in reasons:
        assert not re.search(r"\d", why.replace("3.11", "")), why
        assert why.endswith(".")


def test_a_run_says_how_long_it_still_takes() -> None:
    said: list[str] = []
    now = [0.0]
    wanted = [workloads.load("commands"), workloads.load("bulk"), workloads.load("live")]
    progress = Progress(wanted, repeats=2, say=said.append, whole=True, clock=lambda: now[0])
    for one in wanted[:2]:
        progress.begin(one.name, 3)
        now[0] += 2 * one.takes
        progress.tell("a measurement")
        assert progress.end() == 2 * one.takes
    assert progress.left() == pytest.approx(2 * wanted[2].takes)  # it is half as quick as expected
    assert said[0].startswith(" 0:00 == 1 of 3: commands, about ")
    assert "[1/3] a measurement" in said[1]


@pytest.mark.benchmarks
@pytest.mark.skipif(importlib.util.find_spec("matplotlib") is None, reason="draws with matplotlib")
def test_plots_are_drawn_of_what_there_is(tmp_path: Path) -> None:
    found = json.loads((HERE / "RESULTS.json").read_text())
    for names in ({"fanout", "idle", "commands", "bulk"}, {"idle"}):
        found["results"] = [one for one in found["results"] if one["workload"] in names]
        (tmp_path / "RESULTS.json").write_text(json.dumps(found))
        command = [sys.executable, "-m", "benchmarks", "--redraw", "--output", str(tmp_path)]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)
        assert {path.stem for path in (tmp_path / "plots").iterdir()} == names
    assert (tmp_path / "plots" / "idle.png").read_bytes().startswith(b"\x89PNG")
