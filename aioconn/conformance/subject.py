# SPDX-License-Identifier: Apache-2.0
"""A class with a server to talk to, as its tests are told of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aioconn.conformance.patience import PATIENCE, within
from aioconn.conformance.showing import assert_names
from aioconn.errors import AioconnError

NUMBERS = 20
"""Numbers that are asked for are below this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A class with a server to talk to, and what the tests ask of it.

    `entry` describes the device, as a testbed does. `ask(session, number)` awaits a call that changes nothing and has
    another answer for each number from 0 to `NUMBERS`, which `read(answer)` finds in it again. `hang(session, timeout)`
    awaits a call that the server never answers. `cut()` ends all connections at the server, now; `live()` is how
    many it has. `secret` is the password that stands in `entry`, of eight characters or more; `denied` is `entry` with
    one that is refused, `wrong-password`, where the protocol says so.
    """

    entry: Mapping[str, Any]
    ask: Callable[[Any, int], Awaitable[Any]]
    read: Callable[[Any], int]
    hang: Callable[[Any, float | None], Awaitable[Any]]
    cut: Callable[[], None]
    live: Callable[[], int]
    secret: str
    denied: Mapping[str, Any] | None = None

    async def number(self, session: Any, number: int) -> int:
        """Ask for a number, within the limit of patience."""
        return self.read(await within(self.ask(session, number)))


async def until_right(subject: Subject, session: Any, number: int) -> None:
    """Ask until there is an answer, which must be right. Calls may fail that met the loss."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                assert subject.read(await subject.ask(session, number)) == number
                return
            except AioconnError as error:
                assert_names(error, session)
                await asyncio.sleep(0.05)


def elsewhere(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The device at a port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    connections = {
        name: {**path, "port": port} if isinstance(path, Mapping) and name != "defaults" else path
        for name, path in entry["connections"].items()
    }
    return {**entry, "connections": connections}
