# SPDX-License-Identifier: Apache-2.0
"""A session on a connection to the light SSH device (RFC 4254): a shell, with flow control both ways."""

from __future__ import annotations

import struct
from collections.abc import Callable

from benchmarks.fakes.shell import Pump
from benchmarks.fakes.ssh_kex import string, take_string

OPEN, OPENED, NOT_OPENED, ADJUST, DATA, EOF, CLOSE, REQUEST, GRANTED, DENIED = (
    90,
    91,
    92,
    93,
    94,
    96,
    97,
    98,
    99,
    100,
)

_WINDOW = 2 << 20  # bytes; of half of them the client is told that they have been read
_PACKET = 32 * 1024
_GRANTED = (b"pty-req", b"env", b"window-change")
_EXIT_STATUS = string(b"exit-status") + bytes(5)


class Channel:
    """`send` takes what the client is to be told, one message at a time."""

    __slots__ = (
        "_closed",
        "_data",
        "_held",
        "_packet",
        "_peer",
        "_pump",
        "_send",
        "_taken",
        "_unsent",
        "_window",
    )

    def __init__(self, number: int, opening: bytes, send: Callable[[bytes], None]) -> None:
        _, at = take_string(opening, 1)
        peer, self._window, self._packet = struct.unpack_from(">III", opening, at)
        self._peer = peer.to_bytes(4, "big")
        self._data = bytes((DATA,)) + self._peer
        self._send = send
        self._pump: Pump | None = None
        self._unsent = b""
        self._taken = 0
        self._held = self._closed = False
        send(struct.pack(">BIIII", OPENED, peer, number, _WINDOW, _PACKET))

    def request(self, message: bytes) -> None:
        if self._closed:
            return
        kind, at = take_string(message, 5)
        starts = kind == b"shell" and self._pump is None
        if message[at]:  # an answer is wanted
            self._send(bytes((GRANTED if starts or kind in _GRANTED else DENIED,)) + self._peer)
        if starts:
            self._pump = Pump(self._write, self._end)
            if self._held:
                self._pump.pause()
            self._write(self._pump.prompt)

    def data(self, message: bytes) -> None:
        if self._pump is None:
            return
        typed, _ = take_string(message, 5)
        self._taken += len(typed)
        if self._taken >= _WINDOW // 2:
            self._send(bytes((ADJUST,)) + self._peer + self._taken.to_bytes(4, "big"))
            self._taken = 0
        self._pump.feed(typed)

    def eof(self) -> None:
        """What was typed before is answered first."""
        if self._pump is not None:
            self._pump.finish()

    def adjust(self, message: bytes) -> None:
        self._window += struct.unpack_from(">I", message, 5)[0]
        if self._unsent:
            self._send_unsent()
            self._go_on()

    def hold(self) -> None:
        """The connection takes no more for now."""
        self._held = True
        if self._pump is not None:
            self._pump.pause()

    def release(self) -> None:
        self._held = False
        self._go_on()

    def close(self) -> None:
        self.stop()
        if not self._closed:
            self._closed = True
            self._send(bytes((CLOSE,)) + self._peer)

    def stop(self) -> None:
        """Nobody listens any more."""
        if self._pump is not None:
            self._pump.stop()
            self._pump = None

    def _go_on(self) -> None:
        if self._pump is not None and not self._held and not self._unsent:
            self._pump.resume()

    def _write(self, data: bytes) -> None:
        size = len(data)
        if size <= self._window and size <= self._packet and not self._unsent:
            self._window -= size
            self._send(self._data + size.to_bytes(4, "big") + data)
        else:
            self._unsent += data
            self._send_unsent()
            if self._unsent and self._pump is not None:
                self._pump.pause()

    def _send_unsent(self) -> None:
        while self._unsent and self._window:
            piece = self._unsent[: min(self._window, self._packet)]
            self._unsent = self._unsent[len(piece) :]
            self._window -= len(piece)
            self._send(self._data + string(piece))

    def _end(self) -> None:
        """The shell has."""
        self._send(bytes((REQUEST,)) + self._peer + _EXIT_STATUS)
        self._send(bytes((EOF,)) + self._peer)
        self.close()
