# SPDX-License-Identifier: Apache-2.0
"""What comes back from a NETCONF server, as texts that know what they are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aioconn.protocols.netconf import xml


class Reply(str):
    """What stands in an rpc-reply, as XML: `<data>...</data>`, `<ok/>`, or what an operation of the device's own gives.

    `.data` is that as an element of lxml, another one each time it is asked for: who asks before he awaits anything
    else gets the one that was made to check the answer, later ones are parsed anew. `.elapsed` is the seconds from
    sending to the last byte, `.message_id` that of the call, `.warnings` the rpc-errors of severity warning, as in
    `RpcError.errors`.
    """

    __slots__ = ("_fresh", "elapsed", "message_id", "warnings")

    elapsed: float
    message_id: str
    warnings: tuple[Mapping[str, str], ...]
    _fresh: list[xml.Element] | None

    def __new__(
        cls,
        text: str = "",
        *,
        message_id: str = "",
        elapsed: float = 0.0,
        warnings: tuple[Mapping[str, str], ...] = (),
        fresh: list[xml.Element] | None = None,
    ) -> Reply:
        self = super().__new__(cls, text)
        self._fresh = fresh
        self.message_id = message_id
        self.elapsed = elapsed
        self.warnings = warnings
        return self

    @property
    def data(self) -> xml.Element:
        """The element: `<data>` of a get. Where there are several, or none, they stand in a `<rpc-reply>`."""
        if self._fresh:
            with contextlib.suppress(IndexError):  # another thread was first
                return self._fresh.pop()
        try:
            return xml.parse(self.encode())
        except xml.BadXml:
            return xml.parse(f"<rpc-reply>{self}</rpc-reply>".encode())

    def __reduce__(self) -> tuple[Any, ...]:
        return _reply, (str(self), self.message_id, self.elapsed, self.warnings)


def _reply(text: str, message_id: str, elapsed: float, warnings: tuple[Mapping[str, str], ...]) -> Reply:
    return Reply(text, message_id=message_id, elapsed=elapsed, warnings=warnings)


class Notification(str):
    """A `<notification>` (RFC 5277, section 4), as XML. `.event_time` is the device's, None if it is none; `.name`
    that of the event's element, without namespace."""

    __slots__ = ("event_time", "name")

    event_time: datetime | None
    name: str

    def __new__(cls, text: str, *, name: str = "", event_time: datetime | None = None) -> Notification:
        self = super().__new__(cls, text)
        self.name = name
        self.event_time = event_time
        return self

    @property
    def data(self) -> xml.Element:
        """The event's own element, made anew each time it is asked for."""
        root = xml.parse(str(self).encode())
        found = [child for child in xml.children(root) if xml.local_name(child) != "eventTime"]
        return found[0] if found else root

    def __reduce__(self) -> tuple[Any, ...]:
        return _notification, (str(self), self.name, self.event_time)


def _notification(text: str, name: str, event_time: datetime | None) -> Notification:
    return Notification(text, name=name, event_time=event_time)
