# SPDX-License-Identifier: Apache-2.0
"""What a device asks in the middle of something: what is answered, and what comes of a question that is not."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from aioconn.credentials import MASK, Credentials
from aioconn.errors import CommandError, MissingValue, Where
from aioconn.platforms.model import Platform, Reply
from aioconn.protocols.statements import Replies
from aioconn.protocols.statements import answers as answers_to
from aioconn.wire.dialogue import Answer, Answering, Dialogue

# Where a password belongs that the device asks for, by the credential that it would be.
_HINTS = {
    "enable": "add credentials.enable.password, or the option enable: false",
    "file_server": "pass password=, that of the file server",
}


@functools.lru_cache(maxsize=256)
def _paging(platform: Platform) -> Dialogue:
    """The answers that every command of a platform may need."""
    pager = platform.pager
    if pager is None:
        return Dialogue([])
    return Dialogue([Answer(pattern=pager.pattern, send=pager.more.encode(), pager=True)])


class Questions:
    """The answers of one session, and its secrets, those that callers bring among them."""

    __slots__ = ("_credentials", "_newline", "_paging", "_spoken", "_where")

    def __init__(self, platform: Platform, credentials: Credentials, where: Where) -> None:
        self._paging = _paging(platform)
        self._credentials = credentials
        self._newline = platform.newline.encode()
        self._where = where
        self._spoken: set[str] = set()

    def dialogue(
        self, reply: Replies | None, answers: Sequence[Answer] = (), *, pager: bool = True
    ) -> Dialogue:
        """What is answered: the caller's replies first, the pager's last."""
        paging = self._paging if pager else Dialogue([])
        if not reply and not answers:
            return paging
        found = list(answers_to(reply or {}, self._newline, where=self._where, spoken=self.speak))
        return Dialogue([*found, *answers, *paging.answers])

    def answers(
        self, replies: Iterable[Reply], *, username: str = "", **passwords: str | None
    ) -> list[Answer]:
        """What the platform would answer; `username` stands for itself in braces, `passwords` go before credentials."""
        found = []
        for question in replies:
            name = question.secret
            if name is None:
                text: str | None = question.answer.replace("{username}", username)
            else:
                text = passwords[name] if name in passwords else self._password(name)
            found.append(
                Answer(
                    pattern=question.pattern,
                    send=(text or "").encode() + (self._newline if question.newline else b""),
                    secret=name is not None,
                    missing=text is None,
                    credential=name or "",
                )
            )
        return found

    def _password(self, name: str) -> str | None:
        """The password that may be asked for; None if there is none, which only matters if it is asked."""
        if name == "enable":
            return self._credentials.enable_password()
        password = self._credentials.get(name).password
        return password.reveal() if password is not None else None

    def check(self, answering: Answering) -> None:
        """Raise what a question has brought about that nobody could answer; nothing if an answer was the last word."""
        if answering.error is not None:
            raise answering.error
        question = answering.question
        if question is None:
            return
        seen = self.redact(question.text)
        if answering.unanswered:
            name = question.answer.credential
            raise MissingValue(
                "the device asks for a password and none is configured",
                **self._where,
                seen=seen,
                hint=_HINTS.get(name, f"add credentials.{name}.password"),
            )
        raise CommandError("the device asked again for what it was told", **self._where, seen=seen)

    def speak(self, secret: str) -> None:
        """A secret of a caller's is typed: it stands in no error from now on."""
        if len(secret) > 2:  # shorter ones would eat ordinary text
            self._spoken.add(secret)

    def redact(self, text: str) -> str:
        """`text` without the secrets that we know."""
        for secret in self._spoken:
            text = text.replace(secret, MASK)
        return self._credentials.redact(text)
