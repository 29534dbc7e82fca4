# SPDX-License-Identifier: Apache-2.0
"""Every error that aioconn raises, as one tree.

AioconnError
├── TestbedError               a file or text is wrong: all its problems at once
├── UsageError                 the call is wrong; nothing was touched
│   ├── InvalidAlias
│   ├── AliasInUse
│   ├── UnknownAlias
│   ├── UnknownDevice
│   ├── UnknownPath
│   ├── UnknownClass
│   ├── UnknownWrapper         a service wrapper that cannot be loaded; names where it is declared
│   ├── UnknownPlatform
│   ├── UnknownMode
│   ├── InvalidOption          unknown name, wrong type or out of range
│   ├── LoopMismatch           called from a loop that does not own the device
│   ├── Deadlock               a holder waits for himself, or for who waits for him; names all places
│   ├── ReleasedTwice          a pool's session was given back before
│   ├── NotOfThisPool          a session was given back to a pool that it is not of
│   ├── UsedAfterRelease       a session was used after it was given back
│   └── CannotCross            an argument or a result that cannot go to another process
├── MissingValue               a credential or %ENV{} that is needed now and is not there
├── MissingDependency          an optional library is not installed
├── ConnectError               no session came about; `phase` says how far it got
│   ├── HostUnknown            resolve
│   ├── HostUnreachable        tcp: refused, no route, reset before anything was said
│   ├── KeyExchangeFailed      kex: no common algorithm, not an SSH server
│   ├── HostKeyUnknown         kex
│   ├── HostKeyChanged         kex
│   ├── CertificateRefused     kex: a TLS certificate, theirs or ours
│   ├── AuthenticationFailed   auth (SSH) or login (telnet, console)
│   ├── ShellRefused           shell: logged in, but no channel, pty or shell
│   ├── PromptNotFound         prompt: the device talks, no known prompt in what it says
│   ├── CircuitOpen            not tried: it failed before, and its next attempt is not due in time
│   └── ConnectTimeout         any phase; also a TimeoutError
├── SessionError
│   ├── SessionClosed          we closed it
│   │   └── PoolClosed         the whole pool
│   ├── SessionBroken          they broke it
│   │   └── BadReply           what came is not the protocol
│   ├── BrokerGone             the process that holds the sessions has ended, or does not answer
│   └── WorkerLost             the worker process that had the device in a fan-out has ended
├── LimitReached               the device's own budget of sessions or logins is spent
│   └── PoolTimeout            no session of the pool came free; also a TimeoutError
├── DeviceBusy                 kept out by somebody's exclusive work; also a TimeoutError
├── BrokerRefused              the process that holds the sessions does not let this one in
├── BadFrame                   what another process sent is no frame, or no value, of ours
├── RemoteError                an error of another process whose type is not known here
├── WrapperFailed              a service wrapper raised something of its own
└── CommandError
    ├── CommandRejected        the device refused the command
    ├── CommandFailed          it took the command, and says that nothing came of it
    ├── CommandTimeout         also a TimeoutError
    ├── ModeNotReached         the way into or out of a mode failed
    ├── NotCapable             the device does not announce what the service needs
    ├── HttpError              a status that is none of success
    │   └── RestconfError      with an errors resource
    ├── RpcError               an rpc-error of a NETCONF server
    ├── SnmpError              an error-status or a report of an SNMP agent
    └── GnmiError              a gRPC status of a gNMI target
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypedDict


class Phase(StrEnum):
    """How far a connection attempt, or the session after it, has come."""

    RESOLVE = "resolve"
    TCP = "tcp"
    KEX = "kex"
    AUTH = "auth"
    SHELL = "shell"
    LOGIN = "login"
    PROMPT = "prompt"
    COMMAND = "command"
    CLOSE = "close"


class Where(TypedDict):
    """The two words that every error of a connection bears."""

    device: str
    path: str


class AioconnError(Exception):
    """What went wrong, where, what was seen and what to do about it.

    `str()` is one line for the reader at 3 a.m.; the parts are attributes. It pickles with all of them.
    """

    default_phase: Phase | None = None
    default_hint: str | None = None

    def __init__(
        self,
        message: str,
        *,
        device: str | None = None,
        path: str | None = None,
        phase: Phase | None = None,
        seen: str | None = None,
        hint: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.device = device
        self.path = path
        self.phase = phase or self.default_phase
        self.seen = seen
        self.hint = hint or self.default_hint
        self.__dict__.update(details)

    def __str__(self) -> str:
        where = self.device or ""
        if self.path:
            where += f" via {self.path}" if where else self.path
        if self.phase:
            where += f" [{self.phase}]"
        text = f"{where.strip()}: {self.message}" if where else self.message
        if self.seen:
            text += f"; seen: {shorten(self.seen)!r}"
        if self.hint:
            text += f" -> {self.hint}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message), self.__dict__


def _rebuild(cls: type[AioconnError], message: str) -> AioconnError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    return error


def shorten(text: str, limit: int = 200) -> str:
    """The end of `text`, which is where a device says what is wrong, in at most `limit` characters."""
    text = text.strip()
    return text if len(text) <= limit else "..." + text[3 - limit :]


_NAME_LIMIT = 100  # characters; what is longer is no slip of anything, and takes long to compare


def likeliest(name: str, known: Iterable[str], cutoff: float) -> str | None:
    """The one of `known` that is as near to `name` as `cutoff` (1.0: the same but for the case), and the nearest.

    Of several that are near it is the one with the same letters: `iosex` is iosxe rather than iosxr.
    """
    lowered = {other.lower(): other for other in known}
    wanted = name.lower()
    if len(wanted) > _NAME_LIMIT:
        return None
    close = difflib.get_close_matches(wanted, lowered, n=3, cutoff=cutoff)
    letters = sorted(wanted)
    best = next((one for one in close if sorted(one) == letters), close[0] if close else None)
    return None if best is None else lowered[best]


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names what the writer of `name` most likely meant, else what there is."""
    names = sorted(map(str, known))
    if (meant := likeliest(str(name), names, 0.6)) is not None:
        return f"did you mean {meant!r}?"
    if not names:
        return "there is none"
    listed = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"known: {listed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file: where it stands, what it is, what to write instead."""

    message: str
    key: str = ""
    source: str = ""
    line: int | None = None
    column: int | None = None
    hint: str | None = None
    warning: bool = False

    def __str__(self) -> str:
        place = self.source
        if self.line is not None:
            place += f":{self.line}" + (f":{self.column}" if self.column is not None else "")
        message = f"warning: {self.message}" if self.warning else self.message
        parts = [part for part in (place, self.key, message) if part]
        return ": ".join(parts) + (f" -> {self.hint}" if self.hint else "")


