# SPDX-License-Identifier: Apache-2.0
"""What every connection class gets from the base, shown with one that a user might write in minutes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from aioconn.connection import BaseConnection, State, service
from aioconn.credentials import Credential, Credentials, Secret
from aioconn.errors import (
    CommandTimeout,
    ConnectTimeout,
    InvalidOption,
    LoopMismatch,
    SessionClosed,
)
from aioconn.events import Closed, Event, Listeners, Opened, OpenFailed, ServiceFinished
from aioconn.path import Path
from aioconn.request import BaseOptions, Request


class LineServer:
    """Answers `word` with `WORD`; `slow` after a while, `never` not at all. Counts who is connected."""

    def __init__(self) -> None:
        self.live = 0
        self.total = 0
        self.mute = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> LineServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.live += 1
        self.total += 1
        try:
            if not self.mute:
                writer.write(b"hello\n")
            while line := await reader.readline():
                word = line.decode().strip()
                if word.startswith("never"):
                    continue
                if word == "slow":
                    await asyncio.sleep(0.2)
                writer.write(word.upper().encode() + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.live -= 1
            self._tasks.discard(task)
            writer.close()


@dataclass(frozen=True, kw_only=True)
class LineOptions(BaseOptions):
    prefix: str = ""
    times: int = 1
    colour: str | None = None


class LineConnection(BaseConnection[LineOptions]):
    options_type: ClassVar[type[BaseOptions]] = LineOptions
    _writer: asyncio.StreamWriter | None = None

    async def _open(self) -> None:
        assert self.path.address is not None
        self._reader, self._writer = await asyncio.open_connection(self.path.address, self.path.port)
        await self._reader.readline()

    async def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            await self._writer.wait_closed()

    def _abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    @service
    async def ask(self, word: str, *, timeout: float | None = None) -> str:
        """One word there, one word back."""
        assert self._writer is not None
        self._writer.write(self.options.prefix.encode() + word.encode() + b"\n")
        return (await self._reader.readline()).decode().strip()

    @service
    async def ask_twice(self, word: str, *, timeout: float | None = None) -> list[str]:
        """A service that uses another one."""
        return [await self.ask(word), await self.ask(word)]

    @service
    async def fail(self, *, timeout: float | None = None) -> None:
        raise ValueError("nothing to do with the session")


@pytest.fixture
async def server() -> AsyncIterator[LineServer]:
    async with LineServer() as server:
        yield server


def request(server: LineServer, listeners: Listeners | None = None, **arguments: Any) -> Request:
    path = Path(name="line", protocol="line", host="127.0.0.1", port=server.port)
    secret = Credentials({"default": Credential(username="me", password=Secret("hush-hush"))})
    return Request(
        device="r1",
        path=path,
        arguments=arguments,
        credentials=secret,
        listeners=listeners or Listeners(),
    )


async def gone(server: LineServer) -> None:
    async with asyncio.timeout(20):
        while server.live:
            await asyncio.sleep(0.001)


async def test_services_are_known() -> None:
    assert LineConnection.services == ("ask", "ask_twice", "fail")


async def test_open_serve_close(server: LineServer) -> None:
    events: list[Event] = []
    listeners = Listeners()
    listeners.add(events.append)
    connection = LineConnection(request(server, listeners))
    assert repr(connection).endswith("new>")
    async with connection:
        assert connection.connected
        assert await connection.ask("word") == "WORD"
        assert await connection.ask_twice("word") == ["WORD", "WORD"]
        await connection.open()
        assert server.total == 1
    assert connection.state is State.CLOSED
    await connection.close()
    await gone(server)
    kinds = [type(event) for event in events]
    assert kinds[0] is Opened
    assert kinds[-1] is Closed
    assert kinds.count(ServiceFinished) == 2


async def test_a_closed_connection_never_reconnects_by_itself(server: LineServer) -> None:
    connection = LineConnection(request(server))
    with pytest.raises(SessionClosed):
        await connection.ask("word")
    await connection.open()
    await connection.close()
    with pytest.raises(SessionClosed) as caught:
        await connection.ask("word")
    assert "r1 via line" in str(caught.value)
    assert server.total == 1
    await connection.open()
    assert await connection.ask("word") == "WORD"
    await connection.close()


async def test_concurrent_opens_are_one_session(server: LineServer) -> None:
    connection = LineConnection(request(server))
    await asyncio.gather(*[connection.open() for _ in range(10)])
    assert server.total == 1
    await connection.close()


async def test_callers_are_served_in_order_and_never_mixed(server: LineServer) -> None:
    async with LineConnection(request(server)) as connection:
        words = [f"word{number}" for number in range(50)]
        answers = await asyncio.gather(*[connection.ask(word) for word in words])
        assert answers == [word.upper() for word in words]


async def test_a_timeout_is_an_error_with_all_its_words_and_the_session_is_replaced(
    server: LineServer,
) -> None:
    async with LineConnection(request(server)) as connection:
        with pytest.raises(CommandTimeout) as caught:
            await connection.ask("never hush-hush", timeout=0.05)
        error = caught.value
        assert (error.device, error.path, error.phase) == ("r1", "line", "command")
        assert "hush-hush" not in str(error)
        assert isinstance(error, TimeoutError)
        assert await connection.ask("word") == "WORD"
        assert server.total == 2


async def test_an_error_of_the_service_itself_keeps_the_session(server: LineServer) -> None:
    async with LineConnection(request(server)) as connection:
        with pytest.raises(ValueError, match="nothing to do"):
            await connection.fail()
        assert await connection.ask("word") == "WORD"
        assert server.total == 1


@pytest.mark.parametrize("word", ["word", "slow"])
async def test_a_cancel_at_any_turn_never_shifts_the_answers(server: LineServer, word: str) -> None:
    async with LineConnection(request(server)) as connection:
        for turns in range(12):
            task = asyncio.ensure_future(connection.ask(word))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                assert await task == word.upper()
            assert await connection.ask(f"own{turns}") == f"OWN{turns}"
    await gone(server)


async def test_a_cancelled_open_leaves_nothing(server: LineServer) -> None:
    server.mute = True
    connection = LineConnection(request(server))
    for turns in range(10):
        task = asyncio.ensure_future(connection.open())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.state is State.NEW
    await gone(server)


async def test_a_silent_peer_ends_with_the_deadline(server: LineServer) -> None:
    server.mute = True
    events: list[Event] = []
    listeners = Listeners()
    listeners.add(events.append)
    connection = LineConnection(request(server, listeners))
    with pytest.raises(ConnectTimeout) as caught:
        await connection.open(timeout=0.05)
    assert caught.value.device == "r1"
    assert [type(event) for event in events] == [OpenFailed]
    await gone(server)


async def test_close_under_way_ends_the_calls(server: LineServer) -> None:
    connection = LineConnection(request(server))
    await connection.open()
    waiting = [asyncio.ensure_future(connection.ask("slow")) for _ in range(3)]
    await asyncio.sleep(0.01)
    await connection.close()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, (SessionClosed, str)) for result in results)
    assert sum(isinstance(result, SessionClosed) for result in results) >= 2
    await gone(server)


async def test_a_cancelled_close_has_closed_all_the_same(server: LineServer) -> None:
    for turns in range(6):
        connection = LineConnection(request(server))
        await connection.open()
        task = asyncio.ensure_future(connection.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await connection.close()
        assert connection.state is State.CLOSED
        await gone(server)


def test_options_are_checked(server: Any) -> None:
    path = Path(name="line", protocol="line", host="127.0.0.1", port=1, options={"foreign": 1, "times": "3"})
    made = LineConnection(Request(device="r1", path=path))
    assert made.options.times == 3
    with pytest.raises(InvalidOption, match=r"colr: unknown option, did you mean 'colour'\?"):
        LineConnection(Request(device="r1", path=path, arguments={"colr": "red"}))
    with pytest.raises(InvalidOption, match="times: 'many' is not a number; timeout: 'x' is not a number"):
        LineConnection(Request(device="r1", path=path, arguments={"times": "many", "timeout": "x"}))
    with pytest.raises(InvalidOption, match="above zero"):
        LineConnection(Request(device="r1", path=path, arguments={"timeout": 0}))


def test_a_second_loop_is_refused() -> None:
    async def first() -> LineConnection:
        async with LineServer() as server:
            connection = LineConnection(request(server))
            await connection.open()
            return connection

    with asyncio.Runner() as one, asyncio.Runner() as two:
        connection = one.run(first())
        with pytest.raises(LoopMismatch, match="home loop"):
            two.run(connection.ask("word"))
        one.run(connection.close())
