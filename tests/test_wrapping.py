# SPDX-License-Identifier: Apache-2.0
"""Service wrappers: what they see, what they may change, and that nothing they do puts a session out of step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import aioconn
from aioconn.conformance import assert_keeps
from aioconn.connection import State, service, streaming
from aioconn.errors import (
    CommandRejected,
    CommandTimeout,
    SessionBroken,
    SessionClosed,
    UsageError,
    WrapperFailed,
)
from aioconn.events import Event, ServiceFinished
from aioconn.lab import Lab
from aioconn.pool import ConnectionPool
from aioconn.protocols.lasting import Lasting
from aioconn.wrapping import Call, Proceed
from tests.cancelling import Moment, Way, cut_everywhere
from tests.connection.test_pipelined import TagConnection, TagServer
from tests.lab_fixtures import Pair
from tests.storm.clock import run
from tests.storm.device import FakeConnection, FakeDevice

Work = Callable[[Call, Proceed], Awaitable[Any]]


class Skin:
    """Applies to everything (or `services`), and does `work` in the place of a call, else lets it through."""

    def __init__(self, work: Work | None = None, *services: str) -> None:
        self.work = work
        self.services = services
        self.asked: list[tuple[Any, str]] = []
        self.seen: list[Call] = []

    def applies(self, connection: Any, service: str) -> bool:
        self.asked.append((connection, service))
        return not self.services or service in self.services

    async def call(self, call: Call, proceed: Proceed) -> Any:
        self.seen.append(call)
        return await proceed(call) if self.work is None else await self.work(call, proceed)


class Trace(Skin):
    """Writes its name before and after."""

    def __init__(self, name: str, log: list[str], order: int | None = None) -> None:
        super().__init__()
        self.name = name
        self.log = log
        if order is not None:
            self.order = order

    async def call(self, call: Call, proceed: Proceed) -> Any:
        self.log.append(self.name)
        try:
            return await proceed(call)
        finally:
            self.log.append(f"/{self.name}")


async def connected(fake: FakeDevice, kind: str, **keys: Any) -> tuple[Any, Any]:
    """One connection, a pool, or a session of a pool, as something to be called, and what keeps it."""
    if kind == "connection":
        return await fake.device.connect(**keys), None
    pool = await fake.device.connect(alias="pool", pool_size=2, **keys)
    lease = await pool.acquire() if kind == "session" else None
    return (pool if lease is None else lease), (None if lease is None else lambda: pool.release(lease))


KINDS = ("connection", "pool", "session")


def on_each(scenario: Callable[[FakeDevice, Any], Awaitable[None]], kind: str, **keys: Any) -> None:
    async def main() -> None:
        fake = FakeDevice()
        subject, give_back = await connected(fake, kind, **keys)
        try:
            await scenario(fake, subject)
            assert await subject.ask("in step?") == "in step?"
        finally:
            if give_back is not None:
                give_back()
            await fake.device.destroy_all()
        assert not fake.lines

    run(main)


# ---------------------------------------------------------------------- order, and what they see


def test_the_lowest_order_is_outermost_then_the_first_attached() -> None:
    async def scenario(fake: FakeDevice, session: Any) -> None:
        log: list[str] = []
        device = fake.device
        kept = [
            device.wrap(Trace("c", log)),
            device.manager.wrap(Trace("d", log)),
            device.wrap(Trace("a", log, order=-5)),
            device.wrap(Trace("e", log, order=-9), order=7),
            device.wrap(Trace("b", log), order=-5),
        ]
        assert await session.ask("one") == "one"
        assert log == ["a", "b", "c", "d", "e", "/e", "/d", "/c", "/b", "/a"]
        log.clear()
        for handle in kept[:2]:
            handle.unwrap()
            handle.unwrap()
        with device.wrap(Trace("f", log)) as handle:
            assert "tests.test_wrapping.Trace" in repr(handle)
            assert await session.ask("two") == "two"
        assert "taken off" in repr(handle)
        await session.ask("three")
        assert log == ["a", "b", "f", "e", "/e", "/f", "/b", "/a", "a", "b", "e", "/e", "/b", "/a"]

    on_each(scenario, "connection")


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_is_seen_once_with_all_there_is_to_see(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def work(call: Call, proceed: Proceed) -> Any:
            before = call.elapsed
            answer = await proceed(call)
            took.append((before, call.elapsed, call.left))
            return answer

        took: list[Any] = []
        skin = Skin(work)
        with fake.device.wrap(skin):
            fake.turn(think=2.0)
            assert await subject.ask(word="plain") == "plain"
            assert await subject.ask("word", timeout=9.0) == "word"
            fake.turn(think=0.01)
        first, second = skin.seen
        assert (first.service, first.args, dict(first.kwargs)) == ("ask", ("plain",), {})
        assert (second.args, dict(second.kwargs)) == (("word",), {"timeout": 9.0})
        assert (first.device, first.alias, first.via) == (subject.device, subject.alias, subject.via)
        assert isinstance(first.connection, ConnectionPool if kind == "pool" else FakeConnection)
        assert all(isinstance(asked, FakeConnection) and name == "ask" for asked, name in skin.asked)
        assert len(skin.asked) == 2
        assert took == [
            (0.0, pytest.approx(2.0), pytest.approx(28.0)),
            (0.0, pytest.approx(2.0), pytest.approx(7.0)),
        ]

    on_each(scenario, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_result_and_error_may_be_replaced(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        heard: list[str] = []
        fake.on_ask = lambda _, word: heard.append(word)

        async def others(call: Call, proceed: Proceed) -> Any:
            other = call.replace(args=[call.args[0] + "!"], kwargs={"timeout": 60})
            assert (other.service, other.begun) == (call.service, call.begun)
            return (await proceed(other)).upper()

        async def cached(call: Call, proceed: Proceed) -> Any:
            return "from memory"

        async def refused(call: Call, proceed: Proceed) -> Any:
            raise CommandRejected("not today", device=call.device)

        async def forgiven(call: Call, proceed: Proceed) -> Any:
            try:
                return await proceed()
            except ValueError as error:
                return f"forgiven: {error}"

        async def sharpened(call: Call, proceed: Proceed) -> Any:
            try:
                return await proceed(call)
            except ValueError as error:
                raise CommandRejected(str(error), device=call.device) from error

        with fake.device.wrap(Skin(others)):
            assert await subject.ask("word") == "WORD!"
        with fake.device.wrap(Skin(cached)):
            assert await subject.ask("word") == "from memory"
        assert heard == ["word!"]
        with fake.device.wrap(Skin(refused)), pytest.raises(CommandRejected, match="not today"):
            await subject.ask("word")
        with fake.device.wrap(Skin(forgiven)):
            assert await subject.fail() == "forgiven: nothing to do with the session"
        with fake.device.wrap(Skin(sharpened)), pytest.raises(CommandRejected, match="nothing to do"):
            await subject.fail()
        assert heard == ["word!"]

    on_each(scenario, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_may_be_made_again(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def again(call: Call, proceed: Proceed) -> Any:
            for _ in range(2):
                try:
                    return await proceed(call)
                except (SessionBroken, CommandTimeout) as error:
                    errors.append(error)
            return await proceed(call)

        def cut_once(*_: Any) -> None:
            if not errors:
                fake.kill_all()

        errors: list[Exception] = []
        with fake.device.wrap(Skin(again, "ask")):
            if kind != "session":  # what a holder has is not replaced
                fake.on_ask = cut_once
                assert await subject.ask("word") == "word"
                assert [type(error) for error in errors] == [SessionBroken]
            fake.on_ask = lambda *_: None
            fake.turn(think=6.0)
            assert await subject.ask("slow", timeout=70.0) == "slow"
            errors.clear()
            # the deadline is that of all attempts together
            with pytest.raises(CommandTimeout, match="within 4 s: no time is left to go on"):
                await subject.ask("slow", timeout=4.0)
            assert len(errors) == 2
            fake.turn(think=0.01)
            await asyncio.sleep(60)

    on_each(scenario, kind)


def test_it_concerns_calls_that_begin_after_it() -> None:
    async def scenario(fake: FakeDevice, session: Any) -> None:
        fake.turn(think=1.0)
        under_way = asyncio.ensure_future(session.ask("before"))
        await asyncio.sleep(0.5)
        skin = Skin()
        handle = fake.device.wrap(skin)
        wrapped = asyncio.ensure_future(session.ask("wrapped"))
        await asyncio.sleep(0.1)
        handle.unwrap()
        assert [await under_way, await wrapped] == ["before", "wrapped"]
        assert [call.args for call in skin.seen] == [("wrapped",)]

    on_each(scenario, "connection")


# ---------------------------------------------------------------------- what is one call


class Nested(FakeConnection):
    """Services that are made of others."""

    @service
    async def ask_in_turn(self, word: str, *, timeout: float | None = None) -> list[str]:
        return [await self.ask(word), await self._ask_in_secret(word), await self.ask_at_length(word)]

    @service
    async def _ask_in_secret(self, word: str, *, timeout: float | None = None) -> str:
        return await self.ask(word)

    @Lasting(60.0)
    async def ask_at_length(self, word: str, *, timeout: float | None = None) -> str:
        return await self.ask(word)

    @Lasting(300.0, alone=True)
    async def restart(self, *, timeout: float | None = None) -> str:
        return await self.ask("restarted")

    @service
    async def configure(
        self,
        lines: str,
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Any = None,
        commit: bool = True,
        exclusive: bool = True,
    ) -> str:
        return await self.ask(lines)

    @service
    async def without_a_limit(self, word: str) -> str:
        return await self.ask(word)

    @streaming
    async def count(self, words: int, *, timeout: float | None = None) -> AsyncIterator[int]:
        for number in range(words):
            yield number
            await self._ask_in_secret("next")
        if words > 5:
            raise ValueError("too many")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_service_calls_itself_is_a_part_of_it(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        skin = Skin()
        with fake.device.wrap(skin):
            assert await subject.ask_in_turn("w") == ["w", "w", "w"]
            assert [call.service for call in skin.seen] == ["ask_in_turn"]
            async with contextlib.nullcontext() if kind == "session" else subject.transaction() as session:
                await (session or subject).ask("inside")
            assert [call.args for call in skin.seen] == [("w",), ("inside",)]

    on_each(scenario, kind, cls=Nested)


@pytest.mark.parametrize("kind", ["connection", "pool"])
def test_a_wrapper_of_exclusive_work_keeps_nobody_out(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def slow(call: Call, proceed: Proceed) -> Any:
            lefts.append(call.left)
            await asyncio.sleep(100)
            return await proceed(call)

        lefts: list[float] = []
        now = asyncio.get_running_loop().time
        skin = Skin()
        with fake.device.wrap(skin), fake.device.wrap(Skin(slow, "restart")):
            started = now()
            restart = asyncio.ensure_future(subject.restart())
            await asyncio.sleep(1)
            assert await subject.ask("meanwhile") == "meanwhile"
            assert now() - started < 2
            assert await restart == "restarted"
            assert now() - started > 100
        assert [(call.service, dict(call.kwargs)) for call in skin.seen] == [("restart", {}), ("ask", {})]
        assert lefts == [300.0]

    on_each(scenario, kind, cls=Nested)


@pytest.mark.parametrize("kind", ["connection", "pool"])
def test_a_wrapper_of_configure_holds_no_queue(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def slow(call: Call, proceed: Proceed) -> Any:
            if call.args == ("slow",):
                await asyncio.sleep(10)
            return await proceed(call)

        now = asyncio.get_running_loop().time
        skin = Skin(slow)
        with fake.device.wrap(skin):
            started = now()
            calls = [asyncio.ensure_future(subject.configure(lines)) for lines in ("slow", "quick")]
            assert await calls[1] == "quick"
            assert now() - started < 1
            assert await calls[0] == "slow"
        assert [(call.args, dict(call.kwargs)) for call in skin.seen] == [(("slow",), {}), (("quick",), {})]

    on_each(scenario, kind, cls=Nested)


def test_a_service_that_takes_no_limit_is_bounded_all_the_same() -> None:
    async def scenario(fake: FakeDevice, session: Any) -> None:
        async def twice(call: Call, proceed: Proceed) -> Any:
            return [await proceed(call), await proceed(call)]

        with fake.device.wrap(Skin(twice)):
            assert await session.without_a_limit("word") == ["word", "word"]
            fake.turn(think=20.0)
            with pytest.raises(CommandTimeout, match=r"within 30 s: it was with the service"):
                await session.without_a_limit("word")
            fake.turn(think=0.01)
            await asyncio.sleep(60)

    on_each(scenario, "connection", cls=Nested)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_wrapper_calls_itself_goes_through_those_inside_of_it(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def first_look(call: Call, proceed: Proceed) -> Any:
            looked = await asyncio.gather(call.connection.ask("look 1"), fake.device["other"].ask("look 2"))
            return [*looked, await proceed(call)]

        await fake.device.connect(alias="other")
        outer, inner = Skin(), Skin()
        with fake.device.wrap(outer), fake.device.wrap(Skin(first_look)), fake.device.wrap(inner):
            assert await subject.ask("word") == ["look 1", "look 2", "word"]
        assert [call.args for call in outer.seen] == [("word",)]
        assert sorted(call.args for call in inner.seen) == [("look 1",), ("look 2",), ("word",)]

    on_each(scenario, kind)


def test_who_hears_of_an_event_is_no_part_of_the_call() -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        def hear(event: Event) -> None:
            if isinstance(event, ServiceFinished) and not tasks:
                tasks.append(asyncio.ensure_future(subject.ask("of the listener")))

        tasks: list[asyncio.Future[str]] = []
        skin = Skin()
        remove = fake.device.listeners.add(hear)
        with fake.device.wrap(skin):
            await subject.ask("word")
            assert await tasks[0] == "of the listener"
        remove()
        assert [call.args for call in skin.seen] == [("word",), ("of the listener",)]

    for kind in ("connection", "pool"):
        on_each(scenario, kind)


async def test_calls_that_are_under_way_together_are_wrapped() -> None:
    async with TagServer() as server:
        device = aioconn.Device(
            "r1", connections={"a": {"protocol": "tcp", "ip": "127.0.0.1", "port": server.port}}
        )
        skin = Skin()
        device.wrap(skin)
        session = await device.connect(cls=TagConnection)
        calls = [asyncio.ensure_future(session.ask(word)) for word in ("slow1", "slow2")]
        await server.has_begun(2)
        server.release()
        assert await asyncio.gather(*calls) == ["SLOW1", "SLOW2"]
        assert await session.ask_twice("x") == ["X", "X"]
        assert await session.alone("y") == "Y"
        assert [call.service for call in skin.seen] == ["ask", "ask", "ask_twice", "alone"]
        await device.destroy_all()


# ---------------------------------------------------------------------- streams


class Pieces(Skin):
    """Has a word in streams."""

    async def stream(self, call: Call, proceed: Callable[..., AsyncIterator[Any]]) -> AsyncIterator[Any]:
        self.seen.append(call)
        if call.args == (3,):
            call = call.replace(args=[2])
        if call.args == (1,):
            async for piece in proceed(call.replace(args=[9])):
                yield piece
                return
        async for piece in proceed(call):
            if piece == 1 and call.args == (4,):
                raise KeyError("piece")
            yield piece * 10


class Doubled(Skin):
    async def stream(self, call: Call, proceed: Callable[..., AsyncIterator[Any]]) -> AsyncIterator[Any]:
        async for piece in call.connection.count(1):  # its own: not through itself
            yield piece
        async for piece in proceed(call):
            yield piece


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_goes_through_those_that_have_a_stream(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def collected(words: int) -> list[Any]:
            found = []
            async for piece in subject.count(words):
                found.append(piece)
                assert (
                    await fake.device["other"].ask("beside")
                ) == "beside"  # as the caller's, not the wrapper's
            return found

        other = await fake.device.connect(alias="other")
        skin, deaf = Pieces(), Skin()
        with fake.device.wrap(skin), fake.device.wrap(deaf):
            assert await collected(3) == [0, 10]
            assert [call.service for call in skin.seen] == ["count", "ask", "ask"]
            assert {call.service for call in deaf.seen} == {"ask"}
            with pytest.raises(WrapperFailed, match=r"stream\(\) .*Pieces failed around count: KeyError"):
                await collected(4)
            with pytest.raises(ValueError, match="too many"):
                await collected(6)
            assert await collected(1) == [0]  # it leaves what it began: that is closed, and the session free
            async for piece in subject.count(5):
                assert piece == 0
                break
        with fake.device.wrap(Doubled()):
            assert await collected(2) == [0, 0, 1]
        await other.close()

    on_each(scenario, kind, cls=Nested)


async def test_a_stream_that_a_wrapper_leaves_is_closed(pair: Callable[..., Awaitable[Pair]]) -> None:
    class Impatient(Skin):
        async def stream(self, call: Call, proceed: Callable[..., AsyncIterator[Any]]) -> AsyncIterator[Any]:
            kept.append(proceed(call))
            yield await anext(kept[0])

    kept: list[AsyncIterator[Any]] = []
    device, _ = await pair("telnet")
    session = await device.connect()
    with device.wrap(Impatient()):
        assert [piece async for piece in device.stream("show version")]
        assert session.state is not State.BUSY
    assert "UTC" in await device.execute("show clock")


# ---------------------------------------------------------------------- what may go wrong with them


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_fails_is_named(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def broken(call: Call, proceed: Proceed) -> Any:
            if call.args == ("after",):
                await proceed(call)
            raise KeyError("my own fault")

        async def translated(call: Call, proceed: Proceed) -> Any:
            try:
                return await proceed(call)
            except ValueError as error:
                raise OSError("something else") from error

        async def wrong(call: Call, proceed: Proceed) -> Any:
            return await proceed("ask")

        class Undecided(Skin):
            def applies(self, connection: Any, service: str) -> bool:
                raise LookupError("which one?")

        for word in ("before", "after"):
            with fake.device.wrap(Skin(broken)), pytest.raises(WrapperFailed) as caught:
                await subject.ask(word)
            error = caught.value
            assert (error.device, error.path, error.service) == ("r1", "a", "ask")
            assert error.wrapper == "tests.test_wrapping.Skin"
            assert "call() of the wrapper tests.test_wrapping.Skin failed around ask: KeyError" in str(error)
            assert isinstance(error.__cause__, KeyError)
        with (
            fake.device.wrap(Skin(translated)),
            pytest.raises(WrapperFailed, match="OSError: something else"),
        ):
            await subject.fail()
        with fake.device.wrap(Skin(wrong)), pytest.raises(UsageError, match="was given str"):
            await subject.ask("word")
        with fake.device.wrap(Undecided()), pytest.raises(WrapperFailed, match=r"applies\(\) .*Undecided"):
            await subject.ask("word")
        with fake.device.wrap(Skin()), pytest.raises(ValueError, match="nothing to do with the session"):
            await subject.fail()  # the service's own error is its own
        with fake.device.wrap(Skin()), pytest.raises(TypeError):
            await subject.ask()

    on_each(scenario, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", ["before", "after", "apart"])
def test_one_that_hangs_is_ended_by_the_deadline_of_the_call(kind: str, when: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def hang(call: Call, proceed: Proceed) -> Any:
            if when == "after":
                await proceed(call)
            if when == "apart":
                apart = asyncio.ensure_future(proceed(call))
                await apart
            await asyncio.get_running_loop().create_future()

        class Hanging(Skin):
            pass

        now = asyncio.get_running_loop().time
        skins = (Skin(), Hanging(hang, "ask"), Skin())
        with fake.device.wrap(skins[0]), fake.device.wrap(skins[1]), fake.device.wrap(skins[2]):
            calls = [asyncio.ensure_future(subject.ask(str(number), timeout=2.0)) for number in range(3)]
            others = [asyncio.ensure_future(subject.enter("exec")) for _ in range(3)]
            started = now()
            await asyncio.gather(*others)
            assert now() - started < 1.0, "the session is not free while a wrapper hangs"
            for call in calls:
                with pytest.raises(
                    CommandTimeout, match=r"within 2 s: it was with the wrapper .*Hanging"
                ) as caught:
                    await call
                assert caught.value.maybe_executed == (when != "before")
                assert (caught.value.device, caught.value.path) == ("r1", "a")
            assert now() - started == pytest.approx(2.1)

    on_each(scenario, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_the_deadline_of_the_service_is_told_to_the_wrapper(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def note(call: Call, proceed: Proceed) -> Any:
            try:
                return await proceed(call)
            except CommandTimeout as error:
                errors.append(error)
                await asyncio.sleep(0.05)  # there is a moment left to write it down
                raise

        errors: list[CommandTimeout] = []
        fake.turn(think=5.0)
        with (
            fake.device.wrap(Skin(note)),
            pytest.raises(CommandTimeout, match="ask 'slow' did not end within 2 s"),
        ):
            await subject.ask("slow", timeout=2.0)
        assert len(errors) == 1
        fake.turn(think=0.01)
        await asyncio.sleep(60)

    on_each(scenario, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancel_anywhere_leaves_everything_as_it_was(kind: str) -> None:
    async def scenario(fake: FakeDevice, subject: Any) -> None:
        async def careful(call: Call, proceed: Proceed) -> Any:
            await asyncio.sleep(0.01)
            await proceed(call)
            await asyncio.sleep(0)
            answer = await proceed(call)
            await asyncio.sleep(0.01)
            return answer

        async def make() -> None:
            assert await subject.ask("one") == "one"

        async def settle() -> None:
            await asyncio.sleep(100)
            unwrapped.clear()
            assert await subject.ask("in step?") == "in step?"
            assert [call.args for call in unwrapped] == [("in step?",)]
            assert len(fake.lines) <= 2

        outer = Skin()
        unwrapped = outer.seen
        ways = (Way.ONCE, Way.AGAIN, Way.TIMEOUT, Way.GROUP)
        with fake.device.wrap(outer), fake.device.wrap(Skin(careful)):
            tally = await cut_everywhere(
                make, settle=settle, ways=ways, moments=(Moment.WAITS, Moment.GRANTED)
            )
        assert tally.cuts > 20

    on_each(scenario, kind, **({} if kind == "connection" else {"lifetime": 1e9, "pool_timeout": 60.0}))


def test_closed_is_closed_for_wrappers_too() -> None:
    async def main() -> None:
        fake = FakeDevice()
        skin = Skin()
        fake.device.wrap(skin)
        session: Any = await fake.device.connect()
        await fake.device.disconnect()
        with pytest.raises(SessionClosed):
            await session.ask("word")
        assert not skin.seen
        await session.open()
        assert await session.ask("word") == "word"
        assert len(skin.seen) == 1
        await fake.device.destroy_all()

    run(main)


class NotAsync(Skin):
    def call(self, call: Call, proceed: Proceed) -> Any:
        return None


class AsyncApplies(Skin):
    async def applies(self, connection: Any, service: str) -> bool:  # type: ignore[override]
        return True


class PlainStream(Skin):
    def stream(self, call: Call, proceed: Proceed) -> Any:
        return None


class Twisted(Skin):
    order = "first"


@pytest.mark.parametrize(
    ("wrapper", "complaint"),
    [
        (object(), "builtins.object is no wrapper"),
        (Skin, "Skin is a class -> attach an object of it"),
        (NotAsync(), "NotAsync is no coroutine function.* -> write `async def call`"),
        (AsyncApplies(), "AsyncApplies is asynchronous"),
        (PlainStream(), "PlainStream is no asynchronous generator"),
        (Twisted(), "'first', and no whole number"),
    ],
)
def test_what_is_no_wrapper_is_refused_at_once(wrapper: Any, complaint: str) -> None:
    device = FakeDevice().device
    with pytest.raises(UsageError, match=complaint):
        device.wrap(wrapper)


# ---------------------------------------------------------------------- where they run, and what they must not show


async def test_they_run_where_the_device_lives(pair: Callable[..., Awaitable[Pair]]) -> None:
    device, _ = await pair("telnet")
    far = aioconn.Device("far", loop="own", **_entry(device))
    try:
        await far.connect(pool_size=2)

        async def work(call: Call, proceed: Proceed) -> Any:
            assert asyncio.get_running_loop() is far.manager.loop
            answers.append(await proceed(call))
            return answers[-1]

        answers: list[str] = []
        with far.wrap(Skin(work)):
            assert "Version" in await far.execute("show version")
            assert await far.configure(["interface Loopback0", "description uplink"]) == answers[1]
            async with far.default.acquire() as session:
                assert "Version" in await session.execute("show version")
        assert asyncio.get_running_loop() is not far.manager.loop
        assert len(answers) == 3
    finally:
        await far.destroy_all()


async def test_exclusive_work_of_a_pool_elsewhere_is_wrapped_there() -> None:
    fake = FakeDevice()
    way = {"protocol": "fake", "host": fake.host, "class": f"{__name__}.Nested"}
    far = aioconn.Device("far", loop="own", connections={"a": way}, credentials={})
    try:
        pool: Any = await far.connect(pool_size=2)
        loops: list[Any] = []

        async def work(call: Call, proceed: Proceed) -> Any:
            loops.append(asyncio.get_running_loop())
            return await proceed(call)

        with far.wrap(Skin(work)):
            assert await pool.restart() == "restarted"
            assert await pool.configure("lines") == "lines"
        assert loops == [far.manager.loop] * 2
        assert far.manager.loop is not asyncio.get_running_loop()
    finally:
        await far.destroy_all()


def _entry(device: aioconn.Device) -> dict[str, Any]:
    (path,) = device.paths.values()
    login = device.credentials.get("default")
    assert login is not None
    return {
        "os": device.os,
        "connections": {path.name: {"protocol": path.protocol, "ip": path.address, "port": path.port}},
        "credentials": {"default": {"username": login.username, "password": login.password}},
    }


async def test_secrets_stay_secret(lab: Lab) -> None:
    secret = "s3cret-word"
    await lab.add("r1", protocols=("telnet",), password=secret)
    async with aioconn.load(lab.testbed()) as testbed:
        r1 = testbed["r1"]
        events: list[Event] = []
        r1.listeners.add(events.append)
        await r1.connect()

        async def leak(call: Call, proceed: Proceed) -> Any:
            if call.service == "execute":
                await proceed(call.replace(args=[f"show {secret}"], kwargs={"check": False}))
                raise ValueError(f"it said {secret}")
            await asyncio.get_running_loop().create_future()

        skin = Skin(leak)
        with r1.wrap(skin) as handle:
            with pytest.raises(WrapperFailed) as failed:
                await r1.execute(f"username me password {secret}")
            with pytest.raises(CommandTimeout) as hung:
                await r1.enter_mode(secret, timeout=0.1)
        assert len(skin.seen) == 2
        assert secret in skin.seen[0].args[0]
        failed.value.__cause__ = None  # the wrapper's own words, which are its own affair
        for thing in (*events, *skin.seen, failed.value, hung.value, handle, r1.manager):
            assert_keeps(secret, thing)
