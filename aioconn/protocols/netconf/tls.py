# SPDX-License-Identifier: Apache-2.0
"""NETCONF over TLS (RFC 7589): the device knows us by our certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

from aioconn.errors import (
    AioconnError,
    CertificateRefused,
    KeyExchangeFailed,
    MissingValue,
    Phase,
    UsageError,
    Where,
)
from aioconn.protocols.netconf.options import NetconfOptions
from aioconn.protocols.terminals import OpenedTerminal
from aioconn.protocols.tls import context_for, handshake_error
from aioconn.transport.base import Progress, Receiver
from aioconn.transport.tcp import TcpStream, connect_socket, watch

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection

PORT = 6513


async def open_over_tls(
    connection: BaseConnection[NetconfOptions], receiver: Receiver, *, jump: Any, progress: Progress
) -> OpenedTerminal:
    """A stream over TLS to where the connection's path leads. Cancelling leaves nothing behind.

    Raises a `ConnectError`, `InvalidOption` for certificates that cannot be read, `UsageError` if there is a jump host.
    """
    environment, path, options = connection._request.environment, connection.path, connection.options
    where: Where = {"device": connection.device, "path": path.name}
    host, port = path.address, path.port_number or PORT
    if not host:
        raise MissingValue("the path has no host", **where, hint=f"{path.origin}: add ip")
    if jump is not None:
        raise UsageError(
            "NETCONF over TLS does not go through a jump host", **where, hint="use SSH: leave tls out"
        )
    context = context_for(options, **where)
    await environment.admit_login(connection)
    try:
        sock = await connect_socket(host, port, **where, progress=progress)
        progress.phase = Phase.KEX
        stream = await _shake_hands(sock, receiver, context, options.server_name or host, port, where)
    finally:
        environment.opened(connection)
    watch(sock, options.keepalive)
    progress.phase = Phase.SHELL
    return OpenedTerminal(stream=stream, authenticated=True, abort=stream.abort)


async def _shake_hands(
    sock: socket.socket, receiver: Receiver, context: ssl.SSLContext, name: str, port: int, where: Where
) -> TcpStream:
    stream = TcpStream(receiver, **where)
    try:
        await asyncio.get_running_loop().create_connection(
            lambda: stream, sock=sock, ssl=context, server_hostname=name
        )
    except BaseException as error:
        stream.discard()
        with contextlib.suppress(OSError):  # its transport ends at once, and does not wait for a goodbye
            sock.shutdown(socket.SHUT_RDWR)
        if isinstance(error, ssl.SSLError):
            raise handshake_error(error, host=name, port=port, **where) from error
        if isinstance(error, OSError):
            what = f"{name} port {port}: the device ended the TLS handshake"
            raise KeyExchangeFailed(what, **where, seen=str(error) or None) from error
        raise
    return stream


def refusal(error: AioconnError, options: NetconfOptions, where: Where) -> CertificateRefused | None:
    """Why a session ended before its hello, if that is about our certificate: in TLS 1.3 it is looked at when we
    count the handshake as done, and some servers say nothing then."""
    seen = (error.seen or "").upper()
    if options.client_certificate is not None and "CERTIFICATE" not in seen and "UNKNOWN_CA" not in seen:
        return None
    what = "the device does not accept our certificate"
    if options.client_certificate is None:
        what = "the device ended the session before its hello, and we have shown no certificate"
    return CertificateRefused(what, **where, seen=error.seen, hint="set client_certificate and client_key")
