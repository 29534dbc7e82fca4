# SPDX-License-Identifier: Apache-2.0
"""Who shares a link and what becomes of it, on links that are played."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from aioconn.errors import (
    AuthenticationFailed,
    ConnectTimeout,
    LimitReached,
    Phase,
    SessionBroken,
    SessionClosed,
    ShellRefused,
)
from aioconn.links import Links
from aioconn.transport.base import Progress, Stream
from aioconn.transport.shared import SharedStream

pytestmark = pytest.mark.clock("jumping")


class PlayedStream(Stream):
    """A stream of a played link; counts itself there."""

    def __init__(self, link: PlayedLink) -> None:
        self.played = link
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    async def close(self) -> None:
        try:
            for _ in range(self.played.world.turns):
                await asyncio.sleep(0)
        finally:
            self.abort()

    def abort(self) -> None:
        self.played.streams.discard(self)


class PlayedLink:
    """A link to a device that allows `capacity` streams on each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.streams: set[PlayedStream] = set()
        self.opening = 0
        self.promised = 0
        self.closed = False
        self.goodbyes = 0
        self.most = 0
        self.dead = False  # and nobody knows
        self.hangs = False  # when it is closed
        self._callbacks: list[Callable[[Exception | None], None]] = []
        self._aborted = asyncio.Event()

    def on_lost(self, callback: Callable[[Exception | None], None], /) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    async def close(self) -> None:
        self.goodbyes += 1
        self.closed = True
        if self.hangs:
            await self._aborted.wait()
        await asyncio.sleep(0)
        self.abort()

    def abort(self) -> None:
        self._aborted.set()
        self.lose()

    def lose(self) -> None:
        self.closed = True
        self.streams.clear()
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(None)

    @property
    def gone(self) -> bool:
        return self.closed and not self.streams and (self._aborted.is_set() or not self._callbacks)


class World:
    """The device: what it allows, and what it has seen."""

    def __init__(self, links: Links | None = None) -> None:
        self.links = links if links is not None else Links("r1")
        self.capacity: int | None = None  # streams on one link
        self.total: int | None = None  # streams on all links
        self.turns = 3  # of the loop, that everything takes
        self.failure: Exception | None = None
        self.made: list[PlayedLink] = []
        self.attempts = 0
        self.given_up = 0
        self.refusals = 0
        self.admitted: list[str] = []
        self.admission: Callable[[str], Coroutine[Any, Any, None]] | None = None

    @property
    def standing(self) -> int:
        return sum(len(link.streams) for link in self.made)

    @property
    def promised(self) -> int:
        return sum(link.promised for link in self.made)

    @property
    def live(self) -> list[PlayedLink]:
        return [link for link in self.made if not link.closed]

    async def make_link(self, progress: Progress) -> PlayedLink:
        self.attempts += 1
        try:
            progress.phase = Phase.KEX
            for _ in range(self.turns):
                await asyncio.sleep(0)
            progress.phase = Phase.AUTH
            if self.failure is not None:
                raise self.failure
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        link = PlayedLink(self)
        self.made.append(link)
        return link

    async def open_stream(self, link: PlayedLink) -> PlayedStream:
        """Refused at once, as devices do; what is allowed takes longer."""
        link.opening += 1
        promised = 0
        try:
            await asyncio.sleep(0)
            while link.dead and not link.closed:
                await asyncio.sleep(0.01)
            if link.closed:
                raise SessionBroken("the link is gone", device="r1", path="cli")
            full = self.capacity is not None and len(link.streams) + link.promised >= self.capacity
            if full or (self.total is not None and self.standing + self.promised >= self.total):
                self.refusals += 1
                raise ShellRefused("no", device="r1", path="cli")
            promised = 1
            link.promised += promised
            for _ in range(self.turns):
                await asyncio.sleep(0)
            if link.closed:
                raise SessionBroken("the link is gone", device="r1", path="cli")
            stream = PlayedStream(link)
            link.streams.add(stream)
            link.most = max(link.most, len(link.streams))
            return stream
        finally:
            link.opening -= 1
            link.promised -= promised

    async def open(
        self, name: str = "", *, key: str = "cli", progress: Progress | None = None
    ) -> SharedStream:
        async def admit() -> None:
            self.admitted.append(name)
            if self.admission is not None:
                await self.admission(name)

        return await self.links.open(
            key, self.make_link, self.open_stream, progress=progress or Progress(), admit=admit
        )

    async def several(self, number: int) -> list[SharedStream]:
        return list(await asyncio.gather(*(self.open(str(one)) for one in range(number))))

    def idle(self) -> bool:
        numbers = self.links.statistics()
        return (
            numbers["links"] == numbers["links_opening"] == self.standing == 0
            and all(link.gone and not link.opening for link in self.made)
            and not self.links._ending
        )

    async def becomes_idle(self) -> None:
        for _ in range(20):
            if self.idle():
                return
            await asyncio.sleep(0)
        assert self.idle(), (self.links, [vars(link) for link in self.made])


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


