# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.lab import Faults

pytestmark = pytest.mark.programs


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_lines_in_a_pipe(lab: Any, command: Any) -> None:
    lab.add("r1", commands={"show alpha": "one\ntwo\n"})
    lab.add("r2", protocols=["telnet"], commands={"show alpha": "three\n"})
    ran = command("run", "-t", lab.file, "show alpha")
    assert ran.returncode == Exit.OK
    assert sorted(ran.stdout.splitlines()) == ["r1: one", "r1: two", "r2: three"]
    assert ran.stderr.startswith("2 devices: 2 ok in ")
    assert "\x1b" not in ran.stdout + ran.stderr
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_some_failed(lab: Any, command: Any) -> None:
    lab.add("r1", commands={"show alpha": "one\n"})
    lab.add("r2", faults=Faults(wrong_password=True))
    ran = command("run", "-t", lab.file, "show alpha")
    assert ran.returncode == Exit.FAILED
    assert ran.stdout == "r1: one\n"
    assert "r2: AuthenticationFailed [auth] " in ran.stderr
    assert "2 devices: 1 ok, 1 failed" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_json(lab: Any, command: Any) -> None:
    lab.add("r1", commands={"show alpha": "one\ntwö\n", "show beta": "three\n"})
    lab.add("r2", faults=Faults(wrong_password=True))
    ran = command("run", "-t", lab.file, "show alpha", "show beta", "--json")
    assert ran.returncode == Exit.FAILED
    found = {value["device"]: value for value in map(json.loads, ran.stdout.splitlines())}
    good, bad = found["r1"], found["r2"]
    assert set(good) == set(bad) == {"device", "ok", "elapsed", "outputs", "error"}
    assert (good["ok"], good["error"]) == (True, None)
    assert [(it["command"], it["output"]) for it in good["outputs"]] == [
        ("show alpha", "one\ntwö"),
        ("show beta", "three"),
    ]
    assert all(0 <= it["elapsed"] <= good["elapsed"] for it in good["outputs"])
    assert (bad["ok"], bad["outputs"]) == (False, [])
    assert bad["error"]["type"] == "AuthenticationFailed"
    assert (bad["error"]["phase"], bad["error"]["path"]) == ("auth", "cli")
    assert "user name and password" in bad["error"]["message"]


def test_what_was_answered_before_a_refusal_is_kept(lab: Any, command: Any) -> None:
    lab.add("r1", commands={"show alpha": "one\n"})
    ran = command("run", "-t", lab.file, "show alpha", "show nonsense", "show alpha", "--json")
    assert ran.returncode == Exit.FAILED
    value = json.loads(ran.stdout)
    assert [it["output"] for it in value["outputs"]] == ["one"]
    assert value["error"]["type"] == "CommandRejected"


def test_files(lab: Any, command: Any, tmp_path: Path) -> None:
    commands = {"show alpha": "one\n", "show alpha/all": "two\n", "show alpha all": "three\n"}
    lab.add("r1", commands=commands)
    lab.add("r2", commands=commands)
    lab.add("r3", faults=Faults(wrong_password=True))
    ran = command("run", "-t", lab.file, *commands, "--out", "deep/inside")
    assert ran.returncode == Exit.FAILED
    assert ran.stdout == ""
    folder = tmp_path / "deep" / "inside"
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == {
        f"{device}/{name}.txt": text
        for device in ("r1", "r2")
        for name, text in (
            ("show_alpha", "one\n"),
            ("show_alpha_all", "two\n"),
            ("show_alpha_all_2", "three\n"),
        )
    }


def test_a_folder_that_cannot_be(lab: Any, command: Any, tmp_path: Path) -> None:
    lab.add("r1")
    write(tmp_path / "taken", "")
    ran = command("run", "-t", lab.file, "show clock", "--out", "taken")
    assert ran.returncode == Exit.USAGE
    assert "taken" in ran.stderr
    assert lab.lab["r1"].logins == 0


def test_patterns_choose(lab: Any, capsys: Any) -> None:
    for name in ("core-1", "core-2", "leaf-1", "leaf-2"):
        lab.add(name, commands={"show me": "{host}\n"})
    arguments = ["run", "-t", str(lab.file), "show me", "--json"]
    assert main([*arguments, "-d", "core-*", "-d", "leaf-2"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert sorted(json.loads(line)["device"] for line in lines) == ["core-1", "core-2", "leaf-2"]
    assert lab.lab["leaf-1"].logins == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-d", "cor-*"], "no device matches 'cor-*'"),
        (["-d", "core-1", "-d", "core-x"], "no device matches 'core-x' -> did you mean 'core-1'?"),
        (["--via", "clu"], "no device has a path 'clu' -> did you mean 'cli'?"),
    ],
)
def test_what_does_not_exist(lab: Any, arguments: list[str], said: str, capsys: Any) -> None:
    lab.add("core-1")
    assert main(["run", "-t", str(lab.file), "show clock", *arguments]) == Exit.USAGE
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert lab.lab["core-1"].logins == 0


