# SPDX-License-Identifier: Apache-2.0
"""What goes on for long: nothing may grow, be late, or be wrong."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from tests.soak.soak import Report, soak
from tests.soak.vitals import slope

SECONDS = float(os.environ.get("AIOCONN_SOAK_SECONDS", "600"))
SEED = int(os.environ.get("AIOCONN_SOAK_SEED", "1"))

GROWTH = 0.5
"""MiB a minute that the second half may rise by.

Samples are taken in one state, and are a MiB or two apart all the same, because the number of open sessions differs
(some 0.1 MiB each, on both sides). The line through ten of them over five minutes is good for 0.2 MiB a minute. With
some 250 calls and 25 openings a second, 0.5 MiB a minute are 35 bytes for a call or 350 for an opening: whatever is
kept of them, were it one object, is more.
"""


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def check(report: Report) -> None:
    assert not report.ledger.samples, str(report)
    assert report.after.descriptors == report.before.descriptors, str(report)
    assert report.after.tasks == report.before.tasks, str(report)
    assert report.after.threads == report.before.threads, str(report)


@pytest.mark.timeout(120)
async def test_a_few_seconds() -> None:
    report = await soak(5.0, devices=9, users=2, seed=SEED, pause=0.1, every=0.1, tell=lambda line: None)
    check(report)
    assert report.ledger.answers > 50
    assert sum(report.ledger.faults.values()) > 5


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_minutes(capfd: pytest.CaptureFixture[str]) -> None:
    """`AIOCONN_SOAK_SECONDS` (600) of it, with a line every half a minute and a table at the end."""
    with capfd.disabled():
        print()
        report = await soak(
            SECONDS, devices=36, users=3, seed=SEED, tell=functools.partial(print, flush=True)
        )
        print(report, flush=True)
    check(report)
    if SECONDS >= 300:
        assert report.memory_slope < GROWTH, str(report)


def test_slope() -> None:
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 1.0), (1.0, 2.0), (2.0, 1.0)]) == pytest.approx(0.0)
    assert slope([(1.0, 1.0)]) == 0.0
