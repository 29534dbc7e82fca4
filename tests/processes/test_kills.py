# SPDX-License-Identifier: Apache-2.0
"""Children die in the middle of everything, and nothing of what they held is lost, or answers wrongly.

`pytest -m processes -s -k kills` kills 500 of them, or AIOCONN_KILLS, and prints how soon sessions came back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aioconn.lab import Faults
from tests.lab_thread import LabThread
from tests.processes import words
from tests.processes.kills import CHILDREN, HELD, SIZE, USED

KILLS = int(os.environ.get("AIOCONN_KILLS", "500"))
SEED = int(os.environ.get("AIOCONN_SEED", "1"))

LATENCY = 0.01
"""Seconds that the devices think, so that there is a middle of a command."""

BACK = 2.0
"""Seconds in which a session has to be back, on a machine that has better things to do."""


def kill(lab: LabThread, parent: Callable[..., Any], kills: int, timeout: float) -> dict[str, Any]:
    for number in range(CHILDREN):
        add(lab, f"m{number}", "telnet" if number % 2 else "ssh")
    add(lab, "r1", "ssh")
    add(lab, "r2", "telnet")
    complaints = lab.file.with_name("complaints")
    options = ("--kills", kills, "--alone", kills // 5, "--seed", SEED)
    report: dict[str, Any] = parent("kills", lab.file, complaints, *options).report(timeout)
    for name, device in lab.lab.devices.items():
        assert device.peak_sessions <= (1 if name.startswith("m") else SIZE), name
    assert lab.wait_for(lambda: not lab.sessions)
    assert sum(report["kills"].values()) == kills
    assert report["held"] == {}
    assert report["more"] == {}
    assert report["answers"] > 0
    return report


def add(lab: LabThread, name: str, protocol: str) -> None:
    lab.add(name, protocols=(protocol,), commands=words.commands(name), faults=Faults(latency=LATENCY))


@pytest.mark.timeout(120)
@pytest.mark.programs
def test_a_few_kills(lab: LabThread, parent: Callable[..., Any]) -> None:
    kill(lab, parent, 12, timeout=100)


@pytest.mark.processes
@pytest.mark.timeout(7200)
def test_kills(lab: LabThread, parent: Callable[..., Any], capfd: pytest.CaptureFixture[str]) -> None:
    report = kill(lab, parent, KILLS, timeout=7000)
    with capfd.disabled():
        print(table(report))
    times = [seconds for each in report["back"].values() for seconds in each]
    assert len(times) >= KILLS // 4
    assert max(times) <= BACK


def table(report: dict[str, Any]) -> str:
    """How soon the sessions came back, by what the children did with them."""
    kills = sum(report["kills"].values())
    others = {role: count for role, count in report["kills"].items() if role not in (*HELD, *USED)}
    lines = [
        f"\n{kills} kills in {report['seconds']:.0f} s, {report['answers']} answers in the parent",
        *times_of(report["back"], "eight children at a time"),
        "without a session to give back: " + ", ".join(f"{role} {n}" for role, n in sorted(others.items())),
        *times_of(report["back_alone"], "one child, and nothing else"),
    ]
    return "\n".join(lines)


def times_of(back: dict[str, list[float]], title: str) -> Iterator[str]:
    yield f"{title:28} {'kills':>6} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}"
    for name, roles in {**{role: (role,) for role in (*HELD, *USED)}, "all that kept one": HELD}.items():
        if times := sorted(seconds for role in roles for seconds in back.get(role, ())):
            p50, p99, most = (1000 * times[round(share * (len(times) - 1))] for share in (0.5, 0.99, 1.0))
            yield f"  {name:26} {len(times):6} {p50:8.1f} {p99:8.1f} {most:8.1f}"
