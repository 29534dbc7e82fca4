# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.excerpt import masked
from aioconn.app.exits import Exit
from aioconn.app.main import main

GOOD = """\
devices:
  r1:
    os: iosxe
    connections:
      cli: {protocol: ssh, ip: 192.0.2.1}
      vty: {protocol: telnet, ip: 192.0.2.1}
  r2:
    os: nxos
    connections:
      cli: {protocol: ssh, ip: 192.0.2.2}
  r3:
    os: nxos
    connections:
      cli: {protocol: ssh, ip: 192.0.2.3}
"""
BAD = """\
testbed:
  credentials: {default: {username: admin, password: hunter2, usernam: twice}}
devices:
  r1:
    os: iosxe
    connections:
      cli: {protocol: ssh, ip: 192.0.2.1, port: 70000}
  r2: 7
"""


@pytest.fixture
def check(tmp_path: Path, capsys: Any) -> Any:
    def call(text: str, *options: str) -> tuple[int, str]:
        file = tmp_path / "t.yaml"
        file.write_text(text, encoding="utf-8")
        code = main(["testbed", "check", str(file), *options])
        captured = capsys.readouterr()
        assert captured.err == ""
        return code, captured.out.replace(f"{tmp_path}/", "")

    return call


def test_a_good_one_is_summed_up(check: Any) -> None:
    code, said = check(GOOD)
    assert code == Exit.OK
    assert said == "t.yaml: ok\n3 devices\n  os: 2 nxos, 1 iosxe\n  protocols: 3 ssh, 1 telnet\n"


def test_every_problem_with_its_place(check: Any) -> None:
    code, said = check(BAD)
    assert code == Exit.USAGE
    assert (
        "t.yaml:7:49: error: port 70000 is out of range  (devices.r1.connections.cli.port)\n"
        "    7 |       cli: {protocol: ssh, ip: 192.0.2.1, port: 70000}\n"
        "      |                                                 ^^^^^\n"
        "  -> a port is a number from 1 to 65535\n"
    ) in said
    assert "t.yaml:8:7: error: " in said
    assert said.endswith("t.yaml: 2 problems, 1 warning\n")


def test_excerpts_hide_secrets_and_mark_the_right_place(check: Any) -> None:
    _, said = check(BAD)
    assert "hunter2" not in said
    lines = said.splitlines()
    place = next(number for number, line in enumerate(lines) if "warning: unknown key" in line)
    assert lines[place + 1].endswith("password: ***, usernam: twice}}")
    assert lines[place + 1].index("usernam:") == lines[place + 2].index("^^^^^^^")


def test_warnings_alone_are_fine(check: Any) -> None:
    code, said = check(GOOD + "    credential: {}\n")
    assert code == Exit.OK
    assert "warning: unknown key" in said
    assert "t.yaml: ok, 1 warning\n3 devices\n" in said


def test_json(check: Any) -> None:
    code, said = check(BAD, "--json")
    value = json.loads(said)
    assert (code, value["ok"], value["summary"]) == (Exit.USAGE, False, None)
    assert [(it["line"], it["column"]) for it in value["problems"]] == [(7, 49), (8, 7)]
    assert [it["hint"] for it in value["warnings"]] == ["did you mean 'username'?"]
    code, said = check(GOOD, "--json")
    value = json.loads(said)
    assert (code, value["ok"], value["problems"]) == (Exit.OK, True, [])
    assert value["summary"] == {"os": {"nxos": 2, "iosxe": 1}, "protocols": {"ssh": 3, "telnet": 1}}


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: Any) -> None:
    assert main(["testbed", "check", str(tmp_path / "none.yaml")]) == Exit.USAGE
    assert "no such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "column", "everything", "shown", "at"),
    [
        ("password: hunter2", 10, False, "password: ***", 10),
        ("  password: hunter2  # mine", 2, False, "  password: ***", 2),
        ("{password: 'a, b', port: x}", 25, False, "{password: ***, port: x}", 22),
        ('{"password": "a", b: c}', 18, False, '{"password": ***, b: c}', 18),
        ("{a: b, enable_password: longer-than-that}", 30, False, "{a: b, enable_password: ***}", 24),
        ("password: '%ENV{X}'", 10, False, "password: ***", 10),
        ("password: %ENV{X}", 10, False, "password: %ENV{X}", 10),
        ("username: admin", 10, False, "username: admin", 10),
        ("  line: secret", 2, True, "  line: ***", 2),
        ("  secret", 2, True, "  ***", 2),
    ],
)
def test_masked(line: str, column: int, everything: bool, shown: str, at: int) -> None:
    assert masked(line, column, everything=everything) == (shown, at)
