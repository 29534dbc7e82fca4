# SPDX-License-Identifier: Apache-2.0
"""REST: requests to a device over one HTTP connection that is kept alive."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator

from aioconn.connection import service, streaming
from aioconn.errors import SessionBroken
from aioconn.protocols.rest.base import Headers, RestBase
from aioconn.protocols.rest.exchange import LEFT_ALONE
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.requests import Body, Params
from aioconn.protocols.rest.response import Response


class RestConnection(RestBase[RestOptions]):
    """HTTP requests to one device, in order, each with a deadline.

    A path is appended to the device's URL. A body of bytes or text is sent as it is, a mapping or list as JSON. An
    answer of another status than 2xx raises HttpError, unless `check` is False. An idempotent request (not POST, not
    PATCH) is repeated if its connection ends before an answer, and waits for a device that asks to (429 and 503 with
    Retry-After) as long as the deadline allows. After a timeout or a cancel the request may have been executed; its
    connection is ended, and the next call makes another. Over HTTP/2 its stream alone is ended.
    """

    @service
    async def get(
        self,
        path: str,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None = None,
    ) -> Response:
        """GET a path."""
        return await self._perform("GET", path, params=params, headers=headers, check=check, timeout=timeout)

    @service
    async def post(
        self,
        path: str,
        body: Body = None,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Response:
        """POST a body; `idempotent`: if the session breaks it may be sent again."""
        return await self._perform(
            "POST", path, body=body, params=params, headers=headers, check=check, timeout=timeout
        )

    @service
    async def put(
        self,
        path: str,
        body: Body = None,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None = None,
    ) -> Response:
        """PUT a body."""
        return await self._perform(
            "PUT", path, body=body, params=params, headers=headers, check=check, timeout=timeout
        )

    @service
    async def patch(
        self,
        path: str,
        body: Body = None,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Response:
        """PATCH with a body; `idempotent`: if the session breaks it may be sent again."""
        return await self._perform(
            "PATCH", path, body=body, params=params, headers=headers, check=check, timeout=timeout
        )

    @service
    async def delete(
        self,
        path: str,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None = None,
    ) -> Response:
        """DELETE a path."""
        return await self._perform(
            "DELETE", path, params=params, headers=headers, check=check, timeout=timeout
        )

    @service
    async def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        check: bool | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
    ) -> Response:
        """Any method: HEAD, OPTIONS, one of the device's own."""
        return await self._perform(
            method, path, body=body, params=params, headers=headers, check=check, timeout=timeout
        )

    # ------------------------------------------------------------------ large answers

    @streaming
    def stream(
        self,
        path: str,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """GET a body of any size in pieces, as they come, in constant memory. Raises HttpError as `get` does.

        `timeout` (else the option) bounds the wait for a turn and for each next piece. Others wait while it lasts; who
        leaves early should close the iterator (`contextlib.aclosing`), which ends the connection.
        """
        return self._streamed("stream", path, timeout, functools.partial(self._pieces, path, params, headers))

    async def _pieces(
        self, path: str, params: Params | None, headers: Headers | None, limit: float
    ) -> AsyncGenerator[bytes, None]:
        request = self._prepared("GET", path, params=params, headers=headers)
        async with asyncio.timeout(limit):
            client, answer = await self._begun(request)
        try:
            if not 200 <= answer.status < 300:
                async with asyncio.timeout(limit):
                    raise self._refused(request, await client.finish(answer, request, LEFT_ALONE))
            while True:
                async with asyncio.timeout(limit):
                    piece = await client.piece(answer)
                if not piece:
                    return
                yield piece
        except SessionBroken:
            self._check_still(client)
            raise
        finally:
            client.leave(answer)
