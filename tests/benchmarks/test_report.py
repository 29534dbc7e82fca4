# SPDX-License-Identifier: Apache-2.0
"""What a run writes: goals are judged by what was measured, and README says nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages, workloads
from benchmarks.blocks import block, put
from benchmarks.goals import Goal, judge
from benchmarks.report import Report
from benchmarks.rounds import Measured
from benchmarks.target import ROOT
from benchmarks.workloads.base import Sizes

HERE = ROOT / "benchmarks"


def measured(client: str, value: float, case: str = "ssh, 5", floor: bool = False) -> Measured:
    return Measured(workload="w", case=case, client=client, floor=floor, runs=[{"cpu": value}], rounds=[0])


FLOOR, OURS = measured("asyncssh", 2, floor=True), measured("aioconn", 3)
PEERS = [measured("scrapli", 9), measured("netmiko", 6), measured("asyncssh.plain", 4)]
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
    ],
)
def test_a_goal_is_judged_by_the_worst_of_its_cases(
    goal: dict[str, object], value: float | None, case: str, said: str
) -> None:
    results = [FLOOR, OURS, *PEERS, *OTHERS]
    ratios = [{}, {"cpu": 1.5}, {"cpu": 4.5}, {"cpu": 3.0}, {"cpu": 2.0}, {}, {}]
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
    found = lines(Report.read(HERE))
    assert block(name, found) in path.read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{block(name, ['old'])}\nafter\n", encoding="utf-8")
    put(page, name, found)
    assert page.read_text(encoding="utf-8") == f"before\n{block(name, found)}\nafter\n"


def test_what_is_read_is_written_again_as_it_was(tmp_path: Path) -> None:
    report = Report.read(HERE)
    report.write(tmp_path)
    again = Report.read(tmp_path)
    assert again.as_json() == report.as_json()
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == report.as_markdown()


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
