# SPDX-License-Identifier: Apache-2.0
"""redis, in its protocol RESP: `ECHO`, and what a client says at the beginning."""

from __future__ import annotations

from benchmarks.fakes.answering import Answering

_HELLO = b"%3\r\n+server\r\n+redis\r\n+version\r\n+8.0.0\r\n+proto\r\n:3\r\n"


class Resp(Answering[list[bytes]]):
    def requests(self) -> list[list[bytes]]:
        found = []
        while (request := self._request()) is not None:
            found.append(request)
        return found

    def _request(self) -> list[bytes] | None:
        """An array of strings: `*2`, then `$4` and `ECHO`, `$6` and `word-1`."""
        lines = bytes(self.received).split(b"\r\n")
        if len(lines) < 2:
            return None
        size = 2 * int(lines[0][1:])
        words = lines[1 : size + 1]
        if len(lines) < size + 2:  # what follows the last line's end counts as one
            return None
        del self.received[: len(b"\r\n".join(lines[: size + 1])) + 2]
        return words[1::2]

    def takes_time(self, request: list[bytes]) -> bool:
        return request[-1].startswith(b"word")

    def answer(self, request: list[bytes]) -> bytes:
        match request[0].upper():
            case b"HELLO":
                return _HELLO if request[1:2] == [b"3"] else b"-ERR not this protocol\r\n"
            case b"ECHO":
                return b"$%d\r\n%b\r\n" % (len(request[1]), request[1])
            case b"PING":
                return b"+PONG\r\n"
            case b"CLIENT" | b"SELECT":
                return b"+OK\r\n"
            case other:
                return b"-ERR unknown command '%b'\r\n" % other
