# SPDX-License-Identifier: Apache-2.0
"""What a user may set about SNMP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aioconn.credentials import Secret
from aioconn.protocols.snmp.usm import Auth, Priv
from aioconn.request import BaseOptions

MOST_REPETITIONS = 1000
_VERSIONS = {"2": "2c", "2c": "2c", "v2": "2c", "v2c": "2c", "3": "3", "v3": "3"}


@dataclass(frozen=True, kw_only=True)
class SnmpOptions(BaseOptions):
    """Options of SNMP.

    `version` is 2c or 3; without it 3 where a `user` is said, else 2c. Version 1 is refused: it has no walks by
    bulk, no 64-bit counters, and one object that is missing spoils a whole answer.

    `community`, or `user` with `auth`, `auth_password`, `priv`, `priv_password`, say who we are; what is not given here
    comes from the credential `snmp` (username; password: the community, or the password of `auth`; `community`,
    `auth_password`, `priv_password`). The credential `default` is never used: a community goes over the wire as it is.

    A request is sent again after `try_timeout` seconds without an answer, `retries` times; the service's `timeout`
    bounds it all. A SET is sent once, unless its caller says that it is idempotent. `transport` is "udp" (whatever the
    host has), "udp4" or "udp6". `max_repetitions` is how many variables a walk asks for at once: 25 fit into a frame of
    Ethernet.
    """

    version: str | int | None = None
    community: Secret | None = None
    user: str | None = None
    auth: Auth | None = None
    auth_password: Secret | None = None
    priv: Priv | None = None
    priv_password: Secret | None = None
    context: str = ""
    retries: int = 2
    try_timeout: float = 2.0
    max_repetitions: int = 25
    transport: Literal["udp", "udp4", "udp6"] = "udp"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.version is not None and str(self.version).lower() not in _VERSIONS:
            raise ValueError(f"version: {self.version!r} is neither 2c nor 3")
        if not 0 <= self.retries <= 100:
            raise ValueError(f"retries: {self.retries} is not in 0..100")
        if not self.try_timeout > 0:
            raise ValueError(f"try_timeout: {self.try_timeout} is not above zero")
        if not 1 <= self.max_repetitions <= MOST_REPETITIONS:
            raise ValueError(f"max_repetitions: {self.max_repetitions} is not in 1..{MOST_REPETITIONS}")
        if self.said_version == "2c" and (said := self._of_version_3()):
            raise ValueError(f"{said}: version 2c knows no users")

    @property
    def said_version(self) -> str | None:
        """ "2c" or "3"; None if the options leave it open."""
        return None if self.version is None else _VERSIONS[str(self.version).lower()]

    @property
    def spoken(self) -> str:
        """The version that is spoken, "2c" or "3"."""
        return self.said_version or ("3" if self.user else "2c")

    def _of_version_3(self) -> str:
        names = ("user", "auth", "auth_password", "priv", "priv_password", "context")
        return ", ".join(name for name in names if getattr(self, name))