# ---------------------------------------------------------------------------------------- sharing


async def test_those_who_come_at_once_share_one_link() -> None:
    world = World()
    streams = await world.several(5)
    assert world.attempts == 1
    assert world.links.statistics() == {
        "links": 1,
        "links_opening": 0,
        "streams_per_link": [5],
        "streams_learned": {},
    }
    assert repr(world.links) == "<Links r1 5 streams, 0 links opening>"
    streams.append(await world.open())
    assert world.attempts == 1
    assert len({stream.link for stream in streams}) == 1
    streams[0].write(b"x")
    assert [stream._stream.written for stream in streams[:2]] == [b"x", b""]  # type: ignore[attr-defined]
    for stream in streams[:-1]:
        await stream.close()
    assert world.links.statistics()["streams_per_link"] == [1]
    assert not world.made[0].closed
    await streams[-1].close()
    assert world.made[0].goodbyes == 1
    assert world.idle()


async def test_other_keys_have_other_links() -> None:
    world = World()
    one, other = await asyncio.gather(world.open(key="cli"), world.open(key="mgmt"))
    assert one.link is not other.link
    assert world.links.statistics()["streams_per_link"] == [1, 1]
    one.abort()
    other.abort()
    assert world.idle()


async def test_an_abort_ends_the_link_with_its_last_stream_only() -> None:
    world = World()
    streams = await world.several(3)
    for stream in streams:
        assert not world.made[0].closed
        stream.abort()
        stream.abort()
    assert world.made[0].goodbyes == 0
    assert world.idle()


async def test_the_progress_of_a_link_is_everybodys() -> None:
    world = World()
    heard: list[list[Phase]] = [[], [], []]
    progresses = [Progress(phases.append) for phases in heard]
    tasks = [asyncio.ensure_future(world.open(progress=progress)) for progress in progresses[:2]]
    await turns(2)
    assert [progress.phase for progress in progresses] == [Phase.KEX, Phase.KEX, Phase.RESOLVE]
    tasks.append(asyncio.ensure_future(world.open(progress=progresses[2])))
    for stream in await asyncio.gather(*tasks):
        stream.abort()
    assert heard == [[Phase.KEX, Phase.AUTH]] * 3


async def test_whether_there_is_room_and_being_told_when_there_may_be() -> None:
    told: list[bool] = []
    world = World()
    world.links = Links("r1", on_room=lambda: told.append(world.links.has_room("cli")))
    assert not world.links.has_room("cli")
    task = asyncio.ensure_future(world.open())
    await turns(1)
    assert told == [True]  # it is being made
    assert not world.links.has_room("mgmt")
    stream = await task
    assert told[-1]
    stream.abort()
    assert not told[-1]
    assert not world.links.has_room("cli")


# ---------------------------------------------------------------------------------------- what a link carries


async def test_what_a_device_allows_is_learned_and_nobody_fails() -> None:
    world = World()
    world.capacity = 3
    streams = await world.several(7)
    numbers = world.links.statistics()
    assert numbers["streams_per_link"] == [3, 3, 1]
    assert numbers["streams_learned"] == {"cli": 3}
    assert world.refusals == 4  # on the first link, by those who could not know
    streams += await world.several(5)
    assert world.links.statistics()["streams_per_link"] == [3, 3, 3, 3]
    assert world.refusals == 4
    assert world.attempts == 4
    assert not world.links.has_room("cli")
    streams.pop().abort()
    assert world.links.has_room("cli")
    streams += await world.several(1)
    assert world.attempts == 4
    for stream in streams:
        await stream.close()
    assert world.idle()


