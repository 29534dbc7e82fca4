# SPDX-License-Identifier: Apache-2.0
"""A service wrapper that notes what goes through it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

from aioconn.wrapping import Call, Proceed


class Seen:
    """A wrapper that notes what it sees, and `answers` itself, with itself, or goes on."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.answers = False

    def applies(self, connection: Any, service: str) -> bool:
        return True

    async def call(self, call: Call, proceed: Proceed) -> Any:
        self.calls.append(call.service)
        return self if self.answers else await proceed(call)

    async def stream(self, call: Call, proceed: Callable[..., AsyncIterator[Any]]) -> AsyncIterator[Any]:
        self.calls.append(call.service)
        if self.answers:
            yield self
            return
        async for piece in proceed(call):
            yield piece


def placeholders(function: Callable[..., Any]) -> list[str]:
    """Something for each argument that must be given."""
    parameters = inspect.signature(function).parameters.values()
    return ["x" for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