class TestbedError(AioconnError):
    """A testbed, platform or personality is wrong. `problems` holds all that was found, each with its place."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, problems: Sequence[Problem] | str, **where: Any) -> None:
        self.problems = [Problem(message=problems)] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(map(str, self.problems)), **where)


class UsageError(AioconnError):
    """The call itself is wrong; nothing was touched."""


class InvalidAlias(UsageError):
    """An alias must be a Python identifier and not a name that the device already has."""


class AliasInUse(UsageError):
    """The alias is connected by a different request; `replace=True` swaps it."""


class UnknownAlias(UsageError):
    """The device has no connection of this alias."""


class UnknownDevice(UsageError, KeyError):
    """The testbed has no such device."""


class UnknownPath(UsageError):
    """The device has no such entry in `connections`."""


class UnknownClass(UsageError):
    """No connection class for this protocol, or `class:` cannot be loaded."""


class UnknownWrapper(UsageError):
    """A service wrapper cannot be loaded, made or attached. `origin` (`file:line`, or the entry point of a package) and
    `key` say where `wrapper`, its dotted path, is declared."""

    wrapper: str = ""
    origin: str = ""
    key: str = ""


class UnknownPlatform(UsageError):
    """No platform of this name, and no file either."""


class UnknownMode(UsageError):
    """The platform has no such mode."""


class InvalidOption(UsageError):
    """An option that the class does not know, or a value that it cannot take."""


class LoopMismatch(UsageError):
    """Called from an event loop other than the device's home loop."""


class Deadlock(UsageError):
    """A holder waits for what only he could give back, or several wait for each other. The message names where each
    took what he has, and where he waits."""


class ReleasedTwice(UsageError):
    """This session of a pool has been given back already; nothing was changed."""


class NotOfThisPool(UsageError):
    """What is given back does not come from this pool; nothing was changed."""


class UsedAfterRelease(UsageError):
    """The session was given back to its pool; somebody else may have it by now."""


class CannotCross(UsageError):
    """An argument or a result cannot go to another process. The message names its type and where it stands."""


class MissingValue(AioconnError):
    """A credential or environment variable is needed now and is not there."""


class MissingDependency(AioconnError):
    """An optional library is not installed; `hint` is the command that installs it."""


class ConnectError(AioconnError):
    """No session came about. `phase` says how far it got."""


class HostUnknown(ConnectError):
    """The name does not resolve."""

    default_phase = Phase.RESOLVE


class HostUnreachable(ConnectError):
    """Nothing accepts the connection: refused, no route, or reset at once."""

    default_phase = Phase.TCP


class KeyExchangeFailed(ConnectError):
    """The peer does not speak SSH, or shares no algorithm with us."""

    default_phase = Phase.KEX


class HostKeyUnknown(ConnectError):
    """The host key is not known and unknown ones are not accepted here."""

    default_phase = Phase.KEX


class HostKeyChanged(ConnectError):
    """The host shows another key than the one remembered for it."""

    default_phase = Phase.KEX


class CertificateRefused(ConnectError):
    """The TLS handshake failed over who the peer is: authority, name, time or fingerprint of its certificate, or it
    does not accept ours."""

    default_phase = Phase.KEX


