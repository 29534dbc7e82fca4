# SPDX-License-Identifier: Apache-2.0
"""One wire to the process that holds the sessions: a blocking socket, on which one question at a time is answered."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from enum import Enum

from aioconn.broker.books import Address
from aioconn.broker.frames import (
    Alive,
    Cancel,
    Cancelled,
    End,
    Failure,
    Frame,
    Inbox,
    Item,
    Leave,
    Target,
    Unreadable,
    Value,
    encode,
)
from aioconn.broker.handshake import TIMEOUT, greet
from aioconn.errors import AioconnError, BadFrame, BrokerGone
from aioconn.home.descriptors import Kept, keep, making

SILENCE = 20.0
"""Seconds without a frame after which the other process does not answer any more; while it works it says so."""

PATIENCE = 1.0
"""Seconds that a caller who gives up waits for the end of what he asked for."""

BUFFER = 128 * 1024 + 64  # bytes; made once: a buffer of this size is mapped and cleared by the system
_ANSWERS = frozenset((Value, Item, Failure, Cancelled, End, Unreadable))
_NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)  # a script may have set SIGPIPE to its default, which kills


class Stale(Exception):
    """The wire was dead before the question was sent; another one will do."""


class Step(Enum):
    READY = "ready"
    SENDING = "sending"
    AWAITING = "awaiting"
    """An answer is owed: what is asked next would get it."""
    OVER = "over"


# On Python 3.11 it takes a search to get a member from its class, several times per call.
_READY, _SENDING, _AWAITING, _OVER = Step


class Wire:
    """A place among those that may be open, and once it is connected, the connection. Whoever has it may ask; `lock`
    is for those who share one."""

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_inbox",
        "_kept",
        "_sock",
        "address",
        "cause",
        "forgotten",
        "home",
        "idle_since",
        "lock",
        "numbered",
        "open_things",
        "pinned",
        "step",
    )

    def __init__(self, address: Address) -> None:
        self.address = address
        self.home = 0
        self.step = _OVER
        self.cause: BaseException | None = None
        """Why somebody else has shut it."""
        self.lock = threading.RLock()
        self.numbered = 0
        """Questions that open something; the other side counts them as well."""
        self.open_things: set[int] = set()
        self.pinned = False
        """Kept by what is open on it."""
        self.forgotten: list[int] = []
        """Things whose owners have gone without leaving them; the next one who asks leaves them first."""
        self.idle_since = 0.0
        self._sock: socket.socket | None = None
        self._kept: Kept | None = None
        self._inbox = Inbox("client")
        self._buffer = memoryview(b"")

    def connect(self, target: Target | None) -> None:
        """Connect, and be let in to the home of `target`. Raises `BrokerGone` and `BrokerRefused`."""
        with making:
            self._sock = sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._kept = keep(sock)
        try:
            _limit(
                sock, socket.SO_SNDTIMEO, TIMEOUT
            )  # with one of Python's, connect() does not wait its turn
            sock.connect(self.address.path)
            self.home = greet(sock, self._inbox, self.address.token, target)
            _limit(sock, socket.SO_SNDTIMEO, SILENCE)
            _limit(sock, socket.SO_RCVTIMEO, SILENCE)
            self._buffer = memoryview(bytearray(BUFFER))
            if self.cause is not None:
                raise self.cause
            self.step = _READY
        except OSError as error:
            raise self._gone(error, sent=False) from error
        except BrokerGone as error:
            raise self.cause or error from None
        finally:
            if self.step is not _READY:
                sock.close()

    @property
    def left_behind(self) -> bool:
        """It is a wire of the process that this one was forked from."""
        return self._kept is not None and self._kept.left_behind

    # ------------------------------------------------------------------ for the one who has it

    def ask(self, question: bytes) -> Frame:
        """Send a frame and give the one that answers it. Raises `BrokerGone`, or `Stale` if nothing was sent.

        After any other exception (Ctrl-C) the answer is still to come: see `give_up`.
        """
        sock = self._sock
        if self.step is not _READY or sock is None:
            raise self.gone()
        self.step = _SENDING
        try:
            sock.sendall(question, _NO_SIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            self.step = _OVER
            if self.cause is not None:
                raise self.cause from None
            raise Stale from error
        except OSError as error:
            raise self._gone(error, sent=False) from error
        self.step = _AWAITING
        answer = self._answer(sock)
        self.step = _READY
        return answer

    def _answer(self, sock: socket.socket) -> Frame:
        inbox, buffer = self._inbox, self._buffer
        answer = None
        try:
            while size := sock.recv_into(buffer):
                for frame in inbox.feed(
                    buffer[:size]
                ):  # to its end, which is when the inbox frees what it had
                    if type(frame) in _ANSWERS:
                        answer = frame
                    elif type(frame) is not Alive:
                        raise BadFrame(f"{type(frame).__name__} is no answer")
                if answer is not None:
                    return answer
        except (OSError, BadFrame) as error:
            raise self._gone(error, sent=True) from error
        raise self._gone(None, sent=True)

    def give_up(self, thing: int = 0) -> None:
        """After an exception in `ask`: cancel what is under way and wait for its end, not much longer than `PATIENCE`.

        If something came all the same, the `thing` that it opened is left. Without an answer the wire is over, and the
        other side ends all that belongs to it. Raises nothing of its own.
        """
        sock = self._sock
        if self.step is _READY or self.step is _OVER or sock is None:
            return
        try:
            if self.step is _AWAITING:
                _limit(sock, socket.SO_RCVTIMEO, PATIENCE)
                sock.sendall(encode(Cancel()), _NO_SIGNAL)
                answer = self._answer(sock)
                if thing and isinstance(answer, Value | Item):
                    sock.sendall(encode(Leave(thing)), _NO_SIGNAL)
                    self._answer(sock)
                self.open_things.discard(thing)
                _limit(sock, socket.SO_RCVTIMEO, SILENCE)
                self.step = _READY
        except (OSError, BrokerGone):
            pass
        finally:
            if self.step is not _READY:
                self.shut()

    def leave(self, thing: int) -> Frame:
        """Leave a block or an iteration. Raises as `ask` does."""
        self.open_things.discard(thing)
        return self.ask(encode(Leave(thing)))

    def tidy(self) -> None:
        """Leave what was forgotten."""
        while self.forgotten:
            thing = self.forgotten.pop()
            if thing in self.open_things:
                self.leave(thing)

    def close(self) -> None:
        """Free its descriptor."""
        self.step = _OVER
        if self._sock is not None:
            self._sock.close()

    def __del__(self) -> None:
        if self._sock is not None:
            self._sock.close()

    # ------------------------------------------------------------------ for anybody

    def shut(self, cause: BaseException | None = None) -> None:
        """End it, from any thread: one that waits for an answer gets `cause`, or `BrokerGone`, at once."""
        self.cause = self.cause or cause
        self.step = _OVER
        if self._sock is not None and not self.left_behind:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def gone(self) -> BaseException:
        """Why it is over."""
        return self._gone(None, sent=False)

    def _gone(self, error: BaseException | None, *, sent: bool) -> BaseException:
        self.step = _OVER
        if self.cause is not None:
            return self.cause
        text = f"process {self.address.pid}, which holds the sessions, "
        if isinstance(error, AioconnError):
            text += "says what is no answer"
        elif isinstance(error, BlockingIOError | TimeoutError):
            text += "does not answer"
        else:
            text += "has ended, or closed the connection"
        if sent:
            text += "; what was under way may have been executed"
        seen = str(error) if error is not None else None
        hint = "its sessions have gone with it: start it again (aioconn serve), or load the testbed in this process"
        if isinstance(error, BlockingIOError | TimeoutError):  # what the system says to that is no news
            seen, hint = None, "it may be stopped, or have too much to do: look at it, and call again"
        return BrokerGone(text, seen=seen, hint=hint, maybe_executed=sent)


def _limit(sock: socket.socket, option: int, seconds: float) -> None:
    """The system's own timeout: it costs nothing per call, and holds for connect() as well."""
    whole, rest = divmod(seconds, 1)
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", int(whole), int(rest * 1e6)))