async def test_one_after_the_other_learns_the_same() -> None:
    world = World()
    world.capacity = 2
    streams = [await world.open() for _ in range(5)]
    assert world.links.statistics()["streams_per_link"] == [2, 2, 1]
    assert world.refusals == 1
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_a_device_with_one_stream_per_link() -> None:
    world = World()
    world.capacity = 1
    streams = await world.several(5)
    assert world.links.statistics()["streams_per_link"] == [1] * 5
    assert world.attempts == 5
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_what_was_learned_is_forgotten_after_a_while() -> None:
    clock = Clock()
    world = World(Links("r1", clock=clock, memory=300, lifetime=10_000))
    world.capacity = 2
    streams = [await world.open() for _ in range(3)]
    assert world.refusals == 1
    world.capacity = 10
    clock.now += 299
    streams += [await world.open() for _ in range(2)]
    assert (world.refusals, world.attempts) == (1, 3)
    assert world.links.statistics()["streams_learned"] == {"cli": 2}
    clock.now += 1
    assert world.links.statistics()["streams_learned"] == {}
    streams += [await world.open() for _ in range(2)]
    assert (world.refusals, world.attempts) == (1, 3)
    assert world.links.statistics()["streams_per_link"] == [4, 2, 1]
    world.capacity = 4
    streams += [await world.open() for _ in range(1)]
    assert (world.refusals, world.attempts) == (2, 3)
    assert world.links.statistics()["streams_learned"] == {"cli": 4}
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_a_full_link_is_tried_again_after_a_while() -> None:
    clock = Clock()
    world = World(Links("r1", clock=clock, memory=300, lifetime=10_000))
    world.capacity = 2
    streams = [await world.open() for _ in range(3)]
    await streams.pop().close()
    world.capacity = 10
    clock.now += 300
    streams.append(await world.open())
    assert world.links.statistics()["streams_per_link"] == [3]
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_nobody_joins_where_it_is_not_known_yet_how_many_there_may_be() -> None:
    world = World()
    world.capacity = 2
    streams = await world.several(1)
    world.turns = 12
    tasks = [asyncio.ensure_future(world.open()) for _ in range(2)]
    while not world.refusals:
        await asyncio.sleep(0)
    await turns(2)
    assert world.links.has_room("cli")  # on the link that the refused one has begun
    late = asyncio.ensure_future(world.open())
    streams += await asyncio.gather(*tasks, late)
    assert world.refusals == 1
    assert world.links.statistics()["streams_per_link"] == [2, 2]
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_what_is_learned_while_a_link_is_made_counts_for_those_who_wait_for_it() -> None:
    world = World()
    world.capacity = 2
    streams = await world.several(1)
    world.turns = 12
    # one is let in, slowly; three are refused at once and wait for the next link
    streams += await world.several(4)
    assert world.refusals == 3
    assert world.links.statistics()["streams_per_link"] == [2, 2, 1]
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_links_are_made_at_once_for_as_many_as_they_carry() -> None:
    world = World()
    world.capacity = 1
    streams = await world.several(2)
    assert not world.links.has_room("cli")
    tasks = [asyncio.ensure_future(world.open()) for _ in range(3)]
    await turns(2)
    assert world.links.statistics()["links_opening"] == 3
    assert not world.links.has_room("cli")
    streams += await asyncio.gather(*tasks)
    assert world.refusals == 1
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_a_device_that_opens_no_stream_at_all_is_asked_once() -> None:
    world = World()
    world.capacity = 0
    failures = await asyncio.gather(*(world.open() for _ in range(5)), return_exceptions=True)
    assert [type(failure) for failure in failures] == [ShellRefused] * 5
    assert world.attempts == 1
    assert world.links.statistics()["streams_learned"] == {}
    await world.becomes_idle()


