# SPDX-License-Identifier: Apache-2.0
"""Logging in where the dialogue is part of the stream: telnet, consoles, shells behind shells.

The machine answers what it is asked, once each: a password that is refused is never tried again, accounts get locked
that way. A prompt that comes before anybody asked who we are is only believed after a moment of silence, because a
banner may look like one.
"""

from __future__ import annotations

import re
from enum import Enum

from aioconn.platforms.model import Login as LoginPatterns
from aioconn.wire import ansi
from aioconn.wire.prompt import PromptMatch, Prompts

SETTLE = 0.3
NUDGE = 1.0
_NUDGES = 4


class Refusal(Enum):
    """Why there will be no prompt."""

    PASSWORD = "the device does not accept the credentials"
    NO_USERNAME = "the device asks for a user name and none is configured"
    NO_PASSWORD = "the device asks for a password and none is configured"
    BUSY = "the device accepts no further session"


class Login:
    """Sans-IO login. `authenticated` tells that the transport has said who we are already (SSH).

    `feed` and `quiet` return what to write; then `done` holds the first prompt, or `refused` the reason there is none.
    """

    __slots__ = (
        "_asked_password",
        "_asked_user",
        "_authenticated",
        "_buffer",
        "_handled_to",
        "_newline",
        "_nudges",
        "_password",
        "_patterns",
        "_prompts",
        "_username",
        "done",
        "quiet_after",
        "refused",
    )

    def __init__(
        self,
        *,
        patterns: LoginPatterns,
        prompts: Prompts,
        username: str | None,
        password: str | None,
        authenticated: bool,
        newline: bytes,
    ) -> None:
        self.done: PromptMatch | None = None
        self.refused: Refusal | None = None
        self.quiet_after: float | None = NUDGE
        self._patterns = patterns
        self._prompts = prompts
        self._username = username
        self._password = password
        self._authenticated = authenticated
        self._newline = newline
        self._buffer = bytearray()
        self._handled_to = 0
        self._asked_user = self._asked_password = False
        self._nudges = 0

    @property
    def ended(self) -> bool:
        return self.done is not None or self.refused is not None

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; returns what to write now."""
        self._buffer += data
        if len(self._buffer) > 1 << 18:  # a banner of 256 KiB is none
            del self._buffer[: len(self._buffer) - (1 << 16)]
            self._handled_to = 0
        self.quiet_after = NUDGE
        if self._is_refused():
            return b""
        line = self._last_line()
        if re.search(self._patterns.password, line):
            return self._on_password()
        if re.search(self._patterns.username, line):
            return self._on_username()
        if re.search(self._patterns.press_return, line):
            return self._handled(self._newline)
        if (match := self._prompts.at_end(self._buffer, self._handled_to)) is not None:
            if self._authenticated or self._asked_password:
                self.done = match
            else:
                self.quiet_after = SETTLE
        return b""

    def quiet(self) -> bytes:
        """Silence: a prompt is one now; else Return is pressed, as on a console that waits for it."""
        match = self._prompts.at_end(self._buffer, self._handled_to)
        if match is not None:
            self.done = match
            return b""
        self._nudges += 1
        self.quiet_after = NUDGE * 2**self._nudges if self._nudges < _NUDGES else None
        return self._handled(self._newline)

    def _last_line(self) -> str:
        begin = max(self._buffer.rfind(b"\n") + 1, self._handled_to, len(self._buffer) - 512)
        return ansi.render(bytes(self._buffer[begin:]).decode("utf-8", "replace"))

    def _handled(self, send: bytes) -> bytes:
        self._handled_to = len(self._buffer)
        return send

    def _on_username(self) -> bytes:
        if self._asked_user and self._asked_password:
            return self._refuse(Refusal.PASSWORD)
        if self._username is None:
            return self._refuse(Refusal.NO_USERNAME)
        if self._asked_user and self._nudges == 0:
            return self._refuse(Refusal.PASSWORD)
        self._asked_user = True
        return self._handled(self._username.encode() + self._newline)

    def _on_password(self) -> bytes:
        if self._asked_password:
            return self._refuse(Refusal.PASSWORD)
        if self._password is None:
            return self._refuse(Refusal.NO_PASSWORD)
        self._asked_password = True
        return self._handled(self._password.encode() + self._newline)

    def _refuse(self, reason: Refusal) -> bytes:
        self.refused = reason
        self.quiet_after = None
        return b""

    def _is_refused(self) -> bool:
        # only since we answered last: a banner may speak of denied access
        recent = ansi.clean(self._buffer[max(self._handled_to, len(self._buffer) - 2048) :])
        if re.search(self._patterns.refused, recent):
            self._refuse(Refusal.BUSY)
        elif self._asked_password and re.search(self._patterns.failed, recent):
            self._refuse(Refusal.PASSWORD)
        return self.refused is not None
