# SPDX-License-Identifier: Apache-2.0
"""What pools got wrong in the field, as what must hold here; above each test, where it went wrong.

Most run on a device in memory and a virtual clock. Times are its seconds, and turns are those of the loop.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

import aioconn.pool.calls
import aioconn.pool.gate
import aioconn.pool.lending
import aioconn.pool.waiting
from aioconn.errors import (
    ConnectError,
    NotOfThisPool,
    PoolClosed,
    PoolTimeout,
    ReleasedTwice,
    SessionBroken,
    SessionClosed,
    UsedAfterRelease,
)
from aioconn.lab import Faults
from aioconn.policy import BACKOFF_CEILING, HEALTHY_AFTER
from aioconn.pool.gate import Gate
from aioconn.pool.member import Member, Task
from tests.cancelling import Moment, Way, cut_everywhere
from tests.storm.clock import run
from tests.storm.device import FakeDevice, Weather
from tests.storm.ledger import shares

pytestmark = pytest.mark.clock("jumping")

Scenario = Callable[["Shop"], Coroutine[Any, Any, None]]


class Shop:
    """A device, a pool on it, and the audit that every test ends with."""

    def __init__(self, size: int, **options: Any) -> None:
        limits = {
            name: options.pop(name) for name in ("max_sessions", "logins_per_minute") if name in options
        }
        limits = {"max_sessions": size, **limits}
        self.fake = FakeDevice(**{name: value for name, value in limits.items() if value is not None})
        self.device = self.fake.device
        self.size = size
        self.options = options
        self.pool: Any = None

    async def open(self) -> None:
        options = {"pool_timeout": 30.0, **self.options}
        self.pool = await self.device.connect(alias="pool", pool_size=self.size, **options)

    async def audit(self) -> None:
        """Nobody holds or waits for anything; what is live on the device is idle here, and counted once."""
        await asyncio.sleep(BACKOFF_CEILING)
        numbers = self.pool.statistics()
        for part in ("busy", "opening", "settling", "closing", "waiting"):
            assert not numbers[part], numbers
        used = self.device.manager.statistics()["sessions_used"]
        assert numbers["idle"] == len(self.fake.lines) == used, (numbers, self.fake.lines, used)
        await self.device.disconnect_all()
        assert not self.fake.lines
        assert self.device.manager.statistics()["sessions_used"] == 0
        me = asyncio.current_task()
        assert not asyncio.all_tasks() - {me}


def shop(scenario: Scenario, size: int = 1, **options: Any) -> None:
    async def main() -> None:
        here = Shop(size, **options)
        await here.open()
        await scenario(here)
        await here.audit()

    run(main)


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.ensure_future(work)


async def keep(pool: Any, seconds: float) -> None:
    async with pool.acquire():
        await asyncio.sleep(seconds)


async def outcome(task: asyncio.Task[Any]) -> Any:
    """What became of it: the value, or the exception as a value."""
    await asyncio.wait({task})
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


# ---------------------------------------------------------------------- cancels


# asyncpg#464: a cancel inside connect() left a socket that nobody owned
def test_a_cancel_anywhere_in_a_connect_gives_the_place_back() -> None:
    async def main() -> None:
        here = Shop(1)

        async def settle() -> None:
            await asyncio.sleep(0)  # the device is rid of it at once, not some day
            assert not here.fake.lines
            assert here.device.manager.statistics()["sessions_used"] == 0
            await asyncio.sleep(1)

        async def undo(pool: Any) -> None:
            await here.device.destroy_all()

        moments = (Moment.WAITS, Moment.GRANTED, Moment.TICK)
        ways = (Way.ONCE, Way.DOUBLE, Way.TIMEOUT)
        await cut_everywhere(here.open, settle=settle, undo=undo, ways=ways, moments=moments)
        await here.open()
        await here.audit()

    run(main)


# asyncpg#467, #955: a timeout that fires as the session comes loses it
@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
def test_a_session_that_comes_with_the_deadline_is_somebodys(offset: int) -> None:
    async def scenario(here: Shop) -> None:
        holder = await here.pool.acquire()
        loop = asyncio.get_running_loop()
        waiting = start(here.pool.acquire(timeout=1.0))
        late = 0.01  # a pool looks at its deadlines that much later
        nudge = 1e-9 * offset
        loop.call_later(1.0 + late + nudge, here.pool.release, holder)
        result = await outcome(waiting)
        if isinstance(result, PoolTimeout):
            await asyncio.sleep(0.1)
            assert here.pool.statistics()["idle"] == 1
        else:
            assert here.pool.statistics()["busy"] == 1
            here.pool.release(result)

    shop(scenario)


# asyncpg PR#548, cpython#86296: wait_for swallowed a cancel that came with the result
@pytest.mark.parametrize("words", ["acquire", "call"])
def test_a_cancel_in_the_turn_of_the_grant_is_raised(words: str) -> None:
    async def scenario(here: Shop) -> None:
        holder = await here.pool.acquire()
        work = here.pool.ask("word") if words == "call" else keep(here.pool, 1.0)
        waiting = start(work)
        await turns(3)
        here.pool.release(holder)
        waiting.cancel()
        assert isinstance(await outcome(waiting), asyncio.CancelledError)
        assert here.pool.statistics()["idle"] == 1

    shop(scenario)


# cpython#90155: after a woken waiter was cancelled, everybody else blocked
def test_after_a_woken_waiter_is_cancelled_the_next_comer_is_served_within_two_turns() -> None:
    async def scenario(here: Shop) -> None:
        holder = await here.pool.acquire()
        woken = start(here.pool.acquire())
        await turns(3)
        here.pool.release(holder)
        woken.cancel()
        next_one = start(here.pool.acquire())
        await turns(3)
        assert next_one.done()
        here.pool.release(next_one.result())
        assert isinstance(await outcome(woken), asyncio.CancelledError)

    shop(scenario)


# cpython#112202, anyio PR#1075: a notification died with the one who was notified
@pytest.mark.parametrize("how", ["task", "scope"])
@pytest.mark.parametrize("victims", [1, 2])
def test_the_next_waiter_is_served_when_the_notified_one_is_cancelled(how: str, victims: int) -> None:
    async def scenario(here: Shop) -> None:
        holder = await here.pool.acquire()
        scopes: list[anyio.CancelScope] = []

        async def scoped() -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await keep(here.pool, 0.5)

        def cancel(index: int) -> None:
            if how == "task":
                waiters[index].cancel()
            else:
                scopes[index].cancel()

        waiters = [start(scoped()) for _ in range(3)]
        await turns(3)
        here.pool.release(holder)
        for index in range(victims):
            cancel(index)
        await turns(4)
        assert here.pool.statistics()["busy"] == 1
        assert here.pool.statistics()["waiting"] == 2 - victims
        await asyncio.wait(waiters)

    shop(scenario)


# aiohttp#9670: a woken waiter was cancelled, and the wake-up not passed on
def test_release_and_cancel_in_one_turn_serve_the_third() -> None:
    async def scenario(here: Shop) -> None:
        first = await here.pool.acquire()
        second = start(here.pool.acquire())
        third = start(here.pool.acquire())
        await turns(3)
        second.cancel()
        here.pool.release(first)
        await turns(4)
        here.pool.release(third.result())
        assert second.cancelled()

    shop(scenario)


# aiohttp PR#4562, #1623: waiters removed from the wrong queue were never woken
def test_releases_between_arrivals_serve_all_in_order() -> None:
    async def scenario(here: Shop) -> None:
        served: list[int] = []

        async def come(number: int) -> None:
            async with here.pool.acquire():
                served.append(number)
                await asyncio.sleep(0.01 * (number % 3))

        tasks = []
        for number in range(30):
            tasks.append(start(come(number)))
            await asyncio.sleep(0.01 * (number % 2))
        await asyncio.wait(tasks)
        assert served == list(range(30))

    shop(scenario, size=2)


# httpcore#1093, #830, #658: a slot whose taker was cancelled stayed CONNECTING for ever
@pytest.mark.parametrize("weather", [{"silent": True}, {"connect": 600.0}, {"login": 600.0}])
def test_no_session_is_being_opened_for_longer_than_the_connect_timeout(weather: dict[str, Any]) -> None:
    async def scenario(here: Shop) -> None:
        here.fake.turn(**weather)
        async with here.pool.acquire():
            callers = [start(here.pool.ask(f"{number}")) for number in range(5)]
            await asyncio.sleep(0.5)
            assert here.pool.statistics()["opening"] == 1
            for caller in callers[:3]:
                caller.cancel()
            await asyncio.sleep(30.0)
            assert not here.fake.attempting
            results = [await outcome(caller) for caller in callers]
            assert [type(result) for result in results[:3]] == [asyncio.CancelledError] * 3
            assert all(isinstance(result, (PoolTimeout, ConnectError)) for result in results[3:])
        here.fake.weather = Weather()

    shop(scenario, size=2)


# psycopg#509, #1208: `except Exception` missed a cancel during the check of a session
@pytest.mark.parametrize("after", [0.001, 0.005, 0.0099])
def test_a_cancel_while_a_session_is_checked_loses_nothing_and_is_raised_at_once(after: float) -> None:
    async def scenario(here: Shop) -> None:
        await asyncio.sleep(5.0)
        caller = start(here.pool.ask("word"))
        await asyncio.sleep(after)
        assert here.pool.statistics()["settling"] == 1
        caller.cancel()  # psycopg#1401: it was taken for a failed check, and the loop went on
        await turns(2)
        assert caller.cancelled()
        assert await here.pool.ask("next") == "next"
        assert here.fake.logins == 1

    shop(scenario, check_after=1.0)


# psycopg_pool 3.3, redis-py#4121: a cancel while returning lost the session
@pytest.mark.parametrize("weather", [{}, {"hung_recovery": 1.0}], ids=["quick", "hung"])
def test_giving_back_cannot_be_cancelled(weather: dict[str, Any]) -> None:
    async def scenario(here: Shop) -> None:
        assert not inspect.iscoroutinefunction(type(here.pool).release)

        async def use() -> None:
            lease = await here.pool.acquire()
            try:
                await lease.ask("word")
            finally:
                assert here.pool.release(lease) is None

        async def settle() -> None:
            await asyncio.sleep(BACKOFF_CEILING)
            here.fake.weather = Weather()
            async with here.pool.acquire(timeout=1.0) as session:
                assert await session.ask("whole") == "whole"
            here.fake.turn(**weather)

        here.fake.turn(**weather)
        await cut_everywhere(use, settle=settle, moments=(Moment.WAITS, Moment.GRANTED, Moment.TICK))
        here.fake.weather = Weather()

    shop(scenario)


# redis-py#2624, #2665: an answer that was left unread went to the next caller
@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_cancel_anywhere_in_an_answer_gives_nobody_anothers(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol, faults=Faults(byte_at_a_time=50, byte_interval=0.0002))
    pool = await device.connect(alias="pool", pool_size=1, pool_timeout=20)
    loop = asyncio.get_running_loop()
    began = loop.time()
    whole = await pool.execute("show version")
    length = loop.time() - began
    for part in range(8):
        caller = start(pool.execute("show version"))
        loop.call_later(length * part / 8, caller.cancel)
        await asyncio.wait({caller})
        clock, version, again = await asyncio.gather(
            pool.execute("show clock"), pool.execute("show version"), pool.execute("show clock")
        )
        assert len(version.splitlines()) == len(whole.splitlines())
        assert [len(answer.splitlines()) for answer in (clock, again)] == [1, 1]
        assert not {"Version", "show"} & {word for answer in (clock, again) for word in answer.split()}
    assert pool.statistics()["idle"] == served.sessions == 1
    await device.destroy_all()


# redis-py#2633: a shield as cure made calls impossible to cancel
@pytest.mark.parametrize("where", ["in line", "while it opens", "in the call"])
def test_a_cancel_takes_no_time_whatever_the_peer_does(where: str) -> None:
    async def scenario(here: Shop) -> None:
        loop = asyncio.get_running_loop()
        stay = contextlib.AsyncExitStack()
        async with stay:
            if where != "in the call":
                await stay.enter_async_context(here.pool.acquire())
            if where == "while it opens":
                here.pool.resize(2)
                here.fake.turn(silent=True)
            if where == "in the call":
                here.fake.turn(think=1_000.0, hung_recovery=1.0)
            caller = start(here.pool.ask("word", timeout=500.0))
            await asyncio.sleep(1.0)
            assert not caller.done()
            caller.cancel()
            asked = loop.time()
            assert isinstance(await outcome(caller), asyncio.CancelledError)
            assert loop.time() == asked
        here.fake.weather = Weather()

    shop(scenario, max_sessions=2)


# ---------------------------------------------------------------------- sessions that fail


# redis-py#3056: giving back a slot inside its own lock, when the connect failed
def test_a_failed_connect_gives_its_place_back_and_the_others_go_on() -> None:
    async def scenario(here: Shop) -> None:
        async with here.pool.acquire() as session:
            here.fake.turn(down=True)
            caller = start(here.pool.ask("word", timeout=5.0))
            await asyncio.sleep(1.0)
            assert here.device.manager.statistics()["sessions_used"] == 1
            assert await session.ask("mine") == "mine"
        assert await caller == "word"  # on the session that came free
        here.fake.weather = Weather()

    shop(scenario, size=2)


# redis-py#3034: after an outage a dead session was put back again and again
def test_after_an_outage_the_first_success_comes_with_the_backoff() -> None:
    async def scenario(here: Shop) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(HEALTHY_AFTER)
        here.fake.turn(down=True)
        here.fake.kill_all()
        await turns(2)
        began = loop.time()
        failed = 0
        while loop.time() < began + 5.0:
            with pytest.raises((ConnectError, PoolTimeout)):
                await here.pool.ask("word", timeout=0.5)
            failed += 1
            await asyncio.sleep(0.1)
        here.fake.weather = Weather()
        up = loop.time()
        assert await here.pool.ask("word", timeout=60.0) == "word"
        waits = 2.0 ** min(here.fake.attempts, 6)
        assert loop.time() - up <= waits + 1.0
        assert here.fake.attempts < failed + 3

    shop(scenario)


# sqlalchemy#6652, #8145, #12077: each await of a close raised again in a cancelled scope, and the socket stayed
@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_a_close_in_a_cancelled_scope_ends_the_sessions_on_the_device(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)
    for turn in range(6):
        pool = await device.connect(alias="pool", pool_size=2, pool_timeout=20)
        async with pool.acquire() as one, pool.acquire() as two:
            assert one is not two
            assert served.sessions == 2
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_later(0.0002 * turn, scope.cancel)
            await pool.close()
        async with asyncio.timeout(20):
            while served.connections:
                await asyncio.sleep(0.001)
        assert device.manager.statistics()["sessions_used"] == 0


# asyncpg#431, encode/databases#477: close waited for ever for a dead peer, or for what was never given back
@pytest.mark.parametrize("peer", ["answers", "is gone"])
def test_a_close_ends_in_time_with_a_session_that_is_never_given_back(peer: str) -> None:
    async def scenario(here: Shop) -> None:
        loop = asyncio.get_running_loop()
        lease = await here.pool.acquire()
        with pytest.raises(
            PoolTimeout, match=r"held by .* for .* s, taken at test_known_bugs.py:\d+ in scenario"
        ):
            await start(here.pool.ask("word", timeout=0.5))
        if peer == "is gone":
            here.fake.turn(hung_goodbye=1.0, hung_recovery=1.0)
            here.fake.kill_all(heard=False)
        began = loop.time()
        await here.pool.drain(5.0)
        grace = 2.0 if peer == "is gone" else 0.0  # the goodbye that nobody answers
        assert loop.time() - began <= 5.5 + grace
        assert not here.fake.lines
        with pytest.raises((SessionClosed, UsedAfterRelease)):
            await lease.ask("too late")
        here.pool.release(lease)

    shop(scenario)


# asyncpg 0.32: a waiter was granted a closed session; httpcore: waiters at a close were not told
@pytest.mark.parametrize("timeout", [None, 1_000.0])
def test_whoever_waits_at_a_close_hears_so_at_once(timeout: float | None) -> None:
    async def scenario(here: Shop) -> None:
        loop = asyncio.get_running_loop()
        lease = await here.pool.acquire()
        waiting = [start(here.pool.acquire(timeout=timeout)) for _ in range(3)]
        waiting += [start(here.pool.ask("word", timeout=1_000.0)) for _ in range(3)]
        await asyncio.sleep(0.1)
        began = loop.time()
        closing = start(here.pool.drain(3.0))
        await turns(1)
        here.pool.release(lease)
        results = [await outcome(task) for task in waiting]
        assert [type(result) for result in results] == [PoolClosed] * 6
        assert loop.time() == began
        await closing
        with pytest.raises(PoolClosed):
            await here.pool.ask("word")

    shop(scenario, pool_timeout=0)


# bb8#67: the count of sessions on their way was not taken back when their takers went away
def test_a_thousand_cancelled_callers_leave_no_more_connects_than_the_size() -> None:
    async def scenario(here: Shop) -> None:
        here.fake.turn(connect=1.0)
        async with here.pool.acquire():
            for number in range(1_000):
                caller = start(here.pool.ask(f"{number}"))
                await asyncio.sleep(0.003)
                assert len(here.fake.attempting) <= 2
                assert here.pool.statistics()["opening"] <= 2
                caller.cancel()
            assert here.fake.attempts <= 4
            assert await here.pool.ask("later", timeout=5.0) == "later"

    shop(scenario, size=3)


# bb8#122, aiopg#27: a release between "is one free?" and "put me in line" was lost
def test_nothing_is_awaited_between_the_look_and_the_place_in_line() -> None:
    gate = ast.parse(inspect.getsource(aioconn.pool.gate))
    awaits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(gate) if isinstance(node, awaits)]

    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = {
        node.name: node
        for module in (aioconn.pool.waiting, aioconn.pool.lending, aioconn.pool.calls)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, functions)
    }

    def calls(name: str, word: str) -> list[int]:
        return [
            node.lineno
            for node in ast.walk(found[name])
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == word
        ]

    assert [name for name in found if calls(name, "ask")] == ["line_up"]
    assert isinstance(found["line_up"], ast.FunctionDef)
    assert isinstance(found["lend"], ast.FunctionDef)
    looks = {"wait": "line_up", "_lend": "take", "call": "take"}  # and what comes first there
    places = {"wait": "line_up", "_lend": "line_up", "call": "wait"}
    assert {name for name in found if calls(name, "line_up")} == {"wait", "_lend", "lend"}
    for name, place in places.items():
        (look,), (placed,) = calls(name, looks[name]), calls(name, place)
        lines = [node.lineno for node in ast.walk(found[name]) if isinstance(node, awaits[1:])]
        assert not [line for line in lines if look <= line < placed]
        assert [line for line in lines if line >= placed]


# bb8#167, HikariCP#1202: what came back broken was not counted as gone
def test_a_hundred_broken_in_a_row_and_it_still_serves() -> None:
    async def scenario(here: Shop) -> None:
        for number in range(100):
            async with here.pool.acquire(timeout=100.0) as session:
                assert await session.ask(f"{number}") == f"{number}"
                await asyncio.sleep(HEALTHY_AFTER)
                here.fake.kill(session.line)
                await turns(2)
        assert await here.pool.ask("still") == "still"
        assert here.fake.logins == 101
        assert here.fake.peak == 1

    shop(scenario, pool_timeout=120)


# HikariCP#528, #2348: a session that died a moment ago was handed out as recently used
def test_a_session_whose_end_was_heard_is_never_handed_out() -> None:
    async def scenario(here: Shop) -> None:
        for _ in range(20):
            await asyncio.sleep(HEALTHY_AFTER)
            lease = await here.pool.acquire(timeout=60.0)
            line = lease.line
            here.pool.release(lease)
            here.fake.kill(line)
            await turns(2)
            assert await here.pool.ask("word", timeout=60.0) == "word"
            assert line not in here.fake.lines

    shop(scenario)


# the same, between the grant and its acceptance
def test_a_session_that_dies_with_its_grant_does_not_become_idle_again() -> None:
    async def scenario(here: Shop) -> None:
        lease = await here.pool.acquire()
        line = lease.line
        waiting = start(here.pool.acquire())
        await turns(3)
        here.pool.release(lease)
        here.fake.kill(line)
        line.connection.hear_the_end(line)
        waiting.cancel()
        await turns(4)
        assert waiting.cancelled()
        assert here.pool.statistics()["idle"] == 0

    shop(scenario)


# node-mysql2#1280, aiomysql#595: given back twice, one session was in two hands
def test_what_is_given_back_wrongly_is_told_and_changes_nothing() -> None:
    async def scenario(here: Shop) -> None:
        other = await here.device.connect(alias="other", pool_size=1)
        mine = await here.pool.acquire()
        foreign = await other.acquire()
        before = here.pool.statistics()
        with pytest.raises(NotOfThisPool):
            here.pool.release(foreign)
        assert here.pool.statistics() == before
        other.release(foreign)
        here.pool.release(mine)
        idle = here.pool.statistics()
        with pytest.raises(ReleasedTwice):
            here.pool.release(mine)
        with pytest.raises(UsedAfterRelease):
            await mine.ask("word")
        assert here.pool.statistics() == idle
        await here.device.destroy("other")

    shop(scenario, max_sessions=2)


# pgbouncer#38, #245: a cancel that came late hit the next user's query
def test_a_late_cancel_does_not_reach_the_next_holder() -> None:
    async def scenario(here: Shop) -> None:
        lease = await here.pool.acquire()
        late = start(lease.ask("early"))
        await asyncio.sleep(0.005)
        here.pool.release(lease)  # in the middle of its call
        next_one = start(here.pool.ask("mine"))
        await asyncio.sleep(0.02)
        late.cancel()
        assert await next_one == "mine"
        told = await outcome(late)
        assert told == "early" or isinstance(told, (SessionClosed, SessionBroken, asyncio.CancelledError))
        done = start(here.pool.ask("done"))
        assert await done == "done"
        after = start(here.pool.ask("after"))
        await turns(2)
        done.cancel()  # it ended long ago
        assert await after == "after"

    shop(scenario)


# pgbouncer#141: the answer to a cancel was counted as the answer to the query
@pytest.mark.parametrize("echo", ["reader", "tty"])
async def test_the_prompt_of_an_interrupt_is_no_answer(pair: Any, echo: str) -> None:
    device, served = await pair("telnet", echo=echo, faults=Faults(latency=0.02))
    pool = await device.connect(alias="pool", pool_size=1, pool_timeout=20)
    for number in range(4):
        caller = start(pool.execute("show version"))
        await asyncio.sleep(0.01 * number)
        caller.cancel()
        await asyncio.wait({caller})
        assert "Version" not in await pool.execute("show clock")
        assert "Version" in await pool.execute("show version")
    assert served.sessions == 1
    await device.destroy_all()


# ---------------------------------------------------------------------- many callers


class Gone:
    """A caller in line, for the gate alone."""

    deadline = float("inf")

    def __init__(self) -> None:
        self.member: Member[str] | None = None

    @property
    def done(self) -> bool:
        return self.member is not None

    def grant(self, member: Member[Any], /) -> None:
        self.member = member

    def fail(self, make: Callable[[], BaseException], /) -> None:
        raise make()


def lines_run(work: Callable[[], None]) -> int:
    """How many lines of Python that is: a measure that no other program disturbs."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