async def test_a_device_that_is_full_teaches_nothing_about_links() -> None:
    world = World()
    world.total = 2
    streams = await world.several(2)
    with pytest.raises(ShellRefused):
        await world.open()
    assert (world.refusals, world.attempts) == (2, 2)  # on the link that stands, and on one of its own
    assert world.links.statistics()["streams_learned"] == {}
    world.total = 3
    streams.append(await world.open())
    assert world.links.statistics()["streams_per_link"] == [3]
    for stream in streams:
        stream.abort()
    await world.becomes_idle()


async def test_a_full_device_does_not_take_back_what_others_have_learned() -> None:
    world = World()
    world.capacity, world.total = 2, 4
    streams = await world.several(4)
    assert world.links.statistics()["streams_per_link"] == [2, 2]
    refusals = world.refusals
    with pytest.raises(ShellRefused):
        await world.open()
    assert world.refusals == refusals + 1
    assert world.links.statistics()["streams_learned"] == {"cli": 2}
    for stream in streams:
        stream.abort()
    await world.becomes_idle()


async def test_a_link_that_carries_less_than_others_is_full_for_itself() -> None:
    world = World()
    world.capacity = 4
    streams = await world.several(5)
    assert world.links.statistics()["streams_per_link"] == [4, 1]
    world.capacity = 1
    streams.append(await world.open())  # refused once on the second link, then alone
    assert world.links.statistics()["streams_per_link"] == [4, 1, 1]
    assert world.refusals == 2
    assert world.links.statistics()["streams_learned"] == {"cli": 4}
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_a_device_that_refuses_with_a_text() -> None:
    world = World()
    streams = await world.several(3)
    assert streams[2].refuse()
    assert world.links.statistics()["streams_per_link"] == [2]
    assert world.links.statistics()["streams_learned"] == {"cli": 2}
    streams[2] = await world.open()
    assert world.attempts == 2
    assert not streams[2].refuse()  # alone on a link made for it: no other link would do better
    assert not streams[2].refuse()
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_a_text_on_a_link_that_was_lost() -> None:
    world = World()
    streams = [await world.open() for _ in range(3)]
    world.made[0].lose()
    assert [stream.refuse() for stream in streams] == [
        False,
        True,
        True,
    ]  # a link of its own, those of others
    assert world.links.statistics()["streams_learned"] == {}
    assert world.idle()


async def test_a_link_grows_old() -> None:
    clock = Clock()
    world = World(Links("r1", clock=clock, lifetime=3600))
    first = await world.open()
    clock.now += 3599
    second = await world.open()
    assert world.attempts == 1
    clock.now += 1
    assert not world.links.has_room("cli")
    third = await world.open()
    assert world.attempts == 2
    await first.close()
    await second.close()
    assert world.links.statistics()["streams_per_link"] == [1]
    await third.close()
    assert world.idle()


# ---------------------------------------------------------------------------------------- failures


async def test_an_attempt_that_fails_fails_for_all_and_is_made_once() -> None:
    world = World()
    world.failure = AuthenticationFailed("no", device="r1", path="cli", seen="denied")
    world.failure.__cause__ = OSError("below")
    failures = await asyncio.gather(*(world.open() for _ in range(4)), return_exceptions=True)
    assert world.attempts == 1
    assert failures[0] is world.failure
    assert len(set(map(id, failures))) == 4  # whoever adds a note adds it to his own
    for failure in failures:
        assert isinstance(failure, AuthenticationFailed)
        assert (str(failure), failure.seen) == (str(world.failure), "denied")
        assert isinstance(failure.__cause__, OSError)
    assert world.idle()
    world.failure = None
    (await world.open()).abort()
    assert world.idle()


async def test_a_lost_link_is_forgotten_at_once() -> None:
    world = World()
    streams = await world.several(3)
    world.made[0].lose()
    assert not world.links.has_room("cli")
    assert world.links.statistics()["links"] == 0
    other = await world.open()
    assert world.attempts == 2
    for stream in streams:
        await stream.close()
        stream.abort()
    assert world.made[0].goodbyes == 0
    assert world.links.statistics()["streams_per_link"] == [1]
    await other.close()
    assert world.idle()


