# SPDX-License-Identifier: Apache-2.0
"""What a user may set about HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aioconn.credentials import Secret
from aioconn.protocols.rest.proxy import Proxy
from aioconn.protocols.tls import TlsOptions
from aioconn.request import BaseOptions

MAX_BODY = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class RestOptions(TlsOptions, BaseOptions):
    """Options of HTTP, beside those of TLS.

    `url` (or `base_url`) is where paths begin; without it that is the path's protocol, host and port. `scheme` is
    `http` or `https` where the protocol does not say it (then https).

    `login` says how we log in: `basic`; `token` with the one in `token`, or one that a request to `login_path` gives;
    `cookie` with those that such a request sets; `none`; or a kind of device: `nxos`, `apic`, `catalyst_center`.
    By default it is `token` if one is given, `basic` if there is a user, else `none`. In `login_body` `{username}` and
    `{password}` are filled in; without it that request bears Basic credentials. The token is found at `token_field` of
    the answer (names joined by dots) or in its header `token_answer_header`, and is sent in the header `token_header`,
    after `token_prefix`. `logout_path` is asked (`logout_method`) when the session is closed.

    When a session is opened `probe_method` is asked of `probe`, which shows that the device is there and takes the
    credentials: 401 is a refusal, any other answer will do. `probe: ""` is the root of all paths, None leaves it out.

    `headers` go with each request. `max_body` is the most bytes of an answer, in memory, after decompression.
    `retries` is how often an idempotent request is repeated whose connection was lost before an answer. `http_proxy`
    is the URL of a proxy: `http`, `socks5`, `socks5h` (the same: the proxy resolves names), `socks4a` or `socks4`, with
    the login in it. `http2` speaks HTTP/2 instead of HTTP/1.1, over TLS, with a device that takes it. `check=False`
    returns answers of any status instead of raising HttpError. `keepalive` is that of TCP, in seconds.
    """

    url: str | None = None
    base_url: str | None = None
    scheme: Literal["http", "https"] | None = None
    login: str | None = None
    login_path: str | None = None
    login_method: str = "POST"
    login_body: Any = None
    token: Secret | None = None
    token_field: str = "token"  # noqa: S105  the name of one
    token_header: str = "Authorization"  # noqa: S105
    token_prefix: str | None = None
    token_answer_header: str | None = None
    logout_path: str | None = None
    logout_method: str = "POST"
    probe: str | None = ""
    probe_method: str = "HEAD"
    headers: Mapping[str, str] | None = None
    content_type: str = "application/json"
    max_body: int = MAX_BODY
    retries: int = 2
    http_proxy: Secret | None = None
    http2: bool = False
    check: bool = True
    keepalive: float = 30.0

    def __post_init__(self) -> None:
        BaseOptions.__post_init__(self)
        TlsOptions.__post_init__(self)
        if self.max_body < 1 or self.retries < 0:
            raise ValueError("max_body is above zero, retries not below it")
        if self.http_proxy is not None and self.http_proxy.known is not None:
            Proxy.parse(self.http_proxy.known)

    @property
    def proxy(self) -> Proxy | None:
        """The proxy before the device. Raises ValueError for one that was not known before and is none."""
        return Proxy.parse(self.http_proxy.reveal()) if self.http_proxy is not None else None
