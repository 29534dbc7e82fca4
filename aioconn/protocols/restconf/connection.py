# SPDX-License-Identifier: Apache-2.0
"""RESTCONF (RFC 8040): data of YANG models over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from aioconn.connection import service, streaming
from aioconn.errors import (
    BadReply,
    HttpError,
    SessionBroken,
    UsageError,
)
from aioconn.home import carry_iterator
from aioconn.protocols.rest.exchange import LEFT_ALONE, Answer
from aioconn.protocols.rest.requests import Params
from aioconn.protocols.restconf import documents
from aioconn.protocols.restconf.base import Insert, RestconfBase
from aioconn.protocols.restconf.events import Events, TooLarge
from aioconn.protocols.restconf.paths import DataPath

Content = Literal["config", "nonconfig", "all"]
Operation = Literal["merge", "replace", "create", "delete", "remove"]
Defaults = Literal["report-all", "trim", "explicit", "report-all-tagged"]

_STATE = "ietf-restconf-monitoring:restconf-state"


class RestconfConnection(RestconfBase):
    """Data of YANG models over one HTTP connection, in order, each call with a deadline.

    Paths are written as `aioconn.protocols.restconf.paths` says, and checked before anything is sent. Data is what JSON
    documents hold (RFC 7951), or with the option `encoding: xml` their text. What the device refuses is a RestconfError
    with its error-tag; a status without such an answer is an HttpError. After a timeout or a cancel an edit may have
    been made.
    """

    # ------------------------------------------------------------------ data

    @service
    async def get(
        self,
        path: str = "",
        *,
        content: Content | None = None,
        depth: int | Literal["unbounded"] | None = None,
        fields: str | None = None,
        with_defaults: Defaults | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The resource at a path, as its document: `{"ietf-interfaces:interface": [...]}`; the datastore without one.

        `content` is config, nonconfig or all; `depth` the levels below; `fields` what to leave in, as RFC 8040, section
        4.8.3, writes it. None if the resource is there and empty.
        """
        query: dict[str, Any] = {}
        if content is not None:
            query["content"] = content
        if depth is not None:
            if depth != "unbounded" and not 1 <= depth <= 65535:
                raise UsageError(f"depth: {depth!r} is not from 1 to 65535", **self._where())
            query["depth"] = depth
        if fields is not None:
            query["fields"] = fields
        if with_defaults is not None:
            query["with-defaults"] = with_defaults
        answer = await self._ask("GET", self._data(path).url, query, None, timeout)
        return self._value(answer)

    @service
    async def put(
        self,
        path: str,
        value: Any,
        *,
        insert: Insert | None = None,
        point: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Create the resource at a path, or replace it by `value`: the document, or what stands in it.

        `insert` and `point` (a path) place an entry of a list that its user orders.
        """
        await self._send_value("PUT", self._data(path), value, insert, point, timeout)

    @service
    async def patch(self, path: str, value: Any, *, timeout: float | None = None) -> None:
        """Merge `value` into the resource at a path, which must be there (a plain patch, RFC 8040, section 4.6.1)."""
        await self._send_value("PATCH", self._data(path), value, None, None, timeout)

    @service
    async def post(
        self,
        path: str,
        value: Any,
        *,
        insert: Insert | None = None,
        point: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Create a child of the resource at a path, which must not be there; where it is now, as the device says.

        `value` is the child's document: its name with the module, and what it holds.
        """
        target = self._data(path)
        query = self._placed(insert, point)
        answer = await self._ask("POST", target.url, query, self._body(value), timeout)
        return answer.header("location")

    @service
    async def delete(self, path: str, *, timeout: float | None = None) -> None:
        """Delete the resource at a path. RestconfError with `data-missing` (or a 404) if it is not there."""
        target = self._data(path)
        if not target.steps:
            raise UsageError("the datastore cannot be deleted", **self._where())
        await self._ask("DELETE", target.url, {}, None, timeout)

    @service
    async def edit(
        self,
        path: str,
        value: Any = None,
        *,
        operation: Operation = "merge",
        insert: Insert | None = None,
        point: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Change the resource at a path, in the words of NETCONF: merge (PATCH), replace (PUT), create (POST to the
        parent), delete, or remove, which may not be there.

        With merge the resource, or with a list's entry its list, must be there already on most devices.
        """
        target = self._data(path)
        if operation in ("delete", "remove"):
            try:
                await self.delete(path, timeout=timeout)
            except HttpError as error:
                gone = error.status == 404 or getattr(error, "error_tag", "") == "data-missing"
                if operation == "delete" or not gone:
                    raise
            return
        if value is None:
            raise UsageError(f"edit: {operation} needs a value", **self._where())
        if operation == "create":
            if not target.steps:
                raise UsageError("the datastore cannot be created", **self._where())
            document = self._document(target, value)
            parent = DataPath(target.steps[:-1])
            await self._ask("POST", parent.url, self._placed(insert, point), self._body(document), timeout)
            return
        method = "PUT" if operation == "replace" else "PATCH"
        await self._send_value(method, target, value, insert, point, timeout)

    @service
    async def rpc(self, name: str, input: Any = None, *, timeout: float | None = None) -> Any:
        """Call an operation (`module:name`), or an action (the path of one); its output, None if it has none.

        `input` are its parameters, by name; with `encoding: xml` the document.
        """
        target = self._parsed(name, "operation")
        if not target.steps:
            raise UsageError("rpc: no operation is named", **self._where())
        body = None
        if input is not None:
            module = target.member.partition(":")[0]
            document = input
            if self._json and not (isinstance(input, Mapping) and f"{module}:input" in input):
                document = {f"{module}:input": input}
            body = self._body(document)
        place = "operations" if len(target.steps) == 1 else "data"
        answer = await self._ask("POST", target.url, {}, body, timeout, place=place)
        value = self._value(answer)
        return documents.unwrapped(value) if self._json and value is not None else value

    @service
    async def capabilities(self, *, timeout: float | None = None) -> tuple[str, ...]:
        """The URIs of what the device can do (RFC 8040, section 9.1); empty if it does not tell."""
        found = await self._optional(f"{_STATE}/capabilities", timeout)
        entries = found.get("capability") if isinstance(found, Mapping) else None
        return tuple(str(one) for one in entries) if isinstance(entries, list) else ()

    @service
    async def modules(self, *, timeout: float | None = None) -> list[dict[str, str]]:
        """The modules of the device's YANG library (RFC 8525, RFC 7895), each with name, revision and namespace."""
        found = await self._optional("ietf-yang-library:yang-library", timeout)
        entries: list[Any] = []
        if isinstance(found, Mapping):
            for group in found.get("module-set") or []:
                if isinstance(group, Mapping):
                    entries += group.get("module") or []
        else:
            found = await self._optional("ietf-yang-library:modules-state", timeout)
            entries = (found.get("module") or []) if isinstance(found, Mapping) else []
        return [
            {key: str(entry.get(key, "")) for key in ("name", "revision", "namespace")}
            for entry in entries
            if isinstance(entry, Mapping)
        ]

    # ------------------------------------------------------------------ streams

    @streaming
    async def stream(
        self,
        name: str = "NETCONF",
        *,
        filter: str | None = None,
        start_time: str | None = None,
        stop_time: str | None = None,
        silence: float | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[Any, None]:
        """The notifications of an event stream, as they come (RFC 8040, section 6): documents, or texts of XML.

        `timeout` bounds the beginning. Then it goes on until the device ends it, `silence` seconds pass without a byte,
        which raises TimeoutError, or the iterator is closed. Other calls go on beside it, over another connection.
        """
        self._check_usable()
        query: dict[str, Any] = {
            key: value
            for key, value in (("filter", filter), ("start-time", start_time), ("stop-time", stop_time))
            if value is not None
        }
        async with contextlib.aclosing(
            carry_iterator(self._home(), self._events, name, query, silence, timeout)
        ) as events:
            async for event in events:
                yield event

    async def _events(
        self, name: str, query: Params, silence: float | None, timeout: float | None
    ) -> AsyncGenerator[Any, None]:
        answer = await self._subscribe(name, query, timeout=timeout)
        client = self._live()
        events = Events()
        try:
            while True:
                async with asyncio.timeout(silence):
                    piece = await client.piece(answer)
                if not piece:
                    return
                try:
                    found = events.feed(piece)
                except TooLarge as error:
                    raise BadReply(f"stream {name}: {error}", **self._where()) from None
                for text in found:
                    yield self._event(name, text)
        except TimeoutError:
            raise self._timed_out("stream", name, silence or 0.0) from None
        except SessionBroken:
            self._check_still(client)
            raise
        finally:
            client.leave(answer)

    def _event(self, name: str, text: str) -> Any:
        if not self._json:
            return text
        document = documents.decoded(text.encode())
        if not isinstance(document, Mapping):
            raise BadReply(
                f"stream {name}: an event is no JSON", **self._where(), seen=self._redact(text[:200])
            )
        return document

    @service
    async def _subscribe(self, name: str, query: Params, *, timeout: float | None = None) -> Answer:
        """In a turn: the answer that brings the events. The connection is the answer's from here on."""
        place = await self._stream_place(name, timeout)
        request = self._prepared("GET", place, params=query, headers={"Accept": "text/event-stream"})
        client, answer = await self._begun(request)
        try:
            if answer.status != 200:
                response = await client.finish(answer, request, LEFT_ALONE)
                raise self._refused(request, response)
            if "text/event-stream" not in answer.headers.get("Content-Type", ""):
                raise BadReply(f"stream {name}: what came are no events", **self._where())
        except BaseException:
            client.leave(answer)
            raise
        return answer

    async def _stream_place(self, name: str, timeout: float | None) -> str:
        """The path of a stream: what the device says of it, else the usual one."""
        encoding = "json" if self._json else "xml"
        found = await self._optional(
            f"{_STATE}/streams/stream[name={_quoted(name)}]/access[encoding='{encoding}']/location", timeout
        )
        if isinstance(found, str) and found:
            parts = urlsplit(found)
            if parts.hostname in (None, self._root.host) and "\\" not in found:
                return parts.path
        return f"{self._api}/streams/{quote(name, safe='')}"


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"
