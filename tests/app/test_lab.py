# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aioconn.app.exits import Exit
from aioconn.app.lab import HEADER
from aioconn.app.main import main

pytestmark = pytest.mark.programs


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """Starts `aioconn lab`, and returns when it says that it is up."""
    started: list[subprocess.Popen[str]] = []

    def call(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "aioconn", "lab", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        started.append(process)
        assert process.stderr is not None
        return process, process.stderr.readline()

    yield call
    for process in started:
        process.kill()
        process.communicate()


def test_it_writes_a_testbed_that_works(start: Any, command: Any, tmp_path: Path) -> None:
    process, line = start("--devices", "3", "--personality", "iosxe", "--personality", "arista_eos")
    assert line == "lab.yaml reaches 3 devices; Ctrl-C ends them\n"
    text = (tmp_path / "lab.yaml").read_text()
    assert text.startswith(HEADER)
    devices = yaml.safe_load(text)["devices"]
    assert sorted(device["os"] for device in devices.values()) in (
        ["eos", "eos", "iosxe"],
        ["eos", "iosxe", "iosxe"],
    )
    for via in ("cli", "vty"):
        ran = command("run", "-t", "lab.yaml", "show version", "--via", via)
        assert ran.returncode == Exit.OK, ran.stderr
        assert {line.partition(":")[0] for line in ran.stdout.splitlines()} == set(devices)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, err) == (Exit.OK, "")
    assert [line.split()[0] for line in out.splitlines()] == list(devices)
    assert all("ssh://admin@127.0.0.1:" in line and "telnet://admin@" in line for line in out.splitlines())


@pytest.mark.parametrize(("option", "path"), [("--ssh", "cli"), ("--telnet", "vty")])
def test_one_protocol(start: Any, option: str, path: str, tmp_path: Path) -> None:
    start("--devices", "2", option, "--write", "mine.yaml")
    devices = yaml.safe_load((tmp_path / "mine.yaml").read_text())["devices"]
    assert [list(device["connections"]) for device in devices.values()] == [[path], [path]]


def test_it_replaces_its_own_file_alone(start: Any, tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(HEADER + "old")
    process, _ = start("--devices", "1")
    assert "old" not in file.read_text()
    process.terminate()
    assert process.wait(5) == Exit.TERMINATED
    file.write_text("precious")
    assert main(["lab", "--write", str(file)]) == Exit.USAGE
    assert "not from a lab -> choose another" in capsys.readouterr().err
    assert file.read_text() == "precious"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--personality", "iosxx"], "the lab cannot simulate 'iosxx'"),
        (["--write", "/nonexistent/x.yaml"], "No such file or directory"),
        (["--write", "."], "Is a directory"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lab", *arguments]) == Exit.USAGE
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_other_protocols(start: Any, tmp_path: Path) -> None:
    process, _ = start("--devices", "1", "--personality", "iosxe", "--protocols", "ssh,gnmi,netconf")
    (device,) = yaml.safe_load((tmp_path / "lab.yaml").read_text())["devices"].values()
    assert list(device["connections"]) == ["cli", "gnmi", "netconf"]
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert [word.partition(":")[0] for word in out.split()[1:]] == ["ssh", "netconf", "gnmi"]


def test_protocols_that_nobody_speaks(tmp_path: Path, capsys: Any) -> None:
    for given in ("ssh,gnmy", ","):
        assert main(["lab", "--protocols", given, "--write", str(tmp_path / "x.yaml")]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "no protocol 'gnmy'" in said
    assert "no protocol is named" in said
