# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from aioconn.app import demo
from aioconn.app.exits import Exit
from aioconn.app.fleet import ROLES, fleet, question, telling
from aioconn.app.main import main
from aioconn.errors import UnknownPlatform
from aioconn.lab.personality import names as personalities
from aioconn.results import Output

pytestmark = pytest.mark.programs


def files_below(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file()]


def test_lines_in_a_pipe(command: Any, tmp_path: Path) -> None:
    ran = command("demo", module="tests.app.near")
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    *rows, summary = ran.stdout.splitlines()
    assert len(rows) == 24
    assert all(re.match(r"[\w-]+: \w+, (?:ssh|telnet): \S", row) for row in rows)
    assert {row.split(": ")[1].partition(", ")[2] for row in rows} == {"ssh", "telnet"}
    assert [row for row in rows if "AuthenticationFailed [auth]" in row] == [rows[5]]
    assert summary.startswith("24 devices, 1 failed: 69 commands over 15 SSH and 8 telnet sessions in ")
    assert "\x1b" not in ran.stdout
    assert files_below(tmp_path) == []  # no host key remembered, nothing else left behind


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that are near."""
    monkeypatch.setattr(demo, "LATENCY", 0.0)
    monkeypatch.setattr(demo, "JITTER", 0.0)


@pytest.mark.usefixtures("quick")
def test_json(capsys: Any) -> None:
    assert main(["demo", "--json", "--devices", "9", "--seed", "7"]) == Exit.OK
    captured = capsys.readouterr()
    assert captured.err == ""
    values = [json.loads(line) for line in captured.out.splitlines()]
    assert len(values) == 9
    assert sum(value["ok"] for value in values) == 8
    for value in values:
        assert value["platform"] in personalities()
        assert value["protocol"] in ("ssh", "telnet")
        if value["ok"]:
            assert value["outputs"]
            assert all(it["output"] for it in value["outputs"])
            assert re.search(r"\d+\.\d", value["said"])
        else:
            assert value["error"]["type"] == "AuthenticationFailed"


@pytest.mark.usefixtures("quick")
def test_one_device_is_no_failure(capsys: Any) -> None:
    assert main(["demo", "--devices", "1"]) == Exit.OK
    assert "1 device, 0 failed" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_a_failure_that_is_not_meant_counts(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "as_expected", lambda report, refuses: report.ok)
    assert main(["demo", "--devices", "6"]) == Exit.FAILED
    assert "6 devices, 1 failed" in capsys.readouterr().out


@pytest.mark.usefixtures("quick")
def test_its_picture(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "demo.svg"
    assert main(["demo", "--devices", "7", "--record", str(file)]) == Exit.OK
    assert capsys.readouterr().err == ""
    text = file.read_text(encoding="utf-8").replace("&#160;", " ")
    assert text.startswith("<svg ")
    assert "branch-02" in text
    assert "branch-02, on purpose: " in text
    assert "AuthenticationFailed [auth]" in text
    assert re.findall(r"https?://[^\s\"'<>)]+", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.usefixtures("quick")
def test_an_unwritable_picture(capsys: Any) -> None:
    assert main(["demo", "--devices", "1", "--record", "/nonexistent/demo.svg"]) == Exit.USAGE
    assert "/nonexistent/demo.svg" in capsys.readouterr().err


def test_a_fleet_has_every_kind_and_no_name_twice() -> None:
    members = fleet(200)
    assert len({member.name for member in members}) == 200
    assert {member.personality for member in members} == set(personalities())
    assert all(re.fullmatch(r"[a-z]+-\d+", member.name) for member in members)


def test_a_fleet_of_wanted_kinds() -> None:
    assert {member.personality for member in fleet(10, ["iosxe", "arista_eos"])} == {
        "cisco_iosxe",
        "arista_eos",
    }
    with pytest.raises(UnknownPlatform, match="cannot simulate 'nonsense'"):
        fleet(1, ["nonsense"])


def test_every_kind_is_asked_what_it_knows() -> None:
    for kind in personalities():
        assert kind in {known for _, known in ROLES}, f"{kind} has no role in the demo"
        assert question(kind).commands


@pytest.mark.parametrize(
    ("personality", "output", "said"),
    [
        ("cisco_iosxe", "Cisco IOS XE Software, Version 17.09.04a\nmore", "IOS XE 17.09.04a"),
        ("juniper_junos", "Hostname: r1\nModel: vmx\nJunos: 22.4R3.25\n", "Junos 22.4R3.25"),
        ("unheard_of", "Something\n  Version 7 of it \n", "Version 7 of it"),
        ("unheard_of", "\n first line \n", "first line"),
        ("unheard_of", "", ""),
    ],
)
def test_telling(personality: str, output: str, said: str) -> None:
    assert telling(personality, [Output(output)]) == said
    assert telling(personality, []) == ""
