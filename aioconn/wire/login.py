# SPDX-License-Identifier: Apache-2.0
"""Logging in where the dialogue is part of the stream: telnet, consoles, shells behind shells.

The machine answers what it is asked, once each: a password that is refused is never tried again, accounts get locked
that way. What stands at the end of what has arrived may be the middle of a banner: a line that is more than a plain
question, a question that was answered before, and a prompt that comes before anybody asked who we are, are only
believed after a moment of silence.

Return, pressed to wake a console, may be taken for an answer by a device that was about to ask: it asks once more then,
or asks for the password of nobody. So from that press on the line must have settled before anything is answered, and
each press explains one question that would be one too many otherwise; an answer to that would be taken for the next.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from enum import Enum

from aioconn.platforms.model import Login as LoginPatterns
from aioconn.platforms.model import Reply
from aioconn.wire import ansi
from aioconn.wire.prompt import PromptMatch, Prompts

Who = Callable[[], tuple[str | None, str | None]]
"""The user name and the password of one who logs in."""

SETTLE = 0.3
SETTLE_NUDGED = 0.6
NUDGE = 2.0
_NUDGES = 4
_LIMIT, _KEPT = 1 << 18, 1 << 16
_LINE = 512
_EMPTY = 3  # passwords of nobody, after which devices ask for another name or hang up
# "Username:", "r1 login:", "Password for admin:"; more words than that are a banner's
_PLAIN_WORDS = 3
# Words in either case, alternatives of them, and the rest of a line: it means the same in a text of small letters.
_CASELESS = re.compile(r"\(\?i\)((?:[a-z0-9 ,%|?()]|\(\?:|\[\^\\r\\n\]\*)+)")


class Refusal(Enum):
    """Why there will be no prompt."""

    PASSWORD = "the device does not accept the credentials"  # noqa: S105  # a reason, no password
    NO_USERNAME = "the device asks for a user name and none is configured"
    NO_PASSWORD = "the device asks for a password and none is configured"  # noqa: S105
    BUSY = "the device accepts no further session"


class Words:
    """Words that are looked for in all that a device says before its first prompt, which may be pages.

    In small letters they are found four to seven times as fast: `re` skips where no alternative can begin only in
    patterns that heed the case.
    """

    __slots__ = ("_pattern", "_small")

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        caseless = _CASELESS.fullmatch(pattern)
        self._small = re.compile(caseless[1]) if caseless is not None else None

    def search(self, text: str) -> re.Match[str] | None:
        """The first match; its groups may be in small letters."""
        if self._small is None or not text.isascii():  # where a small letter may be two
            return re.search(self._pattern, text)
        return self._small.search(text.lower())


class _Patterns:
    """What is the same for every device of a platform: compiled once. `re` would look each of them up, for 0.4 us."""

    __slots__ = ("failed", "password", "press_return", "questions", "refused", "username")

    def __init__(self, patterns: LoginPatterns) -> None:
        self.username = re.compile(patterns.username)
        self.password = re.compile(patterns.password)
        self.failed = Words(patterns.failed)
        self.press_return = re.compile(patterns.press_return)
        self.refused = Words(patterns.refused)
        # one whose answer is a secret is not for us
        self.questions = [(re.compile(one.pattern), one) for one in patterns.questions if not one.secret]


_patterns_of = functools.lru_cache(maxsize=256)(_Patterns)


class Login:
    """Sans-IO login. `authenticated` tells that the transport has said who we are already (SSH).

    `feed` and `quiet` return what to write; then `done` holds the first prompt, or `refused` the reason there is none.
    `suspected` is what the device's words sound like: if it ends the session now, that is why. `certain` is False if
    `refused` rests on words that may have been meant for a Return that we pressed.

    A terminal server asks, and then the device behind it: `further` are asked for who logs in next, in this order, once
    the answers before have been taken without a word of refusal. `line_password` is asked for the password of a line
    that wants no name.
    """

    __slots__ = (
        "_answered",
        "_asked_password",
        "_asked_user",
        "_authenticated",
        "_buffer",
        "_doubted",
        "_further",
        "_handled_to",
        "_line_password",
        "_nameless",
        "_newline",
        "_nudges",
        "_owed",
        "_password",
        "_patterns",
        "_prompts",
        "_scanned_to",
        "_spare",
        "_username",
        "certain",
        "done",
        "quiet_after",
        "refused",
        "suspected",
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
        further: Sequence[Who] = (),
        line_password: Callable[[], str] | None = None,
    ) -> None:
        self.done: PromptMatch | None = None
        self.refused: Refusal | None = None
        self.suspected: Refusal | None = None
        self.certain = True
        self.quiet_after: float | None = NUDGE
        self._patterns = _patterns_of(patterns)
        self._prompts = prompts
        self._username = username
        self._password = password
        self._further = list(further)
        self._line_password = line_password
        self._authenticated = authenticated
        self._newline = newline
        self._buffer = bytearray()
        self._handled_to = 0
        self._scanned_to = 0
        self._asked_user = self._asked_password = False
        self._answered: list[Reply] = []
        self._nudges = 0
        self._owed = 0  # questions that may be there only because Return was pressed
        self._nameless = 0  # so many passwords are empty: Return was taken for a name
        self._spare = 0  # so many questions for the password are not about ours: Return was taken for one
        self._doubted = False  # whether there may have been such

    @property
    def ended(self) -> bool:
        return self.done is not None or self.refused is not None

    def seen(self, limit: int = 400) -> str:
        """The end of what arrived, for an error."""
        return ansi.clean(self._buffer[-limit:]).strip()

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; returns what to write now."""
        if self.ended:
            return b""
        self._buffer += data
        self.quiet_after = NUDGE
        line = self._scan()
        if (excess := len(self._buffer) - _LIMIT) > 0:  # a banner of 256 KiB is none
            excess += _LIMIT - _KEPT
            del self._buffer[:excess]
            self._handled_to = max(0, self._handled_to - excess)
            self._scanned_to = max(0, self._scanned_to - excess)
        return self._act(line, settled=False)

    def quiet(self) -> bytes:
        """Silence: what stands at the end is meant; if nothing does, Return is pressed, as for an idle console."""
        if self.ended:
            return b""
        self.quiet_after = None
        if reply := self._act(self._last_line(), settled=True):
            self.quiet_after = NUDGE
            return reply
        return self._nudge()

    def _nudge(self) -> bytes:
        if self.ended or self.quiet_after is not None:  # the latter: a question was let pass just now
            return b""
        if self.suspected is not None:
            self.certain = not self._doubted
            return self._refuse(self.suspected)
        if self._asked_user and not self._asked_password:
            return b""  # it looks the name up, which may take seconds; Return would be an empty password
        self._nudges += 1
        self._owed += 1
        self.quiet_after = NUDGE * 2**self._nudges if self._nudges < _NUDGES else None
        return self._handled(self._newline)

    def _act(self, line: str, *, settled: bool) -> bytes:
        """What the last line calls for; without `settled` only if nothing that follows could change it."""
        if self.ended:
            return b""
        plain = settled or (not self._authenticated and not self._owed and len(line.split()) <= _PLAIN_WORDS)
        if self._patterns.password.search(line):
            if settled or (plain and not self._asked_password):
                return self._on_password()
        elif self._patterns.username.search(line):
            if settled or (plain and not self._asked_user and not self._asked_password):
                return self._on_username()
        elif self._patterns.press_return.search(line):
            if settled:
                return self._handled(self._newline)
        elif (question := self._question(line)) is not None:
            if settled and question not in self._answered:
                self._answered.append(question)
                return self._handled(question.answer.encode() + (self._newline if question.newline else b""))
        elif (match := self._prompts.at_end(self._buffer, self._handled_to)) is not None:
            if settled or ((self._authenticated or self._asked_password) and not self._owed):
                self.done, self.quiet_after = match, None
                return b""
        else:
            if self.suspected is not None and not settled:
                self.quiet_after = NUDGE if self._doubted else SETTLE
            return b""
        if not settled:
            self.quiet_after = SETTLE_NUDGED if self._owed else SETTLE
        return b""

    def _last_line(self) -> str:
        begin = max(self._buffer.rfind(b"\n") + 1, self._handled_to, len(self._buffer) - _LINE)
        return ansi.line_of(self._buffer, begin)

    def _question(self, line: str) -> Reply | None:
        """The question of this platform that the line asks."""
        for pattern, question in self._patterns.questions:
            if pattern.search(line):
                return question
        return None

    def _handled(self, send: bytes) -> bytes:
        self._handled_to = self._scanned_to = len(self._buffer)
        return send

    def _on_username(self) -> bytes:
        names, passwords = self._questions()
        if self._asked_password and self._next():
            return self._on_username()
        if self._asked_user:
            if self._asked_password or not self._owed:
                return self._refuse(Refusal.PASSWORD)
            self._owed = max(0, self._owed - names - passwords)
            return self._handled(b"")  # our name is on its way to it already
        if self._username is None:
            return self._refuse(Refusal.NO_USERNAME)
        self._asked_user = True
        self._nameless = 0
        self._less_owed(names + passwords - 1)
        return self._handled(self._username.encode() + self._newline)

    def _on_password(self) -> bytes:
        names, passwords = self._questions()
        if self._asked_password and not self._spare and self._next():
            return self._on_password()
        if self._asked_password:
            if not self._spare:
                return self._refuse(Refusal.PASSWORD)
            self._spare = max(0, self._spare - passwords)
            self.suspected = Refusal.PASSWORD  # unless something better follows
            self.quiet_after = NUDGE
            return self._handled(b"")  # our password is on its way to it already
        if self._owed and names and not self._asked_user and self._username is not None:
            self._nameless = _EMPTY
        self._less_owed(names + passwords - 1)
        if self._nameless:
            self._nameless -= 1
            return self._handled(self._newline)
        password = self._password
        if not self._asked_user and self._line_password is not None:
            password = self._line_password()
        if password is None:
            return self._refuse(Refusal.NO_PASSWORD)
        self._asked_password = True
        if not self._asked_user:
            self._spare = self._owed
            self._doubted = self._owed > 0
        self._owed = 0  # what Return has caused is behind us
        return self._handled(password.encode() + self._newline)

    def _less_owed(self, count: int) -> None:
        """So many of the questions that are there only because Return was pressed have come."""
        if self._owed:
            self._owed = max(0, self._owed - count)

    def _next(self) -> bool:
        """Another one asks: answer it as the next of those who log in, if there is one and nothing was refused.

        It may have been woken by Return: a console behind a terminal server says nothing before.
        """
        if self.suspected is not None or not self._further:
            return False
        self._username, self._password = self._further.pop(0)()
        self._asked_user = self._asked_password = False
        self._answered.clear()
        return True

    def _questions(self) -> tuple[int, int]:
        """How many lines, of those since we last wrote, ask for a name, and how many for a password; not counted where
        nothing depends on it."""
        if not (self._owed or self._spare):
            return 0, 0
        begin = max(self._handled_to, len(self._buffer) - _KEPT)
        names = passwords = 0
        for line in ansi.clean(self._buffer[begin:]).splitlines():
            if self._patterns.password.search(line):
                passwords += 1
            elif self._patterns.username.search(line):
                names += 1
        return names, passwords

    def _refuse(self, reason: Refusal) -> bytes:
        self.refused = reason
        self.quiet_after = None
        return b""

    def _scan(self) -> str:
        """Look for words of refusal in the lines that are new. Returns the last line."""
        begin, size = self._scanned_to, len(self._buffer)
        last = max(self._buffer.rfind(b"\n", begin) + 1, begin)
        self._scanned_to = max(last, size - _LINE)
        recent = ansi.clean(self._buffer[begin:])
        if self._patterns.refused.search(recent):
            self._refuse(Refusal.BUSY)
        elif self._asked_password and (found := self._patterns.failed.search(recent)):
            # the first words after the password are the verdict; what comes later may be a message of the day
            first = not ansi.clean(self._buffer[self._handled_to : begin]).strip()
            if first and not self._spare and not recent[: found.start()].strip(" \r\n%*."):
                self._refuse(Refusal.PASSWORD)
            else:
                self.suspected = Refusal.PASSWORD
        return recent[recent.rfind("\n") + 1 :].rstrip() if size - last <= _LINE else self._last_line()
