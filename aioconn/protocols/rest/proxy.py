# SPDX-License-Identifier: Apache-2.0
"""The proxy before a device, as the option `http_proxy` names it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import unquote, urlsplit

Scheme = Literal["http", "socks5", "socks5h", "socks4", "socks4a"]

_PORTS: dict[str, int] = {"http": 8080, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
_MOST = 255  # bytes of a user and of a password (RFC 1929, section 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where a proxy is, what it speaks, and who we are to it. As a text it is without the login."""

    scheme: Scheme
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    url: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Raises ValueError for what is no URL of a proxy; what stands in it is not repeated."""
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
            user, password = unquote(parts.username or ""), unquote(parts.password or "")
        except ValueError:
            raise ValueError("http_proxy: host or port cannot be read") from None
        if parts.scheme not in _PORTS:
            raise ValueError(f"http_proxy: begins with none of {', '.join(f'{name}://' for name in _PORTS)}")
        if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("http_proxy: is a URL with a host and, if need be, a login and a port")
        if parts.scheme != "http":
            if not (user + password).isascii() or max(len(user), len(password)) > _MOST:
                raise ValueError(f"http_proxy: SOCKS takes logins in ASCII, of {_MOST} characters at most")
            if parts.scheme.startswith("socks5") and bool(user) != bool(password):
                raise ValueError("http_proxy: the login of SOCKS 5 has a user and a password")
        return cls(
            scheme=cast("Scheme", parts.scheme),
            host=host,
            port=port or _PORTS[parts.scheme],
            user=user,
            password=password,
            url=url.strip(),
        )

    @property
    def socks(self) -> bool:
        return self.scheme != "http"

    def __str__(self) -> str:
        return f"{self.host} port {self.port}"
