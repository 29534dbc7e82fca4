# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

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
    assert lines[place + 1].endswith("{username: admin, password: ***, usernam: ***}}")
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


def test_several_files(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in (("good.yaml", GOOD), ("bad.yaml", BAD)):
        Path(name).write_text(text)
    assert main(["testbed", "check", "good.yaml", "bad.yaml", "none.yaml"]) == Exit.USAGE
    said = capsys.readouterr().out
    verdicts = re.findall(r"^(\w+\.yaml: (?:ok|\d).*)$", said, re.MULTILINE)
    assert verdicts == ["good.yaml: ok", "bad.yaml: 2 problems, 1 warning", "none.yaml: 1 problem"]
    assert main(["testbed", "check", "--json", "good.yaml", "bad.yaml"]) == Exit.USAGE
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["file"], one["ok"]) for one in objects] == [("good.yaml", True), ("bad.yaml", False)]
    assert main(["testbed", "check", "good.yaml", "good.yaml"]) == Exit.OK


def test_warnings_count_if_it_is_strict(check: Any) -> None:
    odd = GOOD + "    credential: {}\n"
    assert [check(text, *how)[0] for text in (GOOD, odd) for how in ((), ("--strict",))] == [
        Exit.OK,
        Exit.OK,
        Exit.OK,
        Exit.USAGE,
    ]


def test_colours_on_a_terminal(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    _, said = check(BAD)
    assert "\x1b[1;31m^^^^^\x1b[0m" in said
    assert "\x1b[1;31merror: \x1b[0m" in said
    assert "hunter2" not in said


LONG = "x" * 500


@pytest.mark.parametrize(
    ("text", "line", "mark"),
    [
        # a line of a program: what is around the place is shown
        (f"devices: {{r1: {{model: {LONG}, os: [], type: {LONG}}}}}\n", "..." + "x" * 53, "[], type: xx"),
        # wide characters take two columns
        ("devices: {r1: {model: 東京, os: []}}\n", "devices: {r1: {model: 東京, os: ", "[]}}"),
        # what moves a cursor is written out
        ("devices: {r1: {model: \u202e, os: []}}\n", "devices: {r1: {model: \\u202e, os: ", "[]}}"),
    ],
    ids=["long", "wide", "control"],
)
def test_the_mark_is_under_the_place(check: Any, text: str, line: str, mark: str) -> None:
    _, said = check(text)
    shown, below = said.splitlines()[1:3]
    assert shown.startswith("    1 | " + line)
    assert len(shown) < 200
    place = below.index("^")
    assert below == " " * 6 + "| " + " " * (place - 8) + "^"
    cells = [character for character in shown for _ in range(cell_len(character))]
    assert "".join(cells[place:]).startswith(mark)


def test_a_line_that_is_far_too_long_is_left_out(check: Any) -> None:
    _, said = check("devices: {r1: {model: " + "x" * 20_000 + ", os: []}}\n")
    assert said.splitlines()[1].startswith("  -> ")


def test_the_schema_is_json(capsys: Any) -> None:
    assert main(["testbed", "schema"]) == Exit.OK
    whole = json.loads(capsys.readouterr().out)
    assert "devices" in whole["properties"]


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
        ("password: %ENV{X, hunter2}", 10, False, "password: ***", 10),
        ("password: *unquoted", 10, False, "password: ***", 10),
        ("password: |", 10, False, "password: |", 10),
        ("pasword: hunter2", 0, False, "pasword: ***", 0),
        ("credentials: [admin, hunter2]  # mine", 13, False, "credentials: ***", 13),
        ("proxy: [a, b]", 8, False, "proxy: [a, b]", 8),
        ("username: admin", 10, False, "username: admin", 10),
        ("{username: admin, pw: x}", 18, True, "{username: admin, pw: ***}", 18),
        ("  line: secret", 2, True, "  line: ***", 2),
        ("  secret", 2, True, "  ***", 2),
    ],
)
def test_masked(line: str, column: int, everything: bool, shown: str, at: int) -> None:
    assert masked(line, column, everything=everything) == (shown, at)
