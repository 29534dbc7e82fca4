# SPDX-License-Identifier: Apache-2.0
"""What the collector of garbage need not look at while many devices are worked on."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import aioconn
from aioconn import collector
from aioconn.errors import ConnectError
from aioconn.lab import Lab

pytestmark = pytest.mark.clock("jumping")


@pytest.fixture(autouse=True)
def thawed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process in which nobody has set anything aside: the audit of each test has."""
    monkeypatch.setattr(collector, "_CROWD", 3)
    gc.unfreeze()
    yield
    gc.freeze()


def test_as_long_as_somebody_works_on_many() -> None:
    threshold = gc.get_threshold()
    with collector.crowded(2):
        assert not gc.get_freeze_count()
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(collector.crowded(3))
        aside = gc.get_freeze_count()
        assert aside > 1000
        made = [[number] for number in range(1000)]
        second.enter_context(collector.crowded(4))
        assert gc.get_freeze_count() < aside + 500  # what is new may be garbage some day
        first.close()
        with collector.crowded(1):
            assert gc.get_freeze_count() > 1000
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold() == (50_000, *threshold[1:])
    assert not gc.get_freeze_count()
    assert gc.get_threshold() == threshold
    assert len(made) == 1000


def test_what_somebody_else_set_aside_stays() -> None:
    gc.freeze()
    made = [[number] for number in range(1000)]
    with collector.crowded(3):
        assert any(one is made for one in gc.get_objects())  # which knows nothing of what is set aside
    assert gc.get_freeze_count()
    gc.unfreeze()
    gc.disable()
    try:
        with collector.crowded(3):
            assert not gc.get_freeze_count()
    finally:
        gc.enable()


def test_while_many_sessions_live_it_looks_less_often() -> None:
    usual = gc.get_threshold()
    collector.live(50)
    assert gc.get_threshold() == usual
    collector.live(1)
    assert gc.get_threshold() == (10_000, *usual[1:])
    with collector.crowded(3):
        assert gc.get_threshold() == (50_000, *usual[1:])
        collector.live(-20)
    collector.live(-5)
    assert gc.get_threshold() == (10_000, *usual[1:])
    collector.live(-1)
    assert gc.get_threshold() == usual
    collector.live(-25)


def test_what_never_looks_does_not_begin_to() -> None:
    usual = gc.get_threshold()
    gc.set_threshold(0)
    try:
        collector.live(60)
        with collector.crowded(3):
            assert gc.get_threshold()[0] == 0
        collector.live(-60)
        assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*usual)


async def test_sessions_are_counted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """However one ends, and also where none comes about."""
    count = 0

    def live(change: int) -> None:
        nonlocal count
        count += change

    monkeypatch.setattr(collector, "live", live)
    await lab.add("r0", protocols=("telnet",))
    whole = lab.testbed()
    whole["devices"]["r0"]["connections"].setdefault("defaults", {})["max_sessions"] = 3
    async with aioconn.load(whole) as testbed:
        r0 = testbed["r0"]
        await r0.connect()
        assert count == 1
        pool = await r0.connect(alias="pool", pool_size=2)
        await asyncio.gather(*(pool.execute("show clock") for _ in range(4)))
        assert count == 3
        await r0.connect(alias="more")  # the pool gives one up
        assert count == 3
        await r0.disconnect()
        await r0.disconnect()
        assert count == 2
        lab.remove("r0")
        with pytest.raises(ConnectError):
            await r0.connect(alias="late")
        assert count == 0  # the others are lost as well


def test_young_garbage_is_not_set_aside() -> None:
    class Pair:
        other: Pair | None = None

    one = Pair()
    one.other = Pair()
    one.other.other = one
    gone = weakref.ref(one)
    del one
    with collector.crowded(3):
        assert gone() is None


async def fan_out(testbed: aioconn.Testbed, work: Callable[[], None]) -> None:
    async def look(device: aioconn.Device) -> None:
        work()

    async for result in aioconn.fan_out(testbed, look):
        result.unwrap()


async def together(testbed: aioconn.Testbed, work: Callable[[], None]) -> None:
    testbed.listeners.add(lambda event: work())
    (await testbed.connect()).raise_for_errors()


async def closing(testbed: aioconn.Testbed, work: Callable[[], None]) -> None:
    (await testbed.connect(["r0", "r1"])).raise_for_errors()
    testbed.listeners.add(lambda event: work())
    (await testbed.disconnect()).raise_for_errors()


@pytest.mark.parametrize("way", [fan_out, together, closing])
async def test_testbeds_and_fan_outs(lab: Lab, way: Callable[..., Any]) -> None:
    for number in range(3):
        await lab.add(f"r{number}", protocols=("telnet",))
    seen: set[bool] = set()
    async with aioconn.load(lab.testbed()) as testbed:
        await way(testbed, lambda: seen.add(gc.get_freeze_count() > 0))
        assert seen == {True}
        assert not gc.get_freeze_count()
