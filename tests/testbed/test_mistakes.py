# SPDX-License-Identifier: Apache-2.0
"""Each mistake that people make in a testbed: where it is reported, and in which words.

A mistake is a file in `mistakes`, and what is said of it stands beside it. A new one is written by

    cd tests/testbed/mistakes && aioconn testbed check NAME.yaml > NAME.txt

and then read: would somebody understand it who has never heard of us?
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.errors import Problem, TestbedError, UnknownPlatform
from aioconn.testbed.load import load_spec

MISTAKES = Path(__file__).parent / "mistakes"
NAMES = sorted(path.stem for path in MISTAKES.glob("*.yaml"))
HEAD = "devices:\n  r1:\n"
CLI = HEAD + "    connections:\n      cli:\n"
# What they keep to themselves who know YAML or Python.
JARGON = re.compile(
    r"scalar|block (?:mapping|sequence|end)|flow|token|node|None|dict\b|tuple|Error|0x|expected <"
)
SECRETS = re.compile(r"s3cr3t|hunter2|[*&!@]cret|@home")


def platforms(name: str, platform: str | None) -> str:
    if name not in ("iosxe", "nxos"):
        raise UnknownPlatform("unknown", hint="did you mean 'iosxe'?")
    return name


def test_there_are_many() -> None:
    assert len(NAMES) >= 100
    assert {path.stem for path in MISTAKES.glob("*.txt")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_report(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(MISTAKES)
    code = main(["testbed", "check", f"{name}.yaml"])
    said = capsys.readouterr()
    assert said.out == Path(f"{name}.txt").read_text(encoding="utf-8")
    assert said.err == ""
    assert code == (Exit.USAGE if ": error: " in said.out else Exit.OK)
    assert ": error: " in said.out or ": warning: " in said.out
    assert not SECRETS.search(said.out)


@pytest.mark.parametrize("name", NAMES)
def test_each_problem_says_where_and_what(name: str, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The same for programs: files, lines and keys that are there."""
    monkeypatch.chdir(MISTAKES)
    main(["testbed", "check", "--json", f"{name}.yaml"])
    report = json.loads(capsys.readouterr().out)
    found = report["problems"] + report["warnings"]
    assert found
    for problem in found:
        data = Path(problem["source"]).read_bytes().decode("utf-8", "replace")
        if data.strip() and not data.startswith("#"):
            lines = data.splitlines()
            assert 1 <= problem["line"] <= len(lines)
            assert 1 <= (problem["column"] or 1) <= len(lines[problem["line"] - 1]) + 1
        words = problem["message"] + " " + (problem["hint"] or "")
        assert not JARGON.search(words.replace(name, "")), words
        assert not SECRETS.search(json.dumps(problem))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            CLI + "        ip: 10.0.0.1\n        port: 70000\n",
            "<text>:6:15: devices.r1.connections.cli.port: port 70000 is out of range"
            " -> a port is a number from 1 to 65535",
        ),
        (
            "devices:\n  r1: {}\n  r1: {}\n",
            "<text>:3:3: devices.r1: warning: this key stands twice, first in line 2; the last one counts",
        ),
    ],
)
def test_a_problem_in_a_line(text: str, expected: str) -> None:
    assert [str(problem) for problem in problems_of(text)] == [expected]


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        return load_spec(text, platforms=platforms).warnings
    except TestbedError as error:
        return tuple(error.problems)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(
        "devices:\n"
        "  r1:\n"
        "    os: iosex\n"
        "    connections:\n"
        "      defaults: {via: nothing}\n"
        "      cli: {ip: 10.0.0.1, port: 0}\n"
        "  r2: text\n"
        "  r3:\n"
        "    credentials: {default: cisco}\n"
        "    connections:\n"
        "      cli: {protocol: ssh}\n"
    )
    with pytest.raises(TestbedError) as caught:
        load_spec(file, platforms=platforms)
    assert [(problem.line, problem.key, problem.warning) for problem in caught.value.problems] == [
        (6, "devices.r1.connections.cli.port", False),
        (7, "devices.r2", False),
        (9, "devices.r3.credentials.default", False),
        (11, "devices.r3.connections.cli", False),
        (3, "devices.r1.os", True),
        (5, "devices.r1.connections.defaults.via", True),
    ]
    assert {problem.source for problem in caught.value.problems} == {str(file)}


def missing(folder: Path) -> Path:
    return folder / "none.yaml"


def directory(folder: Path) -> Path:
    return folder


def latin(folder: Path) -> Path:
    (folder / "latin.yaml").write_bytes(b"devices:\n  r1:\n    type: Z\xfcrich\n")
    return folder / "latin.yaml"


def empty(folder: Path) -> Path:
    (folder / "empty.yaml").touch()
    return folder / "empty.yaml"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "no such file: '{}'"),
        (directory, "{}: this is a directory, not a testbed file"),
        (latin, "{}:3: this is not UTF-8 text -> save the file as UTF-8"),
        (empty, "{}: there is nothing in it -> a testbed needs at least `devices:`"),
    ],
)
def test_file_that_cannot_be_read(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path)
    for source in (path, str(path)):
        with pytest.raises(TestbedError) as caught:
            load_spec(source)
        assert str(caught.value) == message.format(path)


def test_name_that_is_no_file_name() -> None:
    for name in ("a\0b", "x" * 5000, "\ud800"):
        with pytest.raises(TestbedError, match="cannot read"):
            load_spec(name)


def test_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(TestbedError, match="more than 64 MiB"):
        load_spec(file)


def test_mapping_problems_have_a_key_path() -> None:
    with pytest.raises(TestbedError) as caught:
        load_spec({"devices": {"r1": {"connections": {"cli": {"host": "h", "port": 70000}}}}})
    assert str(caught.value) == (
        "devices.r1.connections.cli.port: port 70000 is out of range -> a port is a number from 1 to 65535"
    )


def test_problem_of_an_extended_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("devices:\n  r1:\n    os: [x]\n")
    (tmp_path / "lab.yaml").write_text("extends: base.yaml\ndevices:\n  r1: {type: router}\n")
    assert [str(p) for p in problems_of_file(tmp_path / "lab.yaml")] == [
        f"{tmp_path / 'base.yaml'}:3:9: devices.r1.os: expected a text, found a list"
        " -> write one value, without brackets and dashes"
    ]


def test_extends_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\ndevices: {r1: {}}\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    (problem,) = problems_of_file(tmp_path / "a.yaml")
    assert problem.message.endswith("is extended by what it extends")
    assert (problem.source, problem.line) == (str(tmp_path / "b.yaml"), 1)


def problems_of_file(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(TestbedError) as caught:
        load_spec(path)
    return tuple(caught.value.problems)
