# SPDX-License-Identifier: Apache-2.0
"""Operations of which several are under way at once on one session: what the base gives them, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aioconn.connection import BaseConnection, State, pipelined, service
from aioconn.connection.turn import Turn
from aioconn.errors import CommandTimeout, DeviceBusy, SessionBroken, SessionClosed
from aioconn.path import Path
from aioconn.request import BaseOptions, Request


class TagServer:
    """Answers `TAG word` with `TAG WORD`; those whose word begins with `slow` when `release` is called, the last first;
    `never` not at all; `die` ends the connection. `begun` holds the words in the order of their coming."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.logins = 0
        self._held: list[tuple[asyncio.StreamWriter, bytes]] = []
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> TagServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        while self._writers:
            await asyncio.sleep(0.001)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.logins += 1
        try:
            while line := await reader.readline():
                tag, word = line.decode().split()
                self.begun.append(word)
                answer = f"{tag} {word.upper()}\n".encode()
                if word == "die":
                    return
                if word.startswith("slow"):
                    self._held.append((writer, answer))
                elif word != "never":
                    writer.write(answer)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def has_begun(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.begun) < count:
                await asyncio.sleep(0.001)

    def release(self) -> None:
        while self._held:
            writer, answer = self._held.pop()
            if not writer.is_closing():
                writer.write(answer)


class TagConnection(BaseConnection[BaseOptions]):
    """The least protocol that keeps its answers apart."""

    _writer: asyncio.StreamWriter | None = None

    async def _open(self) -> None:
        assert self.path.address is not None
        reader, self._writer = await asyncio.open_connection(self.path.address, self.path.port)
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._number = 0
        self._reading = asyncio.create_task(self._read(reader))

    async def _close(self) -> None:
        self._abort()

    def _abort(self) -> None:
        if self._writer is not None:
            self._reading.cancel()
            self._writer.transport.abort()
            for future in self._waiting.values():
                if not future.done():
                    closed = self._state is State.CLOSED
                    future.set_exception(
                        (SessionClosed if closed else SessionBroken)("gone", **self._where())
                    )

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                tag, _, word = line.decode().strip().partition(" ")
                future = self._waiting.pop(tag, None)
                if future is not None and not future.done():
                    future.set_result(word)
        self._lost(None)

    @pipelined
    async def ask(self, word: str, *, timeout: float | None = None, idempotent: bool = False) -> str:
        assert self._writer is not None
        self._number += 1
        tag = str(self._number)
        answer = self._waiting[tag] = asyncio.get_running_loop().create_future()
        self._writer.write(f"{tag} {word}\n".encode())
        return await answer

    @pipelined
    async def ask_twice(self, word: str, *, timeout: float | None = None) -> list[str]:
        return [await self.ask(word), await self.ask(word)]

    @pipelined
    async def _hidden(self) -> None: ...

    @service
    async def alone(self, word: str, *, timeout: float | None = None) -> str:
        """One call at a time, beside those that are not."""
        return await self.ask(word)


@pytest.fixture
async def server() -> AsyncIterator[TagServer]:
    async with TagServer() as server:
        yield server


@pytest.fixture
async def connection(server: TagServer) -> AsyncIterator[TagConnection]:
    path = Path(name="tag", protocol="tag", host="127.0.0.1", port=server.port)
    async with TagConnection(Request(device="r1", path=path)) as connection:
        yield connection


async def start(*calls: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0)
    return tasks


def test_what_is_private_is_no_service() -> None:
    assert TagConnection.services == ("alone", "ask", "ask_twice")


async def test_several_are_under_way_and_none_gets_anothers_answer(
    server: TagServer, connection: TagConnection
) -> None:
    words = [f"slow{number}" for number in range(50)]
    tasks = await start(*(connection.ask(word) for word in words))
    await server.has_begun(50)
    assert server.begun == words
    assert str(connection.state) == "busy"
    assert await connection.ask("quick") == "QUICK"  # answered while the others wait
    assert not connection.clean
    server.release()  # the last first
    assert await asyncio.gather(*tasks) == [word.upper() for word in words]
    assert connection.state is State.READY


async def test_one_that_is_cut_off_leaves_the_session_to_the_others(
    server: TagServer, connection: TagConnection
) -> None:
    cut, kept = await start(connection.ask("slow1"), connection.ask("slow2"))
    await server.has_begun(2)
    cut.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut
    with pytest.raises(CommandTimeout, match=r"'never' did not end within 0\.05 s"):
        await connection.ask("never", timeout=0.05)
    assert connection.connected
    server.release()  # the answer that nobody wants is dropped
    assert await kept == "SLOW2"
    assert await connection.ask("word") == "WORD"
    assert server.logins == 1
    assert connection.state is State.READY


