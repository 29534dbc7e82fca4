# SPDX-License-Identifier: Apache-2.0
"""The socket of another process at the home loop that it was taken to: how it gets there, writes, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from abc import abstractmethod
from typing import Any, cast

from aioconn.home import HomeLease, call_at_home
from aioconn.home.errand import errands_at
from aioconn.home.loop import running_loop

READ_AT_ONCE = 64 * 1024
"""Bytes of one read. The system maps and zeroes larger buffers anew each time, which costs more than it saves."""

PENDING_LIMIT = 64 * 1024 * 1024
"""Bytes of answers that a wire may leave unread."""


class Attachment(asyncio.Protocol):
    """Begun once, ends once. `begin`, `cut`, `die` and `give_up` are for any thread, all else is for the home loop."""

    def __init__(self, sock: socket.socket, home: asyncio.AbstractEventLoop, lease: HomeLease | None) -> None:
        self.ended = threading.Event()
        """Nothing of it is left."""
        self.over = False
        """It ends, or has ended."""
        self._sock = sock
        self._home = home
        self._lease = lease
        self._transport: asyncio.Transport | None = None
        self._attaching: asyncio.Task[Any] | None = None
        self._errands = errands_at(home)
        self._lost = False  # the loop has stopped
        self._pid = os.getpid()
        self._drained: asyncio.Future[None] | None = None

    # ------------------------------------------------------------------ for subclasses

    @abstractmethod
    def _on_end(self) -> None:
        """It ends: cancel what is under way. Called once."""

    @abstractmethod
    def _is_done(self) -> bool:
        """Whether what was under way has ended."""

    @abstractmethod
    def _on_gone(self) -> None:
        """Nothing is left. Called once, in any thread if the loop has ended under it."""

    # ------------------------------------------------------------------ from any thread

    @property
    def is_at_home(self) -> bool:
        """Whether the running loop is this one's."""
        return running_loop() is self._home

    @property
    def is_stranded(self) -> bool:
        """Whether its loop was closed under it, by somebody who did not close its asynchronous generators."""
        return self._home.is_closed()

    def begin(self) -> None:
        """From here on the socket is this one's. Raises RuntimeError if the home loop is closed."""
        self._errands.at_end.add(self._lose)  # first: if the loop stops after that, it is heard
        if not self._home.is_running():
            self._lose()
        self._home.call_soon_threadsafe(self._attach)

    def _lose(self) -> None:
        """The loop has stopped, or is about to: the other side hears that now."""
        if self._pid != os.getpid():
            return
        self._lost = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        try:
            self._home.call_soon_threadsafe(_Farewell(self))
        except RuntimeError:  # closed, and the farewell has been dropped
            pass

    def _strand(self) -> None:
        """Without a loop: free what can be freed."""
        self.over = True
        self._sock.close()
        self._leave()

    def cut(self) -> None:
        """End it: the other side hears that now, whatever the home loop is doing."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        if self._home.is_closed():
            self._strand()
        else:
            self.die()

    def die(self) -> None:
        """The other side has gone."""
        call_at_home(self._home, self._end)

    def give_up(self) -> None:
        """It never begins; the socket stays whose it is."""
        self.over = True
        self._leave()

    # ------------------------------------------------------------------ the beginning

    def _attach(self) -> None:
        self._errands.watch(self._home)
        if self.over or self._lost:
            self._strand()
            return
        connecting = self._home.connect_accepted_socket(lambda: self, self._sock)
        self._attaching = self._home.create_task(connecting, name=f"{self!r} begins")
        self._attaching.add_done_callback(self._attached)

    def _attached(self, task: asyncio.Task[Any]) -> None:
        self._attaching = None
        if task.cancelled() or task.exception() is not None:
            if self._transport is None:
                self._sock.close()
            self._end()
        self._check_gone()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        if hasattr(transport, "max_size"):
            cast(Any, transport).max_size = READ_AT_ONCE
        if self.over:
            self._hang_up()

    # ------------------------------------------------------------------ the end

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end()
        self._check_gone()

    def eof_received(self) -> bool:
        self._end()
        return False

    def _end(self) -> None:
        """Cancel what is under way, close the socket. For good."""
        if self.over:
            return
        self.over = True
        self._on_end()
        self._hang_up()
        self._check_gone()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _check_gone(self) -> None:
        if self.over and self._transport is None and self._attaching is None and self._is_done():
            self._leave()

    def _leave(self) -> None:
        if self.ended.is_set():
            return
        self._errands.at_end.discard(self._lose)
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.release()
        self._on_gone()
        self.ended.set()

    # ------------------------------------------------------------------ writing

    def pause_writing(self) -> None:
        self._drained = self._home.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def _write(self, data: bytes) -> bool:
        """Write without waiting; False if too much of what was written has not been read."""
        transport = self._transport
        if transport is None or transport.is_closing():  # it has failed, and the end of it is on its way
            return True
        transport.write(data)
        return transport.get_write_buffer_size() <= PENDING_LIMIT


class _Farewell:
    """The last step, sent to a loop that has stopped. If that is closed before it runs again, it is dropped unused."""

    __slots__ = ("_whose",)

    def __init__(self, whose: Attachment) -> None:
        self._whose: Attachment | None = whose

    def __call__(self) -> None:
        whose, self._whose = self._whose, None
        if whose is not None:
            whose._end()

    def __del__(self) -> None:
        if self._whose is not None:
            self._whose._strand()
