# SPDX-License-Identifier: Apache-2.0
"""The HTTP side of a lab: Basic, token and cookie logins, RESTCONF, the APIs of two vendors, and plain JSON.

| path | what |
|---|---|
| `/restconf/...`, `/.well-known/host-meta` | RFC 8040 |
| `/command-api`, `/ins` | commands as JSON, as Arista's eAPI and Cisco's NX-API |
| `/api/token`, `/api/login`, `/api/logout`, `/api/mo/aaaLogin.json` | logins that give a token, a cookie |
| `/api/facts`, `/api/echo`, `/api/bytes/N`, ... | for tests: see `aioconn.lab.web` |

Of `Faults` these play a part: latency, hang_on (a path, or a command of the APIs), reset_after (bytes of a body),
garbage, slow_login, wrong_password.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import re
import secrets
import shutil
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from aioconn.lab import authority
from aioconn.lab.restconf import Restconf
from aioconn.lab.web import Web

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice
    from aioconn.lab.servers import Site

LARGEST = 4 * 1024 * 1024  # bytes of a request's body
GARBAGE = b"\x00\xff\x15\x03 this is no HTTP \r\n\r\n" * 4
COOKIE = "lab-session"


class HttpServer:
    """A listener of one device. `tokens` are those that are valid now: `expire()` ends them all."""

    def __init__(self, device: LabDevice) -> None:
        self.device = device
        self.tokens: set[str] = set()
        self.requests = 0
        self.logins = 0
        self.keys: Mapping[str, Any] = {}
        self.port = 0
        self._web = Web(device, self)
        self._restconf = Restconf(device)
        self._folder: Path | None = None
        self._server = web.Server(self._serve, handler_cancellation=True, access_log=None)
        self._listener: asyncio.Server | None = None

    async def listen(self, site: Site, tls: ssl.SSLContext | None, *, encrypted: bool) -> None:
        try:
            if encrypted:
                self._folder = Path(tempfile.mkdtemp(prefix="aioconn-lab-"))
                (self._folder / "ca.pem").write_bytes(authority.authority().pem)
                self.keys = {"ca_file": str(self._folder / "ca.pem")}
                tls = tls or authority.context()
            else:
                self.keys = {"scheme": "http"}
            self._listener = await site.listen(self._server, self.device, tls)
        except BaseException:
            self._forget_folder()
            raise
        self.port = self._listener.sockets[0].getsockname()[1]

    @property
    def sessions(self) -> int:
        """Connections that are open now."""
        return len(self._server.connections)

    def expire(self) -> None:
        """End the validity of all tokens and cookies."""
        self.tokens.clear()

    def cut(self) -> None:
        """Reset all connections now."""
        for connection in self._server.connections:
            if connection.transport is not None:
                self.device.reset(connection.transport)

    async def close(self) -> None:
        """Listen no more, and end what is open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self.cut()
        self._forget_folder()
        with contextlib.suppress(TimeoutError):
            await self._server.shutdown(1.0)

    def _forget_folder(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    # ------------------------------------------------------------------ a request

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests += 1
        device, faults = self.device, self.device.faults
        path = request.rel_url.raw_path
        device.record(0, f"{request.method} {path}")
        if faults.half_open or (faults.hang_on and re.search(faults.hang_on, path)):
            await asyncio.get_running_loop().create_future()
        if faults.latency or faults.jitter:
            await asyncio.sleep(faults.latency)
        if faults.garbage and request.transport is not None:
            request.transport.write(GARBAGE)
            request.transport.close()
            raise web.HTTPInternalServerError
        if request.content_length is not None and request.content_length > LARGEST:
            return web.Response(status=413, text="too large")
        if (answer := await self._web.public(request)) is not None:
            return answer
        if not await self.allows(request):
            return (
                self._restconf.denied(request)
                if path.startswith("/restconf")
                else web.json_response(
                    {"error": "who are you?"}, status=401, headers={"WWW-Authenticate": 'Basic realm="lab"'}
                )
            )
        if path == "/restconf" or path.startswith("/restconf/"):
            return await self._restconf.serve(request)
        return await self._web.serve(request)

    # ------------------------------------------------------------------ who asks

    async def allows(self, request: web.BaseRequest) -> bool:
        """Whether what a request says of its sender is right."""
        scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return await self.accepts(*_basic(rest))
        given = (
            rest if scheme.lower() == "bearer" else None,
            request.headers.get("X-Auth-Token"),
            request.cookies.get(COOKIE),
        )
        return any(token in self.tokens for token in given if token)

    async def accepts(self, username: str, password: str) -> bool:
        """Whether these are right, after the time that this takes."""
        if self.device.faults.slow_login:
            await asyncio.sleep(self.device.faults.slow_login)
        return self.device.accepts(username, password)

    def admit(self) -> str:
        """A new token."""
        self.logins += 1
        self.device.logins += 1
        token = secrets.token_hex(16)
        self.tokens.add(token)
        return token

    def dismiss(self, request: web.BaseRequest) -> None:
        """End the validity of the token of a request."""
        self.tokens.discard(request.cookies.get(COOKIE, ""))
        self.tokens.discard(request.headers.get("Authorization", "").removeprefix("Bearer "))
        self.tokens.discard(request.headers.get("X-Auth-Token", ""))


def _basic(text: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


async def serve(
    site: Site, device: LabDevice, *, tls: bool = False, context: ssl.SSLContext | None = None
) -> HttpServer:
    """Serve a device at a port that the system chooses. With `tls` the certificate is of the lab's authority, unless
    there is a `context`."""
    server = HttpServer(device)
    await server.listen(site, context, encrypted=tls)
    return server
