# SPDX-License-Identifier: Apache-2.0
"""A local program on a pseudo terminal: a console server's client, a simulator, `docker exec`. No shell in
between."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import termios
from collections.abc import Sequence

from aioconn.errors import HostUnreachable, Phase, SessionBroken
from aioconn.home.descriptors import Kept, keep_number, making
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.transport.base import Progress, Receiver, Stream, Terminal

READ_SIZE = 64 * 1024
POLL = 0.02  # seconds, where the system cannot tell that a child has ended


class ProcessStream(Stream):
    """The terminal's other side, and the program on it. Owns both descriptors and the child."""

    def __init__(
        self, pid: int, terminal: Kept, program: str, receiver: Receiver, *, device: str, path: str
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = receiver
        self._program = program
        self._device = device
        self._path = path
        self._pid = pid
        self._kept = terminal
        self._terminal: int | None = terminal.number
        self._unsent = bytearray()
        self._status: int | None = None
        self._closing = False
        self._ended = self._loop.create_future()
        self._alarm: asyncio.TimerHandle | None = None
        self._poll: asyncio.TimerHandle | None = None
        self._pidfd: int | None = None
        os.set_blocking(self._terminal, False)
        self._loop.add_reader(self._terminal, self._readable)
        if hasattr(os, "pidfd_open"):
            with making:
                self._pidfd = os.pidfd_open(pid)
                self._kept_pidfd = keep_number(self._pidfd)
            self._loop.add_reader(self._pidfd, self._reap)
        else:
            self._reap()

    def _readable(self) -> None:
        if self._terminal is None:
            return
        try:
            data = os.read(self._terminal, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: nobody has the terminal open any more
        if data:
            if self._receiver is not None:
                self._receiver.data_received(data)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close the terminal, which tells the program (SIGHUP); kill it if that does not end it."""
        if self._terminal is not None:
            self._loop.remove_reader(self._terminal)
            self._loop.remove_writer(self._terminal)
            os.close(self._terminal)
            self._kept.drop()
            self._terminal = None
        if self._status is not None:
            self._end()
        elif self._alarm is None:
            self._signal(signal.SIGHUP)
            self._alarm = self._loop.call_later(CLOSE_TIMEOUT / 2, self._signal, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._status is None and not self._kept.left_behind:  # a forked child has no say over it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)  # it leads a session, hence a group, of its own

    def _reap(self) -> None:
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._pid, 0  # somebody else's wait took it
        if not pid:
            if self._pidfd is None:
                self._poll = self._loop.call_later(POLL, self._reap)
            return
        self._status = os.waitstatus_to_exitcode(status)
        for timer in (self._alarm, self._poll):
            if timer is not None:
                timer.cancel()
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._kept_pidfd.drop()
            self._pidfd = None
        self._drain()

    def _drain(self) -> None:
        """The program is gone: hand on what it said last."""
        while self._terminal is not None:
            try:
                data = os.read(self._terminal, READ_SIZE)
            except OSError:
                data = b""  # also would-block: something that it left behind keeps the terminal open
            if not data:
                break
            if self._receiver is not None:
                self._receiver.data_received(data)
        self._hang_up()

    def _end(self) -> None:
        receiver, self._receiver = self._receiver, None
        if not self._ended.done() and self._status is not None:
            self._ended.set_result(None)
        if receiver is None:
            return
        error = None
        if self._status and not self._closing:
            how = f"with status {self._status}" if self._status > 0 else f"by signal {-self._status}"
            error = SessionBroken(f"{self._program} ended {how}", device=self._device, path=self._path)
        receiver.connection_lost(error)

    def write(self, data: bytes) -> None:
        if self._terminal is None:
            return
        self._unsent += data
        if len(self._unsent) == len(data):
            self._writable()

    def _writable(self) -> None:
        if self._terminal is None:
            return
        try:
            sent = os.write(self._terminal, self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._unsent.clear()  # its end will be told by the reading side
            sent = 0
        del self._unsent[:sent]
        if self._unsent:
            self._loop.add_writer(self._terminal, self._writable)
        else:
            self._loop.remove_writer(self._terminal)

    def pause_reading(self) -> None:
        if self._terminal is not None:
            self._loop.remove_reader(self._terminal)

    def resume_reading(self) -> None:
        if self._terminal is not None:
            self._loop.add_reader(self._terminal, self._readable)

    async def close(self) -> None:
        if self._ended.done():
            return
        self._closing = True
        self._hang_up()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await asyncio.shield(self._ended)
        finally:
            self.abort()

    def abort(self) -> None:
        self._closing = True
        self._signal(signal.SIGKILL)
        if self._terminal is not None:
            self._hang_up()
        if self._receiver is not None:
            self._loop.call_soon(self._end)


async def open_process(
    argv: Sequence[str], receiver: Receiver, *, device: str, path: str, terminal: Terminal, progress: Progress
) -> Stream:
    """Start `argv` in a session of its own, on a new terminal. Raises `HostUnreachable` if it cannot be
    started.

    The stream ends with None when the program exits with status 0, else with a `SessionBroken` that says how.
    """
    progress.phase = Phase.TCP
    program = argv[0] if argv else ""
    with making:
        outer, inner = os.openpty()
        kept, kept_inner = keep_number(outer), keep_number(inner)
    try:
        termios.tcsetwinsize(inner, (terminal.rows, terminal.columns))
        # A session leader that opens a terminal gets it as its controlling one: so it is opened there, by
        # name.
        pid = os.posix_spawnp(  # noqa: ASYNC221 - a millisecond, and there is no other way to a session
            program,
            list(argv),
            {**os.environ, "TERM": terminal.term},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.ttyname(inner), os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGXFSZ],
        )
    except (OSError, ValueError) as error:
        os.close(outer)
        kept.drop()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HostUnreachable(
            f"{program!r} cannot be started: {reason}",
            device=device,
            path=path,
            hint="check that it is installed, executable and in PATH",
        ) from error
    finally:
        os.close(inner)
        kept_inner.drop()
    stream = ProcessStream(pid, kept, program, receiver, device=device, path=path)
    progress.phase = Phase.LOGIN
    return stream
