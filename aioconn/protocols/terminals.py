# SPDX-License-Identifier: Apache-2.0
"""From a path to a terminal on the device: the one place that knows which transport a protocol stands for."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from aioconn.credentials import Credential
from aioconn.errors import MissingValue, Phase, UsageError
from aioconn.protocols.sharing import link_key
from aioconn.transport.base import Progress, Receiver, Stream, Terminal
from aioconn.transport.ssh_options import SshOptions

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection
    from aioconn.links import Links
    from aioconn.transport.ssh import SshLink

DEFAULT_PORTS = {"ssh": 22, "telnet": 23}


def _for_good() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTerminal:
    """A stream, whether the transport has authenticated us, and what frees the transport below it at once.

    `refuse()` is told, before `abort()`, that the device ended the session before it was ready. True: it may be due to
    others on the same link, and opening once more goes over another one.
    """

    stream: Stream
    authenticated: bool
    abort: Callable[[], None]
    refuse: Callable[[], bool] = _for_good


async def open_terminal(
    connection: BaseConnection[Any],
    receiver: Receiver,
    *,
    terminal: Terminal,
    jump: Any,
    progress: Progress,
    username_suffix: str = "",
) -> OpenedTerminal:
    """Open the way that the connection's path describes, over a link that stands if there is one and the platform
    allows it. Cancelling leaves nothing behind."""
    environment = connection._request.environment
    path = connection.path
    where = {"device": connection.device, "path": path.name}
    protocol = path.protocol or ("command" if path.command else "ssh")
    if path.command and jump is not None:
        await environment.admit_login(connection)
        progress.phase = Phase.SHELL
        stream = await jump.open_command(shlex.join(path.command), receiver, terminal)
        return OpenedTerminal(stream=stream, authenticated=False, abort=stream.abort)
    if path.command:
        from aioconn.transport.process import open_process

        await environment.admit_login(connection)
        progress.phase = Phase.SHELL
        stream = await open_process(path.command, receiver, terminal=terminal, progress=progress, **where)
        return OpenedTerminal(stream=stream, authenticated=False, abort=stream.abort)
    host = path.address
    if not host:
        raise MissingValue(
            "the path has no host", device=connection.device, path=path.name, hint=f"{path.origin}: add ip"
        )
    port = path.port_number or DEFAULT_PORTS.get(protocol, 0)
    if protocol == "telnet":
        from aioconn.transport.telnet import open_telnet

        await environment.admit_login(connection)
        stream = await open_telnet(
            host,
            port,
            receiver,
            device=connection.device,
            path=path.name,
            terminal=terminal,
            tunnel=jump,
            progress=progress,
            keepalive=cast(SshOptions, connection.options).keepalive,
        )
        return OpenedTerminal(stream=stream, authenticated=False, abort=stream.abort)
    if protocol != "ssh":
        raise UsageError(
            f"a command line does not run over {protocol!r}",
            device=connection.device,
            path=path.name,
            hint="protocol is ssh or telnet, or give `command:`",
        )

    async def open_shell(link: SshLink) -> Stream:
        return await link.open_shell(receiver, terminal)

    return await open_over_ssh(
        connection, open_shell, port=port, jump=jump, progress=progress, username_suffix=username_suffix
    )


async def open_over_ssh(
    connection: BaseConnection[Any],
    open_stream: Callable[[SshLink], Awaitable[Stream]],
    *,
    port: int,
    jump: Any,
    progress: Progress,
    username_suffix: str = "",
) -> OpenedTerminal:
    """A stream over an SSH link that stands, if there is one and sessions of this kind share links, else over a new
    one. `open_stream(link)` opens it. Cancelling leaves nothing behind."""
    environment = connection._request.environment
    path = connection.path
    host = path.address
    if not host:
        raise MissingValue(
            "the path has no host", device=connection.device, path=path.name, hint=f"{path.origin}: add ip"
        )
    credential = connection.credentials.login(path.protocol or "ssh", path.name)

    async def admit() -> None:
        await environment.admit_login(connection)

    async def make_link(progress: Progress) -> SshLink:
        try:
            return await _open_link(connection, host, port, credential, username_suffix, jump, progress)
        finally:
            environment.opened(connection)

    async def begin(link: SshLink) -> Stream:
        progress.phase = Phase.SHELL
        return await open_stream(link)

    links: Links | None = environment.links
    if links is not None and (key := link_key(connection, credential)) is not None:
        shared = await links.open(key, make_link, begin, progress=progress, admit=admit)
        return OpenedTerminal(stream=shared, authenticated=True, abort=shared.abort, refuse=shared.refuse)
    await admit()
    link = await make_link(progress)
    try:
        stream = await begin(link)
    except BaseException:
        link.abort()
        raise
    return OpenedTerminal(stream=_Owning(stream, link), authenticated=True, abort=link.abort)


async def _open_link(
    connection: BaseConnection[Any],
    host: str,
    port: int,
    credential: Credential,
    username_suffix: str,
    jump: Any,
    progress: Progress,
) -> SshLink:
    from aioconn.transport.ssh import SshLink

    if username_suffix and credential.user is not None:
        credential = replace(credential, username=credential.user + username_suffix)
    options = cast(SshOptions, connection.options)
    return await SshLink.open(
        host,
        port,
        device=connection.device,
        path=connection.path.name,
        credential=credential,
        options=options,
        tunnel=jump,
        progress=progress,
        answers=getattr(options, "answers", None),
    )


class _Owning(Stream):
    """A stream that closes the link made for it alone."""

    def __init__(self, stream: Stream, link: Any) -> None:
        self._stream = stream
        self._link = link
        self.write = stream.write  # type: ignore[method-assign]  # one call less per command

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def pause_reading(self) -> None:
        self._stream.pause_reading()

    def resume_reading(self) -> None:
        self._stream.resume_reading()

    async def close(self) -> None:
        try:
            await self._stream.close()
        finally:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                self._link.abort()
            else:
                await self._link.close()

    def abort(self) -> None:
        self._stream.abort()
        self._link.abort()