async def test_a_service_may_call_another_one(server: TagServer, connection: TagConnection) -> None:
    assert await connection.ask_twice("word") == ["WORD", "WORD"]
    assert await connection.alone("word") == "WORD"


async def test_what_needs_the_session_alone_waits_for_all_and_is_not_overtaken(
    server: TagServer, connection: TagConnection
) -> None:
    tasks = await start(connection.ask("slow1"), connection.ask("slow2"))
    (alone,) = await start(connection.alone("alone"))
    (late,) = await start(connection.ask("late"))
    await server.has_begun(2)
    await asyncio.sleep(0.02)
    assert server.begun == ["slow1", "slow2"]
    server.release()
    assert await asyncio.gather(*tasks, alone, late) == ["SLOW1", "SLOW2", "ALONE", "LATE"]
    assert server.begun == ["slow1", "slow2", "alone", "late"]


async def test_a_transaction_keeps_others_out_and_its_own_calls_share(
    server: TagServer, connection: TagConnection
) -> None:
    (before,) = await start(connection.ask("slow-before"))

    async def keep() -> list[str]:
        async with connection.transaction() as session:
            own = await start(session.ask("slow1"), session.ask("slow2"))
            await server.has_begun(3)
            (outsider,) = await start(outside("outside"))
            await asyncio.sleep(0.02)
            assert "outside" not in server.begun
            server.release()
            answers = list(await asyncio.gather(*own))
        return [*answers, await outsider]

    async def outside(word: str) -> str:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().create_task(
                connection.ask(word), context=contextvars.Context()
            )

    task = asyncio.create_task(keep())
    await server.has_begun(1)
    await asyncio.sleep(0.02)
    assert server.begun == ["slow-before"]  # the transaction waits for what is under way
    server.release()
    assert await before == "SLOW-BEFORE"
    assert await task == ["SLOW1", "SLOW2", "OUTSIDE"]


async def test_a_call_that_a_transaction_keeps_out_says_who_does(
    server: TagServer, connection: TagConnection
) -> None:
    async with connection.transaction():
        call = asyncio.get_running_loop().create_task(
            connection.ask("word", timeout=0.05), context=contextvars.Context()
        )
        with pytest.raises(DeviceBusy, match="kept by a transaction"):
            await call
    assert await connection.ask("word") == "WORD"
    assert server.begun == ["word"]


async def test_a_session_that_breaks_fails_all_and_is_opened_once_for_all_who_come_then(
    server: TagServer, connection: TagConnection
) -> None:
    tasks = await start(*(connection.ask(f"slow{number}") for number in range(5)))
    await server.has_begun(5)
    tasks += await start(connection.ask("die"))
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, SessionBroken)
    assert connection.state is State.BROKEN
    server.release()
    answers = await asyncio.gather(*(connection.ask(f"word{number}") for number in range(10)))
    assert answers == [f"WORD{number}" for number in range(10)]
    assert server.logins == 2


async def test_what_may_be_repeated_is_repeated_on_a_new_session(
    server: TagServer, connection: TagConnection
) -> None:
    repeated, plain = await start(connection.ask("slow1", idempotent=True), connection.ask("slow2"))
    await server.has_begun(2)
    with pytest.raises(SessionBroken):
        await connection.ask("die")
    with pytest.raises(SessionBroken):
        await plain
    await server.has_begun(4)
    server.release()
    assert await repeated == "SLOW1"
    assert server.begun == ["slow1", "slow2", "die", "slow1"]


async def test_close_ends_what_is_under_way(server: TagServer, connection: TagConnection) -> None:
    tasks = await start(*(connection.ask("never") for _ in range(3)))
    await server.has_begun(3)
    await connection.close()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, SessionClosed)
    assert connection.state is State.CLOSED


async def test_a_share_that_was_granted_to_somebody_cancelled_is_given_back() -> None:
    turn = Turn()
    assert turn.try_take(inside=False)
    (waiter,) = await start(turn.share(inside=False))
    turn.give()
    assert turn.sharers == 1
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert turn.sharers == 0
    assert turn.try_take(inside=False)


async def test_cancelled_at_any_wait_nothing_of_the_turn_is_kept(
    server: TagServer, connection: TagConnection
) -> None:
    for turns in range(12):
        (slow,) = await start(connection.ask("slow"))
        alone, shared = await start(connection.alone("alone"), connection.ask("shared"))
        for _ in range(turns):
            await asyncio.sleep(0)
        alone.cancel()
        shared.cancel()
        await asyncio.gather(alone, shared, return_exceptions=True)
        await server.has_begun(1)
        server.release()
        async with asyncio.timeout(5):
            while not slow.done():  # where the server had not seen it yet
                server.release()
                await asyncio.sleep(0.001)
        assert await connection.alone("after") == "AFTER"
        assert connection.state is State.READY
