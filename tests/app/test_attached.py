# SPDX-License-Identifier: Apache-2.0
"""`aioconn run --attach`: the same work over the sessions of a daemon."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.lab import Faults
from tests.daemons import Aioconn, Daemons
from tests.lab_thread import LabThread

pytestmark = pytest.mark.programs


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    with LabThread(tmp_path) as running:
        yield running


def add(lab: LabThread, *names: str, **options: Any) -> None:
    for name in names or ("r1",):
        lab.add(name, protocols=["telnet"], commands={"show alpha": "one of {host}\n"}, **options)


def test_run_attached(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab, "r1", "r2")
    daemons.serve("-t", lab.file)
    for arguments in (
        ["--attach", "show alpha"],
        ["--attach", "lab", "show alpha"],
        ["show alpha", "--attach"],
    ):
        ran = aioconn_here("run", *arguments)
        assert ran.returncode == Exit.OK, ran.stderr
        assert sorted(ran.stdout.splitlines()) == ["r1: one of r1", "r2: one of r2"]
        assert ran.stderr.startswith("2 devices: 2 ok in ")
    assert (lab.logins, lab.sessions) == (2, 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["get", "sysName.0"], "r1: sysName.0 = OctetString: 'r1'"),
        (["walk", "sysName"], "r1: sysName.0 = OctetString: 'r1'"),
    ],
)
def test_run_attached_calls_any_service(
    lab: LabThread, daemons: Daemons, aioconn_here: Aioconn, words: list[str], expected: str
) -> None:
    lab.add("r1", protocols=["telnet", "snmp"])
    daemons.serve("-t", lab.file)
    ran = aioconn_here("run", "--attach", "--via", "snmp", *words)
    assert ran.returncode == Exit.OK, ran.stderr
    assert ran.stdout.splitlines() == [expected]
    ran = aioconn_here("run", "--attach", "--via", "snmp", "gte", "sysName.0")
    assert ran.returncode == Exit.USAGE
    assert "no service 'gte' -> did you mean 'get'?" in ran.stderr


def test_run_attached_and_some_fail(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab, "r1")
    add(lab, "r2", faults=Faults(wrong_password=True))
    daemons.serve("-t", lab.file)
    ran = aioconn_here("run", "--attach", "show alpha", "show nonsense", "show alpha", "--json", "-v")
    assert ran.returncode == Exit.FAILED
    found = {value["device"]: value for value in map(json.loads, ran.stdout.splitlines())}
    assert [it["output"] for it in found["r1"]["outputs"]] == ["one of r1"]
    assert found["r1"]["error"]["type"] == "CommandRejected"
    assert found["r2"]["error"]["type"] == "AuthenticationFailed"
    assert "r1 via vty: show alpha took" in ran.stderr


def test_run_attached_chooses(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab, "core-1", "core-2", "leaf-1")
    daemons.serve("-t", lab.file)
    ran = aioconn_here("run", "--attach", "show alpha", "-d", "core-*", "--limit", "1")
    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == ["core-1", "core-2"]
    assert lab["leaf-1"].logins == 0
    ran = aioconn_here("run", "--attach", "show alpha", "-d", "core-3")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "no device matches 'core-3' -> did you mean" in ran.stderr


def test_run_attached_by_another_path(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    lab.add("r1", commands={"show alpha": "one\n"})
    daemons.serve("-t", lab.file)
    for arguments in ([], ["--via", "vty"], ["--via", "vty"], ["--via", "cli"], []):
        ran = aioconn_here("run", "--attach", "show alpha", *arguments)
        assert (ran.returncode, ran.stdout) == (Exit.OK, "r1: one\n"), ran.stderr
    assert lab["r1"].logins == 2
    assert aioconn_here("run", "--attach", "show alpha", "--via", "vtx").returncode == Exit.USAGE


def test_run_attached_to_more_than_there_are_wires(
    lab: LabThread, daemons: Daemons, aioconn_here: Aioconn
) -> None:
    lab.add_many([f"r{number}" for number in range(100)], protocols=["telnet"])
    daemons.serve("-t", lab.file)
    for _ in range(2):
        ran = aioconn_here("run", "--attach", "show clock", "--json")
        assert ran.returncode == Exit.OK, ran.stderr
        assert len(ran.stdout.splitlines()) == 100
    assert lab.logins == 100


def test_nothing_to_attach_to(daemons: Daemons, aioconn_here: Aioconn) -> None:
    ran = aioconn_here("run", "--attach", "show alpha")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "no daemon runs" in ran.stderr
    assert "aioconn serve -t FILE" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_sessions_in_step(
    lab: LabThread, daemons: Daemons, number: int, aioconn_here: Aioconn
) -> None:
    names = [f"r{index}" for index in range(1, 6)]
    add(lab, *names, faults=Faults(hang_on="show beta"))
    daemons.serve("-t", lab.file)
    assert aioconn_here("run", "--attach", "show alpha").returncode == Exit.OK
    process = daemons.start("-m", "aioconn", "run", "--attach", "show beta")
    assert lab.wait_for(lambda: lab.typed("beta") == 5, 20)
    started = time.monotonic()
    out, err = daemons.end(process, number)
    assert time.monotonic() - started < 5
    assert (process.returncode, out) == (128 + number, "")
    assert "5 devices: 0 ok, 5 not finished" in err
    assert "Traceback" not in err
    ran = aioconn_here("run", "--attach", "show alpha")
    assert sorted(ran.stdout.splitlines()) == [f"{name}: one of {name}" for name in names], ran.stderr
    assert lab.sessions == 5