# httpcore PR#1035, #1110: each idle session was offered to every waiter: quadratic
def test_ten_thousand_waiters_cost_as_much_each_as_ten() -> None:
    def cost(waiters: int) -> float:
        gate: Gate[str] = Gate(10, lambda: "session", check_after=30.0)
        line = [Gone() for _ in range(waiters)]
        for one in line[:10]:
            gate.ask(one, 0.0)
        while gate.work:
            task, member = gate.work.popleft()
            assert task is Task.OPEN
            gate.opened(member, 0.0, 1e9)

        def serve() -> None:
            for one in line[10:]:
                gate.ask(one, 1.0)
            for one in line:
                assert one.member is not None
                gate.release(one.member, 2.0, clean=True)

        return lines_run(serve) / waiters

    assert cost(10_000) <= 2 * cost(20)


# asyncpg#1247, sqlalchemy#7679, sqlx#453: newcomers overtook those who waited, some of them for ever
def test_a_thousand_callers_on_ten_sessions_get_equal_shares() -> None:
    async def scenario(here: Shop) -> None:
        served: Counter[int] = Counter()
        loop = asyncio.get_running_loop()
        end = loop.time() + 4.0

        async def come(number: int) -> None:
            while loop.time() < end:
                async with here.pool.acquire(timeout=60.0):
                    served[number] += 1
                    await asyncio.sleep(0.01)

        await asyncio.gather(*[come(number) for number in range(1_000)])
        counts = [served[number] for number in range(1_000)]
        assert min(counts) > 0
        assert shares(counts) <= 1.5

    shop(scenario, size=10, pool_timeout=60)


