# SPDX-License-Identifier: Apache-2.0
"""Our side of one SSH handshake: who the host is, and who we are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

import asyncssh

from aioconn.credentials import Credential
from aioconn.errors import AioconnError, HostKeyChanged, HostKeyUnknown, Phase
from aioconn.transport.base import Progress
from aioconn.transport.hostkeys import Known, describe
from aioconn.transport.ssh_profile import Profile

_ONE_TIME = re.compile(r"(?i)one.?time|otp|token|verification|passcode|code\b|pin\b|challenge|response")
_PASSWORD = re.compile(r"(?i)password")
_CHANGE = re.compile(
    r"(?i)(?:new|current|old|retype|again|confirm|re-?enter)\b.*pass|password.*(?:expired|change)|change.*password"
)

Answers = Callable[[str], str | None]


class Client(asyncssh.SSHClient):
    """asyncssh asks, this answers. `error` is what made us give up, if it was us."""

    def __init__(
        self,
        profile: Profile,
        known: Known,
        credential: Credential,
        answers: Answers | None,
        progress: Progress,
        *,
        device: str,
        path: str,
        host: str,
        port: int,
        lost: Callable[[Exception | None], None],
    ) -> None:
        self.user = ""
        self.error: AioconnError | None = None
        self.tried: tuple[str, ...] = ()
        self.allowed: tuple[str, ...] = ()
        self.expired: str | None = None
        self.unanswered: str | None = None
        self.password_refused = False
        self._profile = profile
        self._known = known
        self._credential: Credential | None = credential
        self._answers = answers
        self._progress: Progress | None = progress
        self._device = device
        self._path = path
        self._host = host
        self._port = port
        self._lost: Callable[[Exception | None], None] | None = lost
        self._connection: asyncssh.SSHClientConnection | None = None
        self._unrecorded: asyncssh.SSHKey | None = None
        self._answered = False
        self._prompted = False
        self._password_sent = False

    def __call__(self) -> Client:
        """What asyncssh makes its client with."""
        return self

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn
        if self._progress is not None:
            self._progress.phase = Phase.KEX

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection = None
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(exc)

    def finish(self) -> None:
        """The link stands: let go of what only its making needed."""
        self._credential = self._answers = self._progress = None

    # The host

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        if self._profile.pinned:
            if any(_same(pin, key) for pin in self._profile.pinned):
                return True
            pins = ", ".join(pin if isinstance(pin, str) else describe(pin) for pin in self._profile.pinned)
            return self._changed(key, pins, "option host_key")
        if self._known.accepts(key):
            return True
        if self._known.trusted:
            known = self._known.trusted
            return self._changed(
                key, ", ".join(describe(k.key) for k in known), ", ".join(k.place for k in known)
            )
        if self._profile.options.host_key_policy == "strict":
            self.error = HostKeyUnknown(
                f"the key of {self._host} port {self._port} is not known: {describe(key)}",
                device=self._device,
                path=self._path,
                hint="check the fingerprint on the device, then add the key to"
                f" {self._store_path} or pin it with `host_key`",
            )
            return False
        self._unrecorded = key
        return True

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        return False  # those that are trusted were handed over with the options

    @property
    def _store_path(self) -> str:
        return str(self._profile.store.path) if self._profile.store is not None else "the store"

    def _changed(self, key: asyncssh.SSHKey, known: str, place: str) -> bool:
        self.error = HostKeyChanged(
            f"the key of {self._host} port {self._port} has changed:"
            f" known is {known} ({place}), the host shows {describe(key)}",
            device=self._device,
            path=self._path,
            hint=f"if the device was replaced or re-keyed, remove the old key from {place};"
            " otherwise somebody may be in between",
        )
        return False

    def _record(self) -> None:
        """Remember a new host's key: now, because by now the host has proved that it owns the key."""
        key, self._unrecorded = self._unrecorded, None
        if key is None or self._profile.store is None:
            return
        other = self._profile.store.remember(self._host, self._port, key)
        if other is not None:
            self._changed(key, describe(other.key), other.place)
            assert self.error is not None
            raise self.error

    # We

    def begin_auth(self, username: str) -> None:
        self._record()
        if self._progress is not None:
            self._progress.phase = Phase.AUTH

    def _may(self, method: str) -> bool:
        assert self._connection is not None
        for name in self._connection.get_server_auth_methods():
            if name not in self.allowed:
                self.allowed += (name,)
        return method in self._profile.options.auth_methods and self.expired is None

    def _try(self, method: str) -> None:
        if method not in self.tried:
            self.tried += (method,)

    def public_key_auth_requested(self) -> None:
        if self._may("publickey") and (self._profile.keys or self._profile.agent):
            self._try("publickey")  # the keys were in the options and have been refused by now

    def password_auth_requested(self) -> str | None:
        if not self._may("password") or self.password_refused:
            return None
        if "password" in self.tried:
            self.password_refused = True
            return None
        if (password := self._password()) is not None:
            self._try("password")
        return password

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        self.expired = prompt or "the device asks for a new password"
        return cast("tuple[str, str]", NotImplemented)

    def kbdint_auth_requested(self) -> str | None:
        if not self._may("keyboard-interactive") or self.password_refused:
            return None
        if "keyboard-interactive" in self.tried:
            # Asked again although it was answered: refused. The same password by another method is another
            # failed login for the device to count, nothing else.
            self.password_refused = self._answered and self._password_sent
            return None
        if self._credential is None or (self._credential.password is None and self._answers is None):
            return None
        self._try("keyboard-interactive")
        return ""

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []  # a message only; PAM ends with one
        replies: list[str] = []
        for prompt, echo in prompts:
            if self._password_sent and _CHANGE.search(f"{instructions} {prompt}"):
                self.expired = f"{instructions} {prompt}".strip()
                return None
            reply = self._reply(prompt, echo)
            if reply is None:
                self.unanswered = None if self.password_refused else prompt.strip()
                return None
            replies.append(reply)
        self._answered = True
        return replies

    def _reply(self, prompt: str, echo: bool) -> str | None:
        if _PASSWORD.search(prompt) and not _ONE_TIME.search(prompt):
            if self._prompted:
                self.password_refused = True  # asked for it again
                return None
            self._prompted = True
            return self._password()
        if self._answers is not None and (answer := self._answers(prompt.strip())) is not None:
            return answer
        # A hidden question in another language, or a bare "Password" by any name: the password, but only
        # once.
        if not echo and not self._password_sent and not _ONE_TIME.search(prompt):
            return self._password()
        return None

    def _password(self) -> str | None:
        if self._credential is None or self._credential.password is None:
            return None
        self._password_sent = True
        return self._credential.password.reveal()


def _same(pin: str | asyncssh.SSHKey, key: asyncssh.SSHKey) -> bool:
    if isinstance(pin, str):
        return pin == key.get_fingerprint()
    return pin.public_data == key.public_data
