# SPDX-License-Identifier: Apache-2.0
"""The messages of the floor, with a thread in the parent that blocks for each child, and no event loop."""

from __future__ import annotations

import functools
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.clients.children import Begin, Call, ChildrenClient
from benchmarks.fakes.frames import Answer, Inbox, Wire, decode_ask, framed


class ThreadPerChild(ChildrenClient):
    name = "threads"
    offers = frozenset({"answers"})
    packages = ("msgspec",)

    @contextmanager
    def answers(self, size: int) -> Iterator[Begin]:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            address = str(Path(folder) / "threads.sock")
            listener.bind(address)
            listener.listen()
            acceptor = threading.Thread(target=_accept, args=(listener,))
            acceptor.start()
            try:
                yield functools.partial(_begin, address, size)
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                acceptor.join()


def _begin(address: str, size: int) -> Call:
    return functools.partial(Wire(address).ask, "say", size)


def _accept(listener: socket.socket) -> None:
    peers = []
    while True:
        try:
            wire = listener.accept()[0]
        except OSError:
            break
        peers.append(threading.Thread(target=_serve, args=(wire,)))
        peers[-1].start()
    for peer in peers:
        peer.join()


def _serve(wire: socket.socket) -> None:
    with wire:
        receive = Inbox(wire).receive
        while (data := receive()) is not None:
            wire.sendall(framed(Answer("x" * decode_ask(data).size)))
