# SPDX-License-Identifier: Apache-2.0
"""A connection of aioconn that talks to no device, so that only the way to it is measured."""

from __future__ import annotations

from typing import Any

from aioconn.connection import BaseConnection, service


class Silent(BaseConnection[Any]):
    """A session that is always open, and says what it is told to without asking anybody."""

    async def _open(self) -> None: ...

    async def _close(self) -> None: ...

    @service
    async def say(self, size: int) -> str:
        """So many characters."""
        return "x" * size


KEYS: dict[str, Any] = {
    "os": "iosxe",
    "connections": {"a": {"protocol": "ssh", "ip": "127.0.0.1", "class": f"{__name__}.Silent"}},
}
"""A device's keys in a testbed, whose default connection is of this class."""
