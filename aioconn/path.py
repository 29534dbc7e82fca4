# SPDX-License-Identifier: Apache-2.0
"""One way to a device, as the testbed describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aioconn.credentials import Credential, Secret
from aioconn.errors import InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A named entry of `device.connections`.

    `host` may be deferred (`%ENV{}`): a Secret is asked when it is needed; `port_source` is that for the port, and
    `port` is None then: read `address` and `port_number`. `proxy` lists the devices to go through,
    first hop first. `command` is the argument list of a local program that reaches the device (a console server's
    client, a simulator). `options` are the entry's own keys that a connection class may know, its `arguments` and
    its `settings`; the class picks and checks what it knows. `extra` keeps foreign keys as they were written.
    """

    name: str
    protocol: str | None = None
    host: str | Secret | None = None
    port: int | None = None
    port_source: Secret | None = None
    class_name: str | None = None
    credentials: Mapping[str, Credential] = field(default_factory=dict)
    proxy: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""

    @property
    def address(self) -> str | None:
        """The host as text; asks for it if it is deferred."""
        return self.host.reveal() if isinstance(self.host, Secret) else self.host

    @property
    def port_number(self) -> int | None:
        """The port; asks for it if it is deferred. Raises `InvalidOption` if what comes is no port."""
        if self.port_source is None:
            return self.port
        text = self.port_source.reveal().strip()
        if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 65535:
            return int(text)
        what = f"port: {text[:60]!r} is no port number"
        raise InvalidOption(what, path=self.name, hint=self.origin or None)
