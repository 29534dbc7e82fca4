# SPDX-License-Identifier: Apache-2.0
"""A command that ends early never makes a later one answer wrongly, and hardly ever costs the session.

`pytest -m desync -s` cuts 100,000 commands, or AIOCONN_CUTS, and prints the table. The clock jumps over silences
(tests/desync/clock.py); the everyday tests have a look at real time as well.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.desync.cells import Cell, cells
from tests.desync.clock import JumpingLoop
from tests.desync.driver import drive
from tests.desync.tally import Tally, kept, table
from tests.desync.tap import TappedConnection

CUTS = int(os.environ.get("AIOCONN_CUTS", "100000"))
SEED = int(os.environ.get("AIOCONN_SEED", "1"))


def on_the_jumping_clock(chosen: list[Cell], **options: Any) -> list[Tally]:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(drive(chosen, **options))


def test_a_few_hundred_cuts() -> None:
    tallies = on_the_jumping_clock(cells(), cuts=12, sessions=3, seed=SEED)
    assert sum(tally.cuts for tally in tallies) >= 12 * 18
    assert not sum(tally.wrong for tally in tallies), table(tallies)
    assert kept(tallies) >= 0.95, table(tallies)


@pytest.mark.parametrize("echo", ["reader", "both"])
async def test_in_real_time(echo: str) -> None:
    chosen = [
        Cell(echo=echo, interrupt=interrupt, hard=False) for interrupt in ("works", "ignored", "prompt")
    ]
    tallies = await drive(chosen, cuts=24, sessions=6, seed=SEED)
    assert not sum(tally.wrong for tally in tallies), table(tallies)
    assert kept(tallies) >= 0.95, table(tallies)


def test_without_echo_a_long_silence_has_to_do() -> None:
    tallies = on_the_jumping_clock(cells("none"), cuts=12, sessions=3, seed=SEED)
    assert sum(tally.wrong for tally in tallies) <= 2, table(tallies)
    assert kept(tallies) >= 0.9, table(tallies)


class Careless(TappedConnection):
    """Goes on as if nothing had happened."""

    async def _recover(self) -> bool:
        shell = self._live().shell
        shell.in_step = True
        shell.prove()
        return True


def test_wrong_answers_are_seen() -> None:
    tallies = on_the_jumping_clock(
        [Cell(echo="typing", interrupt="ignored", hard=False)], cuts=30, sessions=3, seed=SEED, cls=Careless
    )
    assert sum(tally.wrong for tally in tallies) > 0, table(tallies)


@pytest.mark.desync
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_cuts() -> None:
    chosen = cells()
    each = -(-CUTS // len(chosen))
    tallies = on_the_jumping_clock(chosen, cuts=each, sessions=min(12, each), seed=SEED)
    silent = on_the_jumping_clock(cells("none"), cuts=-(-each // 10), sessions=min(12, each), seed=SEED)
    print("\n" + table(tallies) + "\n\nNo echo at all: nothing but silence tells.\n" + table(silent))
    assert sum(tally.cuts for tally in tallies) >= CUTS
    assert not sum(tally.wrong for tally in tallies)
    for tally in tallies:
        assert tally.kept >= 0.95, str(tally.cell)
