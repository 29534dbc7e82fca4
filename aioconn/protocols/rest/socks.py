# SPDX-License-Identifier: Apache-2.0
"""SOCKS (RFC 1928, RFC 1929): a connection to a device over one to a proxy.

This is the module that knows the SOCKS library, which is given a socket that is connected to the proxy already.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from aioconn.errors import (
    AuthenticationFailed,
    ConnectError,
    HostUnknown,
    HostUnreachable,
    MissingDependency,
    Phase,
)
from aioconn.protocols.rest.proxy import Proxy

try:
    import python_socks
    from python_socks.async_.asyncio import Proxy as Way
except ImportError as error:
    raise MissingDependency(
        f"a SOCKS proxy needs python-socks: {error}", hint="pip install 'aioconn[socks]'"
    ) from error

FOR_EVER = 86_400.0  # the deadline is the caller's; the library would have one of its own


class _Reached(Way):
    """For the library the way to the proxy, which is there already."""

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(python_socks.ProxyType.SOCKS5, "", 0, loop=loop)
        self._reached = sock

    async def connect(
        self, dest_host: str, dest_port: int, timeout: float | None = None, **_: Any
    ) -> socket.socket:
        return self._reached


async def ask_for(sock: socket.socket, proxy: Proxy, host: str, port: int, *, device: str, path: str) -> None:
    """Have the proxy connect to `host` and `port`: from then on the socket leads there.

    Names are the proxy's to resolve, but with `socks4`, which has no room for them. Raises a ConnectError; then, and
    when it is cancelled, the socket is closed. There is no deadline in here.
    """
    where: dict[str, Any] = {"device": device, "path": path}
    loop = asyncio.get_running_loop()
    four = proxy.scheme.startswith("socks4")
    if four and ":" in host:
        sock.close()
        raise HostUnreachable(f"{host}: SOCKS 4 reaches no IPv6 addresses", **where, hint="use socks5")
    way = Way(
        python_socks.ProxyType.SOCKS4 if four else python_socks.ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        username=proxy.user,
        password=proxy.password,
        rdns=proxy.scheme != "socks4",
        forward=_Reached(sock, loop),
        loop=loop,
    )
    try:
        await way.connect(host, port, timeout=FOR_EVER)
    except python_socks.ProxyError as error:
        raise _refused(error, proxy, f"{host} port {port}", where) from error
    except socket.gaierror as error:  # of a name that we have to resolve
        raise HostUnknown(f"{host!r} does not resolve", **where, seen=error.strerror) from error
    except OSError as error:
        raise _no_proxy(proxy, error.strerror or str(error), where) from error
    except (
        ValueError
    ) as error:  # a name or an address that the protocol has no room for, or an answer that is none
        raise HostUnreachable(
            f"the proxy {proxy} cannot be asked for {host}", **where, seen=str(error)[:200]
        ) from error


def _refused(
    error: python_socks.ProxyError, proxy: Proxy, target: str, where: dict[str, Any]
) -> ConnectError:
    words = str(error)
    if error.error_code is not None:
        return HostUnreachable(f"the proxy {proxy} does not reach {target}", **where, seen=words)
    if "authentication" in words:
        hint = "set user and password: socks5://user:password@host" if not proxy.user else None
        return AuthenticationFailed(
            f"the proxy {proxy} refuses our login", **where, phase=Phase.TCP, seen=words, hint=hint
        )
    return _no_proxy(proxy, words, where)


def _no_proxy(proxy: Proxy, seen: str, where: dict[str, Any]) -> HostUnreachable:
    return HostUnreachable(
        f"the proxy {proxy} does not speak SOCKS, or ended the connection",
        **where,
        seen=seen,
        hint="a wrong user or password may do that as well",
    )
