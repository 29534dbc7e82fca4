# SPDX-License-Identifier: Apache-2.0
"""One way to a device, as the testbed describes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aioconn.credentials import Credential, Secret
from aioconn.declaration import Declaration
from aioconn.errors import AuthenticationFailed, HostUnknown, HostUnreachable, InvalidOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A named entry of `device.connections`.

    `host` may be deferred (`%ENV{}`): a Secret is asked when it is needed; `port_source` is that for the port, and
    `port` is None then: read `address` and `port_number`. `proxy` lists the devices to go through,
    first hop first. `command` is the argument list of a program that reaches the device (a console server's
    client, a simulator); it runs here, or on the last device of `proxy`.

    `login` are the names of the credentials to log in with, one after the other as the device asks; `user` logs in
    where they do not say who. `others` are this path to further addresses and with other credentials: see `Ways`.

    `options` are the entry's own keys that a connection class may know, its `arguments` and
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
    login: tuple[str, ...] = ()
    user: str | None = None
    others: tuple[Path, ...] = field(default=(), repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    wrappers: tuple[Declaration, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""

    def with_others(self, others: Sequence[Path]) -> Path:
        """The same, with these ways to try after it."""
        return replace(self, others=tuple(others)) if others else self

    @property
    def address(self) -> str | None:
        """The host as text; asks for it if it is deferred."""
        return self.host.reveal() if isinstance(self.host, Secret) else self.host

    @property
    def port_number(self) -> int | None:
        """The port; asks for it if it is deferred. Raises `InvalidOption` if what comes is no port."""
        if self.port_source is None:
            return self.port
        if (port := port_of(text := self.port_source.reveal().strip())) is not None:
            return port
        what = f"port: {text[:60]!r} is no port number"
        raise InvalidOption(what, path=self.name, hint=self.origin or None)


class Ways:
    """A path and its `others` for one session: which is in use, and which have been tried."""

    __slots__ = ("_path", "_tried", "current")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tried: list[Path] = []
        self.current = path

    def begin(self) -> None:
        """Try anew, first the one that was used last."""
        self._tried = [self.current]

    def follow(self, error: BaseException) -> bool:
        """Go on to the next one when the current one has ended with `error`; False if none could do better.

        Another address if nobody answered at this one, other credentials if these were refused.
        """
        left = [way for way in (self._path, *self._path.others) if not _among(way, self._tried)]
        if isinstance(error, AuthenticationFailed):
            found = next((way for way in left if way.host is self.current.host), None)
        elif isinstance(error, (HostUnknown, HostUnreachable, TimeoutError)):
            hosts = [way.host for way in self._tried]
            found = next((way for way in left if not _among(way.host, hosts)), None)
        else:
            return False
        if found is None:
            return False
        self.current = found
        self._tried.append(found)
        return True

    def share(self, now: float, end: float | None) -> float | None:
        """When it is the next address's turn, one that swallows everything notwithstanding; None if there is none."""
        if end is None or not self._path.others:
            return None
        hosts = {id(way.host) for way in (self._path, *self._path.others)}
        left = len(hosts - {id(way.host) for way in self._tried})
        return now + (end - now) / (left + 1) if left else None


def _among(one: object, others: Sequence[object]) -> bool:
    return any(one is other for other in others)


def port_of(text: str) -> int | None:
    """The port number that a text says; None if it says none."""
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit() and 1 <= len(digits) <= 5):
        return None
    return int(digits) if int(digits) <= 65535 else None
