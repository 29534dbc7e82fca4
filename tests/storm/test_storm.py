# SPDX-License-Identifier: Apache-2.0
"""The pools in storms, short ones every day. The long ones: `nox -s storm`."""

from __future__ import annotations

import sys

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.storm.driver import Report, run_episode, storm
from tests.storm.machine import PoolMachine


@pytest.mark.parametrize("seed", range(4))
def test_a_short_storm(seed: int) -> None:
    report = storm(5_000, seed)
    assert report.steps == 5_000
    assert report.counts["borrowed"] > 200
    assert report.counts["cancelled"] > 100


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_a_short_storm_with_eager_tasks() -> None:
    report = Report(seed=0)
    run_episode(11, 5_000, report, eager=True)
    assert report.counts["borrowed"] > 200


def test_a_storm_can_be_seen_again() -> None:
    reports = []
    for _ in range(2):
        report = Report(seed=0)
        run_episode(1_234, 2_000, report)
        reports.append((report.counts, report.virtual, report.longest_wait))
    assert reports[0] == reports[1]


def test_short_ways_into_trouble() -> None:
    run_state_machine_as_test(
        PoolMachine,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_a_long_storm() -> None:
    storm(1_000_000, 1, eager=True)


@pytest.mark.storm
@pytest.mark.timeout(3600)
def test_many_short_ways_into_trouble() -> None:
    run_state_machine_as_test(
        PoolMachine,
        settings=settings(
            max_examples=4_000,
            stateful_step_count=50,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