class AuthenticationFailed(ConnectError):
    """The device does not accept the credentials.

    `certain` tells whether the device said so; it is False where it just ended the connection after it was told who we
    are, as a lost link does. Only what is certain closes a path for long.
    """

    default_phase = Phase.AUTH
    certain: bool = True


class ShellRefused(ConnectError):
    """Logged in, but the device opens no channel, pty or shell."""

    default_phase = Phase.SHELL


class PromptNotFound(ConnectError):
    """The device talks, but nothing in what it says is a prompt of its platform."""

    default_phase = Phase.PROMPT


class CircuitOpen(ConnectError):
    """Not tried, because it failed before: `last_error` says how, the next attempt is due in `retry_in` seconds."""

    last_error: BaseException | None = None
    retry_in: float = 0.0


class ConnectTimeout(ConnectError, TimeoutError):
    """The deadline passed during `phase`."""


class SessionError(AioconnError):
    """The session cannot be used."""


class SessionClosed(SessionError):
    """We closed it; `connect()` opens it again."""


class PoolClosed(SessionClosed):
    """The pool was closed, while this call waited or before."""


class SessionBroken(SessionError):
    """The other side, or the network, ended it. `maybe_executed` tells whether a command was under way."""

    default_phase = Phase.COMMAND
    maybe_executed: bool = False


class BrokerGone(SessionError):
    """The process that holds the sessions has ended, or does not answer. What was under way may have been executed."""


class WorkerLost(SessionError):
    """The worker process that had the device in a fan-out has ended. What was under way may have been executed."""

    maybe_executed: bool = True


class BrokerRefused(AioconnError):
    """The process that holds the sessions does not let this one in: another user, another version, too many wires."""


class BadFrame(AioconnError):
    """What another process sent is no frame, or no value, of ours. Nothing of it is quoted: it may hold secrets."""


class RemoteError(AioconnError):
    """An error of another process whose type is not known here: `type_name`. The message is the other's."""

    type_name: str = ""


class WrapperFailed(AioconnError):
    """`wrapper`, which stands around `service`, raised what is neither an AioconnError nor what the service raised: the
    cause. Whether the service was called before is not said."""

    wrapper: str = ""
    service: str = ""


class LimitReached(AioconnError):
    """The device's budget of sessions or logins is spent, and none came free in time."""


class PoolTimeout(LimitReached, TimeoutError):
    """No session of the pool came free in time. The message says who holds them and for how long; the error of the last
    attempt to open one, if it failed, is the cause."""


class DeviceBusy(AioconnError, TimeoutError):
    """Somebody works exclusively on the device, and did not end in time. The message names where that began."""


class CommandError(AioconnError):
    """A command did not do what it was sent for."""

    default_phase = Phase.COMMAND


class CommandRejected(CommandError):
    """The device refused. `output` is its whole answer, `line` the offending one, `command` what was sent."""

    output: str = ""
    line: str = ""
    command: str = ""


class CommandFailed(CommandError):
    """The device took the command, and what it says means that it failed: a ping without an answer, a file that was not
    copied. `output` is its whole answer, `line` the one that tells, `command` what was sent."""

    output: str = ""
    line: str = ""
    command: str = ""


class CommandTimeout(CommandError, TimeoutError):
    """The deadline passed. `command` may have been executed: `maybe_executed` says so."""

    command: str = ""
    maybe_executed: bool = True


class ModeNotReached(CommandError):
    """The device did not go into, or out of, a mode."""


class NotCapable(CommandError):
    """The device does not announce the capability that this service needs; nothing was sent."""

    capability: str = ""


class BadReply(SessionBroken):
    """What came is not the protocol, or more than we take. The session is ended: nothing after it can be trusted."""


class HttpError(CommandError):
    """The device answered with a status that is none of success. `body` is the beginning of its answer."""

    status: int = 0
    reason: str = ""
    method: str = ""
    url: str = ""
    body: str = ""


class RestconfError(HttpError):
    """A status with an errors resource (RFC 8040, section 7.1). The fields are those of the first error, `errors` has
    all of them as mappings."""

    error_type: str = ""
    error_tag: str = ""
    error_app_tag: str = ""
    error_path: str = ""
    error_message: str = ""
    errors: Sequence[Mapping[str, Any]] = ()


class RpcError(CommandError):
    """An rpc-error of a NETCONF server (RFC 6241, section 4.3). The fields are those of the first one of severity
    `error`, `errors` has all of them as mappings, `info` is XML."""

    error_type: str = ""
    error_tag: str = ""
    error_severity: str = ""
    error_app_tag: str = ""
    error_path: str = ""
    error_message: str = ""
    info: str = ""
    errors: Sequence[Mapping[str, Any]] = ()


class SnmpError(CommandError):
    """The agent answered with an error-status (RFC 3416, section 3) or a report (RFC 3414). `status` is its name as in
    the RFC, `oid` the variable that it is about."""

    status: str = ""
    oid: str = ""


class GnmiError(CommandError):
    """The target answered with a gRPC status. `code` is its name (`NOT_FOUND`), `details` the target's words."""

    code: str = ""
    details: str = ""
