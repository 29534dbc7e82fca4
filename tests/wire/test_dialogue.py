# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from aioconn.wire.dialogue import Answer, Dialogue


def find(text: bytes, *patterns: str, start: int = 0, pager: bool = False) -> str | None:
    dialogue = Dialogue([Answer(pattern=pattern, send=pattern.encode(), pager=pager) for pattern in patterns])
    question = dialogue.find(text, start)
    return question.answer.pattern if question else None


def test_nothing_to_ask() -> None:
    assert not Dialogue([])
    assert Dialogue([]).find(b"Password:", 0) is None


@pytest.mark.parametrize(
    "text",
    [
        b"Password:",
        b"x\r\nPassword: ",
        b"\x1b[1mPassword:\x1b[0m ",
        b"Password:\x07",
        b"Password: \r\n",
        b"Password:\n\r\n",
    ],
)
def test_the_last_line_asks(text: bytes) -> None:
    assert find(text, r"assword:\s*$") == r"assword:\s*$"


@pytest.mark.parametrize(
    "text", [b"", b"\r\n", b"Password:\r\nx", b"Password\r\n", b"Password:\x1b", b"Password:\x1b[0"]
)
def test_no_question(text: bytes) -> None:
    assert find(text, r"assword:\s*$") is None


def test_the_middle_of_an_unfinished_line_asks_and_of_an_ended_one_does_not() -> None:
    assert find(b"Continue with that? (y", "Continue") == "Continue"
    assert find(b"Continue with that? (y/n)\r\n", "Continue") is None
    assert find(b"Continue with that? (y/n)\r\n", r"\(y/n\)") == r"\(y/n\)"


def test_earlier_answers_come_first() -> None:
    assert find(b"Really [y/n]", "Really", "y/n") == "Really"
    assert find(b"Sure [y/n]", "Really", "y/n") == "y/n"


def test_flags_are_each_patterns_own() -> None:
    assert find(b"PASSWORD:", "password:$", "(?i)word:$") == "(?i)word:$"
    assert find(b"PASS:", "(?i)word:$", "pass:$") is None


def test_what_was_answered_asks_no_more() -> None:
    text = b"Password: "
    assert find(text, "assword", start=len(text)) is None
    assert find(text + b"\r\n", "assword", start=len(text)) is None


def test_only_an_unfinished_line_is_a_pager() -> None:
    assert find(b"a\r\n--More-- ", "--More--$", pager=True)
    assert find(b"a\r\n--More--\r\n", "--More--$", pager=True) is None


@pytest.mark.parametrize(
    ("line", "begin"),
    [(b"--More--", 3), (b" --More-- ", 3), (b"text --More-- \x00", 8), (b"\x1b[7m--More--\x1b[m", 3)],
)
def test_where_a_pager_begins(line: bytes, begin: int) -> None:
    question = Dialogue([Answer(pattern="--More--$", send=b" ", pager=True)]).find(b"a\r\n" + line, 0)
    assert question is not None
    assert (question.begin, question.end) == (begin, 3 + len(line))


def test_a_long_line_is_not_looked_through() -> None:
    assert find(b"Password" + b"x" * 10_000, "Password") is None


def test_a_secret_is_not_shown() -> None:
    answer = Answer(pattern="p", send=b"hunter2\n", secret=True)
    assert "hunter2" not in repr(answer)
    assert "p" in repr(answer)
    assert "yes" in repr(Answer(pattern="p", send=b"yes"))


def test_finals() -> None:
    pager = Answer(pattern="--More--$", send=b" ", pager=True)
    asked = Answer(pattern=r"(?i)sure\?$", send=b"y\n")
    assert Dialogue([pager]).finals == frozenset(b"-")
    assert Dialogue([pager, asked]).finals == frozenset(b"-?\n")
    assert Dialogue([Answer(pattern="anywhere", send=b"")]).finals is None
