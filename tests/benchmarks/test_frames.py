# SPDX-License-Identifier: Apache-2.0
"""The messages of the floor arrive whole, however they are cut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.fakes.frames import Answer, Inbox, decode_answer, framed


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(5)
        yield here, there


@pytest.mark.parametrize("size", [0, 64, 64 * 1024])
def test_messages_in_one_piece(ends: tuple[socket.socket, socket.socket], size: int) -> None:
    here, there = ends
    inbox = Inbox(here)
    for letter in "ab":
        there.sendall(framed(Answer(letter * size)))
        body = inbox.receive()
        assert body is not None
        assert decode_answer(body).text == letter * size


class Pieces:
    """A socket that gives its bytes in pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def recv_into(self, buffer: memoryview) -> int:
        piece = self._pieces.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_message_in_pieces() -> None:
    data = framed(Answer("x" * 64))
    for cut in range(1, len(data)):
        wire: Any = Pieces(data[:cut], data[cut:])
        body = Inbox(wire).receive()
        assert body is not None
        assert decode_answer(body).text == "x" * 64


def test_the_end(ends: tuple[socket.socket, socket.socket]) -> None:
    here, there = ends
    there.sendall(framed(Answer("x" * 64))[:20])
    there.close()
    assert Inbox(here).receive() is None
