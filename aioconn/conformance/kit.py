# SPDX-License-Identifier: Apache-2.0
"""The tests, one for each promise."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import pickle
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, ClassVar

from aioconn.broker import values
from aioconn.conformance.patience import PATIENCE, cancelled, failure_of, turns, until, within
from aioconn.conformance.seen import Seen, placeholders
from aioconn.conformance.showing import assert_keeps, assert_names
from aioconn.conformance.subject import NUMBERS, Subject, elsewhere, until_right
from aioconn.connection import BaseConnection
from aioconn.errors import AuthenticationFailed, CommandTimeout, ConnectError, SessionClosed, SessionError
from aioconn.events import Event
from aioconn.pool import ConnectionPool
from aioconn.residence import LoopKind
from aioconn.testbed.device import Device

HANGS = 0.2
"""Seconds that calls get to which nobody answers."""

MOMENTS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55)
"""Turns of the loop after which a piece of work is cancelled."""


class Conformance(ABC):
    """The tests. Subclass it, call that `Test...`, and implement `subject`."""

    in_order: ClassVar[bool] = True
    """Whether calls on one session end in the order of their beginning: not for classes with `@pipelined` services."""

    @abstractmethod
    def subject(self) -> AbstractAsyncContextManager[Subject]:
        """A new server, and its end. Each test enters it once."""

    # ------------------------------------------------------------------ one session

    async def test_connecting_twice_is_one_connection(self) -> None:
        async with self._device() as (subject, device):
            first = await within(device.connect())
            again = await within(device.connect())
            assert first is again
            await within(first.open())
            assert await subject.number(first, 1) == 1
            assert subject.live() == 1, f"{subject.live()} sessions at the server, of one connection"

    async def test_every_service_takes_a_deadline(self) -> None:
        async with self._session() as (_, session):
            offered = type(session)
            assert offered.services, "no service: mark the operations with @service"
            for name in (*offered.services, *offered.streams):
                parameter = inspect.signature(getattr(offered, name)).parameters.get("timeout")
                assert parameter is not None, f"{name} has no timeout="
                assert parameter.kind is parameter.KEYWORD_ONLY, f"timeout of {name} is not keyword-only"
                assert parameter.default is None, f"timeout of {name} is not None by default"

    async def test_a_call_ends_with_its_deadline_and_the_next_is_right(self) -> None:
        async with self._session() as (subject, session):
            for number in range(2):
                error = await failure_of(subject.hang(session, HANGS))
                assert isinstance(error, CommandTimeout), f"not a CommandTimeout: {error!r}"
                assert isinstance(error, TimeoutError)
                assert_names(error, session)
                assert await subject.number(session, number) == number

    async def test_a_cancelled_call_leaves_a_session_that_is_right(self) -> None:
        async with self._session() as (subject, session):
            for number, moment in enumerate(MOMENTS):
                await cancelled(subject.ask(session, number + 1), moment)
                assert await subject.number(session, number) == number
                await cancelled(subject.hang(session, None), moment)
                assert await subject.number(session, number) == number

    async def test_callers_are_never_mixed(self) -> None:
        async with self._session() as (subject, session):
            ended: list[int] = []

            async def call(number: int) -> None:
                assert await subject.number(session, number) == number
                ended.append(number)

            await within(asyncio.gather(*(call(number) for number in range(NUMBERS))))
            assert not self.in_order or ended == list(range(NUMBERS)), f"served in the order {ended}"

    async def test_callers_are_not_mixed_with_those_who_were_cancelled(self) -> None:
        async with self._session() as (subject, session):
            tasks = [asyncio.ensure_future(subject.ask(session, number)) for number in range(NUMBERS)]
            await turns(3)
            for task in tasks[::3]:
                task.cancel()
            await within(asyncio.gather(*tasks, return_exceptions=True))
            for number, task in enumerate(tasks):
                if not task.cancelled():
                    assert subject.read(task.result()) == number

    async def test_an_answer_is_a_plain_value(self) -> None:
        async with self._session() as (subject, session):
            answer = await within(subject.ask(session, 1))
            assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301  our own
            assert subject.read(values.load(values.dump(answer))) == 1

    async def test_a_lost_session_is_replaced(self) -> None:
        async with self._session() as (subject, session):
            for number in range(2):
                assert await subject.number(session, number) == number
                subject.cut()
                await until_right(subject, session, number)

    # ------------------------------------------------------------------ the end of one

    async def test_closing_frees_everything_and_may_be_repeated(self) -> None:
        async with self._device() as (subject, device):
            tasks = asyncio.all_tasks()
            session = await within(device.connect())
            assert await subject.number(session, 1) == 1
            for _ in range(2):
                await within(session.close())
            assert not session.connected
            await until(lambda: not subject.live(), "the server has a session after the end")
            await until(lambda: not asyncio.all_tasks() - tasks, "tasks are left after the end")
            error = await failure_of(subject.ask(session, 1))
            assert isinstance(error, SessionClosed), f"not SessionClosed: {error!r}"
            await within(session.open())
            assert await subject.number(session, 2) == 2

    async def test_closing_frees_everything_when_it_is_cancelled(self) -> None:
        async with self._device() as (subject, device):
            tasks = asyncio.all_tasks()
            for moment in MOMENTS:
                session = await within(device.connect())
                await cancelled(session.close(), moment)
                assert moment == 0 or not session.connected
                await within(device.disconnect())
                await until(lambda: not subject.live(), f"a session is left after a cancel at turn {moment}")
                await until(lambda: not asyncio.all_tasks() - tasks, "tasks are left after a cancel")

    async def test_closing_ends_the_call_under_way(self) -> None:
        async with self._session() as (subject, session):
            calls = [asyncio.ensure_future(subject.hang(session, None)) for _ in range(2)]
            await turns(5)
            await within(session.close())
            _, hung = await asyncio.wait(calls, timeout=PATIENCE)
            for call in hung:
                call.cancel()
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert not hung, "a call goes on after the end of its session"
            for error in errors:
                assert isinstance(error, SessionError), f"no SessionError: {error!r}"
                assert_names(error, session)

    # ------------------------------------------------------------------ ways not to get one

    async def test_connecting_leaves_nothing_when_it_is_cancelled(self) -> None:
        async with self._device() as (subject, device):
            tasks = asyncio.all_tasks()
            for moment in MOMENTS:
                await cancelled(device.connect(), moment)
                await within(device.manager.disconnect_all())
                await until(lambda: not subject.live(), f"a session is left after a cancel at turn {moment}")
                await until(lambda: not asyncio.all_tasks() - tasks, "tasks are left after a cancel")
            session = await within(device.connect())
            assert await subject.number(session, 1) == 1

    async def test_nobody_there_is_told_in_full(self) -> None:
        async with self.subject() as subject:
            device = Device("subject", **elsewhere(subject.entry))
            error = await failure_of(device.connect(connect_timeout=1.0))
            assert isinstance(error, ConnectError), f"not a ConnectError: {error!r}"
            assert error.device == "subject"
            assert error.path
            assert error.phase
            assert_keeps(subject.secret, error)
            assert not device.connections, "a failed connect leaves an alias behind"

    async def test_wrong_credentials_are_told_and_not_shown(self) -> None:
        async with self.subject() as subject:
            if subject.denied is None:
                return
            device = Device("subject", **subject.denied)
            error = await failure_of(device.connect())
            assert isinstance(error, AuthenticationFailed), f"not AuthenticationFailed: {error!r}"
            assert error.device == "subject"
            assert error.path
            assert error.phase
            assert_keeps("wrong-password", error)
            await until(lambda: not subject.live(), "the server has a session after a failed login")

    async def test_secrets_stay_secret(self) -> None:
        async with self._device() as (subject, device):
            seen: list[Event] = []
            device.listeners.add(seen.append)
            session = await within(device.connect())
            await within(subject.ask(session, 1))
            error = await failure_of(subject.hang(session, HANGS))
            subject.cut()
            await until_right(subject, session, 1)
            pool = await within(device.connect(alias="pool", pool_size=1))
            await within(subject.ask(pool, 1))
            shown = [device, device.manager, session, session.options, session.credentials, pool, error]
            for thing in (*shown, *seen, *(getattr(event, "error", None) for event in seen)):
                assert_keeps(subject.secret, thing)
            assert len(seen) > 3, "no events of opening and serving"

    # ------------------------------------------------------------------ in company

    async def test_a_pool_of_it(self) -> None:
        async with self._device() as (subject, device):
            pool = await within(device.connect(pool_size=3))
            assert isinstance(pool, ConnectionPool)

            async def call(number: int) -> None:
                assert await subject.number(pool, number) == number

            await within(asyncio.gather(*(call(number) for number in range(NUMBERS))))
            assert subject.live() <= 3, f"{subject.live()} sessions at the server, of a pool of 3"
            await failure_of(subject.hang(pool, HANGS))
            await cancelled(subject.hang(pool, None), 5)
            await within(asyncio.gather(*(call(number) for number in range(NUMBERS))))
            async with pool.acquire() as session:
                assert await subject.number(session, 4) == 4
            subject.cut()
            await until_right(subject, pool, 5)
            await within(pool.close())
            await until(lambda: not subject.live(), "the server has a session after the end of the pool")

    async def test_on_a_loop_of_its_own(self) -> None:
        async with self._device(loop="own") as (subject, device):
            session = await within(device.connect())

            async def call(number: int) -> None:
                assert await subject.number(session, number) == number

            await within(asyncio.gather(*(call(number) for number in range(NUMBERS))))
            await cancelled(subject.hang(session, None), 5)
            error = await failure_of(subject.hang(session, HANGS))
            assert isinstance(error, CommandTimeout), f"not a CommandTimeout: {error!r}"
            assert await subject.number(session, 3) == 3
            await within(device.disconnect())
            await until(lambda: not subject.live(), "the server has a session after the end")

    async def test_wrappers_see_each_service(self) -> None:
        """Once for each call, on a connection, on a pool, and on a session of a pool; nested calls are none."""
        async with self._device() as (subject, device):
            session = await within(device.connect())
            pool = await within(device.connect(alias="pool", pool_size=1))
            seen = Seen()
            handle = device.wrap(seen)
            assert await subject.number(session, 1) == 1
            assert await subject.number(pool, 2) == 2
            async with pool.acquire() as lent:
                assert await subject.number(lent, 3) == 3
                assert len(seen.calls) == 3, f"3 calls, and wrappers saw {seen.calls}"
                seen.answers = True
                for called in (session, lent):
                    await self._call_each(called, type(session), seen)
            await self._call_each(pool, type(session), seen)
            handle.unwrap()
            assert await subject.number(session, 4) == 4
            assert await subject.number(pool, 5) == 5

    async def _call_each(self, called: Any, kind: type[BaseConnection[Any]], seen: Seen) -> None:
        for name in kind.services:
            seen.calls.clear()
            function = getattr(called, name)
            answer = await within(function(*placeholders(function)))
            assert answer is seen, f"{name} gives {answer!r}, and not what the wrapper answers"
            assert seen.calls == [name]
        for name in kind.streams:
            seen.calls.clear()
            function = getattr(called, name)
            pieces = [piece async for piece in function(*placeholders(function))]
            assert pieces == [seen], f"{name} gives {pieces!r}, and not what the wrapper answers"
            assert seen.calls == [name]

    # ------------------------------------------------------------------ what the tests stand on

    @contextlib.asynccontextmanager
    async def _device(self, loop: LoopKind = "caller") -> AsyncIterator[tuple[Subject, Device]]:
        async with self.subject() as subject:
            device = Device("subject", loop=loop, **subject.entry)
            try:
                yield subject, device
            finally:
                await within(device.manager.destroy_all())

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[tuple[Subject, BaseConnection[Any]]]:
        async with self._device() as (subject, device):
            session = await within(device.connect())
            assert isinstance(session, BaseConnection)
            yield subject, session
