# SPDX-License-Identifier: Apache-2.0
"""Forks at random moments, from several threads and in every way, while the parent reads and loses nothing of it.

`pytest -m processes -s -k forks` goes on for AIOCONN_FORK_SECONDS (60).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from aioconn.lab import Faults
from tests.lab_thread import LabThread

SECONDS = float(os.environ.get("AIOCONN_FORK_SECONDS", "60"))
SEED = int(os.environ.get("AIOCONN_SEED", "1"))


def fork(lab: LabThread, parent: Callable[..., Any], seconds: float, timeout: float) -> dict[str, Any]:
    pieces = Faults(byte_at_a_time=1000, byte_interval=0.001)
    lab.add("r1", personality="linux", protocols=("ssh",), faults=pieces)
    lab.add("r2", personality="linux", protocols=("telnet",), faults=pieces)
    lab.add("r3", personality="linux", protocols=("ssh",))
    complaints = lab.file.with_name("complaints")
    report: dict[str, Any] = parent(
        "forks", lab.file, complaints, "--seconds", seconds, "--seed", SEED
    ).report(timeout)
    assert report["more"] == {}
    assert report["lines"] > 0
    assert report["events"] > 0
    assert sum(report["made"].values()) > 0
    assert lab["r3"].peak_sessions <= 3
    assert lab.wait_for(lambda: not lab.sessions)
    return report


@pytest.mark.timeout(120)
@pytest.mark.programs
def test_a_few_forks(lab: LabThread, parent: Callable[..., Any]) -> None:
    fork(lab, parent, 0.5, timeout=100)


@pytest.mark.processes
@pytest.mark.timeout(3600)
def test_forks(lab: LabThread, parent: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    report = fork(lab, parent, SECONDS, timeout=SECONDS + 300)
    made = ", ".join(f"{way} {count}" for way, count in sorted(report["made"].items()))
    read = f"{report['lines']} lines and {report['events']} events, none lost"
    with capfd.disabled():
        print(f"\n{sum(report['made'].values())} children: {made}\n{read}")
        late = ", ".join(f"{way} {seconds:.3f} s" for way, seconds in sorted(report["latest"].items()))
        print(f"they ended after their work within: {late}")
