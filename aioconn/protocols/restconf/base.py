# SPDX-License-Identifier: Apache-2.0
"""What the services of RESTCONF stand on: the place of the API, requests to it, documents, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from urllib.parse import unquote, urlsplit

from aioconn.errors import (
    BadReply,
    ConnectError,
    HttpError,
    Phase,
    RestconfError,
    UsageError,
)
from aioconn.protocols.rest.base import RestBase
from aioconn.protocols.rest.exchange import LEFT_ALONE
from aioconn.protocols.rest.login import Login
from aioconn.protocols.rest.requests import Params, Request
from aioconn.protocols.rest.response import Response
from aioconn.protocols.restconf import documents
from aioconn.protocols.restconf.options import RestconfOptions
from aioconn.protocols.restconf.paths import DataPath, parse
from aioconn.request import BaseOptions

Insert = Literal["first", "last", "before", "after"]

DEFAULT_ROOT = "/restconf"


class RestconfBase(RestBase[RestconfOptions]):
    """A session with a RESTCONF server, found and logged in to."""

    options_type: ClassVar[type[BaseOptions]] = RestconfOptions
    _api = DEFAULT_ROOT

    # ------------------------------------------------------------------ opening

    async def _begin(self) -> None:
        """Find the API (RFC 8040, section 3.1), and see whether it takes who we are."""
        self._api = self.options.root or await self._discovered() or DEFAULT_ROOT
        self._api = "/" + self._api.strip("/")
        self._progress.phase = Phase.SHELL
        answer = await self._look()
        if answer.status == 404 and self.options.root is None:
            raise ConnectError(
                f"no RESTCONF at {self._api}",
                **self._where(),
                phase=Phase.SHELL,
                hint="set `root` to its path",
            )

    async def _check(self) -> bool:
        await self._look()
        return True

    async def _look(self) -> Response:
        answer = await self._answer(self._prepared("GET", self._api), most=LEFT_ALONE)
        if answer.status == 401:
            raise self._denied(answer)
        return answer

    async def _discovered(self) -> str | None:
        request = self._prepared(
            "GET", "/.well-known/host-meta", headers={"Accept": "application/xrd+xml, application/json;q=0.5"}
        )
        answer = await self._answer(request, most=LEFT_ALONE)
        if answer.status == 401:
            raise self._denied(answer)
        if not answer.ok:
            return None
        place = documents.root_of(answer.body, answer.header("content-type"))
        if place is None:
            return None
        target = self._root.follow(request.url, place)
        return unquote(urlsplit(target).path) if target is not None else None

    # ------------------------------------------------------------------ parts

    @property
    def root(self) -> str:
        """The path of the API."""
        return self._api

    @property
    def _json(self) -> bool:
        return self.options.encoding == "json"

    def _own_headers(self, login: Login) -> dict[str, str]:
        kind = documents.JSON if self._json else documents.XML
        return {**super()._own_headers(login), "Accept": kind}

    def _parsed(self, text: str, what: str = "path") -> DataPath:
        try:
            return parse(text, what=what)
        except UsageError as error:
            raise UsageError(error.message, **self._where(), hint=error.hint) from None

    def _data(self, path: str) -> DataPath:
        return self._parsed(path)

    def _placed(self, insert: Insert | None, point: str | None) -> dict[str, Any]:
        if (insert in ("before", "after")) != (point is not None):
            raise UsageError(
                "insert before and after need a point, and nothing else has one", **self._where()
            )
        query: dict[str, Any] = {} if insert is None else {"insert": insert}
        if point is not None:
            query["point"] = str(self._parsed(point, "point"))
        return query

    def _document(self, target: DataPath, value: Any) -> Any:
        if not self._json:
            return value
        if not target.steps:
            if isinstance(value, Mapping) and "ietf-restconf:data" in value:
                return value
            return {"ietf-restconf:data": value}
        return documents.wrapped(target.member, value, entry=bool(target.steps[-1].values))

    def _body(self, document: Any) -> Any:
        if self._json:
            if isinstance(document, str | bytes):
                raise UsageError(
                    "a document of JSON is a mapping; texts go with encoding: xml", **self._where()
                )
            return document
        if not isinstance(document, str | bytes):
            raise UsageError("with encoding: xml a document is a text", **self._where())
        return document.encode() if isinstance(document, str) else document

    async def _send_value(
        self,
        method: str,
        target: DataPath,
        value: Any,
        insert: Insert | None,
        point: str | None,
        timeout: float | None,
    ) -> None:
        body = self._body(self._document(target, value))
        await self._ask(method, target.url, self._placed(insert, point), body, timeout)

    async def _ask(
        self,
        method: str,
        path: str,
        query: Params,
        body: Any,
        timeout: float | None,
        *,
        place: str = "data",
    ) -> Response:
        kind = documents.JSON if self._json else documents.XML
        return await self._perform(
            method,
            f"{self._api}/{place}" + (f"/{path}" if path else ""),
            body=body,
            params=query,
            headers={"Content-Type": kind} if body is not None else None,
            check=True,
            timeout=timeout,
        )

    async def _optional(self, path: str, timeout: float | None) -> Any:
        """The value at a path, always in JSON; None if the device has no such thing."""
        target = self._parsed(path)
        answer = await self._perform(
            "GET",
            f"{self._api}/data/{target.url}",
            headers={"Accept": documents.JSON},
            check=False,
            timeout=timeout,
        )
        if not answer.ok:
            if answer.status == 401:
                raise self._refused(self._prepared("GET", self._api), answer)
            return None
        return documents.unwrapped(documents.decoded(answer.body))

    def _value(self, answer: Response) -> Any:
        if not answer.body.strip():
            return None
        if not self._json:
            return answer.text
        try:
            return answer.json()
        except ValueError:
            raise BadReply(
                f"what came from {self._redact(answer.url)} is no JSON",
                **self._where(),
                seen=self._said(answer)[:200],
            ) from None

    def _refused(self, request: Request, answer: Response) -> HttpError:
        plain = super()._refused(request, answer)
        found = documents.errors(answer.body, answer.header("content-type"))
        if not found:
            return plain
        found = [{key: self._clean(value) for key, value in error.items()} for error in found]
        first = found[0]
        said = str(first.get("message") or first.get("tag") or "")
        return RestconfError(
            f"{plain.message}: {first.get('tag', '')} {said}".rstrip(),
            **self._where(),
            hint=plain.hint,
            status=plain.status,
            reason=plain.reason,
            method=plain.method,
            url=plain.url,
            body=plain.body,
            error_type=str(first.get("type", "")),
            error_tag=str(first.get("tag", "")),
            error_app_tag=str(first.get("app_tag", "")),
            error_path=str(first.get("path", "")),
            error_message=str(first.get("message", "")),
            errors=found,
        )

    def _clean(self, value: Any) -> Any:
        return self._redact(value) if isinstance(value, str) else value
