# SPDX-License-Identifier: Apache-2.0
"""A lab, and scripts of other frameworks that run on it in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from aioconn.lab import ThreadedLab

SCRIPTS = Path(__file__).resolve().parent / "scripts"
ROOT = SCRIPTS.parents[3]

Run = Callable[..., Any]


@pytest.fixture
def lab() -> Iterator[ThreadedLab]:
    with ThreadedLab() as lab:
        yield lab


@pytest.fixture
def pyats_file(lab: ThreadedLab, tmp_path: Path) -> Callable[..., Path]:
    """`pyats_file(via="cli")`: the lab's testbed, in which pyATS is told to use our sessions."""

    def write(*, proxies: Mapping[str, str] | None = None, **defaults: Any) -> Path:
        testbed = lab.testbed()
        for name, proxy in (proxies or {}).items():
            testbed["devices"][name]["connections"]["cli"]["proxy"] = proxy
        for device in testbed["devices"].values():
            device["connections"]["defaults"] = {"class": "aioconn.compat.pyats.Connection", **defaults}
        file = tmp_path / "testbed.yaml"
        file.write_text(yaml.safe_dump(testbed, sort_keys=False), encoding="utf-8")
        return file

    return write


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run("session.py", argument, ...)`: what the script reports, into a file that is its first argument.

    `folder` is where it runs.
    """

    def run(
        script: str | Path, *arguments: str | Path, folder: Path | None = None, **environment: str
    ) -> Any:
        report = tmp_path / "report.json"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / script), str(report), *map(str, arguments)],
            cwd=folder or tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{script}:\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return json.loads(report.read_text(encoding="utf-8"))

    return run