# the same between pools that share what a device bears
def test_two_pools_that_are_always_busy_share_the_device() -> None:
    async def scenario(here: Shop) -> None:
        other = await here.device.connect(alias="other", pool_size=2, pool_timeout=60.0)
        loop = asyncio.get_running_loop()
        end = loop.time() + 60.0
        longest = 0.0
        served: Counter[str] = Counter()

        async def come(pool: Any, name: str) -> None:
            nonlocal longest
            while loop.time() < end:
                asked = loop.time()
                async with pool.acquire():
                    longest = max(longest, loop.time() - asked)
                    served[name] += 1
                    await asyncio.sleep(0.1)

        busy = [come(here.pool, "pool") for _ in range(6)] + [come(other, "other") for _ in range(3)]
        await asyncio.gather(*busy)
        assert longest < 5.0
        assert min(served.values()) > 100
        await here.device.destroy("other")

    shop(scenario, size=2, max_sessions=2, pool_timeout=60)


# and one caller there costs no more than one session here
def test_a_caller_of_one_pool_costs_the_other_one_idle_session() -> None:
    async def scenario(here: Shop) -> None:
        await asyncio.gather(*[keep(here.pool, 0.1) for _ in range(3)])
        assert here.pool.statistics()["idle"] == 3
        other = await here.device.connect(alias="other", pool_size=3, pool_timeout=60.0)
        assert await other.ask("word") == "word"
        await asyncio.sleep(1.0)
        assert here.pool.statistics()["idle"] == 2
        assert here.device.manager.statistics()["sessions_used"] == 3
        await here.device.destroy("other")

    shop(scenario, size=3, max_sessions=3)


