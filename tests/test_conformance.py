# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: a class that keeps all promises passes, one that breaks a promise fails the test of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar

import pytest

from aioconn.conformance import Conformance, Subject
from aioconn.connection import BaseConnection, service
from aioconn.errors import AuthenticationFailed, Phase, SessionBroken
from aioconn.request import BaseOptions
from aioconn.transport.tcp import TcpStream, open_tcp

pytestmark = pytest.mark.clock("jumping")

PASSWORD = "a-secret-word"


class EchoServer:
    """Takes a password, then repeats lines, except `never`; the answer comes a moment later."""

    def __init__(self) -> None:
        self.writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.writers.add(writer)
        try:
            known = (await reader.readline()).decode().strip() == PASSWORD
            writer.write(b"yes\n" if known else b"no\n")
            while known and (line := await reader.readline()):
                if line != b"never\n":
                    await asyncio.sleep(0.01)
                    writer.write(line)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.writers.discard(writer)
            self._tasks.discard(task)
            writer.close()


class Lines:
    """What has come over one stream. `on_lost` hears of its end, unless that was asked for."""

    def __init__(self, on_lost: Callable[[Exception | None], None]) -> None:
        self.on_lost: Callable[[Exception | None], None] | None = on_lost
        self.ended = False
        self._received = bytearray()
        self._waiting: asyncio.Future[None] | None = None

    def data_received(self, data: bytes, /) -> None:
        self._received += data
        self._wake()

    def connection_lost(self, error: Exception | None, /) -> None:
        self.ended = True
        self._wake()
        if self.on_lost is not None:
            self.on_lost(error)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def next(self) -> str | None:
        while b"\n" not in self._received:
            if self.ended:
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line.decode()


class Echo(BaseConnection[BaseOptions]):
    """Keeps all promises."""

    _stream: TcpStream | None = None
    _lines: Lines | None = None

    async def _open(self) -> None:
        self._lines = Lines(self._lost)
        assert self.path.address is not None
        assert self.path.port is not None
        self._stream = await open_tcp(
            self.path.address, self.path.port, self._lines, **self._where(), progress=self._progress
        )
        self._progress.phase = Phase.AUTH
        password = self.credentials.require_password("default")
        if await self._line(password) != "yes":
            raise AuthenticationFailed("refused", **self._where())

    async def _line(self, text: str) -> str:
        stream, lines = self._stream, self._lines
        assert stream is not None
        assert lines is not None
        stream.write(text.encode() + b"\n")
        line = await lines.next()
        if line is None:
            self._check_usable()
            raise SessionBroken("the other side ended it", **self._where())
        return line

    async def _close(self) -> None:
        self._abort()

    def _abort(self) -> None:
        if self._lines is not None:
            self._lines.on_lost = None
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.abort()

    @service
    async def ask(self, word: str, *, timeout: float | None = None) -> str:
        """The word again."""
        return await self._line(word)


class OutOfStep(Echo):
    def _needs_recovery(self, error: BaseException) -> bool:
        return False


class Leaking(Echo):
    async def _close(self) -> None: ...

    def _abort(self) -> None: ...


class Foreign(Echo):
    async def _open(self) -> None:
        assert self.path.address is not None
        try:
            await super()._open()
        except Exception as error:
            raise OSError("something went wrong") from error


class Talkative(Echo):
    def __repr__(self) -> str:
        return f"<Talkative {self.credentials.require_password('default')}>"


class WithoutDeadline(Echo):
    @service
    async def ask(self, word: str) -> str:  # type: ignore[override]
        return await self._line(word)


class Stubborn(Echo):
    """Does not hear that its session was closed."""

    def _abort(self) -> None:
        lines = self._lines
        super()._abort()
        if lines is not None:
            lines.connection_lost = lambda error: None  # type: ignore[method-assign]


class Odd(Echo):
    @service
    async def ask(self, word: str, *, timeout: float | None = None) -> Any:
        await self._line(word)
        return lambda: word


class PastWrappers(Echo):
    async def shout(self, word: str, *, timeout: float | None = None) -> str:
        return await self._line(word.upper())

    shout.__aioconn_service__ = "call"  # type: ignore[attr-defined]


class TestEcho(Conformance):
    kind: ClassVar[type[Echo]] = Echo

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        server = EchoServer()
        async with server.listening():
            place = f"{__name__}.{self.kind.__name__}"
            path = {"class": place, "ip": "127.0.0.1", "port": server.port}

            def entry(password: str) -> dict[str, Any]:
                login = {"default": {"username": "me", "password": password}}
                return {"connections": {"a": path}, "credentials": login}

            yield Subject(
                entry=entry(PASSWORD),
                ask=lambda session, number: session.ask(str(number)),
                read=lambda answer: int(answer if isinstance(answer, str) else answer()),
                hang=lambda session, timeout: session.ask("never", timeout=timeout),
                cut=server.cut,
                live=lambda: len(server.writers),
                secret=PASSWORD,
                denied=entry("wrong-password"),
            )

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (OutOfStep, "test_a_cancelled_call_leaves_a_session_that_is_right"),
        (Leaking, "test_closing_frees_everything_and_may_be_repeated"),
        (Leaking, "test_closing_frees_everything_when_it_is_cancelled"),
        (Leaking, "test_a_pool_of_it"),
        (Foreign, "test_nobody_there_is_told_in_full"),
        (Foreign, "test_wrong_credentials_are_told_and_not_shown"),
        (Talkative, "test_secrets_stay_secret"),
        (WithoutDeadline, "test_every_service_takes_a_deadline"),
        (Stubborn, "test_closing_ends_the_call_under_way"),
        (Odd, "test_an_answer_is_a_plain_value"),
        (PastWrappers, "test_wrappers_see_each_service"),
    ],
)
async def test_a_broken_promise_is_noticed(broken: type[Echo], test: str) -> None:
    class Broken(TestEcho):
        kind = broken

    with pytest.raises((AssertionError, TimeoutError, OSError, TypeError, AttributeError)):
        await getattr(Broken(), test)()
