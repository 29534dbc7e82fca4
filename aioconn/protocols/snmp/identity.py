# SPDX-License-Identifier: Apache-2.0
"""Who we are to an agent, from options and credentials: a community or a user."""

from __future__ import annotations

from aioconn.credentials import Credential, Credentials, Secret
from aioconn.errors import InvalidOption, MissingValue, Where
from aioconn.protocols.snmp.options import SnmpOptions
from aioconn.protocols.snmp.security import CommunitySecurity, Security, UserSecurity
from aioconn.protocols.snmp.usm import User

NAME = "snmp"
"""The credential that is ours. `default` is not asked: its password opens a shell, and a community is sent openly."""


class Identity:
    """Raises `MissingValue` for what is not given, `InvalidOption` for what does not fit together."""

    def __init__(self, options: SnmpOptions, credentials: Credentials, where: Where) -> None:
        self.community: bytes | None = None
        self.user: User | None = None
        self._context = options.context.encode()
        found = credentials.find(NAME) or credentials.find(where["path"]) or Credential()
        if options.spoken == "2c":
            self.community = _community(options, found, where)
        else:
            try:
                self.user = _user(options, found, where)
            except ValueError as error:
                raise InvalidOption(str(error), **where) from None

    def security(self) -> Security:
        """A new view of an agent, which knows nothing of it yet."""
        if self.user is not None:
            return UserSecurity(self.user, self._context)
        assert self.community is not None
        return CommunitySecurity(self.community)


def _community(options: SnmpOptions, found: Credential, where: Where) -> bytes:
    community = options.community or _extra(found, "community") or found.password
    if community is None:
        raise MissingValue(
            "no community", **where, hint=f"add credentials.{NAME}.password, or `community` to the path"
        )
    return community.reveal().encode()


def _user(options: SnmpOptions, found: Credential, where: Where) -> User:
    name = options.user or found.user
    if not name:
        raise MissingValue("no user", **where, hint=f"add credentials.{NAME}.username, or `user` to the path")
    auth_password = options.auth_password or _extra(found, "auth_password") or found.password
    priv_password = options.priv_password or _extra(found, "priv_password")
    return User(
        name=name,
        auth=options.auth,
        auth_password=auth_password,
        priv=options.priv,
        priv_password=priv_password,
    )


def _extra(found: Credential, name: str) -> Secret | None:
    value = found.extra.get(name)
    return value if isinstance(value, Secret) else Secret(value) if isinstance(value, str) else None
