# SPDX-License-Identifier: Apache-2.0
"""What asyncssh raises, as aioconn's errors."""

from __future__ import annotations

import re
from collections.abc import Sequence

import asyncssh

from aioconn.errors import (
    AioconnError,
    AuthenticationFailed,
    ConnectError,
    HostKeyChanged,
    HostKeyUnknown,
    HostUnreachable,
    KeyExchangeFailed,
    Phase,
    SessionBroken,
    ShellRefused,
)

# Reasons of a refused channel, RFC 4254 section 5.1.
_ADMINISTRATIVELY_PROHIBITED, _CONNECT_FAILED = 1, 2

# Said instead of an SSH version by servers that have no room: OpenSSH's MaxStartups, tcpwrappers, VTY limits.
_BUSY = re.compile(
    rb"(?i)maxstartups|exceeded|too many|limit|refused|denied|busy|in use|try again|not allowed"
)
# Said in a disconnection by servers that have had enough: OpenSSH's MaxAuthTries, for one.
_REFUSED = re.compile(
    r"(?i)auth\w* fail|fail\w* to auth|login (?:failed|incorrect|invalid)|denied"
    r"|(?:bad|wrong|invalid|incorrect) password"
)


def greeting_text(greeting: bytes) -> str | None:
    return greeting.decode("utf-8", "replace").strip() or None


def handshake_error(
    error: Exception,
    *,
    device: str,
    path: str,
    phase: Phase,
    host: str,
    port: int,
    greeting: bytes,
    version: str | None,
) -> AioconnError:
    """Why the connection did not get as far as authentication."""
    seen = greeting_text(greeting)
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        if "revoked" in error.reason:
            return HostKeyChanged(
                error.reason, device=device, path=path, hint="the key must not be used any more"
            )
        return HostKeyUnknown(
            f"the host's certificate is not valid: {error.reason}", device=device, path=path
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return KeyExchangeFailed(
            f"no common algorithm: {error.reason}"
            if "No matching" in error.reason
            else f"the key exchange failed: {error.reason}",
            device=device,
            path=path,
            seen=version,
            hint="`legacy: true` offers what only old devices speak"
            if "No matching" in error.reason
            else None,
        )
    if version is None:
        lost = isinstance(error, (asyncssh.ConnectionLost, OSError))
        if lost and (seen is None or _BUSY.search(greeting)):
            return HostUnreachable(
                f"{host} port {port}: closed before anything was negotiated",
                device=device,
                path=path,
                seen=seen,
                hint="the device limits logins: fewer at once, or later"
                if seen
                else "the device may limit logins or filter addresses",
            )
        return KeyExchangeFailed(
            f"{host} port {port} does not speak SSH",
            device=device,
            path=path,
            seen=seen or str(error),
            hint="is it the right port?",
        )
    lost = isinstance(error, (asyncssh.ConnectionLost, OSError))
    return KeyExchangeFailed(
        "the device ended the key exchange" if lost else "the key exchange failed",
        device=device,
        path=path,
        phase=phase,
        seen=f"{version}; {error}",
        # One that shares no algorithm with us may reset the connection, and what it offered is lost with that.
        hint="perhaps no common algorithm: `legacy: true` offers what only old devices speak"
        if lost
        else None,
    )


def authentication_error(
    error: Exception,
    *,
    device: str,
    path: str,
    user: str,
    tried: Sequence[str],
    allowed: Sequence[str],
    expired: str | None,
    unanswered: str | None,
    refused: bool = False,
) -> AioconnError:
    """Why the device does not let us in. `refused` tells that it has refused the password in so many words."""
    what = f"user {user!r} is not accepted"
    done = f"tried {', '.join(tried)}" if tried else "had nothing to try"
    offers = f"the device allows {', '.join(allowed)}" if allowed else "the device did not say what it allows"
    if expired is not None:
        return AuthenticationFailed(
            f"the password of user {user!r} has expired",
            device=device,
            path=path,
            seen=expired,
            hint="log in by hand and change it",
        )
    hint: str | None
    if unanswered is not None:
        hint = "give an answer to this question"
    elif not tried:
        hint = "give a password or a private key" if allowed else None
    else:
        hint = "check user name and password" if {"password", "keyboard-interactive"} & set(tried) else None
    closed = isinstance(error, (asyncssh.ConnectionLost, OSError))
    if closed and not tried:
        return ConnectError("the device closed the connection", device=device, path=path, phase=Phase.AUTH)
    seen = unanswered
    if closed:
        what += " (the device closed the connection)"
    elif not isinstance(error, asyncssh.PermissionDenied):
        seen = seen or str(error)
    return AuthenticationFailed(
        f"{what}: {done}; {offers}",
        device=device,
        path=path,
        seen=seen,
        hint=hint,
        certain=refused
        or isinstance(error, (asyncssh.PermissionDenied, asyncssh.IllegalUserName))
        or (not closed and _REFUSED.search(str(error)) is not None),
    )


def shell_error(error: asyncssh.ChannelOpenError, what: str, *, device: str, path: str) -> ShellRefused:
    """Why there is no shell or subsystem on a link that works."""
    hint = "the device may allow fewer sessions per connection" if error.code == _CONNECT_FAILED else None
    return ShellRefused(f"the device opens no {what}", device=device, path=path, seen=error.reason, hint=hint)


def forward_error(
    error: asyncssh.ChannelOpenError, host: str, port: int, *, device: str, path: str, jump: str
) -> HostUnreachable:
    """Why a jump host does not reach the next one."""
    forbidden = error.code == _ADMINISTRATIVELY_PROHIBITED
    return HostUnreachable(
        f"{host} port {port} through {jump}: " + ("the jump host forbids it" if forbidden else "not reached"),
        device=device,
        path=path,
        seen=error.reason,
        hint="AllowTcpForwarding or its like is off on the jump host" if forbidden else None,
    )


def broken(error: Exception | None, *, device: str, path: str) -> SessionBroken | None:
    """What a stream's receiver is told about the end of its connection; None stays None, an orderly end."""
    if error is None or isinstance(error, SessionBroken):
        return error
    hint = "the device or the path to it is gone" if "keepalive" in str(error) else None
    return SessionBroken("the connection broke", device=device, path=path, seen=str(error), hint=hint)
