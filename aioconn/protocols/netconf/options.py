# SPDX-License-Identifier: Apache-2.0
"""What a user may set about a NETCONF session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from aioconn.protocols.tls import TlsOptions
from aioconn.request import BaseOptions
from aioconn.transport.ssh_options import SshOptions

MAX_REPLY = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class NetconfOptions(TlsOptions, SshOptions, BaseOptions):
    """Options of a NETCONF session, beside those of SSH, and of TLS which is used instead with `tls`.

    `versions` are those of the protocol that are offered. `max_reply` is how many bytes of one answer are taken; what
    is larger ends the session with `BadReply`, unless it is streamed. `hello_pause` is waited, in seconds, between the
    hellos and the first call: some servers lose what comes before they have understood the hello; by default it is
    zero but for those that are known for it. `subsystem` is the name under which SSH knows NETCONF.
    """

    versions: tuple[Literal["1.0", "1.1"], ...] = ("1.0", "1.1")
    max_reply: int = MAX_REPLY
    hello_pause: float | None = None
    subsystem: str = "netconf"
    tls: bool = False
    answers: Any = None

    def __post_init__(self) -> None:
        BaseOptions.__post_init__(self)
        SshOptions.__post_init__(self)
        TlsOptions.__post_init__(self)
        if not self.versions:
            raise ValueError("versions: none is given")
        if self.max_reply < 1:
            raise ValueError(f"max_reply: {self.max_reply} is not above zero")
        if self.hello_pause is not None and self.hello_pause < 0:
            raise ValueError(f"hello_pause: {self.hello_pause} is negative")
