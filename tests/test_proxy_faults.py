# SPDX-License-Identifier: Apache-2.0
"""A connection that breaks at any byte of a dialogue, in either direction and in every way.

Whatever happens, a call ends in time, with the right answer or an error that says where; and the next connect works.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any

import pytest

import aioconn
from aioconn.errors import AioconnError, AuthenticationFailed
from aioconn.lab import Ending, Lab, LabDevice, Proxy, Weather, storm
from aioconn.lab.weather import CLEAR

pytestmark = pytest.mark.clock("jumping")

VERSION = "Lab software, Version 17.9.4a\nuptime is 4 weeks"
CLOCK = "12:00:00.000 UTC Sat Nov 21 2026"
GOODBYE = 0.2  # seconds
MERCY = 1.0  # what a call may take beyond that


class LoopClock:
    """Time as the loop saw it: what it spent without getting the processor does not count against anyone."""

    TICK = 0.005

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lost = 0.0
        self._due = 0.0
        self._timer: asyncio.Handle = self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        if self._due:
            self._lost += max(0.0, now - self._due)
        self._due = now + self.TICK
        self._timer = self._loop.call_at(self._due, self._tick)

    def now(self) -> float:
        now = self._loop.time()
        return now - self._lost - (max(0.0, now - self._due) if self._due else 0.0)

    async def calm(self) -> None:
        """Wait until the loop has time: who is served late gives up for reasons of his own."""
        while True:
            before = self._loop.time()
            await asyncio.sleep(0.001)
            if self._loop.time() - before < self.TICK:
                return

    def stop(self) -> None:
        self._timer.cancel()


@pytest.fixture
async def clock() -> AsyncIterator[LoopClock]:
    clock = LoopClock()
    yield clock
    clock.stop()


@dataclass(frozen=True, kw_only=True)
class Series:
    """The strikes of one test: at every so many bytes, so many at once, with so many seconds for each call."""

    protocol: str
    end: Ending
    every: int
    limit: float
    at_once: int
    personality: str = "cisco_iosxe"

    async def run(self, lab: Lab, clock: LoopClock) -> Counter[str]:
        """What came of it: names and phases of errors. Raises what was wrong, of all strikes."""
        served = await lab.add(
            "r1",
            personality=self.personality,
            protocols=(self.protocol,),
            commands={"show version": VERSION + "\n", "show clock": CLOCK + "\n"},
        )
        harmless = strikes = 0
        seen: Counter[str] = Counter()
        failures: list[Exception] = []

        async def strike(to_client: bool, offset: int) -> None:
            nonlocal harmless, strikes
            weather = Weather(end=self.end, end_at=offset)
            try:
                errors, reopened = await self._strike(lab, served, clock, to_client, weather)
            except Exception as error:
                error.add_note(f"{self.end} to the {'client' if to_client else 'server'} at byte {offset}")
                failures.append(error)
            else:
                seen.update(f"{type(error).__name__} {error.phase}" for error in errors)
                strikes += 1
                harmless += not errors and not reopened
            finally:
                gate.release()

        gate = asyncio.Semaphore(self.at_once)
        async with asyncio.TaskGroup() as group:
            for to_client, size in zip((True, False), await sizes(lab, served, clock), strict=True):
                for offset in range(0, size, self.every):
                    await gate.acquire()
                    await clock.calm()
                    group.create_task(strike(to_client, offset))
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {strikes + len(failures)} strikes", failures)
        async with asyncio.timeout(5):
            while served.sessions:
                await asyncio.sleep(0.005)
        assert harmless < strikes / 5, f"{harmless} of {strikes} strikes did no harm"
        return seen

    async def _strike(
        self, lab: Lab, served: LabDevice, clock: LoopClock, to_client: bool, weather: Weather
    ) -> tuple[list[AioconnError], bool]:
        """A visit in this weather, and one after it."""
        async with Proxy("127.0.0.1", port(served)) as proxy, device_behind(proxy, lab) as device:
            if to_client:
                proxy.to_client = weather
            else:
                proxy.to_server = weather
            trial = Trial(device, clock)
            await trial.visit(self.limit)
            reopened = proxy.accepted > 1
            await trial.leave()
            proxy.to_client = proxy.to_server = CLEAR
            await clock.calm()
            after = Trial(device, clock)
            await after.visit(30)
            await after.leave()
            assert after.errors == []
            return trial.errors, reopened


class Trial:
    """What came of each call to one device."""

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
            check(error)
            self.errors.append(error)
            return None
        finally:
            assert self.clock.now() - started < limit + MERCY


def check(error: AioconnError) -> None:
    """It says where, and blames nobody else."""
    assert error.device == "r1", repr(error)
    assert error.path, repr(error)
    assert error.phase, repr(error)
    # over SSH a server that hangs up on a password says so in no other way
    assert error.path == "cli" or not isinstance(error, AuthenticationFailed), repr(error)


@contextlib.asynccontextmanager
async def device_behind(proxy: Proxy, lab: Lab) -> AsyncIterator[aioconn.Device]:
    testbed = aioconn.load(proxy.through(lab.testbed()))
    try:
        yield testbed["r1"]
    finally:
        await testbed.disconnect()


def port(served: LabDevice) -> int:
    number = served.telnet_port or served.ssh_port
    assert number is not None
    return number


async def sizes(lab: Lab, served: LabDevice, clock: LoopClock) -> tuple[int, int]:
    """Bytes of a whole visit, to the client and to the server."""
    async with Proxy("127.0.0.1", port(served)) as proxy, device_behind(proxy, lab) as device:
        trial = Trial(device, clock)
        await trial.visit(30)
        await trial.leave()
        assert trial.errors == []
        return proxy.bytes_to_client, proxy.bytes_to_server


@pytest.mark.parametrize("end", list(Ending))
async def test_telnet(lab: Lab, clock: LoopClock, end: Ending) -> None:
    await Series(protocol="telnet", end=end, every=7, limit=0.5, at_once=80).run(lab, clock)


@pytest.mark.parametrize("end", list(Ending))
async def test_ssh(lab: Lab, clock: LoopClock, end: Ending) -> None:
    await Series(protocol="ssh", end=end, every=199, limit=0.5, at_once=30).run(lab, clock)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("personality", ["cisco_iosxe", "linux"])
@pytest.mark.parametrize("end", list(Ending))
async def test_telnet_at_every_byte(lab: Lab, clock: LoopClock, end: Ending, personality: str) -> None:
    series = Series(protocol="telnet", end=end, every=1, limit=1.0, at_once=60, personality=personality)
    print(end, personality, await series.run(lab, clock))


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("end", list(Ending))
async def test_ssh_at_every_seventh_byte(lab: Lab, clock: LoopClock, end: Ending) -> None:
    print(end, await Series(protocol="ssh", end=end, every=7, limit=2.0, at_once=40).run(lab, clock))


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("protocol", ["telnet", "ssh"])
async def test_a_storm(lab: Lab, clock: LoopClock, protocol: str) -> None:
    """Each connection draws what happens to it."""
    served = await lab.add(
        "r1", protocols=(protocol,), commands={"show version": VERSION + "\n", "show clock": CLOCK + "\n"}
    )
    seen: Counter[str] = Counter()
    gate = asyncio.Semaphore(20)
    draw = storm(chance=0.7, reach=3000 if protocol == "ssh" else 400, longest=0.2)

    async def visits(seed: int) -> None:
        async with (
            gate,
            Proxy("127.0.0.1", port(served), draw=draw, seed=seed) as proxy,
            device_behind(proxy, lab) as device,
        ):
            for _ in range(5):
                await clock.calm()
                trial = Trial(device, clock)
                await trial.visit(1.0)
                await trial.leave()
                seen.update(f"{type(error).__name__} {error.phase}" for error in trial.errors)
                seen["fine"] += not trial.errors

    async with asyncio.TaskGroup() as group:
        for seed in range(100):
            group.create_task(visits(seed))
    print(seen)
    assert 50 < seen["fine"] < 450
