# SPDX-License-Identifier: Apache-2.0
"""Whatever is awaited may be cancelled there: each public coroutine is cut at each of its waits, in every way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from aioconn.lab import Faults
from tests.cancelling import Cut, Moment, Way, cut_everywhere
from tests.storm.clock import run
from tests.storm.device import FakeDevice, Weather


async def nothing() -> None: ...


# ---------------------------------------------------------------------- the adversary itself


class Places:
    """A semaphore with one of the bugs that pools had, or none."""

    def __init__(self, bug: str = "") -> None:
        self.bug = bug
        self.free = 1
        self.waiters: deque[asyncio.Future[None]] = deque()

    async def use(self) -> str:
        await self.take()
        try:
            await asyncio.sleep(0.01)
            return "done"
        finally:
            if self.bug == "await before give":
                await asyncio.sleep(0)
            self.give()

    async def take(self) -> None:
        if self.free:
            self.free -= 1
            return
        future = asyncio.get_running_loop().create_future()
        self.waiters.append(future)
        try:
            await future
        except BaseException:
            if self.bug == "swallowed":
                self.waiters.remove(future) if future in self.waiters else None
                self.free -= not (future.done() and not future.cancelled())
                return
            if future.done() and not future.cancelled():
                if self.bug != "grant lost":
                    self.give()
            else:
                future.cancel()
            raise

    def give(self) -> None:
        while self.waiters:
            future = self.waiters.popleft()
            if not future.done():
                future.set_result(None)
                return
        self.free += 1


async def contended(bug: str) -> None:
    places = Places(bug)

    async def make() -> str:
        other = asyncio.ensure_future(places.use())
        try:
            await asyncio.sleep(0)
            return await places.use()
        finally:
            await asyncio.wait({other})

    async def settle() -> None:
        await asyncio.sleep(1)
        assert places.free == 1, f"{places.free} places are free"

    await cut_everywhere(
        make,
        settle=settle,
        ways=(Way.ONCE, Way.TIMEOUT),
        moments=(Moment.WAITS, Moment.GRANTED, Moment.TICK),
    )


@pytest.mark.parametrize(
    ("bug", "complaint"),
    [
        ("grant lost", "0 places"),
        ("swallowed", "swallowed"),
        ("await before give", "0 places"),
    ],
)
def test_the_adversary_finds_what_pools_got_wrong(bug: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint) as caught:
        run(lambda: contended(bug))
    assert any("when it was" in note for note in caught.value.__notes__)


def test_the_adversary_lets_the_right_one_pass() -> None:
    run(lambda: contended(""))


@pytest.mark.parametrize("way", Way)
def test_each_way_cuts_at_each_wait(way: Way) -> None:
    reached: list[int] = []

    async def make() -> str:
        for number in range(3):
            reached.append(number)
            await asyncio.sleep(0.1)
        return "through"

    async def main() -> Any:
        return await cut_everywhere(make, settle=nothing, ways=(way,), moments=(Moment.WAITS,))

    tally = run(main)
    assert tally.ways[way] == tally.cuts == 3
    assert reached == [0, 0, 1, 0, 1, 2, 0, 1, 2]


def test_a_task_left_behind_is_found() -> None:
    async def make() -> None:
        make.kept = asyncio.ensure_future(asyncio.sleep(3600))  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        make.kept.cancel()  # type: ignore[attr-defined]

    async def main() -> None:
        with pytest.raises(AssertionError, match="left behind"):
            await cut_everywhere(make, settle=nothing)
        make.kept.cancel()  # type: ignore[attr-defined]

    run(main)


def test_a_cut_says_what_it_is() -> None:
    assert str(Cut(way=Way.ONCE, moment=Moment.GRANTED, number=3)) == "cancelled once at granted 3"


# ---------------------------------------------------------------------- one connection, on a virtual clock


class Alone:
    """A device whose only user is the test. `settle` asserts that nothing is left, or that all is as it was."""

    def __init__(self, **defaults: Any) -> None:
        self.fake = FakeDevice(**defaults)
        self.device = self.fake.device

    async def nobody(self) -> None:
        """No session, here and there, in a moment."""
        await asyncio.sleep(10)
        numbers = self.device.manager.statistics()
        assert not self.fake.lines, f"the device still has {list(self.fake.lines)}"
        assert numbers["sessions_used"] == numbers["waiting"] == numbers["connected"] == 0, numbers

    async def gone(self, _: object) -> None:
        await self.device.destroy_all()

    async def one(self) -> None:
        """One session, in step."""
        await asyncio.sleep(10)
        assert await self.device.ask("in step?") == "in step?"
        assert len(self.fake.lines) == 1
        assert self.device.manager.statistics()["sessions_used"] == 1


ALL = (Moment.WAITS, Moment.GRANTED, Moment.TICK)


def test_connect_cut_anywhere_leaves_nothing() -> None:
    async def main() -> None:
        alone = Alone(max_sessions=1, logins_per_minute=600)
        await cut_everywhere(alone.device.connect, settle=alone.nobody, undo=alone.gone, moments=ALL)

    run(main)


def test_connect_cut_while_it_waits_for_a_place_leaves_nothing() -> None:
    async def main() -> None:
        alone = Alone(max_sessions=1, logins_per_minute=600)

        async def make() -> None:
            other = await alone.device.connect(alias="other")
            leaving = asyncio.get_running_loop().call_later(0.5, lambda: closing.set())
            closing = asyncio.Event()

            async def leave() -> None:
                await closing.wait()
                await other.close()

            task = asyncio.ensure_future(leave())
            try:
                await alone.device.connect()
            finally:
                leaving.cancel()
                closing.set()
                await asyncio.wait({task})

        async def settle() -> None:
            await alone.device.destroy_all()
            await alone.nobody()

        ways = (Way.ONCE, Way.DOUBLE, Way.TIMEOUT, Way.GROUP)
        await cut_everywhere(make, settle=settle, ways=ways, moments=ALL)

    run(main)


def test_a_service_cut_anywhere_leaves_the_session_in_step() -> None:
    async def main() -> None:
        alone = Alone(max_sessions=1)
        await alone.device.connect()

        async def make() -> None:
            assert await alone.device.ask("one") == "one"
            assert await alone.device.ask("two") == "two"

        await cut_everywhere(make, settle=alone.one, moments=ALL)
        await alone.device.destroy_all()
        await alone.nobody()

    run(main)


def test_a_service_cut_while_it_reopens_leaves_nothing_half_open() -> None:
    async def main() -> None:
        alone = Alone(max_sessions=1)
        await alone.device.connect()

        async def make() -> None:
            alone.fake.kill_all()
            await asyncio.sleep(0)
            assert await alone.device.ask("one") == "one"

        await cut_everywhere(make, settle=alone.one, moments=ALL)
        await alone.device.destroy_all()

    run(main)


@pytest.mark.parametrize("weather", [Weather(), Weather(hung_goodbye=1.0)], ids=["polite", "hung"])
def test_close_cut_anywhere_has_closed(weather: Weather) -> None:
    async def main() -> None:
        alone = Alone(max_sessions=1)

        async def make() -> None:
            connection = await alone.device.connect()
            await connection.close()

        async def settle() -> None:
            await alone.device.destroy_all()
            await alone.nobody()

        alone.fake.weather = weather
        await cut_everywhere(make, settle=settle, moments=ALL)

    run(main)


@pytest.mark.parametrize("weather", [Weather(), Weather(hung_goodbye=1.0)], ids=["polite", "hung"])
def test_disconnect_all_cut_anywhere_has_closed_all(weather: Weather) -> None:
    async def main() -> None:
        alone = Alone(max_sessions=3)

        async def make() -> None:
            await alone.device.disconnect_all()

        async def settle() -> None:
            await alone.nobody()
            await open_three()

        async def open_three() -> None:
            alone.fake.weather = Weather()
            for alias in ("one", "two", "three"):
                await alone.device.connect(alias=alias)
            alone.fake.weather = weather

        await open_three()
        await cut_everywhere(make, settle=settle, moments=ALL)
        await alone.device.destroy_all()

    run(main)


# ---------------------------------------------------------------------- one connection, over real sockets

REAL = (Way.ONCE, Way.AGAIN, Way.TIMEOUT, Way.SCOPE)


async def until(holds: Callable[[], bool], what: str) -> None:
    """The device hears of an end a little later than we bring it about."""
    try:
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0.001)
    except TimeoutError:
        raise AssertionError(f"not within 5 s: {what}") from None


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_real_connect_cut_anywhere_leaves_nothing(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)

    async def settle() -> None:
        await device.destroy_all()
        await until(lambda: not served.connections, "the device is rid of every stream")
        assert device.manager.statistics()["sessions_used"] == 0

    async def undo(connection: Any) -> None:
        await device.destroy_all()

    await cut_everywhere(device.connect, settle=settle, undo=undo, ways=REAL)
    await cut_everywhere(
        device.connect, settle=settle, undo=undo, ways=(Way.ONCE,), moments=(Moment.TICK,), stride=7
    )


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_real_login_cut_at_each_byte_leaves_nothing(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol, faults=Faults(byte_at_a_time=1, byte_interval=0.0005))

    async def settle() -> None:
        await device.destroy_all()
        await until(lambda: not served.connections, "the device is rid of every stream")

    for way in (Way.ONCE, Way.TIMEOUT):
        await cut_everywhere(device.connect, settle=settle, ways=(way,), moments=(Moment.GRANTED,))


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_real_command_cut_anywhere_leaves_the_session_in_step(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)
    await device.connect()
    expected = await device.execute("show clock")

    async def make() -> None:
        assert "Version" in await device.execute("show version")

    async def settle() -> None:
        answer = await device.execute("show clock")
        assert len(answer.splitlines()) == len(expected.splitlines())
        assert "Version" not in answer
        assert served.sessions == 1

    await cut_everywhere(make, settle=settle, ways=REAL)


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_real_disconnect_cut_anywhere_has_closed(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)

    async def make() -> None:
        await device.disconnect_all()

    async def settle() -> None:
        await until(lambda: not served.connections, "the device is rid of every stream")
        assert not device.connected
        await device.connect()
        await device.connect(alias="second")

    await device.connect()
    await device.connect(alias="second")
    await cut_everywhere(make, settle=settle, ways=REAL)
