# SPDX-License-Identifier: Apache-2.0
"""A connection that breaks at any byte of a dialogue, in either direction and in every way.

Whatever happens, a call ends in time, with the right answer or an error that says where; and the next connect works.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import aioconn
from aioconn.errors import AioconnError
from aioconn.lab import Ending, Lab, LabDevice, Proxy, Weather
from aioconn.lab.weather import CLEAR

VERSION = "Lab software, Version 17.9.4a\nuptime is 4 weeks"
CLOCK = "12:00:00.000 UTC Sat Nov 21 2026"
LIMIT = 0.5  # seconds that each call has
GOODBYE = 0.2
MERCY = 1.0  # what a call may take beyond that
AT_ONCE = 80


class LoopClock:
    """Time as the loop saw it: what it spent without getting the processor does not count against anyone."""

    TICK = 0.02

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost = 0.0
        self._due = 0.0
        self._timer = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        if self._due:
            self._lost += max(0.0, now - self._due)
        self._due = now + self.TICK
        self._timer = self._loop.call_at(self._due, self._tick)

    def now(self) -> float:
        return self._loop.time() - self._lost

    def stop(self) -> None:
        self._timer.cancel()


@pytest.fixture
async def clock() -> AsyncIterator[LoopClock]:
    clock = LoopClock()
    yield clock
    clock.stop()


@contextlib.asynccontextmanager
async def device_behind(proxy: Proxy, lab: Lab, name: str) -> AsyncIterator[aioconn.Device]:
    whole = lab.testbed()
    alone = proxy.through({"testbed": whole["testbed"], "devices": {name: whole["devices"][name]}})
    testbed = aioconn.load(alone)
    try:
        yield testbed[name]
    finally:
        await testbed.disconnect()


def port(served: LabDevice) -> int:
    number = served.telnet_port or served.ssh_port
    assert number is not None
    return number


class Trial:
    """One device behind one proxy, and what came of each call."""

    def __init__(self, device: aioconn.Device, clock: LoopClock) -> None:
        self.device = device
        self.clock = clock
        self.errors: list[AioconnError] = []

    async def visit(self, limit: float) -> None:
        """Connect, two commands, and the first again."""
        connect = self.device.connect(timeout=limit, close_timeout=GOODBYE)
        if await self._call(connect, limit) is None:
            return
        for command, answer in (("show version", VERSION), ("show clock", CLOCK), ("show version", VERSION)):
            output = await self._call(self.device.execute(command, timeout=limit), limit)
            assert output in (None, answer)

    async def leave(self) -> None:
        await self._call(self.device.manager.disconnect_all(), GOODBYE)

    async def _call(self, call: Awaitable[Any], limit: float) -> Any:
        started = self.clock.now()
        try:
            return await call
        except AioconnError as error:
            self.errors.append(error)
            assert (error.device, error.path is None, error.phase is None) == ("r1", False, False), repr(
                error
            )
            return None
        finally:
            assert self.clock.now() - started < limit + MERCY


async def dialogue_sizes(lab: Lab, served: LabDevice, clock: LoopClock) -> tuple[int, int]:
    """Bytes of a whole visit, to the client and to the server."""
    async with Proxy("127.0.0.1", port(served)) as proxy, device_behind(proxy, lab, served.name) as device:
        trial = Trial(device, clock)
        await trial.visit(30)
        await trial.leave()
        assert trial.errors == []
        return proxy.bytes_to_client, proxy.bytes_to_server


async def strike(
    lab: Lab, served: LabDevice, clock: LoopClock, end: Ending, to_client: bool, offset: int
) -> Counter[str]:
    """One connection that ends in this way at this byte."""
    weather = Weather(end=end, end_at=offset)
    faults = {"to_client" if to_client else "to_server": weather}
    async with Proxy("127.0.0.1", port(served), **faults) as proxy:  # type: ignore[arg-type]
        async with device_behind(proxy, lab, served.name) as device:
            trial = Trial(device, clock)
            await trial.visit(LIMIT)
            await trial.leave()
            seen = Counter(f"{type(error).__name__} {error.phase}" for error in trial.errors)
            proxy.to_client = proxy.to_server = CLEAR
            trial.errors.clear()
            await trial.visit(30)
            await trial.leave()
            assert trial.errors == []
            return seen


async def strike_at(
    lab: Lab, clock: LoopClock, end: Ending, *, protocol: str, every: int, personality: str = "cisco_iosxe"
) -> Counter[str]:
    served = await lab.add(
        "r1",
        personality=personality,
        protocols=(protocol,),
        commands={"show version": VERSION + "\n", "show clock": CLOCK + "\n"},
    )
    sizes = await dialogue_sizes(lab, served, clock)
    gate = asyncio.Semaphore(AT_ONCE)
    struck: list[bool] = []
    seen: Counter[str] = Counter()
    failures: list[Exception] = []

    async def one(to_client: bool, offset: int) -> None:
        async with gate:
            try:
                errors = await strike(lab, served, clock, end, to_client, offset)
            except Exception as error:
                error.add_note(f"{end} to the {'client' if to_client else 'server'} at byte {offset}")
                failures.append(error)
                return
            seen.update(errors)
            struck.append(bool(errors))

    async with asyncio.TaskGroup() as group:
        for to_client, size in zip((True, False), sizes, strict=True):
            for offset in range(0, size, every):
                group.create_task(one(to_client, offset))
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(failures) + len(struck)} strikes", failures)
    async with asyncio.timeout(5):
        while served.sessions:
            await asyncio.sleep(0.005)
    assert sum(struck) > len(struck) / 2, seen
    return seen


Strike = Callable[..., Awaitable[Counter[str]]]


@pytest.mark.parametrize("end", list(Ending))
async def test_telnet(lab: Lab, clock: LoopClock, end: Ending) -> None:
    await strike_at(lab, clock, end, protocol="telnet", every=7)


@pytest.mark.parametrize("end", list(Ending))
async def test_ssh(lab: Lab, clock: LoopClock, end: Ending) -> None:
    await strike_at(lab, clock, end, protocol="ssh", every=199)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("personality", ["cisco_iosxe", "linux"])
@pytest.mark.parametrize("end", list(Ending))
async def test_telnet_at_every_byte(lab: Lab, clock: LoopClock, end: Ending, personality: str) -> None:
    print(await strike_at(lab, clock, end, protocol="telnet", every=1, personality=personality))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("end", list(Ending))
async def test_ssh_at_every_third_byte(lab: Lab, clock: LoopClock, end: Ending) -> None:
    print(await strike_at(lab, clock, end, protocol="ssh", every=3))
