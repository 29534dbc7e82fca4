# SPDX-License-Identifier: Apache-2.0
"""What a caller says to the questions of a device."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from aioconn.credentials import Secret
from aioconn.errors import UsageError, Where
from aioconn.wire.dialogue import Answer

Text = str | Secret | None
Saying = Text | Callable[[re.Match[str]], Text]
"""A text to type; None types nothing. Or a function that is given the match of the question and returns one; it is
called at the device's home loop, and must not wait. A secret is typed once, and shown nowhere."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An answer with its conditions, as a value of `reply=`.

    `newline` follows the answer. The question is answered at most `limit` times; asked once more, the call ends with a
    `CommandError`. With `last` the call ends when the answer has been typed, without waiting for a prompt: what the
    device does then is read with `expect` and `receive`, and the next command finds the prompt again.
    """

    answer: Saying = ""
    newline: bool = True
    limit: int | None = None
    last: bool = False


Replies = Mapping[str, Saying | Statement]
"""Answers to questions: a regular expression, searched in the line that the device waits in, and what to type."""


def answers(
    replies: Replies, newline: bytes, *, where: Where, spoken: Callable[[str], object]
) -> Iterator[Answer]:
    """The same for the wire. `spoken` is told of each secret that is typed. Raises `UsageError` for what is none."""
    for pattern, saying in replies.items():
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"the question {pattern!r} is no pattern: {error}", **where) from None
        statement = saying if isinstance(saying, Statement) else Statement(saying)
        end = newline if statement.newline else b""
        given = statement.answer
        if callable(given):
            yield Answer(
                pattern=pattern,
                make=_maker(given, end, where, spoken),
                limit=statement.limit,
                last=statement.last,
            )
        else:
            text, secret = _typed(given, end, where, spoken)
            yield Answer(
                pattern=pattern, send=text, secret=secret, limit=statement.limit, last=statement.last
            )


def _maker(
    function: Callable[[re.Match[str]], Text], end: bytes, where: Where, spoken: Callable[[str], object]
) -> Callable[[re.Match[str]], tuple[bytes, bool]]:
    return lambda found: _typed(function(found), end, where, spoken)


def _typed(given: Text, end: bytes, where: Where, spoken: Callable[[str], object]) -> tuple[bytes, bool]:
    if given is None:
        return b"", False
    if isinstance(given, Secret):
        spoken(text := given.reveal())
        return text.encode() + end, True
    if isinstance(given, str):
        return given.encode() + end, False
    raise UsageError(
        f"an answer is a text or a Secret, not {type(given).__name__}",
        **where,
        hint="a function returns one of them, or None for no answer",
    )