# "session limit reached" failed the work, again and again
def test_a_device_that_bears_less_than_we_want_is_learned_from_and_the_work_waits() -> None:
    async def scenario(here: Shop) -> None:
        here.fake.turn(vty_limit=2)
        await asyncio.gather(*[keep(here.pool, 0.5) for _ in range(30)])
        assert here.fake.peak == 2
        assert here.fake.refusals <= 5
        here.fake.weather = Weather()

    shop(scenario, size=5, pool_timeout=60, max_sessions=None)


# redis-py#3351, #3048, asyncpg#293: used from a second loop, a pool hung or spoke of another loop
def test_a_second_loop_is_served_by_the_first_or_told_so() -> None:
    fake_answers: list[str] = []

    async def main() -> None:
        here = FakeDevice()
        pool: Any = await here.device.connect(alias="pool", pool_size=1)

        def elsewhere() -> None:
            async def ask() -> None:
                fake_answers.append(await pool.ask("from afar"))

            asyncio.run(ask())

        await asyncio.to_thread(elsewhere)
        assert fake_answers == ["from afar"]
        assert pool.statistics()["idle"] == 1
        main.pool, main.here = pool, here  # type: ignore[attr-defined]

    with asyncio.Runner() as home:
        home.run(main())
        pool: Any = main.pool  # type: ignore[attr-defined]
        before = pool.statistics()

        async def ask() -> None:
            with pytest.raises(Exception, match="loop"):
                await pool.ask("home does not run")

        asyncio.run(ask())
        assert pool.statistics() == before
        home.run(main.here.device.destroy_all())  # type: ignore[attr-defined]
    assert threading.active_count() >= 1


# cpython#116720, #95289, #133747: TaskGroup and timeout swallowed or leaked a cancel from outside
@pytest.mark.parametrize("inner", ["group", "timeout", "both"])
def test_a_cancel_from_outside_passes_through_groups_and_timeouts(inner: str) -> None:
    async def scenario(here: Shop) -> None:
        async def use() -> None:
            async with contextlib.AsyncExitStack() as stack:
                if inner != "group":
                    await stack.enter_async_context(asyncio.timeout(100.0))
                if inner != "timeout":
                    group = await stack.enter_async_context(asyncio.TaskGroup())
                    group.create_task(keep(here.pool, 0.05))
                async with here.pool.acquire() as session:
                    await session.ask("word")

        async def settle() -> None:
            await asyncio.sleep(BACKOFF_CEILING)
            async with here.pool.acquire(timeout=1.0) as one, here.pool.acquire(timeout=1.0) as two:
                assert {await one.ask("1"), await two.ask("2")} == {"1", "2"}

        await cut_everywhere(use, settle=settle, moments=(Moment.WAITS, Moment.GRANTED, Moment.TICK))

    shop(scenario, size=2)
