# SPDX-License-Identifier: Apache-2.0
"""`aioconn run --workers`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.lab import Faults

pytestmark = pytest.mark.programs


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def start(environment: dict[str, str], lab: Any) -> Iterator[Any]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "aioconn", "run", "-t", str(lab.file), *arguments, "--json"]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    out, err = process.communicate(timeout=30)
    return {line["device"]: line for line in map(json.loads, out.splitlines())}, err


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    outputs = [{**output, "elapsed": None} for output in report["outputs"]]
    return {**report, "elapsed": None, "outputs": outputs}


def test_it_prints_what_one_process_prints(lab: Any, start: Any) -> None:
    for number in range(10):
        lab.add(f"r{number}", protocols=["ssh" if number % 2 else "telnet"])
    lab.lab["r3"].faults = Faults(wrong_password=True)
    said, sizes = [], []
    for workers in ("1", "2"):
        process = start("show version", "show nonsense", "--workers", workers, "--limit", "2")
        reports, err = finished(process)
        assert process.returncode == Exit.FAILED
        assert "10 devices: 0 ok, 10 failed" in err
        said.append({name: without_times(report) for name, report in reports.items()})
        sizes.append(len(reports["r0"]["outputs"]))
    assert said[0] == said[1]
    assert sizes == [1, 1]  # what came before the error
    assert said[1]["r3"]["error"]["type"] == "AuthenticationFailed"
    assert lab.wait_for(lambda: lab.sessions == 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_command_is_the_end_of_its_workers(lab: Any, start: Any, number: int) -> None:
    for index in range(6):
        lab.add(
            f"r{index}", protocols=["ssh" if index % 2 else "telnet"], faults=Faults(hang_on="show clock")
        )
    process = start("show clock", "--workers", "2")
    devices = lab.lab.devices.values()
    assert lab.wait_for(
        lambda: sum(any("clock" in it.command for it in device.log) for device in devices) == 6, 20
    )
    [worker] = children(process.pid)
    since = time.monotonic()
    process.send_signal(number)
    _, err = finished(process)
    assert time.monotonic() - since < 3
    if number != signal.SIGKILL:
        assert process.returncode == 128 + number
        assert "6 devices: 0 ok, 6 not finished" in err
        assert not Path(f"/proc/{worker}").exists()
    assert "Traceback" not in err
    assert lab.wait_for(lambda: lab.sessions == 0, 5)
    assert lab.wait_for(lambda: not Path(f"/proc/{worker}").exists(), 5)


def test_a_worker_that_is_killed_is_an_error_of_its_devices(lab: Any, start: Any) -> None:
    for index in range(4):
        lab.add(f"r{index}", protocols=["telnet"], faults=Faults(hang_on="show clock"))
    process = start("show clock", "--workers", "2", "--timeout", "8")
    devices = lab.lab.devices.values()
    assert lab.wait_for(
        lambda: sum(any("clock" in it.command for it in device.log) for device in devices) == 4, 20
    )
    os.kill(children(process.pid)[0], signal.SIGKILL)
    for device in devices:
        device.faults = Faults()
    reports, err = finished(process)
    assert "Traceback" not in err
    kinds = sorted(report["error"]["type"] for report in reports.values())
    assert kinds == ["CommandTimeout", "CommandTimeout", "WorkerLost", "WorkerLost"]
    assert process.returncode == Exit.FAILED
