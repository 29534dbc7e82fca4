# SPDX-License-Identifier: Apache-2.0
"""A lab in the test's process, and parents as processes of their own, so that what they lose shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab_thread import LabThread
from tests.processes.parent import Complaints

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    with LabThread(tmp_path) as lab:
        yield lab


class Parent:
    """A process that runs a module of this folder, or a script, on the lab's testbed."""

    def __init__(self, folder: Path, runtime: Path, arguments: list[str]) -> None:
        self.complaints = folder / "complaints"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PYTHONPATH"] = str(ROOT)
        environment["HOME"], environment["XDG_RUNTIME_DIR"] = str(folder), str(runtime)
        environment["XDG_STATE_HOME"] = str(folder / "state")
        # since Python 3.12 a process with threads is warned of forking, which is what it is here for
        options = ["-W", "error", "-W", "ignore::DeprecationWarning"]
        self.process = subprocess.Popen(
            [sys.executable, *options, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def report(self, timeout: float) -> dict[str, Any]:
        """What it says last, when it has ended without a complaint."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.end()
            out, err = self.process.communicate()
            pytest.fail(f"it hangs after {timeout:g} s: {out}{err}{self.complained()}")
        found = f"{self.complained()}{err}"
        if found or self.process.returncode:
            pytest.fail(f"exit code {self.process.returncode}\n{found}", pytrace=False)
        report: dict[str, Any] = json.loads(out.splitlines()[-1])
        return report

    def complained(self) -> str:
        """What any of its processes found wrong, the first few."""
        found = Complaints.read(self.complaints)
        texts = [f"{one['what']}: {one['text']}" for one in found[:8]]
        return "\n".join((*texts, f"{len(found)} complaints")) if texts else ""

    def end(self) -> None:
        """It, and all that it has started."""
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        self.end()
        self.process.communicate()


@pytest.fixture
def parent(tmp_path: Path, runtime: Path) -> Iterator[Callable[..., Parent]]:
    """`parent("kills", testbed, complaints, ...)`: the module of this folder, or the file, as a process."""
    started: list[Parent] = []

    def start(program: str | Path, *arguments: object) -> Parent:
        what = [str(program)] if isinstance(program, Path) else ["-m", f"tests.processes.{program}"]
        started.append(Parent(tmp_path, runtime, [*what, *map(str, arguments)]))
        return started[-1]

    yield start
    for one in started:
        one.close()
