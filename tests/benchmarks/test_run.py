# SPDX-License-Identifier: Apache-2.0
"""A run that is stopped keeps what it has measured and leaves nobody behind; what is kept is gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import RESULTS, UNFINISHED
from benchmarks.target import ROOT

pytestmark = pytest.mark.benchmarks
SMALL = ("--quick", "--clients", "aioconn,aioconn.load,python,yaml.compose,semaphore")
PATIENCE = 120


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *arguments, "--output", str(folder)]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *arguments), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def offspring(pid: int) -> set[int]:
    """The processes that `pid` has started, and those that they have."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {pid}
    while more := {one for one, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_a_stopped_run_has_measured_is_gone_on_with(number: signal.Signals, tmp_path: Path) -> None:
    names = ("testbed", "gate", "imports")  # in the order of the run: testbed, imports, gate
    with subprocess.Popen(
        command(tmp_path, *names, *SMALL), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "[1/4]" in line and "gate" in line:  # in the midst of the third
                break
        begun = offspring(process.pid)
        assert begun
        os.kill(process.pid, number)
        if number == signal.SIGINT:
            os.kill(process.pid, signal.SIGTERM)  # as nox does
        _, said = process.communicate(timeout=PATIENCE)
    kept = read(tmp_path / UNFINISHED)
    assert (list(kept["workloads"]), kept["missing"]) == (["testbed", "imports"], ["gate"])
    assert not (tmp_path / RESULTS).exists()
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert "2 of 3 workloads are kept" in said
        assert "Traceback" not in said
        assert [pid for pid in begun if alive(pid)] == []

    done = run(tmp_path, "--resume")
    assert done.returncode == 0, done.stderr
    assert "== 1 of 1: gate" in done.stderr
    found = read(tmp_path / RESULTS)
    assert {one["workload"] for one in found["results"]} == set(names)
    assert found["results"][: len(kept["results"])] == kept["results"]
    assert (found["missing"], found["date"]) == ([], kept["date"])
    assert not (tmp_path / UNFINISHED).exists()
    assert run(tmp_path, "--resume").returncode == 2


def test_a_workload_takes_the_place_of_its_rows(tmp_path: Path) -> None:
    assert run(tmp_path, "testbed", "imports", *SMALL).returncode == 0
    before = read(tmp_path / RESULTS)
    assert run(tmp_path, "imports", "--update", "--repeats", "2").returncode == 0
    after = read(tmp_path / RESULTS)
    for found in (before, after):
        found["rows"] = {name: [] for name in found["workloads"]}
        for one in found["results"]:
            found["rows"][one["workload"]].append(one)
    assert after["rows"]["testbed"] == before["rows"]["testbed"]
    assert after["workloads"]["testbed"] == before["workloads"]["testbed"]
    assert [len(one["runs"]) for one in after["rows"]["imports"]] == [2, 2]
    assert after["workloads"]["imports"]["alone"]
    assert "2 rounds, by itself" in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


def test_what_would_not_be_done_in_time_is_left_out(tmp_path: Path) -> None:
    assert run(tmp_path, "imports", "testbed", "--within", "0.0001", *SMALL).returncode == 0
    found = read(tmp_path / RESULTS)
    assert (found["missing"], found["results"]) == (["testbed", "imports"], [])
    assert "Left out: testbed, imports." in (tmp_path / "RESULTS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--update"],
        ["--update", "imports", "--clients", "aioconn"],
        ["--resume", "imports"],
        ["--resume", "--repeats", "2"],
        ["--update", "import"],
        ["--update", "imports"],  # of what?
        ["--resume"],
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], tmp_path: Path) -> None:
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "error:" in done.stderr
    assert list(tmp_path.iterdir()) == []
