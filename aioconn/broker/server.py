# SPDX-License-Identifier: Apache-2.0
"""What listens for other processes of the same user, in a thread of its own, and who is connected."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import itertools
import logging
import os
import re
import secrets
import socket
import time
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aioconn.broker.books import Address, Books
from aioconn.broker.death import Deaths
from aioconn.broker.folder import is_abandoned, listen, runtime_directory, sweep
from aioconn.broker.handshake import TOKEN, new_token
from aioconn.broker.peer import Peer
from aioconn.broker.porter import Porter
from aioconn.errors import UsageError
from aioconn.home.ending import after_children
from aioconn.home.locks import Lock
from aioconn.home.loop import running_loop
from aioconn.home.thread import LoopThread

logger = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that what is under way for other processes gets to end when the broker stops."""

WIRES_PER_PROCESS = 128
"""More than a process opens: the end of a wire may be heard of after the wire that takes its place."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Broker:
    """Lets other processes of the same user call what an estate shares. Used once.

    It listens at `<pid>-<random>.sock`, or `<name>.sock`, in a private folder: see `runtime_directory`. `on_change` is
    called, in whatever thread, when a wire comes or goes and when a call begins or ends on one; `about` says what
    the answer to `statistics` holds besides our own.
    """

    def __init__(
        self,
        estate: Books,
        *,
        directory: str | os.PathLike[str] | None = None,
        name: str | None = None,
        token: bytes | None = None,
        on_change: Callable[[], None] | None = None,
        about: Callable[[], dict[str, Any]] | None = None,
    ) -> None:
        if name is not None and not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for a broker", hint="letters, digits and - _ .")
        if token is not None and len(token) != TOKEN:
            raise UsageError(f"a token has {TOKEN} bytes")
        self.estate = estate
        self.on_change = on_change
        self.about = about
        self.calls = 0
        self.refused: Counter[str] = Counter()
        self._directory = directory
        self._name = name
        self._token = token or new_token()
        self._lock = Lock()
        self._peers: dict[Peer, None] = {}
        self._numbers = itertools.count(1)
        self._homes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, int] = weakref.WeakKeyDictionary()
        self._last_left = time.monotonic()
        self._path: Path | None = None
        self._thread: LoopThread | None = None
        self._porter: Porter | None = None
        self._stopped = False

    def __repr__(self) -> str:
        state = "stopped" if self._stopped else "new" if self._path is None else f"at {self._path}"
        return f"<Broker {state}, {self.wires} wires>"

    # ------------------------------------------------------------------ where it is

    @property
    def path(self) -> str:
        if self._path is None:
            raise UsageError("the broker was not started")
        return str(self._path)

    @property
    def address(self) -> Address:
        return Address(path=self.path, token=self._token, estate=self.estate.id)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """That of its own thread."""
        if self._thread is None:
            raise UsageError("the broker was not started")
        return self._thread.loop

    # ------------------------------------------------------------------ beginning and end

    def start(self) -> None:
        """Listen. Raises `UsageError` if there is no private folder, or somebody else listens under this name, and
        OSError if the system has no more."""
        if self._thread is not None or self._stopped:
            raise UsageError("a broker is started once")
        if not hasattr(socket, "AF_UNIX") or not hasattr(os, "getuid"):
            raise UsageError("this system has no Unix sockets, over which processes could share sessions")
        directory = runtime_directory(self._directory)
        sweep(directory)
        unique = f"{os.getpid()}-{secrets.token_hex(8)}"
        path = directory / f"{self._name or unique}.sock"
        if self._name is not None and not is_abandoned(path):
            raise UsageError(
                f"somebody listens at {path} already", hint="stop that one, or choose another name"
            )
        listener = listen(directory / f"{unique}.new", path)
        thread = LoopThread("aioconn broker")
        try:
            thread.start()
            self._path = path
            self._thread = thread
            self._porter = Porter(self, listener, self._token, Deaths(thread.loop))
            thread.loop.call_soon_threadsafe(self._porter.open)
        except BaseException:
            listener.close()
            path.unlink(missing_ok=True)
            thread.stop()
            raise
        atexit.register(self._process_ends)

    def stop(self, grace: float = GRACE) -> None:
        """Take nobody in any more, and end all wires: the other processes hear it at once, what they have under way is
        cancelled, and what they hold is given back. Waits at most `grace` seconds for that. May be repeated."""
        if self._thread is None or self._stopped or self.estate.pid != os.getpid():
            self._stopped = True
            return
        self._stopped = True
        self._unlink()
        atexit.unregister(self._process_ends)
        until = time.monotonic() + grace
        if self._porter is not None:
            self._porter.close_soon()
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            peer.cut()
        for peer in peers:
            if not peer.is_at_home:  # it cannot end while this thread waits for it
                peer.ended.wait(max(0.0, until - time.monotonic()))
        if self._thread.loop is not running_loop():
            self._thread.stop(max(0.1, until - time.monotonic()))
        else:
            self._thread.retire()

    def _process_ends(self) -> None:
        if self.estate.pid == os.getpid():
            after_children(self._unlink)

    def _unlink(self) -> None:
        if self._path is not None and self.estate.pid == os.getpid():
            with contextlib.suppress(OSError):
                self._path.unlink()

    # ------------------------------------------------------------------ who is connected

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def wires(self) -> int:
        return len(self._peers)

    @property
    def idle(self) -> float:
        """Seconds since the last wire was closed, or since the beginning; 0 while there is one."""
        return 0.0 if self._peers else time.monotonic() - self._last_left

    def statistics(self) -> dict[str, Any]:
        """Plain numbers and words: who is connected, and what goes on. For any thread."""
        with self._lock:
            peers = list(self._peers)
        processes: dict[int, dict[str, Any]] = {}
        for peer in peers:
            one = processes.setdefault(
                peer.pid,
                {
                    "pid": peer.pid,
                    "program": peer.program,
                    "wires": 0,
                    "calls": 0,
                    "busy": None,
                    "since": 0.0,
                },
            )
            one["wires"] += 1
            one["calls"] += peer.calls
            one["since"] = max(one["since"], peer.age)
            one["busy"] = peer.busy or one["busy"]
        about = self.about() if self.about is not None else {}
        return {
            **about,
            "wires": len(peers),
            "calls": self.calls + sum(peer.calls for peer in peers),
            "handshakes": self._porter.handshakes if self._porter is not None else 0,
            "refused": dict(self.refused),
            "processes": list(processes.values()),
        }

    def take_in(self, peer: Peer) -> bool:
        """For the porter: one wire more, unless it is one too many of this process."""
        with self._lock:
            peers = list(self._peers)
        for other in peers:
            if other.is_stranded:
                other.cut()
        with self._lock:
            of_process = sum(other.pid == peer.pid for other in self._peers)
            if self._stopped or of_process >= WIRES_PER_PROCESS:
                return False
            self._peers[peer] = None
        self.changed()
        return True

    def forget(self, peer: Peer) -> None:
        """For the peer: its wire has ended. From any thread."""
        with self._lock:
            if peer not in self._peers:
                return
            del self._peers[peer]
            self.calls += peer.calls
            self._last_left = time.monotonic()
        if self._porter is not None:
            self._porter.gone(peer)
        self.changed()

    def changed(self) -> None:
        if (told := self.on_change) is not None:
            try:
                told()
            except Exception:
                logger.exception("who was told of a change failed")

    def number_of(self, home: asyncio.AbstractEventLoop) -> int:
        """What a home loop is called in other processes; 0 is the broker's own, where everybody is taken in."""
        if home is self.loop:
            return 0
        number = self._homes.get(home)
        if number is None:
            with self._lock:
                number = self._homes.setdefault(home, next(self._numbers))
        return number

    def refuse(self, kind: str, text: str) -> None:
        """Count somebody who was not let in, or was thrown out; the first of each kind is logged."""
        self.refused[kind] += 1
        if self.refused[kind] == 1:
            logger.warning("refused a process: %s (told once, counted after that)", text)
