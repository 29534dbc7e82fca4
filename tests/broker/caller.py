# SPDX-License-Identifier: Apache-2.0
"""A wire as small as it can be: frames over a blocking socket, for tests of the side that answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

from aioconn.broker.estate import Address
from aioconn.broker.frames import (
    Alive,
    Call,
    Cancel,
    Cancelled,
    End,
    Failure,
    Frame,
    Inbox,
    Item,
    Leave,
    Next,
    Target,
    Value,
    encode,
)
from aioconn.broker.handshake import greet

PATIENCE = 20.0
"""Seconds after which the other side hangs."""


class WasCancelled(Exception):
    """What Cancel brought about."""


class Wire:
    """One wire. Every wait has a deadline; `home` is what the handshake said."""

    def __init__(self, address: Address, target: Target | None = None) -> None:
        self.target = target
        self.alive = 0
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self._inbox = Inbox("client")
        self._frames: Iterator[Frame] = iter(())
        try:
            self.sock.connect(address.path)
            self.home = greet(self.sock, self._inbox, address.token, target)
        except BaseException:
            self.sock.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, frame: Frame) -> None:
        self.sock.sendall(encode(frame))

    def receive(self) -> Frame:
        """The next frame but signs of life. EOFError at the end."""
        while True:
            for frame in self._frames:
                if not isinstance(frame, Alive):
                    return frame
                self.alive += 1
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._frames = self._inbox.feed(data)

    def answer(self) -> Any:
        """The value of the next answer, or its error."""
        frame = self.receive()
        if isinstance(frame, (Value, Item)):
            return frame.value
        if isinstance(frame, End):
            raise StopIteration
        if isinstance(frame, Cancelled):
            raise WasCancelled
        assert isinstance(frame, Failure), frame
        raise frame.error

    def begin(
        self, name: str, *args: Any, kind: str = "call", on: Target | None = None, **kwargs: Any
    ) -> None:
        target = on or self.target
        assert target is not None
        self.send(Call(kind, target, name, args, kwargs))  # type: ignore[arg-type]

    def call(self, name: str, *args: Any, kind: str = "call", on: Target | None = None, **kwargs: Any) -> Any:
        self.begin(name, *args, kind=kind, on=on, **kwargs)
        return self.answer()

    def ask(self, name: str, *args: Any, on: Target | None = None, **kwargs: Any) -> Any:
        return self.call(name, *args, kind="ask", on=on, **kwargs)

    def enter(self, name: str, *args: Any, on: Target | None = None, **kwargs: Any) -> Any:
        return self.call(name, *args, kind="enter", on=on, **kwargs)

    def leave(self, thing: int = 0) -> Any:
        self.send(Leave(thing))
        return self.answer()

    def next(self, thing: int = 0) -> Any:
        self.send(Next(thing))
        return self.answer()

    def cancel(self) -> None:
        self.send(Cancel())

    def ends(self) -> bool:
        """Whether the other side closes the wire; frames that come before that are lost."""
        try:
            while True:
                self.receive()
        except (EOFError, ConnectionError):
            return True
        except TimeoutError:
            return False


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))
