# SPDX-License-Identifier: Apache-2.0
"""Whose sessions may go over one SSH link."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aioconn.credentials import Credential, Secret
from aioconn.platforms.model import Platform
from aioconn.transport.ssh_options import SshOptions

if TYPE_CHECKING:
    from aioconn.connection import BaseConnection
    from aioconn.links import Links


@dataclass(frozen=True, slots=True)
class LinkKey:
    """What makes two links of a device interchangeable. Nothing deferred is asked for it."""

    path: str
    parts: tuple[Hashable, ...] = field(repr=False)

    def __hash__(self) -> int:
        return hash(self.path)  # few keys have one path in common

    def __str__(self) -> str:
        return self.path


def link_key(connection: BaseConnection[Any], login: Credential | None = None) -> LinkKey | None:
    """The key of the link that this connection's session would go over; None if it wants one of its own.

    The path stands for host, port and jump hosts. Who logs in (`login`, if that is known already) and how belongs to
    it, what is asked of the command line does not.
    """
    path, options = connection.path, connection.options
    platform = getattr(connection, "platform", None)
    if path.command or path.protocol not in (None, "ssh", "netconf") or not isinstance(options, SshOptions):
        return None
    if getattr(options, "tls", False):
        return None
    suffix = ""
    if isinstance(platform, Platform):
        suffix = platform.username_suffix
        if not platform.shells_per_link:
            return None
    elif path.protocol != "netconf":  # subsystems are not shells: how many a link carries is tried
        return None
    login = login or connection.credentials.login(path.protocol or "ssh", path.name)
    return LinkKey(
        path.name, (_Same(path), suffix, *_parts(login), options.public, _plain(options.passphrase))
    )


def would_share(links: Links, connection: BaseConnection[Any]) -> bool:
    """Whether this connection's session would find its place on a link that stands or is being made, without a login
    of its own."""
    if links.none:  # as for nearly every device of a fan-out
        return False
    key = link_key(connection)
    return key is not None and links.has_room(key)


def _parts(login: Credential) -> tuple[Hashable, ...]:
    return (
        _plain(login.username),
        _plain(login.password),
        login.key,
        _plain(login.passphrase),
        login.certificate,
    )


def _plain(value: Any) -> Hashable:
    return _SameSecret(value) if isinstance(value, Secret) else value


class _Same:
    """Equal to itself alone."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._value is other._value

    def __hash__(self) -> int:
        return id(self._value)


class _SameSecret:
    """A secret that is compared without asking for it: two that are not known yet are the same if they are one."""

    __slots__ = ("_secret",)

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _SameSecret):
            return False
        known = self._secret.known
        return self._secret is other._secret or (known is not None and known == other._secret.known)

    def __hash__(self) -> int:
        return 0
