# SPDX-License-Identifier: Apache-2.0
"""How a NETCONF session is opened, used, doubted, replaced and closed, beneath its services."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable
from typing import Any, ClassVar

from aioconn.connection import BaseConnection, State, pipelined
from aioconn.errors import (
    AioconnError,
    BadReply,
    CommandTimeout,
    InvalidOption,
    RpcError,
    SessionBroken,
    ShellRefused,
)
from aioconn.protocols.netconf import messages, tls, xml
from aioconn.protocols.netconf.call import Call, Events
from aioconn.protocols.netconf.capabilities import NONE, Capabilities
from aioconn.protocols.netconf.operations import Operations
from aioconn.protocols.netconf.options import NetconfOptions
from aioconn.protocols.netconf.session import Session
from aioconn.protocols.netconf.values import Notification, Reply
from aioconn.protocols.terminals import OpenedTerminal, open_over_ssh
from aioconn.request import BaseOptions, Request
from aioconn.transport.base import Stream

PORT = 830

PATIENCE = (1.0, 5.0)
"""Seconds, at least and at most, in which a session must give a sign of life whose device was silent during a call."""

YUMA = "http://netconfcentral.org/ns/yuma-"
YUMA_PAUSE = 0.05
"""Seconds: netconfd 2.13 (yuma123) never answers a call that reaches it before it has read the hello (18 of 100)."""

_PROBE = '<get-config><source><running/></source><filter type="subtree"></filter></get-config>'


class Conversation(BaseConnection[NetconfOptions]):
    """What `NetconfConnection` is beneath its services."""

    options_type: ClassVar[type[BaseOptions]] = NetconfOptions

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._session: Session | None = None
        self._release: Callable[[], None] | None = None
        self._locks: set[str] = set()  # datastores that this session holds locked
        self._spent = False  # somebody left a subscription that the device goes on with
        self._doubted_for = 0.0  # seconds that the device was silent during a call, until it is asked

    @property
    def session_id(self) -> int:
        """The number that the device gave the session; 0 while there is none."""
        return self._session.session_id if self._session is not None else 0

    @property
    def server_capabilities(self) -> Capabilities:
        """What the device announces; `":candidate" in connection.server_capabilities`. Empty while there is no
        session."""
        return self._session.capabilities if self._session is not None else NONE

    # ------------------------------------------------------------------ how calls are made

    def _what(self, service_name: str, args: tuple[Any, ...]) -> str:
        """What is asked for, without what is in it: configurations hold secrets."""
        if not args:
            return ""
        if isinstance(args[0], str) and not args[0].lstrip().startswith("<"):
            return args[0][:80]
        with contextlib.suppress(xml.BadXml):
            return " ".join(f"<{xml.local_name(element)}>" for element in xml.elements(args[0])[:3])
        return ""

    def _operations(self) -> Operations:
        return self._live().operations

    async def _ask(self, operation: str) -> Reply:
        session = self._live()
        call = self._send(session, operation)
        loop = asyncio.get_running_loop()
        try:
            reply = await call.answer
        finally:
            session.abandon(call)  # nothing, if the answer has come
            if self._spent:
                loop.call_soon(self._review_spent)
        if reply.fresh:
            loop.call_soon(reply.fresh.clear)  # a tree takes ten times the room of its text
        answer = messages.answer(reply, elapsed=loop.time() - call.sent_at)
        if isinstance(answer, messages.Refusal):
            raise self._refused(answer)
        return answer

    def _send(self, session: Session, operation: str, *, streamed: bool = False) -> Call:
        if session.events is not None:
            session.operations.need(":interleave")
        try:
            return session.send(operation, streamed=streamed)
        except ValueError as error:
            raise InvalidOption(str(error), **self._where()) from None

    def _refused(self, refusal: messages.Refusal) -> RpcError:
        redact = self.credentials.redact
        errors = tuple({name: redact(text) for name, text in fields.items()} for fields in refusal.errors)
        details: dict[str, Any] = {**errors[0], "errors": errors}
        return RpcError(f"the device refused: {redact(refusal.message)}", **self._where(), **details)

    # ------------------------------------------------------------------ how streams are made

    def _stream(
        self, name: str, write: Callable[[Operations], str], timeout: float | None
    ) -> AsyncGenerator[str, None]:
        return self._streamed(name, "", timeout, functools.partial(self._pieces, write))

    async def _pieces(self, write: Callable[[Operations], str], limit: float) -> AsyncGenerator[str, None]:
        session = self._live()
        call = self._send(session, write(session.operations), streamed=True)
        try:
            async with contextlib.aclosing(self._texts(call, limit)) as texts:
                async for text in texts:
                    yield text
        finally:
            session.abandon(call)
            if call.pieces is not None:
                call.pieces.leave()

    async def _texts(self, call: Call, limit: float) -> AsyncGenerator[str, None]:
        assert call.pieces is not None
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while True:
            async with asyncio.timeout(limit):
                piece = await call.pieces.take()
            if piece is None:
                break
            if text := decode(piece):
                yield text
        if call.answer.done():  # it was an error, or small: it came as a whole
            answer = messages.answer(call.answer.result())
            if isinstance(answer, messages.Refusal):
                raise self._refused(answer)
            yield call.answer.result().document.decode("utf-8", "replace")

    async def _subscribe(
        self, write: Callable[[Operations], str], idle: float | None, timeout: float | None
    ) -> AsyncGenerator[Notification, None]:
        session, events = await self._create_subscription(write, timeout=timeout)
        try:
            while True:
                async with asyncio.timeout(idle):
                    event = await events.take()
                if event is None:
                    return
                assert isinstance(event, Notification)
                yield event
        except TimeoutError:
            raise CommandTimeout(
                f"no notification within {idle or 0:g} s", **self._where(), maybe_executed=False
            ) from None
        finally:
            events.leave()
            if session.events is events:
                self._spent = True
                self._review_spent()

    async def _subscription(
        self, write: Callable[[Operations], str], *, timeout: float | None = None
    ) -> tuple[Session, Events]:
        session = self._live()
        operation = write(session.operations)
        if session.events is not None:
            raise InvalidOption(
                "the session carries a subscription already",
                **self._where(),
                hint="connect another alias for this one",
            )
        call = self._send(session, operation)
        events = session.subscribe()  # the first may come together with the answer
        try:
            reply = await call.answer
            answer = messages.answer(reply)
            if isinstance(answer, messages.Refusal):
                session.events = None
                raise self._refused(answer)
        except RpcError:
            raise
        except BaseException:
            session.abandon(call)
            events.leave()
            self._spent = True  # the device may have begun
            asyncio.get_running_loop().call_soon(self._review_spent)
            raise
        return session, events

    _subscription.__name__ = "subscribe"  # what events and errors call it
    _create_subscription = pipelined(_subscription)

    def _review_spent(self) -> None:
        """Replace a session that carries a subscription which nobody wants any more, once nobody uses it. A pool does
        that by itself, when it gets its session back."""
        idle = self._state is State.READY and self._turn.transaction is None and not self._request.pooled
        if self._spent and idle and not (self._turn.busy or self._turn.sharers):
            self._start_recovery()

    # ------------------------------------------------------------------ opening, closing, recovery

    async def _open(self) -> None:
        self._spent, self._doubted_for = False, 0.0
        self._locks.clear()
        session = Session(
            where=self._where(),
            versions=self.options.versions,
            max_reply=self.options.max_reply,
            on_lost=self._on_session_lost,
        )
        self._session = session
        opened: OpenedTerminal | None = None
        try:
            opened = await self._open_stream(session)
            self._release = opened.abort
            session.attach(opened.stream)
            await session.greeting
            if pause := self._hello_pause(session.capabilities):
                await asyncio.sleep(pause)
            self._live()
        except BadReply:
            raise
        except (SessionBroken, ShellRefused) as error:
            if opened is not None and opened.refuse():
                self._abort()
                await self._open()  # over another link
                return
            if self.options.tls and (refused := tls.refusal(error, self.options, self._where())) is not None:
                raise refused from error.__cause__
            if isinstance(error, ShellRefused):
                raise
            raise ShellRefused(
                "the device ended the session before it was ready",
                **self._where(),
                phase=self._progress.phase,
                seen=self._redacted_seen() or error.seen,
            ) from error.__cause__

    async def _open_stream(self, session: Session) -> OpenedTerminal:
        jump = await self._request.environment.jump(self)
        if self.options.tls:
            return await tls.open_over_tls(self, session, jump=jump, progress=self._progress)

        async def open_subsystem(link: Any) -> Stream:
            stream: Stream = await link.open_subsystem(self.options.subsystem, session)
            return stream

        return await open_over_ssh(
            self, open_subsystem, port=self.path.port_number or PORT, jump=jump, progress=self._progress
        )

    def _hello_pause(self, capabilities: Capabilities) -> float:
        if self.options.hello_pause is not None:
            return self.options.hello_pause
        return _usual_pause(capabilities)

    async def _close(self) -> None:
        if self._session is not None:
            await self._session.say_goodbye()

    def _abort(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end(closed=self._state is State.CLOSED)
        release, self._release = self._release, None
        if release is not None:
            release()

    def _on_session_lost(self, error: Exception | None) -> None:
        if error is None or isinstance(error, AioconnError):
            self._lost(error)
        else:
            broken = SessionBroken(f"the session broke: {error}", **self._where())
            broken.__cause__ = error
            self._lost(broken)

    def _needs_recovery(self, error: BaseException) -> bool:
        return False  # an answer that comes too late is dropped

    def _timed_out(self, name: str, what: str, timeout: float) -> AioconnError:
        session = self._session
        silent_since = asyncio.get_running_loop().time() - timeout
        if (
            session is not None
            and session.heard_at <= silent_since
            and self._state in (State.READY, State.BUSY)
        ):
            self._doubted_for = timeout
            self._start_recovery()  # before the caller can make another call, which would be sent in vain
        return super()._timed_out(name, what, timeout)

    async def _recover(self) -> bool:
        """A device that was silent during a whole call must give a sign of life, or the session is replaced."""
        doubted_for, self._doubted_for = self._doubted_for, 0.0
        if self._spent:
            return False
        low, high = PATIENCE
        try:
            async with asyncio.timeout(min(max(doubted_for, low), high)):
                return await self._check()
        except TimeoutError:
            if self._session is not None:
                self._session.end(closed=False)  # a goodbye would not be heard
            return False

    def _let_go(self, session: Session | None, target: str | None, discard: bool) -> None:
        """Give a lock back without waiting for the answer."""
        if session is None:
            return
        target = target or session.operations.default_target
        if discard and target == "candidate":
            session.send_unheard(session.operations.discard_changes())
        session.send_unheard(session.operations.unlock(target))
        self._locks.discard(target)

    def _is_clean(self) -> bool:
        return self._session is not None and self._session.events is None and not self._locks

    async def _reset(self) -> bool:
        """Whoever had it left a lock, or a subscription."""
        session = self._live()
        if session.events is not None:
            return False
        for target in tuple(self._locks):
            self._let_go(session, target, discard=True)
        return await self._check()

    async def _check(self) -> bool:
        session = self._live()
        call = session.send(_PROBE)
        try:
            await call.answer
        finally:
            session.abandon(call)
        return True

    def _live(self) -> Session:
        if self._session is None:
            self._check_usable()
            raise self._broken_error()
        return self._session

    def _seen(self) -> str | None:
        return (self._session.seen() or None) if self._session is not None else None


@functools.lru_cache(maxsize=16)
def _usual_pause(capabilities: Capabilities) -> float:
    """What servers that announce this need, in seconds; devices of a kind share their capabilities."""
    return YUMA_PAUSE if any(uri.startswith(YUMA) for uri in capabilities) else 0.0
