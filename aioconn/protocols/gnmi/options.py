# SPDX-License-Identifier: Apache-2.0
"""What a user may set about gNMI."""

from __future__ import annotations

from dataclasses import dataclass

from aioconn.protocols.gnmi.values import Encoding
from aioconn.protocols.tls import TlsOptions
from aioconn.request import BaseOptions

PORT = 9339
"""IANA's; many targets listen at 6030, 50051 or 57400."""


@dataclass(frozen=True, kw_only=True)
class GnmiOptions(TlsOptions, BaseOptions):
    """Options of gNMI. TLS unless `insecure`, which sends the password as it is.

    `encoding` is for values where a call names none; without it the first of json_ietf, json, proto, ascii that the
    target has. `origin` is for paths that name none, `target` a name that goes with each prefix, for collectors that
    stand before several devices. A message of more than `max_message` bytes is refused. With `keepalive` a ping goes
    out after that many seconds without traffic, also while nothing is asked (targets may take offence below five
    minutes), and a link is given up that does not answer it within `keepalive_timeout`. gRPC chooses version and
    ciphers of TLS itself.
    """

    insecure: bool = False
    encoding: Encoding | None = None
    origin: str = ""
    target: str = ""
    max_message: int = 64 * 1024 * 1024
    keepalive: float | None = None
    keepalive_timeout: float = 20.0

    def __post_init__(self) -> None:
        TlsOptions.__post_init__(self)
        BaseOptions.__post_init__(self)
        for name in ("tls_minimum", "tls_ciphers"):
            if getattr(self, name) is not None:
                raise ValueError(f"{name}: gRPC chooses version and ciphers of TLS itself")
        if not 0 < self.max_message < 2**31:
            raise ValueError(f"max_message: {self.max_message} is not in 1..{2**31 - 1}")
        if self.keepalive is not None and not 1 <= self.keepalive < 1e6:
            raise ValueError(f"keepalive: {self.keepalive} is not in 1..1000000 seconds")
        if not 0.1 <= self.keepalive_timeout < 1e6:
            raise ValueError(f"keepalive_timeout: {self.keepalive_timeout} is not in 0.1..1000000 seconds")
