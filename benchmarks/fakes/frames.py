# SPDX-License-Identifier: Apache-2.0
"""The least that a call to another process can be: a message each way, with its length before it."""

from __future__ import annotations

import socket
import struct

import msgspec

LENGTH = struct.Struct(">I")
_ROOM = 128 * 1024  # for the longest message


class Ask(msgspec.Struct, tag=1, array_like=True, forbid_unknown_fields=True):
    """What the child wants."""

    name: str
    size: int


class Answer(msgspec.Struct, tag=2, array_like=True, forbid_unknown_fields=True):
    """What it gets."""

    text: str


encode = msgspec.msgpack.Encoder().encode
decode_ask = msgspec.msgpack.Decoder(Ask).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


def framed(message: Ask | Answer) -> bytes:
    body = encode(message)
    return LENGTH.pack(len(body)) + body


class Inbox:
    """Takes one message at a time from a socket that blocks.

    A buffer for each read would cost more than all else here: from 128 KiB on, the system makes and zeroes it anew.
    """

    def __init__(self, wire: socket.socket) -> None:
        self._receive_into = wire.recv_into
        self._whole = memoryview(bytearray(_ROOM))

    def receive(self) -> memoryview | None:
        """One message, which is overwritten by the next; None at the end. Nothing may follow before it is answered."""
        whole = self._whole
        have = self._receive_into(whole)
        if not have:
            return None
        while have < LENGTH.size or have < (length := LENGTH.unpack_from(whole)[0] + LENGTH.size):
            more = self._receive_into(whole[have:])
            if not more:
                return None
            have += more
        return whole[LENGTH.size : length]


class Wire:
    """The child's side."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)
        self._send, self._receive = self._socket.sendall, Inbox(self._socket).receive

    def ask(self, name: str, size: int) -> str:
        self._send(framed(Ask(name, size)))
        answer = self._receive()
        if answer is None:
            raise ConnectionResetError("the parent hung up")
        return decode_answer(answer).text
