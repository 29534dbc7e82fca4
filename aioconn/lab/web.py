# SPDX-License-Identifier: Apache-2.0
"""What a simulated device answers over HTTP beside RESTCONF: logins, the APIs of vendors, and plain JSON.

For tests: `/api/facts`; `/api/echo` (what was sent, and how); `/api/echo/N`; `/api/bytes/N` (a body of N bytes, in
pieces); `/api/status/N`; `/api/moved?to=URL&status=N`; `/api/busy/N` (429 with Retry-After for the first N times);
`/api/drop` (the connection ends without an answer) and `/api/drop/N` (for the first N times).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import web

from aioconn.lab.cable import hard_reset
from aioconn.lab.headless import Headless, Refused

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

PIECE = 64 * 1024


class Door(Protocol):
    """Who may come in: what logins need of the server."""

    async def accepts(self, username: str, password: str) -> bool: ...

    async def allows(self, request: web.BaseRequest) -> bool: ...

    def admit(self) -> str: ...

    def dismiss(self, request: web.BaseRequest) -> None: ...


class Web:
    """The answers of one device."""

    def __init__(self, device: LabDevice, door: Door) -> None:
        self._device = device
        self._door = door
        self._counts: Counter[str] = Counter()

    async def public(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The answer to what anybody may ask, None for all else."""
        path = request.path
        if path in ("/api/token", "/api/login", "/api/mo/aaaLogin.json") and request.method == "POST":
            return await self._log_in(request, path)
        if path == "/.well-known/host-meta":
            return web.Response(
                text='<?xml version="1.0" encoding="UTF-8"?>\n'
                '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">\n'
                '  <Link rel="restconf" href="/restconf"/>\n</XRD>\n',
                content_type="application/xrd+xml",
            )
        return None

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to somebody who is known."""
        path = request.path
        if path == "/command-api" and request.method == "POST":
            return await self._eapi(request)
        if path == "/ins" and request.method == "POST":
            return await self._nxapi(request)
        if path in ("/api/logout", "/api/mo/aaaLogout.json"):
            self._door.dismiss(request)
            return web.json_response({})
        if path == "/":
            return web.Response(text="a simulated device\n")
        if path.startswith("/api/"):
            return await self._plain(request, path.removeprefix("/api/"))
        return web.json_response({"error": "no such resource"}, status=404)

    # ------------------------------------------------------------------ logins

    async def _log_in(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        door = self._door
        user = password = ""
        body = await _json(request)
        if isinstance(body, Mapping):
            if isinstance(inner := body.get("aaaUser"), Mapping):
                body = inner.get("attributes") or {}
            user = str(body.get("username", body.get("name", "")))
            password = str(body.get("password", body.get("pwd", "")))
        known = await door.accepts(user, password) if user else await door.allows(request)
        if not known:
            return web.json_response({"error": "login failed"}, status=401)
        token = door.admit()
        if path == "/api/token":
            return web.json_response({"token": token, "expires_in": 3600}, headers={"X-Auth-Token": token})
        answer = web.json_response({"imdata": [{"aaaLogin": {"attributes": {"token": token}}}]})
        answer.set_cookie("lab-session", token, httponly=True)
        return answer

    # ------------------------------------------------------------------ for tests

    async def _plain(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        what, _, amount = name.partition("/")
        number = int(amount) if amount.isascii() and amount.isdigit() else 0
        if what == "facts":
            return web.json_response({**self._device.facts, "hostname": self._device.host})
        if what == "echo" and amount:
            return web.json_response({"number": number})
        if what == "echo":
            return web.json_response(
                {
                    "method": request.method,
                    "query": dict(request.query),
                    "headers": {key.lower(): value for key, value in request.headers.items()},
                    "body": (await request.read()).decode("latin-1"),
                }
            )
        if what == "bytes":
            return await self._bytes(request, number)
        if what == "status":
            return web.json_response({"status": number}, status=number)
        if what == "moved":
            status = int(request.query.get("status", "302"))
            return web.Response(status=status, headers={"Location": request.query.get("to", "/")})
        if what in ("busy", "drop"):
            self._counts[name] += 1
            if amount and self._counts[name] > number:
                return web.json_response({"times": self._counts[name]})
            if what == "busy":
                after = request.query.get("after", "0")
                return web.json_response({}, status=429, headers={"Retry-After": after} if after else {})
            return self._reset(request)
        return web.json_response({"error": f"no {what}"}, status=404)

    async def _bytes(self, request: web.BaseRequest, count: int) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_type = "application/octet-stream"
        limit = self._device.faults.reset_after
        await answer.prepare(request)
        sent = 0
        while sent < count:
            if limit is not None and sent >= limit:
                return self._reset(request)
            size = min(PIECE, count - sent, limit - sent if limit is not None else PIECE)
            await answer.write(b"x" * size)
            sent += size
        await answer.write_eof()
        return answer

    def _reset(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            hard_reset(request.transport)
        raise asyncio.CancelledError

    # ------------------------------------------------------------------ commands of vendors

    async def _eapi(self, request: web.BaseRequest) -> web.StreamResponse:
        call = await _json(request)
        if not isinstance(call, Mapping) or call.get("method") != "runCmds":
            return _rpc(None, error={"code": -32601, "message": "Method not found"})
        parameters = call.get("params") or {}
        structured = parameters.get("format") != "text"
        session = Headless(self._device)
        results: list[Any] = []
        for number, item in enumerate(parameters.get("cmds") or [], 1):
            command = str(item.get("cmd", "")) if isinstance(item, Mapping) else str(item)
            try:
                text = "" if command == "enable" else await self._command(session, command)
            except Refused as refusal:
                error = {
                    "code": 1002,
                    "message": f"CLI command {number} of {len(parameters['cmds'])} '{command}' failed:"
                    " invalid command",
                    "data": [*results, {"errors": [str(refusal)]}],
                }
                return _rpc(call.get("id"), error=error)
            results.append({"text": text} if structured else {"output": text})
        return _rpc(call.get("id"), result=results)

    async def _nxapi(self, request: web.BaseRequest) -> web.StreamResponse:
        call = await _json(request)
        asked = call.get("ins_api") if isinstance(call, Mapping) else None
        if not isinstance(asked, Mapping):
            return web.json_response({"error": "no ins_api"}, status=400)
        session = Headless(self._device)
        outputs: list[dict[str, Any]] = []
        kind = asked.get("type")
        lines = [line.strip() for line in str(asked.get("input", "")).split(" ;")]
        if kind == "cli_conf":
            await session.run("configure terminal")
        for command in lines:
            try:
                text = await self._command(session, command)
            except Refused as refusal:
                outputs.append(
                    {
                        "input": command,
                        "code": "400",
                        "msg": "Input CLI command error",
                        "clierror": str(refusal),
                    }
                )
                break
            body: Any = {"text": text} if kind == "cli_show" else text
            outputs.append({"input": command, "code": "200", "msg": "Success", "body": body})
        answer = {"type": kind, "version": "1.0", "sid": "eoc"}
        output = outputs[0] if len(outputs) == 1 else outputs
        return web.json_response({"ins_api": {**answer, "outputs": {"output": output}}})

    async def _command(self, session: Headless, command: str) -> str:
        self._device.record(0, command)
        return await session.run(command)


def _rpc(identity: Any, **outcome: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": identity, **outcome})


async def _json(request: web.BaseRequest) -> Any:
    try:
        return json.loads(await request.read() or b"null")
    except (ValueError, RecursionError):
        return None
