# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import pytest

from aioconn.transport.keepalive import Keepalive

pytestmark = pytest.mark.clock("jumping")

INTERVAL = 10.0


class Asked:
    """A connection, and the moments at which it was told to ask, or to stop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.told: list[tuple[float, float, int]] = []

    def set_keepalive(self, interval: float, count_max: int) -> None:
        self.told.append((round(self.loop.time() - self.began, 1), interval, count_max))


async def test_it_asks_after_an_interval_without_a_word_and_stops_at_the_first() -> None:
    asked = Asked()
    keepalive = Keepalive(asked, INTERVAL, 3, asked.loop)
    for _ in range(4):  # traffic
        await asyncio.sleep(INTERVAL / 4)
        keepalive.heard()
    assert asked.told == []
    await asyncio.sleep(INTERVAL)
    # the connection's own first question comes half an interval after that, and the link is lost with the seventh
    assert asked.told == [(15.0, INTERVAL / 2, 6)]
    keepalive.heard()
    assert asked.told[1:] == [(20.0, 0, 6)]
    keepalive.heard()
    await asyncio.sleep(INTERVAL)
    assert asked.told[2:] == [(25.0, INTERVAL / 2, 6)]
    keepalive.stop()
    keepalive.heard()
    await asyncio.sleep(INTERVAL)
    assert len(asked.told) == 3


async def test_a_stopped_one_leaves_no_timer() -> None:
    asked = Asked()
    keepalive = Keepalive(asked, INTERVAL, 3, asked.loop)
    keepalive.stop()
    await asyncio.sleep(2 * INTERVAL)
    assert asked.told == []
