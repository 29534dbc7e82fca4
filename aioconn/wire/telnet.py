# SPDX-License-Identifier: Apache-2.0
"""Telnet (RFC 854), the client's end: what the peer sends goes in, its data and our answers come out.

Data is found with `bytes.find` and passes in slices; only commands are looked at byte by byte. Received line ends are
handed on as they are, CR NUL included.

Options are agreed on as RFC 1143 says. This end asks for nothing of its own accord, so of the states of that method
NO and YES are left for each option and side: an answer is given to what changes the state and to what is refused,
never to an answer. Two ends cannot keep each other busy in this way, and nothing is remembered for each request.

Agreed to are binary transmission (RFC 856), echo by the peer (857), no go-ahead (858), timing marks (860), the
terminal's type (1091) and the size of the window (1073). The caller may answer for other options; all that remain
are refused.
"""

from __future__ import annotations

import functools
import re

IAC = b"\xff"
BINARY, ECHO, SGA, TIMING_MARK, TTYPE, NAWS = 0, 1, 3, 6, 24, 31
SUBNEGOTIATION_LIMIT = 16 * 1024  # bytes; one that is longer is not understood

_IAC, _DONT, _DO, _WONT, _WILL, _SB, _SE = 255, 254, 253, 252, 251, 250, 240
_DATA, _COMMAND, _OPTION, _SUB, _SUB_IAC = range(5)
_IS, _SEND = b"\x00", b"\x01"
_HERE = frozenset({BINARY, SGA, TTYPE, NAWS})
_THERE = frozenset({BINARY, ECHO, SGA})
_LINE_END = re.compile(rb"\r\n|\r\x00|\r|\n")


