# SPDX-License-Identifier: Apache-2.0
"""SNMP: versions 2c and 3, read, written and walked through."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any, ClassVar, overload

from aioconn.connection import BaseConnection, State, pipelined, streaming
from aioconn.errors import (
    AioconnError,
    CommandTimeout,
    InvalidOption,
    SessionBroken,
    SessionClosed,
    SnmpError,
    UsageError,
)
from aioconn.home import carry_iterator
from aioconn.protocols.snmp import ber, names
from aioconn.protocols.snmp.agent import Agent, Answer, Ended, Query, Silence
from aioconn.protocols.snmp.opening import PROBE, Opening, hint
from aioconn.protocols.snmp.options import MOST_REPETITIONS, SnmpOptions
from aioconn.protocols.snmp.pdu import Kind, Pdu, bind, status_name
from aioconn.protocols.snmp.values import Settable, VarBind, encoded
from aioconn.protocols.snmp.walk import Walk
from aioconn.request import BaseOptions, Request

SHOWN = 5
"""OIDs of one call that events and errors name."""

MOST_ASKED = 50
"""Variables that are asked for in one message; more are asked for in several."""

_RESYNCS = 3  # times that a request is made again because the agent's clock was another
_TOO_BIG = 1


class SnmpConnection(BaseConnection[SnmpOptions]):
    """An SNMP agent. There is no session on the wire: opening asks it one question, so that what is wrong shows then.

    Several calls may be under way at once. One that is cancelled or times out leaves nothing behind; its answer is
    dropped when it comes. An OID is a text, in numbers or with a name first (`aioconn.protocols.snmp.names`); one that
    is not understood raises `UsageError` before anything is sent.
    """

    options_type: ClassVar[type[BaseOptions]] = SnmpOptions

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._agent: Agent | None = None

    # ------------------------------------------------------------------ services

    @overload
    async def get(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one OID
        self, oids: str, *, timeout: float | None = None
    ) -> VarBind: ...

    @overload
    async def get(self, oids: Sequence[str], *, timeout: float | None = None) -> list[VarBind]: ...

    @pipelined  # type: ignore[misc]  # the decorator makes self positional-only
    async def get(
        self, oids: str | Sequence[str], *, timeout: float | None = None
    ) -> VarBind | list[VarBind]:
        """Variables, by their full OIDs (`sysName.0`): one for a text, a list in the same order for several.

        What the agent does not have is no error: its `exists` is False, its `value` None. More than `MOST_ASKED`, and
        what the agent calls too big, are asked for in several messages. Raises `SnmpError` if the agent answers with an
        error-status, `CommandTimeout` if it does not answer (`retries`, `try_timeout`, `timeout` in seconds).
        """
        found = await self._read(Kind.GET, self._asked(oids))
        return found[0] if isinstance(oids, str) else found

    @overload
    async def get_next(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one OID
        self, oids: str, *, timeout: float | None = None
    ) -> VarBind: ...

    @overload
    async def get_next(self, oids: Sequence[str], *, timeout: float | None = None) -> list[VarBind]: ...

    @pipelined  # type: ignore[misc]  # the decorator makes self positional-only
    async def get_next(
        self, oids: str | Sequence[str], *, timeout: float | None = None
    ) -> VarBind | list[VarBind]:
        """The variables that come after these OIDs; of type endOfMibView where there is none. Otherwise as `get`."""
        found = await self._read(Kind.GET_NEXT, self._asked(oids))
        return found[0] if isinstance(oids, str) else found

    @pipelined
    async def get_bulk(
        self,
        oids: str | Sequence[str],
        *,
        non_repeaters: int = 0,
        max_repetitions: int | None = None,
        timeout: float | None = None,
    ) -> list[VarBind]:
        """One GetBulk (RFC 3416, section 4.2.3): the answer as the agent gave it, which may be shorter than asked for.

        The first `non_repeaters` OIDs give one variable each, the others up to `max_repetitions` (else the option).
        """
        repetitions = self.options.max_repetitions if max_repetitions is None else max_repetitions
        asked = self._asked(oids)
        if not 0 <= non_repeaters <= len(asked) or not 0 <= repetitions <= MOST_REPETITIONS:
            raise UsageError(
                f"get_bulk: {non_repeaters} non-repeaters of {len(asked)} OIDs, {repetitions} repetitions",
                **self._where(),
            )
        query = Query(Kind.GET_BULK, non_repeaters, repetitions, [bind(oid) for oid in asked])
        answer = await self._ask(query)
        self._check_status(answer.pdu, asked)
        return answer.values

    @pipelined
    async def set(
        self, values: Mapping[str, Settable], *, timeout: float | None = None, idempotent: bool = False
    ) -> list[VarBind]:
        """Write variables, all or none of them: `await device.snmp.set({"sysName.0": "r1"})`. What the agent answered.

        The type is the object's, if its MIB module is known; else Integer32 for an int, OctetString for str and bytes;
        or `Typed("Gauge32", 5)`. It is sent once, unless `idempotent` says that it does no harm twice: an answer may be
        lost on its way. Raises `SnmpError` with the status and the `oid` that the agent refused; `CommandTimeout` and
        `SessionBroken` with `maybe_executed`.
        """
        if not isinstance(values, Mapping):
            raise UsageError("set: values are a mapping, of OIDs to what to write", **self._where())
        asked = self._asked(list(values))
        try:
            binds = [bind(asked[at], encoded(asked[at], values[oid], oid)) for at, oid in enumerate(values)]
        except UsageError as error:
            raise self._ours(error) from None
        tries = self.options.retries + 1 if idempotent else 1
        answer = await self._ask(Query(Kind.SET, 0, 0, binds, asked), tries=tries)
        self._check_status(answer.pdu, asked)
        return answer.values

    @streaming
    async def walk(
        self,
        root: str = "mib-2",
        *,
        max_repetitions: int | None = None,
        limit: int = 1_000_000,
        timeout: float | None = None,
    ) -> AsyncGenerator[VarBind, None]:
        """The variables under `root`, in their order, while they come; asked for by GetBulk.

        `timeout` (else the option) bounds each step of `max_repetitions` variables (else the option; fewer if the agent
        says that they are too big). Raises `SnmpError` if the agent's OIDs do not increase (status oidNotIncreasing),
        or there are more than `limit` (walkTooLong). A consumer may leave at any time; nothing is left behind.
        """
        self._check_usable()
        repetitions = self.options.max_repetitions if max_repetitions is None else max_repetitions
        if not 1 <= repetitions <= MOST_REPETITIONS or limit < 1:
            raise UsageError(f"walk: max_repetitions={repetitions}, limit={limit}", **self._where())
        walk = Walk(self._asked(root)[0], repetitions, limit)
        async with contextlib.aclosing(
            carry_iterator(self._home(), self._walk, walk, timeout)  # by steps: each costs a way to the loop
        ) as steps:
            async for found in steps:
                for one in found:
                    yield one

    async def _walk(self, walk: Walk, timeout: float | None) -> AsyncGenerator[list[VarBind], None]:
        while not walk.over:
            if found := await self._step(walk, timeout=timeout):
                yield found

    @pipelined
    async def _step(self, walk: Walk, *, timeout: float | None = None) -> list[VarBind]:
        answer = await self._ask(Query(*walk.query()))
        try:
            return walk.take(answer.pdu, answer.values)
        except SnmpError as error:
            raise self._refused(error) from None

    # ------------------------------------------------------------------ asking

    def _asked(self, oids: str | Sequence[str]) -> list[bytes]:
        if not oids or not isinstance(oids, Sequence):
            raise UsageError(f"{oids!r} is no OID, and no list of them", **self._where())
        try:
            return [names.resolve(oid) for oid in ([oids] if isinstance(oids, str) else oids)]
        except UsageError as error:
            raise self._ours(error) from None

    def _ours(self, error: UsageError) -> UsageError:
        """A call that is wrong says whose it was."""
        error.device, error.path = self.device, self.via
        return error

    async def _read(self, kind: Kind, asked: list[bytes]) -> list[VarBind]:
        if len(asked) > MOST_ASKED:
            parts = [asked[at : at + MOST_ASKED] for at in range(0, len(asked), MOST_ASKED)]
            return [one for part in parts for one in await self._read(kind, part)]
        same = asked if kind == Kind.GET else None
        answer = await self._ask(Query(kind, 0, 0, [bind(oid) for oid in asked], same, len(asked)))
        if answer.pdu.status == _TOO_BIG and len(asked) > 1:
            half = len(asked) // 2
            return [*await self._read(kind, asked[:half]), *await self._read(kind, asked[half:])]
        self._check_status(answer.pdu, asked)
        return answer.values

    async def _ask(self, query: Query, *, tries: int | None = None) -> Answer:
        """Ask until there is an answer; what it says of itself is not looked at."""
        writes = query.kind == Kind.SET
        for _ in range(_RESYNCS):
            agent = self._agent
            if agent is None:
                raise self._ended(writes)
            try:
                answer = await agent.ask(query, tries or self.options.retries + 1)
            except Silence as silence:
                raise CommandTimeout(
                    str(silence), **self._where(), seen=silence.seen, maybe_executed=writes
                ) from None
            except Ended:
                raise self._ended(writes) from None
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    raise UsageError("the request is longer than a datagram", **self._where()) from None
                raise self._broken(f"the request cannot be sent: {error.strerror}") from None
            if not answer.report:
                return answer
            if answer.report == "usmStatsNotInTimeWindows":  # we know the time now, and it did nothing
                continue
            if answer.report == "usmStatsUnknownEngineIDs":
                raise self._broken("there is another SNMP engine at this address now")
            raise SnmpError(f"the agent reports {answer.report}", **self._where(), status=answer.report)
        raise SnmpError(
            "the agent's clock does not stand still: usmStatsNotInTimeWindows",
            **self._where(),
            status="usmStatsNotInTimeWindows",
        )

    def _check_status(self, pdu: Pdu, asked: Sequence[bytes]) -> None:
        if not pdu.status:
            return
        status = status_name(pdu.status)
        oid = ber.dotted(asked[pdu.error_index - 1]) if 1 <= pdu.error_index <= len(asked) else ""
        about = f" for {names.name(oid)}" if oid else ""
        raise SnmpError(f"the agent answered {status}{about}", **self._where(), status=status, oid=oid)

    def _refused(self, error: SnmpError) -> SnmpError:
        return SnmpError(error.message, **self._where(), status=error.status, oid=error.oid)

    def _broken(self, message: str) -> SessionBroken:
        """The session is lost, with nothing executed."""
        broken = SessionBroken(message, **self._where())
        self._lost(broken)
        return broken

    def _ended(self, writes: bool) -> AioconnError:
        if self._state is State.CLOSED:
            return SessionClosed("the connection was closed", **self._where())
        error = self._broken_error()
        if isinstance(error, SessionBroken):
            error.maybe_executed = writes
        return error

    # ------------------------------------------------------------------ the session

    async def _open(self) -> None:
        if self.path.proxy:
            raise InvalidOption(
                "SNMP goes by UDP, which no jump host carries", **self._where(), hint="remove `proxy`"
            )
        request = dataclasses.replace(self._request, path=self.path, credentials=self.credentials)
        self._agent = await Opening(request, self.options, self._progress, self._gone).open()

    async def _close(self) -> None:
        self._abort()

    def _abort(self) -> None:
        if self._agent is not None:
            self._agent.close()

    async def _check(self) -> bool:
        assert self._agent is not None
        received = await self._agent.ask(PROBE, self.options.retries + 1)
        return received.report in ("", "usmStatsNotInTimeWindows")

    def _gone(self, error: OSError) -> None:
        self._lost(SessionBroken("nothing listens there any more", **self._where(), seen=error.strerror))

    def _seen(self) -> str | None:
        return self._agent.seen if self._agent is not None else None

    def _open_timed_out(self, timeout: float) -> AioconnError:
        error = super()._open_timed_out(timeout)
        error.hint = error.hint or hint(self._progress.phase, self.options.spoken)
        return error

    def _what(self, service_name: str, args: tuple[Any, ...]) -> str:
        """OIDs alone: values may be secrets."""
        if not args:
            return ""
        subject = args[0]
        if isinstance(subject, Walk):
            return names.name(ber.dotted(subject.last))
        if isinstance(subject, str) or not isinstance(subject, Collection):
            return str(subject)
        shown = ", ".join(map(str, itertools.islice(subject, SHOWN)))
        return shown if len(subject) <= SHOWN else f"{shown}, ... ({len(subject)} in all)"
