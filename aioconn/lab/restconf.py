# SPDX-License-Identifier: Apache-2.0
"""The RESTCONF side of a lab (RFC 8040), on the one configuration of a device."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from aiohttp import web

from aioconn.lab.data import DataError, Edit, Step
from aioconn.lab.restconf_xml import document_of, errors_of, text_of
from aioconn.lab.select import select

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice
    from aioconn.lab.models import Node

JSON = "application/yang-data+json"
XML = "application/yang-data+xml"
CAPABILITIES = (
    "urn:ietf:params:restconf:capability:defaults:1.0?basic-mode=explicit",
    "urn:ietf:params:restconf:capability:depth:1.0",
    "urn:ietf:params:restconf:capability:fields:1.0",
    "urn:ietf:params:restconf:capability:with-defaults:1.0",
)
STREAM = "changes"
SILENCE = 20.0  # seconds after which a stream says something that means nothing

# RFC 8040, section 7
STATUS = {
    "in-use": 409,
    "lock-denied": 409,
    "resource-denied": 409,
    "data-exists": 409,
    "data-missing": 409,
    "access-denied": 403,
    "operation-not-supported": 405,
    "operation-failed": 500,
}


class Restconf:
    """The answers of one device under `/restconf`."""

    def __init__(self, device: LabDevice) -> None:
        self._device = device

    def denied(self, request: web.BaseRequest) -> web.Response:
        """What somebody gets who is not known."""
        return self._error(request, DataError("access-denied", "", "who are you?"), status=401)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        place, _, rest = request.rel_url.raw_path.removeprefix("/restconf").lstrip("/").partition("/")
        try:
            if place == "":
                return self._document(request, {"ietf-restconf:restconf": {"data": {}, "operations": {}}})
            if place == "data":
                return await self._data(request, rest)
            if place == "operations":
                return await self._operation(request, unquote(rest))
            if place == "streams" and unquote(rest) == STREAM:
                return await self._stream(request)
        except DataError as error:
            return self._error(request, error)
        return self._error(request, DataError("invalid-value", "", "no such resource"), status=404)

    # ------------------------------------------------------------------ data

    async def _data(self, request: web.BaseRequest, rest: str) -> web.StreamResponse:
        own = self._own(rest)
        if own is not None:
            if request.method != "GET":
                raise DataError("operation-not-supported", "/" + rest, "this is state")
            return self._document(request, own)
        steps = self._steps(rest)
        method = request.method
        if method in ("GET", "HEAD"):
            return self._read(request, steps)
        if method == "DELETE":
            if not steps:
                raise DataError("operation-not-supported", "/", "not the whole of it")
            self._device.data.edit([Edit(operation="delete", path=steps)])
            return web.Response(status=204)
        if method not in ("POST", "PUT", "PATCH"):
            raise DataError("operation-not-supported", "/" + rest, f"no {method} here")
        document = await self._sent(request, steps if method != "POST" else None)
        if method == "POST":
            return self._create(request, steps, document)
        before = self._device.data.read(steps, config=True)
        if method == "PATCH" and before is None:
            return self._error(
                request, DataError("invalid-value", "/" + rest, "no such resource"), status=404
            )
        value = self._value(steps, document)
        self._device.data.edit(
            [Edit(operation="merge" if method == "PATCH" else "replace", path=steps, value=value)]
        )
        return web.Response(status=204 if before is not None else 201)

    def _read(self, request: web.BaseRequest, steps: tuple[Step, ...]) -> web.Response:
        query = request.query
        content = query.get("content", "all")
        if content not in ("all", "config", "nonconfig"):
            raise DataError("invalid-value", "", f"content={content} is none of all, config, nonconfig")
        config = {"all": None, "config": True, "nonconfig": False}[content]
        value = self._device.data.read(steps, config=config)
        if value is None:
            return self._error(request, DataError("invalid-value", "", "no such instance"), status=404)
        value = select(value, query.get("fields"), query.get("depth"))
        if not steps:
            return self._document(request, {"ietf-restconf:data": value})
        node = self._node(steps)
        if node.kind == "list" and not isinstance(value, list):
            value = [value]
        return self._document(request, {node.qualified: value}, node)

    def _create(self, request: web.BaseRequest, steps: tuple[Step, ...], document: Any) -> web.Response:
        if not isinstance(document, Mapping) or len(document) != 1:
            raise DataError("malformed-message", "", "one resource at a time")
        name, value = next(iter(document.items()))
        path = (*steps, Step(name))
        node = self._device.data.schema(path)
        if node is None:
            raise DataError("unknown-element", "/" + name, f"{name!r} is not known here")
        place = quote(name, safe=":")
        if node.kind == "list":
            value = value[0] if isinstance(value, list) and len(value) == 1 else value
            if not isinstance(value, Mapping):
                raise DataError("invalid-value", "/" + name, "one entry at a time")
            keys = {key: str(value[key]) for key in node.keys if key in value}
            path = (*steps, Step(name, keys))
            place += "=" + ",".join(quote(key, safe="") for key in keys.values())
        self._device.data.edit([Edit(operation="create", path=path, value=value)])
        base = request.rel_url.raw_path.rstrip("/")
        return web.Response(status=201, headers={"Location": f"{base}/{place}"})

    def _value(self, steps: tuple[Step, ...], document: Any) -> Any:
        if not isinstance(document, Mapping) or len(document) != 1:
            raise DataError("malformed-message", "", "a document has one member")
        name, value = next(iter(document.items()))
        if not steps:
            return value
        node = self._node(steps)
        if name not in (node.qualified, node.name):
            raise DataError("invalid-value", "/" + name, f"this is the place of {node.qualified}")
        if steps[-1].keys and isinstance(value, list):
            if len(value) != 1:
                raise DataError("invalid-value", "/" + name, "this is the place of one entry")
            value = value[0]
        if steps[-1].keys and isinstance(value, Mapping):
            for key, given in steps[-1].keys.items():
                if str(value.get(key, given)) != given:
                    raise DataError("invalid-value", "/" + name, f"{key} is not that of the path")
        return value

    def _steps(self, text: str) -> tuple[Step, ...]:
        """The path of a URL; which keys its values are, the models say."""
        steps: list[Step] = []
        for part in text.split("/") if text else []:
            name, equals, values = part.partition("=")
            step = Step(unquote(name))
            node = self._device.data.schema([*steps, step])
            if node is None:
                raise DataError("unknown-element", "/" + text, f"{unquote(name)!r} is not known here")
            if equals:
                given = [unquote(value) for value in values.split(",")]
                if node.kind != "list" or len(given) != len(node.keys):
                    raise DataError("invalid-value", "/" + text, f"{node.name} has {len(node.keys)} keys")
                step = Step(step.name, dict(zip(node.keys, given, strict=True)))
            steps.append(step)
        return tuple(steps)

    def _node(self, steps: tuple[Step, ...]) -> Node:
        node = self._device.data.schema(steps)
        assert node is not None
        return node

    async def _sent(self, request: web.BaseRequest, steps: tuple[Step, ...] | None) -> Any:
        data = await request.read()
        if "xml" in request.headers.get("Content-Type", ""):
            return document_of(data, self._device.data, self._node(steps) if steps else None)
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise DataError("malformed-message", "", "this is no JSON") from None

    def _own(self, rest: str) -> Any:
        """What the server says of itself: capabilities, streams, modules."""
        state = {
            "capabilities": {"capability": list(CAPABILITIES)},
            "streams": {
                "stream": [
                    {
                        "name": STREAM,
                        "description": "changes of the configuration",
                        "access": [{"encoding": "json", "location": f"/restconf/streams/{STREAM}"}],
                    }
                ]
            },
        }
        modules = [
            {"name": module.name, "revision": module.revision, "namespace": module.namespace}
            for module in self._device.data.modules
        ]
        known: dict[str, Any] = {
            "ietf-restconf-monitoring:restconf-state": {"ietf-restconf-monitoring:restconf-state": state},
            "ietf-restconf-monitoring:restconf-state/capabilities": {
                "ietf-restconf-monitoring:capabilities": state["capabilities"]
            },
            f"ietf-restconf-monitoring:restconf-state/streams/stream={STREAM}/access=json/location": {
                "ietf-restconf-monitoring:location": f"/restconf/streams/{STREAM}"
            },
            "ietf-yang-library:modules-state": {"ietf-yang-library:modules-state": {"module": modules}},
        }
        return known.get(rest)

    # ------------------------------------------------------------------ operations and streams

    async def _operation(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        if request.method == "GET" and not name:
            names = ("aioconn-lab:echo", "aioconn-lab:wait", "ietf-system:set-current-datetime")
            return self._document(request, {"ietf-restconf:operations": {each: [None] for each in names}})
        if request.method != "POST":
            raise DataError("operation-not-supported", "/" + name, "operations are posted")
        data = await request.read()
        document = await self._sent(request, None) if data else {}
        given = next(iter(document.values()), None) if isinstance(document, Mapping) else None
        if name == "aioconn-lab:echo":
            return self._document(request, {"aioconn-lab:output": given or {}})
        if name == "aioconn-lab:wait":
            milliseconds = given.get("milliseconds") if isinstance(given, Mapping) else None
            await asyncio.sleep((milliseconds or 0) / 1000)
            return web.Response(status=204)
        if name == "ietf-system:set-current-datetime":
            if not isinstance(given, Mapping) or "current-datetime" not in given:
                raise DataError("missing-element", "/" + name, "current-datetime is missing")
            return web.Response(status=204)
        return self._error(request, DataError("invalid-value", "/" + name, "no such operation"), status=404)

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await answer.prepare(request)
        await answer.write(b": begun\n\n")
        changed = asyncio.Event()
        withdraw: Callable[[], None] = self._device.data.subscribe(changed.set)
        told = self._device.data.version
        try:
            while True:
                try:
                    async with asyncio.timeout(SILENCE):
                        await changed.wait()
                except TimeoutError:
                    await answer.write(b": still here\n\n")
                    continue
                changed.clear()
                while told < self._device.data.version:
                    told += 1
                    event = {
                        "ietf-restconf:notification": {
                            "eventTime": datetime.now(UTC).isoformat(),
                            "aioconn-lab:configuration-changed": {"version": told},
                        }
                    }
                    await answer.write(f"data: {json.dumps(event)}\n\n".encode())
        finally:
            withdraw()

    # ------------------------------------------------------------------ documents

    def _document(self, request: web.BaseRequest, document: Any, node: Node | None = None) -> web.Response:
        if node is not None and _wants_xml(request):
            return web.Response(text=text_of(document[node.qualified], node), content_type=XML)
        return web.Response(body=json.dumps(document).encode(), content_type=JSON)

    def _error(
        self, request: web.BaseRequest, error: DataError, *, status: int | None = None
    ) -> web.Response:
        headers = {"WWW-Authenticate": 'Basic realm="lab"'} if status == 401 else {}
        fields: dict[str, str] = {
            "error-type": "protocol"
            if error.tag in ("access-denied", "malformed-message")
            else "application",
            "error-tag": error.tag,
            "error-path": error.path,
            "error-message": error.message,
        }
        status = status or STATUS.get(error.tag, 400)
        if _wants_xml(request):
            return web.Response(text=errors_of(fields), status=status, content_type=XML, headers=headers)
        body = json.dumps({"ietf-restconf:errors": {"error": [fields]}}).encode()
        return web.Response(body=body, status=status, content_type=JSON, headers=headers)


def _wants_xml(request: web.BaseRequest) -> bool:
    return "xml" in request.headers.get("Accept", "")
