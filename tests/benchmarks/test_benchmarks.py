# SPDX-License-Identifier: Apache-2.0
"""The benchmarks run, and what they write has its shape. No time is asserted: that is for people to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import workloads

ROOT = Path(__file__).resolve().parents[2]


ENGINE = ("engine",)
SESSIONS = ("commands", "fanout", "bulk", "idle")
MANY = ("visit", "scaling", "waiting", "jump", "live", "together", "second")
POOLS = ("workers", "gate", "handover", "fairness", "storm")
THREADS = ("facade", "children", "syncfanout")
CUTS = ("desync", "cancel")
SNMP = ("snmp",)
REST = ("rest",)
NETCONF = ("netconf",)
GNMI = ("gnmi",)
TESTBED = ("testbed",)
IMPORTS = ("imports",)
GROUPS = {
    ENGINE: "aioconn,asyncio",
    SESSIONS: "aioconn,asyncssh,asyncio,semaphore",
    MANY: "aioconn,asyncssh,asyncio",
    POOLS: "aioconn,asyncssh,asyncio,semaphore",
    THREADS: "aioconn,aioconn.sync,threadsafe,portal,wake-up,protocol,threads,manager",
    CUTS: "aioconn,asyncssh.interrupt",
    REST: "aioconn.rest,aiohttp.rest",
    SNMP: "aioconn,asyncio.udp",
    NETCONF: "aioconn.netconf,asyncssh.netconf",
    GNMI: "aioconn.gnmi,grpcio",
    TESTBED: "aioconn.load,yaml.compose,yaml.safe_load",
    IMPORTS: "aioconn,python",
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


LONG = pytest.mark.benchmarks
PARAMS = [
    pytest.param(ENGINE, id="engine"),
    pytest.param(SESSIONS, id="sessions", marks=LONG),
    pytest.param(MANY, id="many", marks=LONG),
    pytest.param(POOLS, id="pools", marks=LONG),
    pytest.param(THREADS, id="threads", marks=LONG),
    pytest.param(CUTS, id="cuts", marks=LONG),
    pytest.param(REST, id="rest", marks=LONG),
    pytest.param(SNMP, id="snmp", marks=LONG),
    pytest.param(NETCONF, id="netconf", marks=LONG),
    pytest.param(GNMI, id="gnmi", marks=LONG),
    pytest.param(TESTBED, id="testbed", marks=LONG),
    pytest.param(IMPORTS, id="imports", marks=LONG),
]


@pytest.fixture(scope="module", params=PARAMS)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("results")
    clients = GROUPS[request.param]
    done = run(*request.param, "--quick", "--clients", clients, "--output", str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / "RESULTS.md")
    found: dict[str, Any] = json.loads((folder / "RESULTS.json").read_text())
    found["table"] = (folder / "RESULTS.md").read_text()
    return found


def test_every_workload_is_measured_against_its_floor(results: dict[str, Any]) -> None:
    cases: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in results["results"]:
        cases.setdefault((one["workload"], one["case"]), []).append(one)
    assert {workload for workload, _ in cases} in [set(group) for group in GROUPS]
    for (workload, _), measured in cases.items():
        floor = measured[0] if workload != "desync" else None
        assert [one["floor"] for one in measured] == [one is floor for one in measured]
        assert any(one["client"].startswith("aioconn") for one in measured if one is not floor)
        for one in measured:
            assert one["error"] is None
            assert len(one["runs"]) == results["repeats"] == 1
            assert one["medians"] == one["runs"][0]
            assert all(value >= 0 for key, value in one["medians"].items() if not key.startswith("beyond"))
            # some floors have no server that could take time
            keys = set(measured[0]["medians"])
            assert keys - {"server_cpu"} == set(one["medians"]) - {"server_cpu"}
            assert set(one["medians"]) >= set(one["ratios"])
            if floor is not None:
                for key, ratio in one["ratios"].items():
                    assert ratio == pytest.approx(one["medians"][key] / floor["medians"][key])


@LONG
def test_no_answer_is_wrong_after_a_cut(results: dict[str, Any]) -> None:
    cuts = [one["medians"] for one in results["results"] if one["workload"] in CUTS]
    assert all(one["wrong"] == 0 and one["cuts"] >= 5 for one in cuts)


def test_nothing_is_left_out() -> None:
    assert [param.values[0] for param in PARAMS] == list(GROUPS)
    assert set(workloads.NAMES) == {name for group in GROUPS for name in group}


def test_it_says_where_and_with_what(results: dict[str, Any]) -> None:
    assert results["machine"]["cores"] >= 1
    assert results["machine"]["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert "aioconn" in results["versions"]
    assert results["table"].count("| aioconn |") == sum(
        one["client"] == "aioconn" and not one["floor"] for one in results["results"]
    )


def test_wrong_names_are_refused_before_anything_is_started() -> None:
    for arguments in (["--clients", "aiocon"], ["--size", "devices=3"], ["--size", "idle=none"]):
        done = run("--quick", *arguments)
        assert done.returncode == 2
        assert arguments[1].split("=")[-1] in done.stderr or arguments[1].split("=")[0] in done.stderr
