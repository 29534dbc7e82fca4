# SPDX-License-Identifier: Apache-2.0
"""What is seen on a real (pseudo-)terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.terminal import printable
from aioconn.lab import Faults

pytestmark = pytest.mark.programs

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """Runs `aioconn` on a pseudo-terminal of this size, and draws what it sent."""

    def __init__(self, environment: dict[str, str], folder: Path, columns: int = 100, rows: int = 40) -> None:
        self.environment = environment
        self.folder = folder
        self.columns = columns
        self.rows = rows
        self.sent = ""
        self.side = ""

    def run(
        self, *arguments: str | Path, separate: str | None = None, module: str = "aioconn", **more: str
    ) -> int:
        """`separate` is the stream, if any, that goes elsewhere: into `side`."""
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        with (self.folder / "side").open("w+b") as side:
            streams: dict[str, Any] = {
                "stdout": theirs,
                "stderr": theirs,
                **({separate: side} if separate else {}),
            }
            process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                stdin=theirs,
                env={**self.environment, **more},
                cwd=self.folder,
                **streams,
            )
            os.close(theirs)
            sent = b""
            with contextlib.suppress(OSError):  # how Linux says that nobody has it open any more
                while piece := os.read(ours, 65536):
                    sent += piece
            os.close(ours)
            process.wait(10)
            side.seek(0)
            self.side = side.read().decode()
        self.sent = sent.decode()
        return process.returncode

    def screen(self) -> list[str]:
        """The lines as they stand in the end, those that have scrolled away included."""
        lines, row, column = [""], 0, 0
        for part in re.split(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)", self.sent):
            if part == "\r":
                column = 0
            elif part == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif re.fullmatch(r"\x1b\[\d*A", part):
                row -= int(part[2:-1] or 1)
            elif part == "\x1b[2K":
                lines[row] = ""
            elif part.startswith("\x1b"):
                assert part[-1] in "mhl", f"{part!r} is not expected"
            else:
                for letter in part:
                    if column == self.columns:
                        row, column = row + 1, 0
                        lines += [""] * (row + 1 - len(lines))
                    line = lines[row].ljust(column)
                    lines[row] = line[:column] + letter + line[column + 1 :]
                    column += 1
        return [line.rstrip() for line in lines]


@pytest.fixture
def terminal(environment: dict[str, str], tmp_path: Path) -> Terminal:
    return Terminal(environment, tmp_path)


@pytest.fixture
def devices(lab: Any) -> Any:
    for number in range(4):
        lab.add(f"r{number}", protocols=["telnet"], commands={"show me": f"I am {number}\nyes\n"})
    lab.add("bad", faults=Faults(wrong_password=True))
    return lab


def check_final(screen: list[str]) -> None:
    """Every output once, every error once, nothing of the moving part left."""
    for number in range(4):
        assert screen.count(f"I am {number}") == 1
    assert screen.count("yes") == 4
    assert screen.count("> show me") == 4
    assert sum(line.startswith("AuthenticationFailed") for line in screen) == 1
    assert sum("running" in line or "waiting for" in line for line in screen) == 0
    assert sum(line.startswith("5 devices: 4 ok, 1 failed") for line in screen) == 1


@pytest.mark.parametrize("columns", [100, 80, 40])
def test_live_progress_with_outputs_above(devices: Any, terminal: Terminal, columns: int) -> None:
    terminal.columns = columns
    for number in range(4):  # so that there is progress
        devices.lab[f"r{number}"].faults = Faults(latency=0.06 * number)
    assert terminal.run("run", "-t", devices.file, "show me") == 1
    assert terminal.sent.count(HIDE) == terminal.sent.count(SHOW) == 1
    assert re.search(r"[1-4]/5.* ok.* running", CODES.sub("", terminal.sent))
    check_final(terminal.screen())


def test_no_colour(devices: Any, terminal: Terminal) -> None:
    assert terminal.run("run", "-t", devices.file, "show me", NO_COLOR="1") == 1
    colours = [code for code in CODES.findall(terminal.sent) if code.endswith("m")]
    assert not [code for code in colours if re.search(r"(?:^|[\[;])(?:3|4|9|10)[0-8]", code)]
    check_final(terminal.screen())


def test_a_dumb_terminal_gets_outputs_alone(devices: Any, terminal: Terminal) -> None:
    assert terminal.run("run", "-t", devices.file, "show me", TERM="dumb") == 1
    assert "\x1b" not in terminal.sent
    check_final(terminal.screen())


def test_data_into_a_file_progress_on_the_terminal(devices: Any, terminal: Terminal) -> None:
    assert terminal.run("run", "-t", devices.file, "show me", separate="stdout") == 1
    assert sorted(terminal.side.splitlines()) == sorted(
        f"r{number}: {line}" for number in range(4) for line in (f"I am {number}", "yes")
    )
    assert terminal.sent.count(HIDE) == 1
    screen = [line for line in terminal.screen() if line]
    assert len(screen) >= 2
    assert screen[0].startswith("bad: AuthenticationFailed [auth]")
    assert screen[-1].startswith("5 devices: 4 ok, 1 failed")


def test_stderr_into_a_file(devices: Any, terminal: Terminal) -> None:
    assert terminal.run("run", "-t", devices.file, "show me", separate="stderr") == 1
    assert terminal.side.startswith("5 devices: 4 ok, 1 failed")
    assert "\x1b" not in terminal.side


def test_json_on_a_terminal_is_json(devices: Any, terminal: Terminal) -> None:
    assert terminal.run("run", "-t", devices.file, "show me", "--json") == 1
    assert sum('"device": ' in line for line in "".join(terminal.screen()).split("{")) == 5


def test_a_device_cannot_play_with_the_terminal(lab: Any, terminal: Terminal) -> None:
    lab.add("r1", protocols=["telnet"], commands={"show evil": "a\x07b\x0fc\n"})
    assert terminal.run("run", "-t", lab.file, "show evil") == 0
    assert "\x07" not in terminal.sent
    assert "\x0f" not in terminal.sent


@pytest.mark.parametrize("columns", [100, 80])
def test_demo_fits(terminal: Terminal, columns: int) -> None:
    terminal.columns = columns
    assert terminal.run("demo", module="tests.app.near") == 0
    screen = terminal.screen()
    assert len(screen) <= 40
    rows = [line for line in screen if re.match(r"(?:ok|no)  ", line)]
    assert len(rows) == 24
    assert all(re.search(r" [\d.]+ m?s$", line) for line in rows)
    assert sum(line.startswith("branch-02, on purpose: AuthenticationFailed [auth]") for line in screen) == 1
    assert max(map(len, screen)) <= columns


def test_printable() -> None:
    assert printable("a\tb\nc\x1b[31m\x9b\x7f\r\u202e") == "a\tb\nc\\x1b[31m\\x9b\\x7f\\x0d\\u202e"
