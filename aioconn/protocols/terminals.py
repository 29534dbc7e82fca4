# SPDX-License-Identifier: Apache-2.0
"""From a path to a terminal on the device: the one place that knows which transport a protocol stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from aioconn.credentials import Credential
from aioconn.errors import MissingValue, Phase, UsageError
from aioconn.transport.base import Progress, Receiver, Stream, Terminal
from aioconn.transport.ssh_options import SshOptions

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection

DEFAULT_PORTS = {"ssh": 22, "telnet": 23}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTerminal:
    """A stream, whether the transport has authenticated us, and what frees the transport below it at once."""

    stream: Stream
    authenticated: bool
    abort: Callable[[], None]


async def open_terminal(
    connection: BaseConnection[Any],
    receiver: Receiver,
    *,
    terminal: Terminal,
    jump: Any,
    progress: Progress,
    username_suffix: str = "",
) -> OpenedTerminal:
    """Open the way that the connection's path describes. Cancelling leaves nothing behind."""
    path = connection.path
    where = {"device": connection.device, "path": path.name}
    protocol = path.protocol or ("command" if path.command else "ssh")
    if path.command:
        from aioconn.transport.process import open_process

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

        stream = await open_telnet(
            host, port, receiver, terminal=terminal, tunnel=jump, progress=progress, **where
        )
        return OpenedTerminal(stream=stream, authenticated=False, abort=stream.abort)
    if protocol != "ssh":
        raise UsageError(
            f"a command line does not run over {protocol!r}",
            device=connection.device,
            path=path.name,
            hint="protocol is ssh or telnet, or give `command:`",
        )
    credential = connection.credentials.get("ssh", path.name)
    if username_suffix and credential.user is not None:
        credential = replace(credential, username=credential.user + username_suffix)
    return await _open_ssh(connection, receiver, host, port, credential, terminal, jump, progress)


async def _open_ssh(
    connection: BaseConnection[Any],
    receiver: Receiver,
    host: str,
    port: int,
    credential: Credential,
    terminal: Terminal,
    jump: Any,
    progress: Progress,
) -> OpenedTerminal:
    from aioconn.transport.ssh import SshLink

    options = cast(SshOptions, connection.options)
    link = await SshLink.open(
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
    try:
        progress.phase = Phase.SHELL
        stream = await link.open_shell(receiver, terminal)
    except BaseException:
        link.abort()
        raise
    return OpenedTerminal(stream=_Owning(stream, link), authenticated=True, abort=link.abort)


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