async def test_a_link_that_is_ending_takes_no_more() -> None:
    world = World()
    first = await world.open()
    world.made[0].closed = True  # and has not told yet
    assert not world.links.has_room("cli")
    second = await world.open()
    assert second.link is world.made[1]
    world.made[0].lose()
    first.abort()
    second.abort()
    assert world.idle()


async def test_a_link_that_is_lost_while_a_stream_is_opened_on_it() -> None:
    world = World()
    first = await world.open()
    task = asyncio.ensure_future(world.open())
    await turns(2)
    assert world.made[0].opening == 1
    world.made[0].lose()
    second = await task  # somebody else's link: another one will do
    assert second.link is world.made[1]
    first.abort()
    second.abort()
    assert world.idle()
    world.turns = 6
    task = asyncio.ensure_future(world.open())
    await turns(10)
    world.made[2].lose()
    with pytest.raises(SessionBroken):  # its own
        await task
    assert world.attempts == 3
    assert world.idle()


async def test_a_link_that_has_died_unnoticed_is_left() -> None:
    world = World(Links("r1", patience=0.05))
    first = await world.open()
    world.made[0].dead = True
    second = await world.open()
    assert second.link is world.made[1]
    assert not world.made[0].closed  # the one that is on it may know better
    third = await world.open()
    assert third.link is second.link
    for stream in (first, second, third):
        stream.abort()
    assert world.idle()


async def test_a_link_that_was_made_for_it_has_all_the_time_of_the_caller() -> None:
    world = World(Links("r1", patience=0.01))

    async def open_stream(link: PlayedLink) -> PlayedStream:
        await asyncio.sleep(0.05)
        return await world.open_stream(link)

    async def admit() -> None: ...

    stream = await world.links.open("cli", world.make_link, open_stream, progress=Progress(), admit=admit)
    assert world.attempts == 1
    stream.abort()
    assert world.idle()


async def test_a_timeout_of_the_stream_itself_is_not_taken_for_a_dead_link() -> None:
    world = World()
    first = await world.open()

    async def open_stream(link: PlayedLink) -> PlayedStream:
        raise ConnectTimeout("too slow", device="r1", path="cli")

    async def admit() -> None: ...

    with pytest.raises(ConnectTimeout):
        await world.links.open("cli", world.make_link, open_stream, progress=Progress(), admit=admit)
    assert world.attempts == 1
    assert world.links.has_room("cli")
    first.abort()
    assert world.idle()


# ---------------------------------------------------------------------------------------- logins


async def test_only_who_makes_a_link_is_admitted() -> None:
    world = World()
    world.capacity = 2
    streams = await world.several(3)
    assert world.admitted == ["0", "2"]
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_when_he_who_waits_for_admission_leaves_another_one_does() -> None:
    world = World()
    admission = asyncio.Event()

    async def wait(name: str) -> None:
        await admission.wait()

    world.admission = wait
    tasks = [asyncio.ensure_future(world.open(str(number))) for number in range(4)]
    await turns(2)
    assert world.admitted == ["0"]
    tasks[3].cancel()  # one of those who only wait
    await turns(2)
    assert world.admitted == ["0"]
    tasks[0].cancel()
    await turns(3)
    assert world.admitted == ["0", "1"]
    admission.set()
    streams = await asyncio.gather(tasks[1], tasks[2])
    assert world.attempts == 1
    assert [task.cancelled() for task in tasks] == [True, False, False, True]
    for stream in streams:
        stream.abort()
    assert world.idle()


async def test_who_is_not_admitted_fails_alone() -> None:
    world = World()

    async def refuse(name: str) -> None:
        await turns(2)
        if name != "2":
            raise LimitReached("enough", device="r1", path="cli")

    world.admission = refuse
    results = await asyncio.gather(*(world.open(str(number)) for number in range(4)), return_exceptions=True)
    assert [type(result) for result in results] == [LimitReached, LimitReached, SharedStream, SharedStream]
    for result in results[2:]:
        assert isinstance(result, SharedStream)
        result.abort()
    assert world.idle()


# ---------------------------------------------------------------------------------------- cancelled


