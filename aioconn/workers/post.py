# SPDX-License-Identifier: Apache-2.0
"""One worker as its owner sees it: its process, and the wires to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol, cast

from aioconn.broker import frames
from aioconn.broker.messages import Call, Failure, Item, Target, Value
from aioconn.errors import UsageError, WorkerLost
from aioconn.home.descriptors import Kept, keep, keep_number, making
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.workers import news
from aioconn.workers.specs import Deferred

# Where this package is comes first while it is imported, and only then: what a folder of scripts calls `asyncio` is not
# to be found in the place of Python's.
_START = """\
import sys
sys.path.insert(0, sys.argv[4])
import aioconn
del sys.path[0]
from aioconn.workers.worker import main
main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
"""
WORKER = Target("broker")
READ_SIZE = 64 * 1024
POLL = 0.02  # seconds, where the system cannot tell that a process has ended


class Client(Protocol):
    """Who has given orders to a worker."""

    def ready(self, post: Post, plan: int) -> None: ...
    def refused(self, post: Post, plan: int, error: Exception) -> None: ...
    def answered(self, post: Post, order: int, body: bytes | None) -> None: ...
    def heard(self, post: Post, order: int, event: Any) -> None: ...
    def heard_of_hop(self, post: Post, place: int, event: Any) -> None: ...
    def lost(self, post: Post, error: WorkerLost) -> None: ...


class Post(asyncio.Protocol):
    """Made by `start`; ended by `end`, or by itself. In its loop only."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._inbox = frames.Inbox("client")
        self._questions = frames.Inbox("server")
        self._unsent = bytearray()
        self._transport: asyncio.Transport | None = None
        self._deferred = Deferred()
        self._ended = asyncio.Event()
        self._left = asyncio.Event()
        self._pidfd: int | None = None
        self._status: int | None = None
        self._kept: list[Kept] = []
        self.alive = True
        """Whether it can be given orders."""
        self.prepared: tuple[Any, ...] | None = None
        """What it has loaded last."""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def deferred(self) -> Deferred:
        """The secrets that it may ask for."""
        return self._deferred

    # ------------------------------------------------------------------ beginning and end

    @classmethod
    async def start(cls, client: Client) -> Post:
        """A process of the same interpreter. Raises `UsageError` if none can be started."""
        self = cls(client)
        orders = self._begin()
        try:
            await self._loop.create_connection(lambda: self, sock=orders)
        except BaseException:
            orders.close()
            self._close_secrets()
            self.kill()
            self._process.wait()
            self._reap()
            raise
        self._loop.add_reader(self._secrets.fileno(), self._asked)
        levels = {name: logging.getLogger(name or None).getEffectiveLevel() for name in ("", "aioconn")}
        self.tell("set_up", list(sys.path), levels)
        return self

    def _begin(self) -> socket.socket:
        if sys.platform == "win32" or not sys.executable:
            raise UsageError("worker processes cannot be started here", hint="workers=1")
        with making:
            ours, theirs = socket.socketpair()
            secrets, their_secrets = socket.socketpair()
            self._kept = [keep(ours), keep(secrets)]
        self._secrets = secrets
        secrets.setblocking(False)
        kind = "uvloop" if type(self._loop).__module__.startswith("uvloop") else "asyncio"
        numbers = (theirs.fileno(), their_secrets.fileno())
        root = str(Path(__file__).parents[2])
        try:
            # In a session of its own: Ctrl-C is for us, and we tell it.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, *map(str, numbers), kind, root],
                stdin=subprocess.DEVNULL,
                pass_fds=numbers,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            self._close_secrets()
            raise UsageError(f"no worker process can be started: {error.strerror}") from error
        finally:
            theirs.close()
            their_secrets.close()
        self._watch()
        return ours

    def _watch(self) -> None:
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError), making:
                self._pidfd = os.pidfd_open(self._process.pid)
                self._kept.append(keep_number(self._pidfd))
        if self._pidfd is not None:
            self._loop.add_reader(self._pidfd, self._reap)
        else:
            self._loop.call_later(POLL, self._reap)

    def _reap(self) -> None:
        if (status := self._process.poll()) is None:
            if self._pidfd is None:
                self._loop.call_later(POLL, self._reap)
            return
        self._status = status
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._kept[-1].drop()
            self._pidfd = None
        self._ended.set()
        if self._transport is not None:  # a child of its own may keep the wire open
            self._loop.call_later(POLL, self._transport.close)
        else:
            self._report()

    def kill(self) -> None:
        """End it now, whatever it does; `Client.lost` follows."""
        if self._process.returncode is None:
            self._process.kill()

    def _close_secrets(self) -> None:
        self._secrets.close()

    async def end(self, *, at_once: bool = False) -> None:
        """Let it close its sessions, if there is time for that, and end; it has ended then. Also when cancelled."""
        cancelled: asyncio.CancelledError | None = None
        self.tell("leave")
        if not at_once:
            try:
                async with asyncio.timeout(2 * CLOSE_TIMEOUT):
                    await self._left.wait()
            except TimeoutError:
                pass
            except asyncio.CancelledError as error:
                cancelled = error
        self.alive = False
        self.kill()
        if self._transport is not None:
            self._transport.abort()
        while not self._ended.is_set():
            try:
                await self._ended.wait()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    # ------------------------------------------------------------------ the wire

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of that class

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._inbox.feed(data):
                if isinstance(frame, Item):
                    self._take(*frame.value)
        except Exception:  # what it says is not to be understood: it is of no use any more
            self.kill()
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._loop.remove_reader(self._secrets.fileno())
        self._close_secrets()
        self._left.set()
        self.kill()  # it may hang, with its wire closed
        if self._ended.is_set():
            self._report()

    def _report(self) -> None:
        """Both its process and its wire have ended."""
        if not self.alive:
            return
        self.alive = False
        self._client.lost(self, WorkerLost(f"worker process {self.pid} {_how(self._status)}"))

    def tell(self, name: str, *args: Any) -> None:
        """Give an order. What is ordered in one turn of the loop goes at once."""
        if self._transport is None or not self.alive:
            return
        if not self._unsent:
            self._loop.call_soon(self.send)
        self._unsent += frames.encode(Call("call", WORKER, name, args))

    def send(self) -> None:
        """What has been ordered goes now, not only when the turn is over."""
        if self._transport is not None and self._unsent:
            self._transport.write(bytes(self._unsent))
        self._unsent.clear()

    def _take(self, kind: int, *parts: Any) -> None:
        if kind == news.RESULT:
            self._client.answered(self, *parts)
        elif kind == news.EVENT:
            order, raw = parts
            if (event := news.event(raw)) is not None:
                self._client.heard(self, order, event)
        elif kind == news.HOP_EVENT:
            place, raw = parts
            if (event := news.event(raw)) is not None:
                self._client.heard_of_hop(self, place, event)
        elif kind == news.READY:
            self._client.ready(self, *parts)
        elif kind == news.REFUSED:
            self._client.refused(self, *parts)
        elif kind == news.LOGGED:
            name, level, text = parts
            logging.getLogger(name).log(level, "%s", text)
        elif kind == news.LEFT:
            self._left.set()

    def _asked(self) -> None:
        """The worker needs a secret, and stands still until it has it, as we would."""
        try:
            data = self._secrets.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._secrets.fileno())
            return
        for frame in self._questions.feed(data):
            if isinstance(frame, Call):
                self._answer(*frame.args)

    def _answer(self, number: int) -> None:
        answer: Value | Failure
        try:
            answer = Value(self._deferred.reveal(number))
        except Exception as error:
            answer = Failure(error)
        with contextlib.suppress(OSError):
            self._secrets.setblocking(True)  # a short text, and somebody who waits for it
            self._secrets.sendall(frames.encode(answer))
            self._secrets.setblocking(False)

    def __repr__(self) -> str:
        return f"<Post of worker {self.pid} {'alive' if self.alive else _how(self._status)}>"


def _how(status: int | None) -> str:
    if status is None:
        return "does not answer"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
