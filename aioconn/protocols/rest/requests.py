# SPDX-License-Identifier: Apache-2.0
"""What is sent: a URL, headers and a body that are known to be well-formed before anything goes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from aioconn.credentials import Secret
from aioconn.errors import UsageError

Body = bytes | str | Mapping[str, Any] | Sequence[Any] | None
"""Bytes and texts are sent as they are, mappings and lists as JSON."""

Params = Mapping[str, Any]
"""The query: texts, numbers, truth values, or lists of them for a name that comes several times."""

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))  # RFC 9110, section 9.2.2

_METHOD = re.compile(r"[A-Za-z][A-Za-z-]{0,31}")
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.1
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_URL_TEXT = re.compile(
    r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]|-]|%[0-9A-Fa-f]{2})*"
)  # RFC 3986, section 2, without #


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Where a device's URLs begin: `https://host:443`, and a path before all others, perhaps empty."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == {"http": 80, "https": 443}[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @classmethod
    def parse(cls, url: str) -> Base:
        """Raises UsageError for what is no http or https URL, or has a query or credentials in it."""
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError as error:
            raise UsageError(f"url {_shown(url)}: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"url {_shown(url)} is no http or https URL")
        if parts.query or parts.fragment or parts.username is not None:
            raise UsageError(
                f"url {_shown(url)}: credentials, queries and fragments do not belong in it",
                hint="write the login under credentials",
            )
        default = 443 if parts.scheme == "https" else 80
        prefix = parts.path.rstrip("/")
        return cls(scheme=parts.scheme, host=parts.hostname, port=port or default, prefix=prefix)

    def url(self, path: str, params: Params | None = None) -> str:
        """The URL of a path, or of a whole URL that is this device's. Raises UsageError before anything is sent."""
        if not isinstance(path, str):
            raise UsageError(f"a path is a text, not {type(path).__name__}")
        if _CONTROL.search(path) or "#" in path:
            raise UsageError(f"path {_shown(path)}: control characters and # do not belong in it")
        if "://" in path.partition("?")[0]:
            own = Base.parse(path.partition("?")[0])
            if (own.scheme, own.host, own.port) != (self.scheme, self.host, self.port):
                raise UsageError(
                    f"{own.origin} is not {self.origin}", hint="a connection talks to its own device only"
                )
            url = path
        else:
            url = f"{self.origin}{self.prefix}/{path.lstrip('/')}"
        if not _URL_TEXT.fullmatch(url):
            url = quote(url, safe="%/?:@!$&'()*+,;=[]|~")
        if params:
            try:
                query = urlencode({name: _words(value) for name, value in params.items()}, doseq=True)
            except (TypeError, AttributeError):
                raise UsageError("params: a mapping of names to texts, numbers or lists") from None
            url += ("&" if "?" in url else "?") + query
        return url

    def follow(self, url: str, location: str) -> str | None:
        """Where a redirect leads, None if that is another host, or in clear text from an encrypted one."""
        if _CONTROL.search(location):
            return None
        try:
            target = urljoin(url, location.strip()).partition("#")[0]
            parts = urlsplit(target)
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or parts.hostname != self.host or parts.username is not None:
            return None
        if (self.scheme, parts.scheme) == ("https", "http"):
            return None
        if self.scheme == parts.scheme and (port or (443 if parts.scheme == "https" else 80)) != self.port:
            return None  # another server on that host
        return target if _URL_TEXT.fullmatch(target) else quote(target, safe="%/?:@!$&'()*+,;=[]|~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it goes out."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)

    @property
    def idempotent(self) -> bool:
        return self.method in IDEMPOTENT


def prepare(
    base: Base,
    method: str,
    path: str,
    *,
    body: Body = None,
    params: Params | None = None,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/json",
) -> Request:
    """A request that can be sent. Raises UsageError for one that cannot."""
    if not _METHOD.fullmatch(str(method)):
        raise UsageError(f"no HTTP method: {_shown(str(method))}")
    fields = fields_of(headers)
    data: bytes | None = None
    if body is not None:
        data, kind = encode(body, content_type)
        if not any(name.lower() == "content-type" for name in fields):
            fields["Content-Type"] = kind
    return Request(method=method.upper(), url=base.url(path, params), headers=fields, body=data)


def fields_of(headers: Mapping[str, Any] | None) -> dict[str, str]:
    """Headers that can be sent; secrets are revealed. Raises UsageError for others."""
    fields: dict[str, str] = {}
    for name, value in (headers or {}).items():
        text = value.reveal() if isinstance(value, Secret) else str(value)
        if not _FIELD.fullmatch(str(name)):
            raise UsageError(f"no header name: {_shown(str(name))}")
        if _CONTROL.search(text):
            raise UsageError(f"header {name}: control characters do not belong in it")
        fields[str(name)] = text
    return fields


def encode(body: bytes | str | Mapping[str, Any] | Sequence[Any], content_type: str) -> tuple[bytes, str]:
    """The bytes of a body, and its type."""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), content_type
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), content_type
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the body is no JSON: {error}", hint="send bytes, a text, or plain values"
        ) from None


def retry_after(text: str, now: float) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, section 10.2.3); `now` is the time of day."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _words(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return [_words(item) for item in value]
    return value


def _shown(text: str) -> str:
    """A text of a caller for an error, without what may be a password in it."""
    return repr(re.sub(r"//[^/@]*@", "//***@", text[:120]))