async def test_one_of_several_is_cancelled_and_the_others_get_their_link() -> None:
    for victim in range(3):
        world = World()
        tasks = [asyncio.ensure_future(world.open()) for _ in range(3)]
        await turns(3)
        tasks[victim].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[victim], asyncio.CancelledError)
        assert world.attempts == 1
        assert world.standing == 2
        for result in results:
            if isinstance(result, SharedStream):
                result.abort()
        assert world.idle()


async def test_the_last_to_leave_gives_the_attempt_up() -> None:
    world = World()
    tasks = [asyncio.ensure_future(world.open()) for _ in range(3)]
    await turns(3)
    for task in tasks:
        task.cancel()
    late = asyncio.ensure_future(world.open())  # does not join what is being given up
    await asyncio.wait(tasks)
    (await late).abort()
    assert (world.attempts, world.given_up) == (2, 1)
    assert world.idle()


@pytest.mark.parametrize("standing", [0, 1])
@pytest.mark.parametrize("victims", [(0,), (1,), (0, 1), (0, 1, 2)])
async def test_cancelled_after_every_number_of_turns(standing: int, victims: tuple[int, ...]) -> None:
    for after in range(30):
        world = World()
        kept = await world.several(standing)
        tasks = [asyncio.ensure_future(world.open()) for _ in range(3)]
        await turns(after)
        open_before = [number for number in victims if tasks[number].done()]
        for number in victims:
            tasks[number].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        streams = [result for result in results if isinstance(result, SharedStream)]
        assert len(streams) == 3 - len(victims) + len(open_before)
        assert world.standing == standing + len(streams)
        for stream in streams:
            await stream.close()
        for stream in kept:
            await stream.close()
        await world.becomes_idle()
        if len(open_before) == len(victims):
            return
    pytest.fail("30 turns were not enough to open three streams")


async def test_a_close_that_is_cancelled_aborts() -> None:
    finished = 0
    for after in range(1, 30):
        world = World()
        stream = await world.open()
        world.made[0].hangs = after < 12
        task = asyncio.ensure_future(stream.close())
        await turns(after)
        finished += task.done()
        task.cancel()
        await asyncio.wait({task})
        await world.becomes_idle()
    assert finished


async def test_a_link_that_will_not_close_is_aborted_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioconn.links.CLOSE_TIMEOUT", 0.05)
    world = World()
    stream = await world.open()
    world.made[0].hangs = True
    await stream.close()
    assert world.idle()


# ---------------------------------------------------------------------------------------- closing all of them


async def test_close_ends_links_attempts_and_waiting() -> None:
    world = World()
    world.capacity = 2
    streams = await world.several(4)
    world.turns = 20
    opening = [asyncio.ensure_future(world.open()) for _ in range(2)]
    await turns(3)
    assert world.links.statistics() == {
        "links": 2,
        "links_opening": 1,
        "streams_per_link": [2, 2],
        "streams_learned": {"cli": 2},
    }
    await world.links.close()
    results = await asyncio.gather(*opening, return_exceptions=True)
    assert [type(result) for result in results] == [SessionClosed] * 2
    assert [link.goodbyes for link in world.made] == [1, 1]
    await world.becomes_idle()
    for stream in streams:
        await stream.close()
    world.turns = 2
    (await world.open()).abort()  # afterwards it is as new
    await world.becomes_idle()


async def test_close_tells_who_waits_to_be_admitted_and_who_opens_a_stream() -> None:
    world = World()
    never = asyncio.Event()

    async def wait(name: str) -> None:
        if name:
            await never.wait()

    world.admission = wait
    first = await world.open()
    world.turns = 20
    opening = asyncio.ensure_future(world.open())
    await turns(2)
    world.links._links[0].until = 0.0  # too old: the next ones need a link of their own
    waiting = [asyncio.ensure_future(world.open("x")) for _ in range(2)]
    await turns(3)
    await world.links.close()
    never.set()
    results = await asyncio.gather(opening, *waiting, return_exceptions=True)
    assert [type(result) for result in results] == [SessionClosed] * 3
    await turns(5)
    assert world.attempts == 1
    first.abort()
    await world.becomes_idle()