def test_via(lab: Any, capsys: Any) -> None:
    lab.add("r1")
    lab.add("r2", protocols=["ssh"])
    assert main(["run", "-t", str(lab.file), "show clock", "--via", "vty", "--json"]) == Exit.FAILED
    found = {value["device"]: value for value in map(json.loads, capsys.readouterr().out.splitlines())}
    assert found["r1"]["ok"]
    assert found["r2"]["error"]["type"] == "UnknownPath"


def test_timeout(lab: Any, capsys: Any) -> None:
    lab.add("r1", faults=Faults(hang_on="show clock"))
    assert main(["run", "-t", str(lab.file), "show clock", "--timeout", "1.5", "--json"]) == Exit.FAILED
    value = json.loads(capsys.readouterr().out)
    assert value["error"]["type"] == "CommandTimeout"
    assert value["elapsed"] < 4
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_limit(lab: Any, capsys: Any) -> None:
    for number in range(4):
        lab.add(f"r{number}", protocols=["telnet"], faults=Faults(latency=0.02))
    assert main(["run", "-t", str(lab.file), "show clock", "--limit", "1"]) == Exit.OK
    assert [line[:2] for line in capsys.readouterr().out.splitlines()] == ["r0", "r1", "r2", "r3"]


def test_verbose_tells_the_story(lab: Any, capsys: Any) -> None:
    lab.add("r1")
    assert main(["run", "-t", str(lab.file), "show clock", "-v"]) == Exit.OK
    said = capsys.readouterr().err
    assert "r1 via cli: connected in" in said
    assert "r1 via cli: show clock took" in said
    assert "r1 via cli: closed" in said


@pytest.mark.parametrize("option", ["-v", "-vv"])
def test_tracebacks_only_when_asked(lab: Any, option: str, capsys: Any) -> None:
    lab.add("r1", faults=Faults(wrong_password=True))
    assert main(["run", "-t", str(lab.file), "show clock", option]) == Exit.FAILED
    assert ("Traceback" in capsys.readouterr().err) == (option == "-vv")


BAD_FILES = {
    "missing": (None, "no such file"),
    "not YAML": ("devices: [\n", "bad.yaml:"),
    "empty": ("", "there is nothing in it"),
    "no devices": ("devices: {}\n", "there is no device in it"),
    "misspelled": ("device:\n  r1: {os: iosxe}\n", "did you mean 'devices'?"),
    "port": (
        "devices:\n  r1:\n    os: iosxe\n    connections:\n      cli: {protocol: ssh, ip: 127.0.0.1, port: 70000}\n",
        "bad.yaml:5:49: devices.r1.connections.cli.port: port 70000 is out of range",
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_testbeds(kind: str, tmp_path: Path, capsys: Any) -> None:
    text, said = BAD_FILES[kind]
    file = tmp_path / "bad.yaml"
    if text is not None:
        write(file, text)
    assert main(["run", "-t", str(file), "show clock"]) == Exit.USAGE
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


DEVICE = """\
devices:
  r1:
    os: {os}
    credentials: {credentials}
    connections:
      cli: {{protocol: {protocol}, ip: 127.0.0.1, port: {port}}}
"""


def testbed(lab: Any, **values: Any) -> str:
    known = {
        "os": "iosxe",
        "protocol": "telnet",
        "port": lab.lab["r1"].telnet_port,
        "credentials": "{default: {username: admin, password: admin}}",
    }
    return DEVICE.format(**{**known, **values})


@pytest.mark.parametrize(
    ("values", "code", "said"),
    [
        ({}, Exit.OK, ""),
        ({"os": "iosxee"}, Exit.USAGE, "UnknownPlatform there is no platform 'iosxee'"),
        (
            {"credentials": "{default: {username: admin, password: '%ENV{AIOCONN_TEST_UNSET}'}}"},
            Exit.USAGE,
            "MissingValue ",
        ),
        ({"credentials": "{}"}, Exit.FAILED, "add credentials.default for r1"),
        ({"protocol": "telnt"}, Exit.USAGE, "no connection class for protocol 'telnt'"),
        ({"port": 1}, Exit.FAILED, "HostUnreachable [tcp] "),
    ],
)
def test_what_shows_only_when_it_is_needed(
    lab: Any, values: dict[str, Any], code: Exit, said: str, tmp_path: Path, capsys: Any
) -> None:
    lab.add("r1", protocols=["telnet"])
    file = write(tmp_path / "one.yaml", testbed(lab, **values))
    assert main(["run", "-t", str(file), "show clock", "--timeout", "10"]) == code
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert ("AIOCONN_TEST_UNSET" in captured.err) == ("AIOCONN_TEST_UNSET" in str(values))


def test_a_reader_that_leaves_closes_every_session(lab: Any, environment: Any) -> None:
    for number in range(3):
        lab.add(f"r{number}", protocols=["telnet"], faults=Faults(latency=0.1 * number))
    process = subprocess.Popen(
        [sys.executable, "-m", "aioconn", "run", "-t", str(lab.file), "show version", "show clock"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    assert process.wait(20) == Exit.PIPE_CLOSED
    assert b"Traceback" not in said
    assert b"Error" not in said
    assert lab.wait_for(lambda: lab.sessions == 0)
