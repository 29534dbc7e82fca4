# SPDX-License-Identifier: Apache-2.0
"""gNMI: what a target can do, what it says, what it is told, and what it says of itself from then on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any, ClassVar

from aioconn.connection import BaseConnection, State, pipelined, streaming
from aioconn.errors import (
    AioconnError,
    BadReply,
    GnmiError,
    InvalidOption,
    Phase,
    SessionBroken,
    SessionClosed,
)
from aioconn.home import carry_iterator
from aioconn.protocols.gnmi import messages, requests, values
from aioconn.protocols.gnmi.channel import Channel, Failed, Stream
from aioconn.protocols.gnmi.greeting import login, refusal
from aioconn.protocols.gnmi.messages import DecodeError, Message
from aioconn.protocols.gnmi.options import PORT, GnmiOptions
from aioconn.protocols.gnmi.requests import DataType, Mode, Subscription, Trigger, Values
from aioconn.protocols.gnmi.results import Change, GnmiCapabilities, SetResult, Update
from aioconn.protocols.gnmi.trust import diagnosis, trust
from aioconn.protocols.gnmi.values import Encoding
from aioconn.protocols.gnmi.way import Way
from aioconn.request import BaseOptions, Request

__all__ = ["GnmiConnection", "Subscription"]

PATIENCE = (1.0, 5.0)
"""Seconds, at least and at most, in which a target must give a sign of life that was silent during a call."""

EARLY = 0.95
"""The part of a call's time after which gRPC may say that it is over: its clock is not the loop's."""


class GnmiConnection(BaseConnection[GnmiOptions]):
    """A session with a gNMI target: one HTTP/2 connection, on which calls do not wait for each other."""

    options_type: ClassVar[type[BaseOptions]] = GnmiOptions

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._channel: Channel | None = None
        self._way: Way | None = None
        self._metadata: tuple[tuple[str, str], ...] = ()
        self._capabilities: GnmiCapabilities | None = None
        self._doubted_for = 0.0  # seconds that the target was silent during a call, until it is asked

    # ------------------------------------------------------------------ services

    @pipelined
    async def capabilities(
        self, *, timeout: float | None = None, idempotent: bool = False
    ) -> GnmiCapabilities:
        """Ask what the target can do."""
        answer = await self._ask(messages.CAPABILITIES, b"", timeout, writes=False)
        self._capabilities = values.capabilities_of(self._decode(messages.CapabilityResponse, answer))
        return self._capabilities

    @pipelined
    async def get(
        self,
        paths: str | Sequence[str] = "/",
        *,
        type: DataType = "all",
        encoding: Encoding | None = None,
        prefix: str | None = None,
        models: Sequence[str] = (),
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> list[Update]:
        """What the target has at one path, or at several.

        `type` is all, config, state or operational. `prefix` stands before all paths, `models` are those that the
        answer may use. Raises `UsageError` for a path that is none, `NotCapable` for an encoding that the target does
        not have, `GnmiError` with the target's own words. `idempotent`: ask again on a new session if this one breaks.
        A cancel leaves nothing behind.
        """
        request = requests.get(
            paths,
            origin=self.options.origin,
            type=type,
            encoding=self._encoding(encoding),
            prefix=prefix,
            target=self.options.target,
            models=models,
        )
        answer = self._decode(
            messages.GetResponse, await self._ask(messages.GET, request, timeout, writes=False)
        )
        return [update for each in answer.notification for update in self._updates(each)]

    @pipelined
    async def set(
        self,
        update: Values = (),
        *,
        replace: Values = (),
        delete: str | Sequence[str] = (),
        union_replace: Values = (),
        encoding: Encoding | None = None,
        prefix: str | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> SetResult:
        """Change the target's configuration: all of it, or nothing and `GnmiError`.

        `update` and `replace` are paths with their values, as a mapping or as pairs; what is to be deleted goes first,
        then what is to be replaced. After a timeout, a cancel or a lost session the target may have done it, or not.
        """
        request = requests.set(
            update=update,
            replace=replace,
            union_replace=union_replace,
            delete=requests.paths(delete, self.options.origin),
            encoding=self._encoding(encoding),
            prefix=requests.prefix(prefix, self.options.target),
            origin=self.options.origin,
        )
        answer = self._decode(
            messages.SetResponse,
            await self._ask(messages.SET, request.SerializeToString(), timeout, writes=True),
        )
        before = values.path_of(answer.prefix)
        changes = tuple(
            Change(
                path=str(values.path_of(each.path).below(before)),
                operation=messages.name("UpdateResult.Operation", each.op),
            )
            for each in answer.response
        )
        return SetResult(timestamp=answer.timestamp, changes=changes)

    @streaming
    async def subscribe(
        self,
        paths: str | Subscription | Iterable[str | Subscription],
        *,
        mode: Mode = "stream",
        trigger: Trigger = "target_defined",
        interval: float | None = None,
        heartbeat: float | None = None,
        suppress_redundant: bool = False,
        updates_only: bool = False,
        encoding: Encoding | None = None,
        prefix: str | None = None,
        silence: float | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Update, None]:
        """Hear of what is at the paths: what there is, an `Update` with `sync`, then (mode stream) what becomes of it.

        `trigger` on_change or sample (each `interval` seconds) says when the target speaks; `heartbeat` makes it repeat
        what does not change, `suppress_redundant` leave out samples of the same value, `updates_only` leave out what
        there is. Mode once ends after the sync. Mode poll asks the target again, `interval` seconds later, each time
        that more is wanted after a sync.

        `timeout` (else the option) bounds the wait for the first message, `silence` that for each further one, which
        may otherwise be long; the option `keepalive` finds links that are dead. It raises `SessionBroken` when the
        session is lost, and does not begin again by itself. Close the iterator (`contextlib.aclosing`) to end it.
        """
        self._check_usable()
        request = requests.subscribe(
            paths if isinstance(paths, (str, Subscription)) else list(paths),
            mode=mode,
            common=Subscription(
                path="",
                trigger=trigger,
                interval=interval,
                heartbeat=heartbeat,
                suppress_redundant=suppress_redundant,
            ),
            encoding=self._encoding(encoding),
            prefix=requests.prefix(prefix, self.options.target),
            origin=self.options.origin,
            updates_only=updates_only,
        ).SerializeToString()
        pause = (interval or 0.0) if mode == "poll" else None
        told = carry_iterator(self._home(), self._messages, request, mode, pause, silence, timeout)
        async with contextlib.aclosing(told):
            async for updates in told:
                for update in updates:
                    yield update

    async def _messages(
        self, request: bytes, mode: Mode, pause: float | None, silence: float | None, timeout: float | None
    ) -> AsyncGenerator[list[Update], None]:
        """What each message says: from loop to loop whole messages are carried."""
        call, received = await self._subscription(request, timeout=timeout)
        try:
            while received is not None:
                message = self._decode(messages.SubscribeResponse, received)
                match message.WhichOneof("one"):
                    case "update":
                        yield self._updates(message.update)
                    case "sync_response" if message.sync_response:
                        yield [Update(path="", sync=True)]
                        if mode == "once":
                            return
                        if pause is not None:
                            await asyncio.sleep(pause)
                            await self._step(call, silence, write=requests.poll().SerializeToString())
                    case "error":
                        error = message.error
                        raise self._refused(messages.status(error.code), error.message)
                received = await self._step(call, silence)
        finally:
            call.end()

    @pipelined
    async def _subscription(
        self, request: bytes, *, timeout: float | None = None
    ) -> tuple[Stream, bytes | None]:
        """The call of a subscription, and what comes first."""
        call = self._live().stream(messages.SUBSCRIBE, self._metadata)
        try:
            await self._step(call, None, write=request)
            return call, await self._step(call, None)
        except BaseException:
            call.end()
            raise

    async def _step(self, call: Stream, silence: float | None, write: bytes | None = None) -> bytes | None:
        """Write to a stream, or read from it."""
        deadline = asyncio.timeout(silence)
        failure: BaseException
        try:
            if silence is None and write is None:
                return await call.read()
            async with deadline:
                return await (call.read() if write is None else call.write(write))
        except TimeoutError:
            if not deadline.expired():
                raise
            failure = self._timed_out("subscribe", "", silence or 0.0)
        except Failed as error:
            failure = self._failure(error, call.channel, writes=False)
        except asyncio.CancelledError:
            failure = self._unless_ours(call.channel)
        raise failure

    # ------------------------------------------------------------------ calls

    async def _ask(self, method: str, request: bytes, timeout: float | None, *, writes: bool) -> bytes:
        """One call with one answer. gRPC gets the deadline as well, and so does the target."""
        channel = self._live()
        limit: float = self.options.timeout if timeout is None else timeout
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        failure: BaseException
        try:
            return await channel.unary(method, request, self._metadata, limit)
        except Failed as error:
            if error.code == "DEADLINE_EXCEEDED" and loop.time() >= end - limit * (1 - EARLY):
                failure = self._timed_out(method.rpartition("/")[2].lower(), "", limit)
            else:
                failure = self._failure(error, channel, writes=writes)
        except asyncio.CancelledError:
            failure = self._unless_ours(channel)
        raise failure

    def _live(self) -> Channel:
        if self._channel is None:
            raise self._ended()
        return self._channel

    def _unless_ours(self, channel: Channel) -> BaseException:
        """What a cancelled wait means: our caller's will, unless it is the channel that has been closed meanwhile."""
        task = asyncio.current_task()
        if channel.ending and task is not None and not task.cancelling():
            return self._ended()
        return asyncio.CancelledError()

    def _ended(self) -> AioconnError:
        if self._state is State.CLOSED:
            return SessionClosed("the connection was closed", **self._where())
        return self._broken_error()

    def _failure(self, failed: Failed, channel: Channel, *, writes: bool) -> AioconnError:
        """What a status means. UNAVAILABLE is said by gRPC itself when the connection has gone."""
        code, details = failed.code, self.credentials.redact(failed.details)
        gone = code in ("CANCELLED", "INTERNAL", "UNKNOWN") and not channel.ready
        if code != "UNAVAILABLE" and not gone:
            return self._refused(code, details)
        if self._state is State.CLOSED:
            return self._ended()
        what = f"the session was lost: {details}"
        broken = SessionBroken(what, **self._where(), maybe_executed=writes, seen=details)
        if channel is self._channel:  # another may have been opened since
            self._lost(broken)
        return broken

    def _refused(self, code: str, details: str) -> GnmiError:
        return GnmiError(f"{code}: {details}", **self._where(), code=code, details=details)

    def _decode(self, kind: Message, data: bytes) -> Message:
        try:
            return kind.FromString(data)
        except DecodeError:
            error = BadReply("what came is no message of gNMI", **self._where(), seen=repr(data[:80]))
            self._lost(error)
            raise error from None

    def _updates(self, notification: Message) -> list[Update]:
        try:
            return values.updates_of(notification, self._where())
        except BadReply as error:
            self._lost(error)
            raise

    def _encoding(self, wanted: Encoding | None) -> Encoding:
        """The encoding of a call."""
        known = self._capabilities.encodings if self._capabilities is not None else ()
        return values.choose_encoding(wanted or self.options.encoding, known, self._where())

    def _what(self, service_name: str, args: tuple[Any, ...]) -> str:
        """The paths of a call; never values, which may be secrets."""
        if service_name.startswith("_") or not args:
            return ""
        subject = args[0]
        if isinstance(subject, (str, Subscription)):
            subject = [subject]
        try:
            texts = [each if isinstance(each, (str, Subscription)) else each[0] for each in subject]
        except (TypeError, LookupError):
            return ""
        return ", ".join(each.path if isinstance(each, Subscription) else str(each) for each in texts)

    # ------------------------------------------------------------------ the session

    async def _join(self, inside: bool, until: float) -> None:
        """As for all, except that a connection that has gone is noticed before something is sent over it."""
        channel = self._channel
        if channel is not None and self._state in (State.READY, State.BUSY) and not channel.ready:
            self._gone()
        await super()._join(inside, until)

    async def _open(self) -> None:
        options, where = self.options, self._where()
        host = self.path.address
        if not host:
            raise InvalidOption("a gNMI target needs an address", **where, hint="give `ip` or `host`")
        port = self.path.port_number or PORT
        self._metadata = login(self.credentials.login("gnmi", self.via), where)
        self._way = way = Way(host, port, await self._request.environment.jump(self), where)
        self._progress.phase = Phase.TCP
        await way.open()
        credentials, name = None, ""
        if not options.insecure:
            credentials, name = await trust(options, way, where, self._progress)
        self._channel = channel = Channel(
            way.target,
            credentials,
            options,
            authority=way.authority,
            name=name or (host if way.authority else ""),
        )
        failed: Failed | None = None
        try:
            answer = await channel.unary(messages.CAPABILITIES, b"", self._metadata, None)
            self._progress.phase = Phase.AUTH
            self._capabilities = values.capabilities_of(self._decode(messages.CapabilityResponse, answer))
        except Failed as error:
            failed = error
        except asyncio.CancelledError:
            if channel.ready:
                self._progress.phase = Phase.AUTH
            raise self._unless_ours(channel) from None
        if failed is not None:
            if failed.code == "UNAVAILABLE":
                raise await diagnosis(options, way, where, self._progress)
            self._progress.phase = Phase.AUTH
            if failed.code != "UNIMPLEMENTED":
                raise refusal(failed.code, self.credentials.redact(failed.details), where)
            self._capabilities = None  # a target that does not tell what it can do
        if channel.closed:
            raise SessionClosed("closed while it was being opened", **where)
        channel.watch(self._gone)

    def _gone(self) -> None:
        self._lost(SessionBroken("the target ended the connection", **self._where()))

    async def _close(self) -> None:
        if self._channel is not None:
            await self._channel.settle()
        self._abort()

    def _abort(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()
        way, self._way = self._way, None
        if way is not None:
            way.close()

    def _timed_out(self, name: str, what: str, timeout: float) -> AioconnError:
        channel = self._channel
        silent_since = asyncio.get_running_loop().time() - timeout * EARLY
        if (
            channel is not None
            and channel.heard_at <= silent_since
            and self._state in (State.READY, State.BUSY)
        ):
            self._doubted_for = timeout
            self._start_recovery()  # before the caller can make another call, which would be sent in vain
        return super()._timed_out(name, what, timeout)

    async def _recover(self) -> bool:
        """A target that was silent during a whole call must give a sign of life, or the session is replaced."""
        low, high = PATIENCE
        try:
            async with asyncio.timeout(min(max(self._doubted_for, low), high)):
                return await self._check()
        except TimeoutError:
            return False

    async def _check(self) -> bool:
        """Whether the target still answers, be it with a refusal."""
        try:
            await self._live().unary(messages.CAPABILITIES, b"", self._metadata, self.options.timeout)
        except Failed as error:
            return error.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED")
        return True
