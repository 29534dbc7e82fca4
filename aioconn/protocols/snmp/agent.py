# SPDX-License-Identifier: Apache-2.0
"""An agent as it is reached: a UDP socket, the requests under way, their repetition, and which answer is whose.

A request is sent again when no answer came in time, under the same number: whichever answer comes first counts, and
later ones are dropped, as are those to a request that was cancelled. What comes and is no whole answer, or not to be
believed, or not to what was asked, is counted and dropped: it may be from anybody.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from aioconn.home.descriptors import keep, making
from aioconn.protocols.snmp.ber import Malformed
from aioconn.protocols.snmp.pdu import Pdu
from aioconn.protocols.snmp.security import Security, Untrusted
from aioconn.protocols.snmp.values import VarBind, varbind

WINDOW = 64
"""Requests under way at once on one socket; the others wait. The queue of an agent's socket is not much longer."""

READ_SIZE = 65_535
READS = 64  # datagrams that are read before others have their turn
MAX_NUMBER = 2**31 - 1


class Silence(Exception):
    """No answer to a request, however often it was sent. `seen` is what came instead."""

    def __init__(self, tries: int, seconds: float, seen: str) -> None:
        super().__init__(f"no answer to {tries} {'try' if tries == 1 else 'tries'} in {seconds:g} s")
        self.seen = seen


class Ended(Exception):
    """The agent was closed while a request waited, or before."""


class Query(NamedTuple):
    """What is asked, apart from its number. The two numbers are for GetBulk, zero for others. `same`: the variables
    that the answer has to be about, if it is no error, `size` is how many; other answers are dropped."""

    kind: int
    non_repeaters: int
    repetitions: int
    binds: list[bytes]
    same: list[bytes] | None = None
    size: int | None = None


class Answer(NamedTuple):
    """What came of a query. `report` is the name of what a report says, "" for answers; `values` are those of `pdu`."""

    report: str
    pdu: Pdu
    values: list[VarBind]


class _Waiting:
    """A request under way."""

    __slots__ = ("answer", "left", "message", "query", "timer", "tries")

    def __init__(
        self, answer: asyncio.Future[Answer | Exception], message: bytes, query: Query, tries: int
    ) -> None:
        self.answer = answer
        self.message = message
        self.query = query
        self.tries = tries
        self.left = tries
        self.timer: asyncio.TimerHandle | None = None


class Agent:
    """Belongs to the loop it was made in. `gone` is told when the system says that nothing listens there any more."""

    def __init__(
        self,
        address: tuple[str, int],
        security: Security,
        *,
        patience: float,
        gone: Callable[[OSError], None],
    ) -> None:
        """`patience`: seconds until a request is sent again. Raises OSError if there is no way to the address."""
        self.security = security
        self._patience = patience
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, _Waiting] = {}
        self._queue: deque[asyncio.Future[None]] = deque()
        self._number = secrets.randbelow(MAX_NUMBER)
        self._ended = False
        self.dropped = 0
        self._seen = ""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with making:
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            keep(self._socket)
        try:
            self._socket.setblocking(False)
            self._socket.connect(address)
            self._loop.add_reader(self._socket, self._read)
        except BaseException:
            self._socket.close()
            raise

    @property
    def seen(self) -> str:
        """What came and was dropped, in words."""
        return (
            f"{self.dropped} datagrams that are no answer, the last one: {self._seen}" if self.dropped else ""
        )

    @property
    def waiting(self) -> int:
        """Requests under way."""
        return len(self._waiting)

    async def ask(self, query: Query, tries: int) -> Answer:
        """Send a request until it is answered, at most `tries` times; the answer, or a report about it.

        Raises `Silence`, `Ended`, or OSError. A cancel leaves nothing: the answer is dropped.
        """
        while len(self._waiting) >= WINDOW and not self._ended:
            await self._queue_up()
        if self._ended:
            raise Ended
        number = self._next_number()
        kind, first, second, binds, _, _ = query
        message = self.security.wrap(kind, number, first, second, binds, self._loop.time())
        waiting = self._waiting[number] = _Waiting(self._loop.create_future(), message, query, tries)
        try:
            self._send(number, waiting)
            answer = await waiting.answer
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self._waiting.pop(number, None)
            if waiting.timer is not None:
                waiting.timer.cancel()
            self._admit()

    def close(self) -> None:
        """Free the socket; requests under way raise `Ended`. May be repeated."""
        if self._ended:
            return
        self._ended = True
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for waiting in self._waiting.values():
            if waiting.timer is not None:
                waiting.timer.cancel()
            if not waiting.answer.done():
                waiting.answer.set_result(Ended())
        self._admit()

    # ------------------------------------------------------------------ whose turn it is

    async def _queue_up(self) -> None:
        """Wait for a place. One who is cancelled when he has it passes it on."""
        place = self._loop.create_future()
        self._queue.append(place)
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():
                self._admit()
            raise

    def _admit(self) -> None:
        free = WINDOW - len(self._waiting) if not self._ended else len(self._queue)
        while free > 0 and self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                free -= 1

    def _next_number(self) -> int:
        while True:
            self._number = self._number % MAX_NUMBER + 1
            if self._number not in self._waiting:
                return self._number

    # ------------------------------------------------------------------ datagrams

    def _send(self, number: int, waiting: _Waiting) -> None:
        waiting.left -= 1
        waiting.timer = self._loop.call_later(self._patience, self._again, number)
        try:
            self._socket.send(waiting.message)
        except BlockingIOError:  # as good as lost on the way
            pass
        except ConnectionRefusedError as error:
            self._gone(error)
        except OSError as error:
            if waiting.left + 1 == waiting.tries:  # the first time: it is our message, or the way there
                raise
            self._drop(error.strerror or "an error of the socket")

    def _again(self, number: int) -> None:
        waiting = self._waiting[number]
        if waiting.answer.done():
            return
        if waiting.left > 0:
            self._send(number, waiting)
            return
        seconds = round(self._patience * waiting.tries, 3)
        waiting.answer.set_result(Silence(waiting.tries, seconds, self.seen))

    def _read(self) -> None:
        for _ in range(READS):
            if self._ended:
                return
            try:
                data = self._socket.recv(READ_SIZE)
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionRefusedError as error:
                self._gone(error)
                return
            except OSError as error:  # no route, for now
                self._drop(error.strerror or "an error of the socket")
                return
            self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            received = self.security.unwrap(data, self._loop.time())
        except (Malformed, Untrusted) as error:
            self._drop(str(error))
            return
        waiting = self._waiting.get(received.number)
        if waiting is None or waiting.answer.done():
            self._drop("an answer that nobody waits for")
            return
        found, query = received.pdu, waiting.query
        if not (received.report or found.status):
            if query.same is not None and [one[0] for one in found.binds] != query.same:
                self._drop("an answer about variables that were not asked for")
                return
            if query.size is not None and len(found.binds) != query.size:
                self._drop(f"{len(found.binds)} variables where {query.size} were asked for")
                return
        try:
            values = [varbind(*one) for one in found.binds]
        except Malformed as error:
            self._drop(str(error))
            return
        waiting.answer.set_result(Answer(received.report, found, values))

    def _drop(self, why: str) -> None:
        self.dropped += 1
        self._seen = why