class TelnetClient:
    """One connection's framing and options. `elsewhere` names the options for which the caller answers."""

    __slots__ = (
        "_answers",
        "_columns",
        "_command",
        "_elsewhere",
        "_here",
        "_left",
        "_rows",
        "_state",
        "_term",
        "_there",
        "_verb",
        "heard",
    )

    def __init__(
        self, *, term: str, rows: int, columns: int, elsewhere: frozenset[int] = frozenset()
    ) -> None:
        self._term = term
        self._rows = rows
        self._columns = columns
        self._elsewhere = elsewhere
        self._state = _DATA
        self._verb = 0
        self._command: bytearray | None = None  # a subnegotiation that has begun
        self._here = self._there = 0  # what we and what the peer have agreed to do: a bit for each option
        self._answers = bytearray()
        self._left: list[bytes] | None = None
        self.heard = False  # the peer has negotiated something: it speaks telnet

    def receive(self, data: bytes) -> bytes:
        """The data in what the peer sent; commands may begin and end in other pieces."""
        if self._state == _DATA and _IAC not in data:
            return data
        plain: list[bytes] = []
        position, end = 0, len(data)
        while position < end:
            if self._state == _DATA:
                at = data.find(IAC, position)
                if at < 0:
                    plain.append(data[position:])
                    break
                if at > position:
                    plain.append(data[position:at])
                if at + 2 < end and data[at + 1] >= _WILL and data[at + 1] != _IAC:
                    self._negotiate(data[at + 1], data[at + 2])  # it is whole, as nearly all are
                    position = at + 3
                    continue
                position = at + 1
                self._state = _COMMAND
                continue
            if self._state == _SUB:
                at = data.find(IAC, position)
                self._collect(data[position : at if at >= 0 else end])
                if at < 0:
                    break
                position = at + 1
                self._state = _SUB_IAC
                continue
            byte = data[position]
            position += 1
            if self._state == _COMMAND:
                if byte == _IAC:
                    plain.append(IAC)
                    self._state = _DATA
                elif byte == _SB:
                    self._command = bytearray()
                    self._state = _SUB
                elif byte >= _WILL:
                    self._verb = byte
                    self._state = _OPTION
                else:
                    self._state = _DATA  # go-ahead, NOP, data mark and the like mean nothing to us
            elif self._state == _OPTION:
                self._state = _DATA
                self._negotiate(self._verb, byte)
            elif byte == _SE:
                self._state = _DATA
                self._subnegotiate()
            else:
                # A doubled IAC is one in the data; anything else after it is a broken peer, and ends nothing.
                self._collect(IAC if byte == _IAC else bytes((_IAC, byte)))
                self._state = _SUB
        return b"".join(plain)

    def answers(self) -> bytes:
        """What has to go out, once."""
        if not self._answers:
            return b""
        answers = bytes(self._answers)
        self._answers.clear()
        return answers

    def left(self) -> list[bytes]:
        """The whole commands for which the caller answers, once."""
        left, self._left = self._left, None
        return left or []

    def encode(self, data: bytes) -> bytes:
        """How `data` goes out. Once the peer has spoken telnet, what ends with CR or LF ends with CR NUL, as the Return
        key of a telnet client does, and CR LF stays CR LF (RFC 854 allows no bare CR; some servers take CR LF for
        two). Nothing is done to line ends in binary mode, nor on a raw TCP console."""
        if self.heard and not self._here & 1 << BINARY:
            data = _LINE_END.sub(_line_end, data) if 0x0D in data else data.replace(b"\n", b"\r\0")
        return data.replace(IAC, IAC + IAC) if _IAC in data else data

    def _collect(self, data: bytes) -> None:
        assert self._command is not None
        self._command += data[: SUBNEGOTIATION_LIMIT + 1 - len(self._command)]

    def _negotiate(self, verb: int, option: int) -> None:
        self.heard = True
        if option in self._elsewhere:
            self._leave(bytes((_IAC, verb, option)))
            return
        bit = 1 << option
        if verb == _DO:
            if option in _HERE:
                if not self._here & bit:
                    self._here |= bit
                    self._answer(_WILL, option)
                    if option == NAWS:
                        self._tell_size()
            else:  # a timing mark says where in the stream it was asked for, each time
                self._answer(_WILL if option == TIMING_MARK else _WONT, option)
        elif verb == _WILL:
            if option in _THERE:
                if not self._there & bit:
                    self._there |= bit
                    self._answer(_DO, option)
            else:
                self._answer(_DONT, option)
        elif verb == _DONT:
            if self._here & bit:
                self._here ^= bit
                self._answer(_WONT, option)
        elif self._there & bit:
            self._there ^= bit
            self._answer(_DONT, option)

    def _subnegotiate(self) -> None:
        command, self._command = bytes(self._command or b""), None
        self.heard = True
        if len(command) > SUBNEGOTIATION_LIMIT:
            return
        if command and command[0] in self._elsewhere:
            self._leave(b"\xff\xfa" + command.replace(IAC, IAC + IAC) + b"\xff\xf0")
        elif command[:2] == bytes((TTYPE,)) + _SEND:
            # The same name again says that there is no other (RFC 1091).
            self._tell(TTYPE, _IS + self._term.encode("ascii", "replace"))

    def _leave(self, command: bytes) -> None:
        if self._left is None:
            self._left = []
        self._left.append(command)

    def _answer(self, verb: int, option: int) -> None:
        self._answers += bytes((_IAC, verb, option))

    def _tell(self, option: int, words: bytes) -> None:
        self._answers += b"\xff\xfa%c%b\xff\xf0" % (option, words)

    def _tell_size(self) -> None:
        self._tell(NAWS, _window(self._columns, self._rows))


def _line_end(match: re.Match[bytes]) -> bytes:
    return match[0] if len(match[0]) == 2 else b"\r\x00"


@functools.lru_cache(maxsize=64)
def _window(columns: int, rows: int) -> bytes:
    return _size(columns) + _size(rows)


def _size(number: int) -> bytes:
    """The nearest number below that is sent without a byte 255: BusyBox's telnetd (1.35) takes a doubled one
    for two bytes of the window's size, and the byte left over for something typed."""
    number = min(number, 0xFEFE)
    while IAC in (size := number.to_bytes(2, "big")):
        number -= 1
    return size
