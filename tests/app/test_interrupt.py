# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, and other ways to end early."""

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


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str | Path) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "aioconn", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str, float]:
    """What was printed, and the seconds from the signal to the end."""
    started = time.monotonic()
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    return out, err, time.monotonic() - started


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)]
)
def test_hanging_commands_end_at_once(lab: Any, start: Any, number: int, code: Exit) -> None:
    for index in range(6):
        lab.add(f"ssh-{index}", protocols=["ssh"], faults=Faults(hang_on="show clock"))
        lab.add(f"telnet-{index}", protocols=["telnet"], faults=Faults(hang_on="show clock"))
    lab.add("quick", protocols=["telnet"])
    process = start("run", "-t", lab.file, "show clock", "--json")
    first = process.stdout.readline()
    devices = lab.lab.devices.values()
    assert lab.wait_for(
        lambda: sum(any("clock" in it.command for it in device.log) for device in devices) == 13
    )
    out, err, elapsed = interrupt(process, number)
    assert process.returncode == code
    assert elapsed < 2
    assert [json.loads(line)["device"] for line in (first + out).splitlines()] == ["quick"]
    assert "13 devices: 1 ok, 12 not finished" in err
    assert "Traceback" not in err
    assert lab.wait_for(lambda: lab.sessions == 0, 1)
    assert lab.wait_for(lambda: not any(device.connections for device in devices), 1)


@pytest.mark.parametrize(
    ("protocol", "faults"),
    [
        ("ssh", Faults(half_open=True)),
        ("telnet", Faults(half_open=True)),
        ("ssh", Faults(silent=True)),
        ("telnet", Faults(silent=True)),
        ("telnet", Faults(slow_login=30.0)),
    ],
)
def test_logins_under_way_end_at_once(lab: Any, start: Any, protocol: str, faults: Faults) -> None:
    device = lab.add("r1", protocols=[protocol], faults=faults)
    process = start("run", "-t", lab.file, "show clock")
    assert lab.wait_for(lambda: bool(device.connections), 10)
    time.sleep(0.1)
    out, err, elapsed = interrupt(process)
    assert process.returncode == Exit.INTERRUPTED
    assert elapsed < 2
    assert (out, "1 device: 0 ok, 1 not finished" in err) == ("", True)
    assert "Traceback" not in err
    assert lab.wait_for(lambda: not device.connections, 1)


SLOW_NAMES = """\
import socket, time

def getaddrinfo(host, *arguments, real=socket.getaddrinfo, **options):
    if host == "slow.example":
        print("asked", flush=True)
        time.sleep(20)
    return real(host, *arguments, **options)

socket.getaddrinfo = getaddrinfo
"""


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
def test_a_slow_name_server_does_not_hold_it(
    environment: dict[str, str], start: Any, tmp_path: Path, protocol: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_NAMES)
    (tmp_path / "uvloop.py").write_text("raise ImportError")  # it asks in C
    path = f"{{protocol: {protocol}, ip: slow.example}}"
    login = "{default: {username: a, password: b}}"
    (tmp_path / "t.yaml").write_text(
        f"devices:\n  r1:\n    os: iosxe\n    credentials: {login}\n    connections:\n      cli: {path}\n"
    )
    environment["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    process = start("run", "-t", "t.yaml", "show clock")
    assert process.stdout.readline() == "asked\n"
    _, err, elapsed = interrupt(process)
    assert process.returncode == Exit.INTERRUPTED
    assert elapsed < 2
    assert "1 device: 0 ok, 1 not finished" in err


def test_a_demo_is_interrupted(start: Any) -> None:
    process = start("demo", "-v")
    assert process.stderr.readline()  # it is under way
    out, err, elapsed = interrupt(process)
    assert process.returncode == Exit.INTERRUPTED
    assert elapsed < 2
    assert out == ""
    assert "Traceback" not in err
