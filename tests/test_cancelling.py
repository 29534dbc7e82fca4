# SPDX-License-Identifier: Apache-2.0
"""Whatever is awaited may be cancelled there: each public coroutine is cut at each of its waits, in every way."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aioconn.lab import Faults
from aioconn.policy import BACKOFF_CEILING, HEALTHY_AFTER
from tests.cancelling import Cut, Moment, Way, cut_everywhere
from tests.storm.clock import run
from tests.storm.device import FakeDevice, Weather

pytestmark = pytest.mark.clock("jumping")


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
        """One session, in step, and old enough for its end not to count against the path."""
        await asyncio.sleep(BACKOFF_CEILING)
        assert await self.device.ask("in step?") == "in step?"
        assert len(self.fake.lines) == 1
        assert self.device.manager.statistics()["sessions_used"] == 1
        await asyncio.sleep(HEALTHY_AFTER)


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
            closing = asyncio.Event()
            leaving = asyncio.get_running_loop().call_later(0.5, closing.set)

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


def test_a_service_cut_while_it_waits_for_its_turn_lets_the_others_go_on() -> None:
    async def main() -> None:
        alone = Alone(max_sessions=1)
        connection: Any = await alone.device.connect()

        async def make() -> None:
            before = asyncio.ensure_future(connection.ask("before"))
            await asyncio.sleep(0)
            after = asyncio.get_running_loop().call_soon(lambda: later.append(start("after")))
            try:
                assert await connection.ask("mine") == "mine"
            finally:
                after.cancel()
                later.append(before)

        def start(word: str) -> asyncio.Future[str]:
            return asyncio.ensure_future(connection.ask(word))

        async def settle() -> None:
            for task in later:
                assert await task in ("before", "after")
            later.clear()
            await alone.one()

        later: list[asyncio.Future[str]] = []
        await cut_everywhere(make, settle=settle, moments=ALL)
        await alone.device.destroy_all()

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
        await cut_everywhere(make, settle=settle, moments=ALL, unbegun=False)
        await alone.device.destroy_all()

    run(main)


# ---------------------------------------------------------------------- a pool, on a virtual clock


class Pooled:
    """A pool of two on a device that bears two. `whole` asserts that both can be had and are in step."""

    def __init__(self, size: int = 2, **defaults: Any) -> None:
        self.fake = FakeDevice(**{"max_sessions": size, **defaults})
        self.device = self.fake.device
        self.size = size
        self.pool: Any = None

    async def open(self, **options: Any) -> None:
        self.pool = await self.device.connect(
            alias="pool", pool_size=self.size, **{"pool_timeout": 60.0, "lifetime": 1e9, **options}
        )

    async def whole(self) -> None:
        await asyncio.sleep(BACKOFF_CEILING)
        pool = self.pool
        async with contextlib.AsyncExitStack() as held:
            leases = [await held.enter_async_context(pool.acquire(timeout=1.0)) for _ in range(self.size)]
            assert len({lease.number for lease in leases}) == self.size
            for lease in leases:
                assert await lease.ask(f"{lease.number}?") == f"{lease.number}?"
        self.counts(idle=self.size)
        # the end of a session that is older does not count against the path
        await asyncio.sleep(HEALTHY_AFTER)

    def counts(self, *, idle: int) -> None:
        numbers = self.pool.statistics()
        parts = ("busy", "opening", "settling", "closing", "waiting")
        assert {part: numbers[part] for part in parts} == dict.fromkeys(parts, 0), numbers
        assert numbers["idle"] == numbers["open"] == len(self.fake.lines) == idle, numbers
        assert self.device.manager.statistics()["sessions_used"] == idle

    async def nothing(self) -> None:
        """Closed, everywhere, and to be had again."""
        await asyncio.sleep(HEALTHY_AFTER)
        self.counts(idle=0)

    async def end(self) -> None:
        await self.device.destroy_all()
        assert not self.fake.lines
        assert self.device.manager.statistics()["sessions_used"] == 0


def pooled(scenario: Callable[[Pooled], Coroutine[Any, Any, None]], **keys: Any) -> None:
    async def main() -> None:
        world = Pooled(**keys)
        await world.open()
        await scenario(world)
        await world.end()

    run(main)


async def hold(pool: Any, seconds: float) -> None:
    async with pool.acquire():
        await asyncio.sleep(seconds)


def test_acquire_and_use_cut_anywhere_leave_the_pool_whole() -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            async with world.pool.acquire() as session:
                assert await session.ask("one") == "one"
                assert await session.ask("two") == "two"

        await cut_everywhere(make, settle=world.whole, moments=ALL)

    pooled(scenario)


def test_acquire_by_hand_cut_anywhere_leaves_the_pool_whole() -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            lease = await world.pool.acquire(timeout=5)
            try:
                await lease.enter("config")
            finally:
                world.pool.release(lease)

        await cut_everywhere(make, settle=world.whole, moments=ALL)

    pooled(scenario)


@pytest.mark.parametrize("grown", [False, True], ids=["opens one", "waits in line"])
def test_acquire_that_waits_cut_anywhere_leaves_the_pool_whole(grown: bool) -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            others = [asyncio.ensure_future(hold(world.pool, 0.5)) for _ in range(world.size * grown)]
            if not grown:
                world.fake.kill_all()
            await asyncio.sleep(0.1)
            async with world.pool.acquire() as session:
                await session.ask("mine")
            assert all(other.done() for other in others[:1])

        await cut_everywhere(make, settle=world.whole, moments=ALL)

    pooled(scenario)


def test_calls_on_a_pool_cut_anywhere_leave_it_whole() -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            assert await world.pool.ask("one") == "one"
            assert await world.pool.ask("two", timeout=3) == "two"

        await cut_everywhere(make, settle=world.whole, moments=ALL)

    pooled(scenario)


def test_calls_on_a_pool_cut_while_it_opens_sessions_leave_it_whole() -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            world.fake.kill_all()
            await asyncio.gather(*[world.pool.ask(f"{number}") for number in range(4)])

        # a scope does not reach into what `gather` starts
        ways = tuple(way for way in Way if way is not Way.SCOPE)
        await cut_everywhere(make, settle=world.whole, ways=ways, moments=ALL)

    pooled(scenario)


def test_calls_cut_while_a_session_is_checked_leave_the_pool_whole() -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            assert await world.pool.ask("after a check") == "after a check"

        await world.device.destroy_all()
        await world.open(check_after=1.0)
        await world.whole()
        tally = await cut_everywhere(make, settle=world.whole, moments=ALL)
        assert any("Waiting" in place for place in tally.places)

    pooled(scenario)


@pytest.mark.parametrize(
    "weather",
    [Weather(), Weather(failed_recovery=1.0), Weather(hung_recovery=1.0)],
    ids=["recovers", "fails to", "hangs"],
)
def test_calls_cut_anywhere_leave_the_pool_whole_whatever_becomes_of_the_session(weather: Weather) -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            world.fake.weather = weather
            assert await world.pool.ask("one") == "one"

        async def settle() -> None:
            await asyncio.sleep(60)
            world.fake.weather = Weather()
            await world.whole()

        await cut_everywhere(make, settle=settle, moments=ALL)

    pooled(scenario)


@pytest.mark.parametrize("word", ["close", "drain", "disconnect"])
@pytest.mark.parametrize("weather", [Weather(), Weather(hung_goodbye=1.0)], ids=["polite", "hung"])
@pytest.mark.parametrize("held", [False, True], ids=["idle", "held"])
def test_closing_a_pool_cut_anywhere_has_closed_it(word: str, weather: Weather, held: bool) -> None:
    async def scenario(world: Pooled) -> None:
        leases: list[Any] = []

        async def make() -> None:
            world.fake.weather = weather
            if word == "close":
                await world.pool.close()
            elif word == "drain":
                await world.pool.drain(1.0)
            else:
                await world.device.disconnect_all()

        async def settle() -> None:
            await world.nothing()
            for lease in leases:
                world.pool.release(lease)  # the holder finds out, and gives back what is gone
            world.counts(idle=0)
            await refill()

        async def refill() -> None:
            world.fake.weather = Weather()
            await world.open()
            leases[:] = [await world.pool.acquire() for _ in range(2)]
            if not held:
                for lease in leases:
                    world.pool.release(lease)
                leases.clear()

        await refill()
        await cut_everywhere(make, settle=settle, moments=ALL, unbegun=False)
        for lease in leases:
            world.pool.release(lease)

    pooled(scenario)


def test_opening_a_pool_cut_anywhere_leaves_nothing() -> None:
    async def main() -> None:
        world = Pooled()

        async def settle() -> None:
            await world.device.destroy_all()
            await asyncio.sleep(HEALTHY_AFTER)
            assert not world.fake.lines
            assert world.device.manager.statistics()["sessions_used"] == 0

        async def make() -> None:
            await world.open()

        await cut_everywhere(make, settle=settle, moments=ALL)

    run(main)


def test_waiting_for_a_place_of_the_device_cut_anywhere_leaves_both_pools_whole() -> None:
    async def main() -> None:
        world = Pooled(2)
        await world.open()
        other = await world.device.connect(alias="other", pool_size=1, pool_timeout=60.0)

        async def make() -> None:
            others = [asyncio.ensure_future(hold(world.pool, 0.3)) for _ in range(2)]
            await asyncio.sleep(0.1)
            assert await other.ask("word") == "word"
            assert all(one.done() for one in others[:1])

        async def settle() -> None:
            await asyncio.sleep(HEALTHY_AFTER)
            assert await world.pool.ask("here") == "here"
            assert await other.ask("there") == "there"
            await asyncio.sleep(1)
            assert other.statistics()["waiting"] == world.pool.statistics()["waiting"] == 0
            used = world.device.manager.statistics()["sessions_used"]
            assert used == len(world.fake.lines) <= 2
            async with world.pool.acquire(timeout=5), world.pool.acquire(timeout=5):
                pass

        await cut_everywhere(make, settle=settle, moments=ALL)
        await world.device.destroy_all()

    run(main)


def test_resizing_while_callers_are_cut_leaves_the_pool_whole() -> None:
    async def scenario(world: Pooled) -> None:
        async def make() -> None:
            world.pool.resize(1)
            callers = [asyncio.ensure_future(world.pool.ask(f"{number}")) for number in range(3)]
            try:
                await asyncio.sleep(0)
                world.pool.resize(2)
                await world.pool.ask("mine")
            finally:
                for caller in callers:
                    caller.cancel()

        async def settle() -> None:
            world.pool.resize(2)
            await world.whole()

        await cut_everywhere(make, settle=settle, moments=ALL)

    pooled(scenario)


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
