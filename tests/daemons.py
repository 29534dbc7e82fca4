# SPDX-License-Identifier: Apache-2.0
"""`aioconn serve` and scripts that attach to it, as people start them: processes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENOUGH = 50.0
"""Seconds after which a process hangs."""

LISTENS = re.compile(
    r"(?P<name>[\w.-]+): process (?P<pid>\d+) holds the sessions of \d+ devices?, at (?P<path>/\S+)\n"
)

CONNECT = """
from aioconn.sync import attach
with attach() as testbed:
    r1 = testbed["r1"]
    r1.connect()
    print(r1.execute("show alpha"), flush=True)
"""
"""A script that needs one login, and prints one line."""

Process = subprocess.Popen[str]


class Daemons:
    """Everything here shares a private folder of its own, whose path is short enough for sockets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = Path(tempfile.mkdtemp(prefix="ac"))
        self.private = self.runtime / "aioconn"
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.environment = {
            **kept,
            "HOME": str(folder),
            "PYTHONPATH": path,
            "TERM": "xterm-256color",
            "XDG_RUNTIME_DIR": str(self.runtime),
        }
        self._started: list[Process] = []

    @property
    def files(self) -> list[str]:
        """What stands in the private folder."""
        return sorted(entry.name for entry in self.private.iterdir()) if self.private.exists() else []

    def serve(self, *arguments: str | Path) -> Process:
        """A daemon that listens. What it printed for that is read."""
        process = self.start("-m", "aioconn", "serve", *arguments)
        line = self.line_of(process)
        assert LISTENS.fullmatch(line), (line, *self.end(process, signal.SIGKILL))
        return process

    def aioconn(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """A command, from beginning to end."""
        return self.run("-m", "aioconn", *arguments)

    def script(self, text: str) -> subprocess.CompletedProcess[str]:
        """A script that attaches, from beginning to end."""
        return self.run("-c", text)

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=ENOUGH)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start(
        self,
        *arguments: str | Path,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        stderr: int = subprocess.PIPE,
    ) -> Process:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            cwd=self.folder,
            env=self.environment,
        )
        self._started.append(process)
        return process

    @staticmethod
    def line_of(process: Process) -> str:
        """The next line that it prints; "" at the end."""
        assert process.stdout is not None
        return process.stdout.readline()

    @staticmethod
    def end(process: Process, number: int = signal.SIGTERM) -> tuple[str, str]:
        """Send a signal, wait for the end; what it printed that nobody has read."""
        process.send_signal(number)
        return process.communicate(timeout=ENOUGH)

    def close(self) -> None:
        for card in self.private.glob("*.token"):  # also of those that nobody started directly
            with contextlib.suppress(OSError):
                os.kill(json.loads(card.read_text())["pid"], signal.SIGKILL)
        for process in self._started:
            if process.poll() is None:
                process.kill()
            with contextlib.suppress(ValueError):  # read to its end already
                process.communicate()
        shutil.rmtree(self.runtime)


@contextlib.contextmanager
def daemons_in(folder: Path) -> Iterator[Daemons]:
    daemons = Daemons(folder)
    try:
        yield daemons
    finally:
        daemons.close()


@pytest.fixture
def daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    """None yet. This process finds those that come."""
    with daemons_in(tmp_path) as found:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(found.runtime))
        yield found


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A private folder for sockets. The names of pytest's own folders can be too long for them."""
    with tempfile.TemporaryDirectory(prefix="ac") as folder:
        yield Path(folder)


Aioconn = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def aioconn_here(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Aioconn:
    """`aioconn` with these arguments, in this process."""
    from aioconn.app.main import main

    monkeypatch.chdir(daemons.folder)

    def call(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return call
