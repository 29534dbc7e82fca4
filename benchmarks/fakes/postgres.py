# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, protocol 3.0: `select 'word-1'` in both kinds of queries, transactions as far as they show, and cancels.

After https://www.postgresql.org/docs/current/protocol-message-formats.html.
"""

from __future__ import annotations

import itertools
import re
import struct
from dataclasses import dataclass

from benchmarks.fakes.answering import Answering

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_TEXT = 25  # the type's number
_WORD = re.compile(rb"select '([^']*)'")
_SETTINGS = {
    "server_version": "17.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
}

_numbers = itertools.count(1)
_sessions: dict[int, Postgres] = {}


@dataclass(frozen=True, slots=True)
class Message:
    """`kind` is empty for those without one, which come first."""

    kind: bytes
    body: bytes


class Postgres(Answering[Message]):
    def __init__(self) -> None:
        super().__init__()
        self._number = next(_numbers)
        self._started = False
        self._status = b"I"  # idle, T in a transaction, E in one that failed
        self._statements: dict[bytes, bytes] = {}
        self._bound = b""
        self._failed = False  # what follows is skipped until the client synchronises

    def requests(self) -> list[Message]:
        found = []
        while (message := self._message()) is not None:
            found.append(message)
        return found

    def _message(self) -> Message | None:
        head = 1 if self._started else 0
        if len(self.received) < head + 4:
            return None
        (size,) = struct.unpack_from("!I", self.received, head)
        if len(self.received) < head + size:
            return None
        message = Message(bytes(self.received[:head]), bytes(self.received[head + 4 : head + size]))
        del self.received[: head + size]
        if not self._started:
            (code,) = struct.unpack_from("!I", message.body)
            self._started = code not in (_SSL, _GSS, _CANCEL)
        return message

    def takes_time(self, request: Message) -> bool:
        if self._failed:
            return False
        return b"word" in (
            request.body if request.kind == b"Q" else self._bound if request.kind == b"E" else b""
        )

    def interrupted(self, request: Message) -> bytes:
        self._failed = request.kind != b"Q"
        if self._status == b"T":
            self._status = b"E"
        said = b"SERROR\0VERROR\0C57014\0Mcanceling statement due to user request\0\0"
        return _message(b"E", said) + (b"" if self._failed else self._ready())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        _sessions.pop(self._number, None)

    def answer(self, request: Message) -> bytes:
        body = request.body
        if self._failed and request.kind != b"S":
            return b""
        match request.kind:
            case b"":
                return self._start(body)
            case b"Q":
                return self._described(body) + self._executed(body) + self._ready()
            case b"P":
                name, query, _ = body.split(b"\0", 2)
                self._statements[name] = query
                return _message(b"1")
            case b"B":
                self._bound = self._statements[body.split(b"\0", 2)[1]]
                return _message(b"2")
            case b"D" if body[:1] == b"S":
                return _message(b"t", struct.pack("!H", 0)) + self._described(
                    self._statements[body[1:-1]], b"n"
                )
            case b"D":
                return self._described(self._bound, b"n")
            case b"E":
                return self._executed(self._bound)
            case b"C":
                return _message(b"3")
            case b"S":
                self._failed = False
                return self._ready()
            case b"X":
                self.transport.close()
        return b""

    def _start(self, body: bytes) -> bytes:
        code, number, _ = struct.unpack("!III", (body + bytes(8))[:12])
        if code in (_SSL, _GSS):
            return b"N"
        if code == _CANCEL:
            if number in _sessions:
                _sessions[number].interrupt()
            self.transport.close()
            return b""
        _sessions[self._number] = self
        settings = (f"{name}\0{value}\0".encode() for name, value in _SETTINGS.items())
        said = [_message(b"R", struct.pack("!I", 0)), *(_message(b"S", setting) for setting in settings)]
        return b"".join([*said, _message(b"K", struct.pack("!II", self._number, 1)), self._ready()])

    def _described(self, query: bytes, otherwise: bytes = b"") -> bytes:
        if not _WORD.match(query):
            return _message(otherwise) if otherwise else b""
        return _message(b"T", struct.pack("!H5sIHIHIH", 1, b"word\0", 0, 0, _TEXT, 0xFFFF, 0xFFFFFFFF, 0))

    def _executed(self, query: bytes) -> bytes:
        tag = query.split(b";")[0].strip(b"\0 ").split(b" ")[0].upper()
        if found := _WORD.match(query):
            row = _message(b"D", struct.pack("!HI", 1, len(found[1])) + found[1])
            return row + _message(b"C", b"SELECT 1\0")
        if tag == b"BEGIN":
            self._status = b"T"
        elif tag in (b"COMMIT", b"ROLLBACK"):
            self._status = b"I"
        return _message(b"C", tag + b"\0")

    def _ready(self) -> bytes:
        return _message(b"Z", self._status)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
