# SPDX-License-Identifier: Apache-2.0
"""Who we are to a target, and what it means when it does not want us."""

from __future__ import annotations

from aioconn.credentials import Credential
from aioconn.errors import AuthenticationFailed, ConnectError, InvalidOption, ShellRefused, Where


def login(credential: Credential, where: Where) -> tuple[tuple[str, str], ...]:
    """Username and password, as gNMI carries them with each call. Raises `InvalidOption` for what gRPC cannot carry."""
    password = credential.password
    given = (("username", credential.user), ("password", password.reveal() if password else None))
    for name, text in given:
        if text and not (text.isascii() and text.isprintable()):
            raise InvalidOption(f"{name}: gRPC carries printable ASCII only", **where)
    return tuple((name, text) for name, text in given if text)


def refusal(code: str, details: str, where: Where) -> ConnectError:
    """The error for a target that answers the first call with a status that is none of success."""
    if code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return AuthenticationFailed(
            f"the target does not accept the credentials: {details}",
            **where,
            certain=code == "UNAUTHENTICATED",
            seen=details,
        )
    return ShellRefused(f"the target answers {code}: {details}", **where, seen=details)
