# SPDX-License-Identifier: Apache-2.0
"""SSH links: one connection to a device or jump host, which carries shells, subsystems and further
connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncssh

from aioconn.credentials import Credential
from aioconn.errors import AioconnError, Phase, SessionBroken
from aioconn.transport.base import Progress, Receiver, Stream, Terminal
from aioconn.transport.keepalive import Keepalive
from aioconn.transport.outbox import Outbox
from aioconn.transport.ssh_client import Answers, Client
from aioconn.transport.ssh_connection import Connection
from aioconn.transport.ssh_errors import (
    authentication_error,
    broken,
    forward_error,
    handshake_error,
    shell_error,
)
from aioconn.transport.ssh_options import SshOptions
from aioconn.transport.ssh_profile import Profile, prepare
from aioconn.transport.ssh_streams import ChannelStream, ForwardStream, SessionStream, SubsystemStream
from aioconn.transport.tcp import connect_tcp

__all__ = ["SshLink", "SshOptions"]

GREETING_LIMIT = 2048

Lost = Callable[[Exception | None], None]
S = TypeVar("S", bound=ChannelStream)


class SshLink:
    """An authenticated SSH connection. Whoever opened it closes it; a tunnel below it is not its own."""

    def __init__(self, *, device: str, path: str, host: str, port: int) -> None:
        self.device = device
        self.path = path
        self._host = host
        self._port = port
        self._connection: Connection | None = None
        self._outbox: Outbox | None = None
        self._keepalive: Keepalive | None = None
        self._callbacks: list[Lost] = []
        self._openings: set[asyncio.Task[Any]] = set()
        self._lost = False
        self._closing = False
        self._error: SessionBroken | None = None

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        *,
        device: str,
        path: str,
        credential: Credential,
        options: SshOptions,
        tunnel: SshLink | None = None,
        progress: Progress,
        answers: Answers | None = None,
    ) -> SshLink:
        """Resolve, connect, exchange keys, authenticate; `progress.phase` tells how far it is.

        There is no deadline in here: wrap it in one. When it is cancelled, at whatever point, socket and
        tasks are gone a few turns of the loop later, and a channel opened through `tunnel` is aborted when it
        comes about. `answers(prompt)` is asked what is neither the password nor answerable by us; None gives
        up on that method. Raises a `ConnectError`, or `MissingValue` and `InvalidOption` before anything is
        sent.
        """
        profile = await prepare(options, credential, host, port, device=device, path=path)
        if options.ssh_config:
            host, port = profile.base.host, profile.base.port
        link = cls(device=device, path=path, host=host, port=port)
        await link._connect(profile, credential, tunnel, progress, answers)
        return link

    async def _connect(
        self,
        profile: Profile,
        credential: Credential,
        tunnel: SshLink | None,
        progress: Progress,
        answers: Answers | None,
    ) -> None:
        host, port, device, path = self._host, self._port, self.device, self.path
        loop = asyncio.get_running_loop()
        known = profile.known(host, port)
        client = Client(
            profile,
            known,
            credential,
            answers,
            progress,
            device=device,
            path=path,
            host=host,
            port=port,
            lost=self._on_lost,
        )
        answered = answers is not None
        settings = profile.connection_options(host, port, credential.user, known, answered=answered)
        client.user = settings.username
        settings.protocol_factory = client
        waiter: asyncio.Future[None] = loop.create_future()
        settings.waiter = waiter
        connection = Connection(loop, settings, name=f"{device} {path}")
        carrier = _Carrier(connection)
        try:
            if tunnel is None:
                await connect_tcp(
                    lambda: carrier,
                    host,
                    port,
                    device=device,
                    path=path,
                    progress=progress,
                    keepalive=profile.options.keepalive,
                )
            else:
                progress.phase = Phase.TCP
                await tunnel._carry(carrier, host, port, device=device, path=path)
            await waiter
        except BaseException as error:
            _give_up(connection, carrier, waiter)
            if isinstance(error, AioconnError) or not isinstance(error, Exception):
                raise
            raise self._failure(error, client, carrier, connection, progress) from error
        finally:
            client.finish()
        self._outbox = connection.outbox
        carrier.forget()
        self._connection = connection
        if self._lost:
            raise self._gone(Phase.AUTH)
        if interval := profile.options.keepalive:
            count = settings.keepalive_count_max
            self._keepalive = connection.keepalive = Keepalive(connection, interval, count, loop)

    def _failure(
        self,
        error: Exception,
        client: Client,
        carrier: _Carrier,
        connection: Connection,
        progress: Progress,
    ) -> AioconnError:
        if client.error is not None:
            return client.error
        if progress.phase is Phase.AUTH:
            return authentication_error(
                error,
                device=self.device,
                path=self.path,
                user=client.user,
                tried=client.tried,
                allowed=client.allowed,
                expired=client.expired,
                unanswered=client.unanswered,
                refused=client.password_refused,
            )
        return handshake_error(
            error,
            device=self.device,
            path=self.path,
            phase=progress.phase,
            host=self._host,
            port=self._port,
            greeting=carrier.greeting,
            version=connection.get_extra_info("server_version"),
        )

    # Streams

    async def open_shell(self, receiver: Receiver, terminal: Terminal) -> Stream:
        """A login shell on a pty. Raises `ShellRefused`, or `SessionBroken` if the link is gone."""
        return await self._on_pty(receiver, terminal, "shell")

    async def open_command(self, command: str, receiver: Receiver, terminal: Terminal) -> Stream:
        """A program at the other end of the link, on a pty; its shell there takes the command line apart. Raises as
        `open_shell` does."""
        return await self._on_pty(receiver, terminal, "the command", command)

    async def _on_pty(
        self, receiver: Receiver, terminal: Terminal, what: str, command: str | tuple[()] = ()
    ) -> Stream:
        """Without a command: what the OpenSSH configuration names, if it is asked, else a shell."""
        stream = SessionStream(receiver, self._outbox, device=self.device, path=self.path)
        size = (terminal.columns, terminal.rows)
        opening = self._usable().create_session(
            lambda: stream, command, term_type=terminal.term, term_size=size, encoding=None
        )
        return await self._session(stream, opening, what)

    async def open_subsystem(self, name: str, receiver: Receiver) -> Stream:
        """A subsystem, such as `netconf`, without a pty. Raises as `open_shell` does."""
        stream = SubsystemStream(receiver, self._outbox, device=self.device, path=self.path)
        opening = self._usable().create_session(
            lambda: stream, subsystem=name, request_pty=False, encoding=None
        )
        return await self._session(stream, opening, f"subsystem {name!r}")

    async def open_tcp(self, host: str, port: int, receiver: Receiver) -> Stream:
        """A TCP connection from the other end of the link (direct-tcpip, RFC 4254, section 7.2).

        Raises `HostUnreachable` when the jump host refuses or does not get there.
        """
        stream = ForwardStream(receiver, self._outbox, device=self.device, path=self.path)
        await self._forward(stream, host, port, device=self.device, path=self.path)
        return stream

    async def _session(
        self, stream: SessionStream, opening: Coroutine[Any, Any, object], what: str
    ) -> Stream:
        try:
            await self._open_channel(stream, opening)
        except asyncssh.ChannelOpenError as error:
            if self._lost:
                raise self._gone(Phase.SHELL) from error
            raise shell_error(error, what, device=self.device, path=self.path) from error
        except (asyncssh.Error, OSError) as error:
            raise self._gone(Phase.SHELL, error) from error
        return stream

    async def _carry(self, carrier: _Carrier, host: str, port: int, *, device: str, path: str) -> None:
        await self._forward(carrier, host, port, device=device, path=path)

    async def _forward(
        self, session: ForwardStream | _Carrier, host: str, port: int, *, device: str, path: str
    ) -> None:
        opening = self._usable().create_connection(lambda: session, host, port)
        if self._outbox is not None:
            self._outbox.gathers = True  # for all that goes through it
        try:
            await self._open_channel(session, opening)
        except asyncssh.ChannelOpenError as error:
            if self._lost:
                raise self._gone(Phase.TCP) from error
            raise forward_error(error, host, port, device=device, path=path, jump=self.device) from error
        except (asyncssh.Error, OSError) as error:
            raise self._gone(Phase.TCP, error) from error

    async def _open_channel(
        self, session: ChannelStream | _Carrier, opening: Coroutine[Any, Any, object]
    ) -> None:
        """Run `opening` to its end even if we are cancelled: asyncssh forgets a channel that it is stopped in
        opening, and the device keeps it. A channel that comes late is aborted by its session."""
        task = asyncio.ensure_future(opening)
        self._openings.add(task)
        task.add_done_callback(self._opened)
        try:
            await asyncio.shield(task)
        except BaseException:
            session.discard()
            raise

    def _opened(self, task: asyncio.Task[Any]) -> None:
        self._openings.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; nobody else needs to hear of it

    # The link itself

    @property
    def peer(self) -> str:
        """`host:port`, and the software at the other end."""
        version = (
            self._connection.get_extra_info("server_version", "") if self._connection is not None else ""
        )
        return f"{self._host}:{self._port} {version}".strip()

    @property
    def closed(self) -> bool:
        """No stream can be opened any more."""
        return self._lost or self._closing

    def on_lost(self, callback: Lost) -> Callable[[], None]:
        """Call `callback` once when the link ends: with the error, or None if it was closed in order. Returns
        what withdraws it. On a link that has ended it is called soon."""
        if self._lost:
            asyncio.get_running_loop().call_soon(callback, self._error)
            return lambda: None
        self._callbacks.append(callback)

        def withdraw() -> None:
            with contextlib.suppress(ValueError):
                self._callbacks.remove(callback)

        return withdraw

    def _on_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._keepalive is not None:
            self._keepalive.stop()
            self._keepalive = None
        if self._connection is not None:
            self._connection.keepalive = None
        self._error = None if self._closing else broken(error, device=self.device, path=self.path)
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self._error)

    def _usable(self) -> Connection:
        if self._connection is None or self.closed:
            raise self._gone(Phase.SHELL)
        return self._connection

    def _gone(self, phase: Phase, error: Exception | None = None) -> SessionBroken:
        reason = error or self._error
        seen = (
            (reason.seen if isinstance(reason, AioconnError) else str(reason)) if reason is not None else None
        )
        return SessionBroken(
            "the SSH connection is gone", device=self.device, path=self.path, phase=phase, seen=seen
        )

    async def close(self) -> None:
        """Say goodbye and free everything, streams included. Cancelled it aborts."""
        if self._connection is None:
            return
        self._closing = True
        self._connection.close()
        try:
            # two turns of the loop: nothing is waited for that the peer does
            await self._connection.wait_closed()
        finally:
            if not self._lost:
                self.abort()

    def abort(self) -> None:
        """End it now, with all its streams."""
        self._closing = True
        if self._connection is not None:
            self._connection.abort()

    def __repr__(self) -> str:
        state = "closed" if self.closed else f"{len(self._openings)} opening" if self._openings else "open"
        return f"<SshLink {self.device} {self.peer} {state}>"


class _Carrier(asyncssh.SSHTCPSession[bytes], asyncio.Protocol):
    """Stands between the transport (a socket, or a channel of a jump host) and asyncssh's connection until
    the host has said its version: what it says instead of one is the best explanation there is."""

    def __init__(self, connection: Connection) -> None:
        self.greeting = b""
        self._connection = connection
        self._transport: Any = None
        self._discarded = False

    # The two bases call their parameter differently
    def connection_made(self, chan: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        self._transport = chan
        if self._discarded:
            chan.abort()
        else:
            self._connection.connection_made(chan)

    def data_received(self, data: bytes, datatype: int | None = None) -> None:
        if self._discarded:
            return
        if len(self.greeting) < GREETING_LIMIT:
            self.greeting += data[:GREETING_LIMIT]
            if b"SSH-" in self.greeting and hasattr(self._transport, "set_protocol"):  # a channel has not
                self._transport.set_protocol(self._connection)
        self._connection.data_received(data)

    def eof_received(self) -> bool:
        self._connection.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def forget(self) -> None:
        self.greeting = b""
        self._transport = None

    def discard(self) -> None:
        """Free what was reached so far; a channel that opens later is aborted at once."""
        self._discarded = True
        if self._transport is not None:
            self._transport.abort()


def _give_up(connection: Connection, carrier: _Carrier, waiter: asyncio.Future[None]) -> None:
    """Free a connection that is not to be. Its parts end within a few turns of the loop."""
    if waiter.done():
        if not waiter.cancelled():
            waiter.exception()
    else:
        waiter.cancel()
    connection.abort()
    carrier.discard()