async def test_close_is_bounded_and_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioconn.links.CLOSE_TIMEOUT", 0.05)
    world = World()
    stream = await world.open()
    world.made[0].hangs = True
    await world.links.close()
    stream.abort()
    await world.becomes_idle()

    monkeypatch.setattr("aioconn.links.CLOSE_TIMEOUT", 60)
    stream = await world.open()
    world.made[1].hangs = True
    task = asyncio.ensure_future(world.links.close())
    await turns(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns(3)
    assert world.made[1].gone
    assert not world.links._ending
    stream.abort()
    await world.becomes_idle()


async def test_a_link_says_goodbye_once() -> None:
    world = World()
    stream = await world.open()
    world.turns = 0
    await asyncio.gather(world.links.close(), stream.close(), world.links.close())
    assert world.made[0].goodbyes == 1
    assert world.idle()


async def test_abort_is_plain() -> None:
    world = World()
    kept, ending = await world.open(), await world.open(key="other")
    world.made[1].hangs = True
    closing = asyncio.ensure_future(ending.close())
    opening = asyncio.ensure_future(world.open(key="mgmt"))
    await turns(6)
    assert world.links._ending
    world.links.abort()
    with pytest.raises(SessionClosed):
        await opening
    await turns(5)
    assert closing.done()
    assert world.made[0].gone
    assert world.made[1].gone
    kept.abort()
    await world.becomes_idle()


def test_links_of_a_loop_that_has_ended_are_not_used() -> None:
    world = World()

    async def open_and_leave() -> None:
        await world.open()

    async def open_again() -> None:
        stream = await world.open()
        assert world.attempts == 2
        assert world.links.statistics()["streams_per_link"] == [1]
        stream.abort()

    asyncio.run(open_and_leave())
    asyncio.run(open_again())


# ---------------------------------------------------------------------------------------- everything at once


@pytest.mark.parametrize("seed", range(12))
async def test_a_storm_leaves_nothing_and_overfills_nothing(seed: int) -> None:
    """Sessions come and go, are cancelled anywhere, links are lost, devices are full: what stands is what is held."""
    dice = random.Random(seed)
    clock = Clock()
    world = World(Links("r1", clock=clock, memory=50))
    world.capacity = dice.choice([None, 1, 2, 3])
    world.total = dice.choice([None, None, 6])
    held: list[SharedStream] = []
    outcomes: dict[str, int] = {}

    async def visit() -> None:
        try:
            stream = await world.open()
        except (ShellRefused, SessionBroken, AuthenticationFailed) as error:
            outcomes[type(error).__name__] = outcomes.get(type(error).__name__, 0) + 1
            return
        held.append(stream)
        try:
            for _ in range(dice.randrange(12)):
                await asyncio.sleep(0)
            if dice.random() < 0.2 and stream.refuse():
                return
            if dice.random() < 0.6:
                await stream.close()
        finally:
            stream.abort()
            held.remove(stream)

    tasks: list[asyncio.Task[None]] = []
    for _ in range(1500):
        clock.now += dice.random()
        choice = dice.random()
        if choice < 0.35 and len(tasks) < 12:
            world.turns = dice.randrange(1, 6)
            tasks.append(asyncio.ensure_future(visit()))
        elif choice < 0.5 and tasks:
            dice.choice(tasks).cancel()
        elif choice < 0.52 and world.live:
            dice.choice(world.live).lose()
        elif choice < 0.53:
            world.failure = None if world.failure else AuthenticationFailed("no", device="r1", path="cli")
        else:
            await asyncio.sleep(0)
        tasks = [task for task in tasks if not task.done()]
        on_live = {stream for link in world.live for stream in link.streams}
        assert on_live <= {stream._stream for stream in held}
        counted = [stream for stream in held if not stream._left and not stream.link.closed]
        assert sum(world.links.statistics()["streams_per_link"]) == len(counted)
        assert world.capacity is None or all(link.most <= world.capacity for link in world.made)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not held
    await world.becomes_idle()
    assert len(world.made) > 20
    world.failure = None
    world.total = world.capacity = None
    (await world.open()).abort()
    assert world.idle()
