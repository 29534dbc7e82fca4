# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from aioconn.app import platforms
from aioconn.app.exits import Exit
from aioconn.app.main import COMMANDS, main
from aioconn.errors import ConnectTimeout, MissingValue, Problem, TestbedError, UsageError


def test_help_names_every_command(capsys: Any) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for name, line in COMMANDS.items():
        assert name in text
        assert line in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: Any) -> None:
    assert main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: aioconn {name}")


def test_platforms_and_checks_leave_ssh_alone(environment: Any) -> None:
    code = (
        "import sys; from aioconn.app.main import main; main(['platforms']); main(['testbed', 'check', 'x']);"
        "print(sorted({'asyncssh', 'telnetlib3'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert ran.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["runn"], "there is no command 'runn' -> did you mean 'run'?"),
        (["zzz"], "there is no command 'zzz' -> known: demo, run, lab"),
        (["run"], "the following arguments are required"),
        (["run", "-t", "x", "show", "--colour"], "--colour"),
        (["run", "show version"], "-t/--testbed"),
        (["run", "-t", "x"], "COMMAND"),
        (["run", "-t", "x", ""], "an empty command"),
        (["run", "-t", "x", "show\nclock"], "several lines"),
        (["run", "-t", "x", "show", "--limit", "0"], "'0' is not a whole number above 0"),
        (["run", "-t", "x", "show", "--limit", "many"], "'many' is not a whole number above 0"),
        (["run", "-t", "x", "show", "--workers", "0"], "'0' is not a whole number above 0, and not auto"),
        (["run", "-t", "x", "show", "--timeout", "nan"], "'nan' is not a number of seconds above 0"),
        (["run", "-t", "x", "show", "--timeout", "-1"], "'-1' is not a number of seconds above 0"),
        (["run", "-t", "x", "show", "--json", "--out", "y"], "not allowed with"),
        (["demo", "--devices", "0"], "'0' is not a whole number above 0"),
        (["lab", "--ssh", "--telnet"], "not allowed with"),
        (["testbed"], "VERB"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: Any) -> None:
    assert main(arguments) == Exit.USAGE
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.startswith("usage: ")
    assert captured.out == ""


def test_version(capsys: Any) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("aioconn ")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("no such thing"), Exit.USAGE, "aioconn: no such thing\n"),
        (MissingValue("nothing there"), Exit.USAGE, "aioconn: nothing there\n"),
        (
            TestbedError([Problem(message="wrong", source="f.yaml", line=3)]),
            Exit.USAGE,
            "aioconn: f.yaml:3: wrong\n",
        ),
        (ConnectTimeout("too slow", device="r1"), Exit.FAILED, "aioconn: r1: too slow\n"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, ""),
        (BrokenPipeError(), Exit.PIPE_CLOSED, ""),
        (UsageError("red \x1b[31m\n"), Exit.USAGE, "aioconn: red \\x1b[31m\n\n"),
    ],
)
def test_errors_become_a_line_and_a_code(
    error: BaseException, code: Exit, said: str, monkeypatch: Any, capsys: Any
) -> None:
    def fail(_: Any) -> Exit:
        raise error

    monkeypatch.setattr(platforms, "run", fail)
    monkeypatch.setattr(
        "aioconn.app.terminal.abandon_stdout", lambda: None
    )  # it would silence the whole test run
    monkeypatch.delenv("AIOCONN_DEBUG", raising=False)
    assert main(["platforms"]) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("debug", [None, "-vv", "AIOCONN_DEBUG"])
def test_a_defect_shows_its_traceback_when_asked(debug: str | None, monkeypatch: Any, capsys: Any) -> None:
    def fail(_: Any) -> Exit:
        raise ZeroDivisionError("division by nothing")

    monkeypatch.setattr(platforms, "run", fail)
    monkeypatch.delenv("AIOCONN_DEBUG", raising=False)
    if debug == "AIOCONN_DEBUG":
        monkeypatch.setenv(debug, "1")
    assert main(["platforms", *([debug] if debug == "-vv" else [])]) == Exit.INTERNAL
    said = capsys.readouterr().err
    assert "aioconn: unexpected ZeroDivisionError: division by nothing\n" in said
    assert ("Traceback" in said) == (debug is not None)
    assert ("-vv" in said) == (debug is None)


def test_control_c_while_a_command_is_loaded(monkeypatch: Any, capsys: Any) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aioconn.app.main.importlib.import_module", interrupted)
    assert main(["run", "-t", "lab.yaml", "show version"]) == Exit.INTERRUPTED
    assert capsys.readouterr() == ("", "")


def test_a_closed_pipe_is_no_news(environment: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "aioconn", "platforms"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        said = process.stderr.read()
    assert (process.wait(20), said) == (Exit.PIPE_CLOSED, b"")


def test_a_terminal_without_unicode_is_no_reason_to_fail(command: Any) -> None:
    ran = command("testbed", "check", "größe.yaml", PYTHONIOENCODING="ascii")
    assert ran.returncode == Exit.USAGE
    assert "gr\\xf6\\xdfe.yaml" in ran.stdout
