# SPDX-License-Identifier: Apache-2.0
"""Whoever opens what is closed meanwhile hears that it was closed, whatever the other side made of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aioconn.errors import PoolClosed, SessionClosed
from tests.storm.clock import run
from tests.storm.device import FakeDevice, Weather


@pytest.mark.parametrize("moment", [0.1, 0.5, 0.9], ids=["soon", "in the middle", "late"])
@pytest.mark.parametrize(
    ("keys", "closed"), [({"pool_size": 2}, PoolClosed), ({}, SessionClosed)], ids=["pool", "connection"]
)
def test_it_was_closed(keys: dict[str, Any], closed: type[SessionClosed], moment: float) -> None:
    async def main() -> None:
        fake = FakeDevice()
        fake.weather = Weather(connect=0.3, login=0.6)
        opening = asyncio.ensure_future(fake.device.connect(alias="it", **keys))
        await asyncio.sleep(moment)
        connection: Any = fake.device.connections.get("it")
        await (fake.device.disconnect_all() if connection is None else connection.close())
        with pytest.raises(closed):
            await opening
        assert fake.device.manager.breaker("a").failures == 0  # it says nothing about the path
        await fake.device.disconnect_all()
        await asyncio.sleep(5)
        assert not fake.lines
        fake.weather = Weather()
        await fake.device.connect(alias="it", **keys)
        await fake.device.destroy_all()

    run(main)


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize(
    "weather", [Weather(connect=1e6), Weather(login=1e6)], ids=["not connected", "not logged in"]
)
def test_it_hears_that_at_once(weather: Weather, end: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        fake = FakeDevice()
        await fake.device.connect(alias="it")
        connection: Any = fake.device.connections["it"]
        await connection.close()
        fake.weather = weather
        opening = asyncio.ensure_future(connection.open())
        await asyncio.sleep(1)
        now = loop.time()
        await connection.close() if end == "close" else connection.abort()
        with pytest.raises(SessionClosed):
            await opening
        assert loop.time() - now < 0.5
        await fake.device.destroy_all()
        await asyncio.sleep(5)
        assert not fake.lines

    run(main)
