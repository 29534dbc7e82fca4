# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.platforms.model import Login as LoginPatterns
from aioconn.platforms.model import Reply
from aioconn.wire.login import NUDGE, SETTLE, SETTLE_NUDGED, Login, Refusal, Words
from aioconn.wire.prompt import Prompts
from tests.examples import examples
from tests.wire.device import CISCO, Split, at, bytewise, whole

PATTERNS = LoginPatterns(
    questions=(
        Reply(pattern=r"(?i)license\? \[Y/n\]:?\s*$", answer="n", newline=False),
        Reply(pattern=r"new secret:$", secret="default"),
    )
)


def machine(*, user: str | None = "joe", password: str | None = "pw", authenticated: bool = False) -> Login:
    return Login(
        patterns=PATTERNS,
        prompts=Prompts(CISCO),
        username=user,
        password=password,
        authenticated=authenticated,
        newline=b"\n",
    )


def play(login: Login, *turns: tuple[bytes, bytes], split: Split = whole) -> Login:
    """Each turn: what the device says, and what it must be told then, after a silence if need be."""
    for said, told in turns:
        sent = b"".join([login.feed(piece) for piece in split(said)])
        for _ in range(2):
            if not sent and not login.ended:
                assert login.quiet_after is not None
                sent = login.quiet()
        assert sent == told, said
    return login


BANNER = (
    b"\r\n*** Password: and login: are asked below; access denied to all others ***\r\n"
    b"host> is no prompt\r\nhost>\r\nlogin: \r\nPassword:\r\n% Authentication failed is what you see else\r\n"
)
MOTD = (
    b"\r\nWelcome. Unauthorized access denied!\r\nLast login: Sat Nov 21 on pts/1\r\n"
    b"login incorrect twice\r\nr1#\r\nhost#x\r\n"
)
FULL = (
    (BANNER + b"\r\nUser Access Verification\r\n\r\nUsername: ", b"joe\n"),
    (b"joe\r\nPassword: ", b"pw\n"),
    (MOTD + b"r1#", b""),
)


@given(st.lists(st.integers(0, 400), max_size=8))
@examples(200)
def test_name_and_password_in_any_split(cuts: list[int]) -> None:
    if any(has_question_at_end(piece) for said, _ in FULL for piece in ends(at(*cuts)(said))):
        return
    login = play(machine(), *FULL, split=at(*cuts))
    assert login.refused is None
    assert login.done is not None
    assert login.done.text == "r1#"


def ends(pieces: object) -> list[bytes]:
    grown, found = b"", []
    for piece in list(pieces)[:-1]:  # type: ignore[call-overload]
        grown += piece
        found.append(grown)
    return found


def has_question_at_end(data: bytes) -> bool:
    """Cut exactly where a line of the banner is a question, or a prompt after the password."""
    line = data.rsplit(b"\n", 1)[-1].rstrip(b" \r")
    return line in (b"login:", b"Password:", b"r1#", b"*** Password:", b"host#")


def test_split_at_every_byte() -> None:
    for position in range(max(len(said) for said, _ in FULL)):

        def split(data: bytes, position: int = position) -> list[bytes]:
            return [piece for piece in (data[:position], data[position:]) if piece]

        if any(has_question_at_end(said[:position]) for said, _ in FULL if position < len(said)):
            continue
        login = play(machine(), *FULL, split=split)
        assert (login.done is not None, login.refused) == (True, None), position


@pytest.mark.parametrize("split", [whole, bytewise])
def test_password_only(split: Split) -> None:
    login = play(machine(user=None), (b"\r\nPassword: ", b"pw\n"), (b"\r\nr1>", b""), split=split)
    assert login.done is not None
    assert login.done.mode == "user"


@pytest.mark.parametrize("split", [whole, bytewise])
def test_nobody_asks(split: Split) -> None:
    login = machine()
    for piece in split(b"\r\nhost>\r\nwelcome\r\nr1#"):
        assert login.feed(piece) == b""
    assert login.done is None, "a banner may end so"
    assert login.quiet_after == SETTLE
    login.quiet()
    assert login.done is not None
    assert login.done.host == "r1"


def test_an_idle_console_needs_return() -> None:
    login = machine()
    assert login.quiet_after == NUDGE
    assert login.quiet() == b"\n"
    assert login.quiet_after == 2 * NUDGE
    play(login, (b"\r\nr1 login: ", b"joe\n"), (b"joe\r\nPassword: ", b"pw\n"), (b"\r\nr1#", b""))
    assert login.done is not None


def test_a_mute_console_is_not_pressed_for_ever() -> None:
    login = machine()
    presses = 0
    while login.quiet_after is not None:
        assert login.quiet() == b"\n"
        presses += 1
    assert presses == 4


def test_a_device_that_looks_the_name_up_gets_no_empty_password() -> None:
    login = play(machine(), (b"Username: ", b"joe\n"))
    assert login.feed(b"joe\r\n") == b""
    for _ in range(3):
        assert login.quiet() == b""
    play(login, (b"Password: ", b"pw\n"), (b"\r\nr1#", b""))
    assert login.done is not None


def test_a_last_login_that_stops_half_way_asks_for_no_name() -> None:
    login = play(machine(), (b"login: ", b"joe\n"), (b"joe\r\nPassword: ", b"pw\n"))
    assert login.feed(b"\r\nLast login: ") == b""
    login.quiet()
    assert login.refused is None
    play(login, (b"Sat Nov 21 on pts/1\r\nr1#", b""))
    assert login.done is not None


def test_press_return() -> None:
    login = play(machine(), (b"r1 con0 is now available\r\n\r\nPress RETURN to get started.", b"\n"))
    play(login, (b"\r\n\r\nr1>", b""))
    assert login.done is not None
    blank = play(machine(), (b"Press RETURN to get started.\r\n\r\n\r\n", b"\n"))
    assert blank.refused is None


def test_a_session_left_in_configuration() -> None:
    login = play(machine(), (b"", b"\n"), (b"\r\nr1(config-if)#", b""))
    assert login.done is not None
    assert login.done.mode == "config"


@pytest.mark.parametrize("split", [whole, bytewise])
@pytest.mark.parametrize(
    "verdict",
    [
        b"\r\nPassword: ",
        b"\r\nLogin incorrect\r\nr1 login: ",
        b"\r\n% Authentication failed\r\n",
        b"\r\n% Bad passwords\r\n",
        b"\r\n% Login invalid\r\n\r\nUsername: ",
        b"\r\nSorry.\r\nPermission denied, please try again.\r\n",
        b"\r\nAccess denied\r\nbye",
    ],
)
def test_a_wrong_password_is_tried_once(verdict: bytes, split: Split) -> None:
    login = play(
        machine(), (b"Username: ", b"joe\n"), (b"joe\r\nPassword: ", b"pw\n"), (verdict, b""), split=split
    )
    assert login.refused is Refusal.PASSWORD
    assert login.quiet_after is None
    assert login.feed(b"\r\nPassword: ") == b""
    assert login.quiet() == b""


def test_a_verdict_in_first_place_is_believed_at_once() -> None:
    login = play(machine(), (b"Password: ", b"pw\n"))
    login.feed(b"\r\n% Authentication failed\r\n")
    assert login.refused is Refusal.PASSWORD


def test_words_of_refusal_later_on_are_a_suspicion() -> None:
    login = play(machine(), (b"Password: ", b"pw\n"))
    login.feed(b"\r\nNote:\r\nlogin failed\r\n")
    assert login.refused is None
    assert login.suspected is Refusal.PASSWORD
    login.feed(b"3 times since\r\nr1#")
    assert login.done is not None


@pytest.mark.parametrize("split", [whole, bytewise])
@pytest.mark.parametrize(
    "words",
    [
        b"Vty password is not set.\r\n",
        b"Password required, but none set\r\n",
        b"Port already in use\r\n",
        b"\r\nSession limit of users reached.\r\n",
        b"All vty lines are busy\r\n" + b"x\r\n" * 4000,
    ],
)
def test_no_further_session(words: bytes, split: Split) -> None:
    login = machine()
    for piece in split(words):
        login.feed(piece)
    assert login.refused is Refusal.BUSY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "User Access Verification\n\nUsername: ",
        "motd\n% Authentication FAILED",
        "ACCESS denied",
        "all VTY lines are busy",
        "Maximum number of Sessions (5) reached",
        "session limit\nreached",
        "Zugriff für alle: Access Denied",
        "\u0130: Too Many Users",
        "\u017fession limit reached",
        "Only So, a badTHING",
        "only so",
    ],
)
def test_words_are_found_where_re_finds_them(text: str) -> None:
    default = LoginPatterns()
    for pattern in (default.failed, default.refused, "(?i)A BAD[A-Z]", r"(?i)\x41 bad", "Only So"):
        found, expected = Words(pattern).search(text), re.search(pattern, text)
        assert (found and found.span()) == (expected and expected.span()), pattern


def test_asked_for_what_is_not_configured() -> None:
    assert play(machine(user=None), (b"Username: ", b"")).refused is Refusal.NO_USERNAME
    assert play(machine(password=None), (b"Password: ", b"")).refused is Refusal.NO_PASSWORD


def test_a_name_asked_for_twice_is_refused() -> None:
    login = play(machine(), (b"Username: ", b"joe\n"), (b"joe\r\nUsername: ", b""))
    assert login.refused is Refusal.PASSWORD


def nudged(**keys: str | None) -> Login:
    """Return was pressed, and the device was about to speak."""
    login = machine(**keys)  # type: ignore[arg-type]
    assert login.quiet() == b"\n"
    return login


def test_a_question_that_comes_with_a_return_is_answered_when_the_line_has_settled() -> None:
    login = nudged()
    assert login.feed(b"\r\nr1 login: ") == b"", "the Return may be taken for a name"
    assert login.quiet_after == SETTLE_NUDGED
    assert login.feed(b"\r\nr1 login: ") == b""
    assert login.quiet_after == SETTLE_NUDGED
    assert login.quiet() == b"joe\n"
    assert login.feed(b"joe\r\nPassword: ") == b"pw\n", "both questions have been seen: no doubt any more"
    login.feed(b"\r\nr1#")
    assert login.done is not None


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_the_question_that_a_return_caused_is_not_answered_twice(end: bytes) -> None:
    """It comes late, our name is on its way: a second one would be the password."""
    login = nudged()
    play(login, (b"\r\nr1 login: ", b"joe\n"))
    assert login.feed(end + b"\r\nr1 login: ") == b""
    for _ in range(4):
        assert login.quiet() == b""
    assert login.refused is None
    play(login, (b"joe\r\nPassword: ", b"pw\n"), (b"\r\nr1#", b""))
    assert login.done is not None


def test_a_name_asked_for_more_often_than_return_was_pressed_is_refused() -> None:
    login = nudged()
    play(login, (b"\r\nr1 login: ", b"joe\n"))
    assert login.feed(b"\r\nr1 login: ") + login.quiet() == b""
    play(login, (b"joe\r\nr1 login: ", b""))
    assert (login.refused, login.certain) == (Refusal.PASSWORD, True)


def test_a_return_that_was_taken_for_a_name_has_no_password() -> None:
    login = nudged()
    play(
        login,
        (b"Username: \r\nPassword: ", b"\n"),
        (b"\r\n% Login invalid\r\n\r\nUsername: ", b"joe\n"),
        (b"joe\r\nPassword: ", b"pw\n"),
        (b"\r\nr1#", b""),
    )
    assert login.done is not None


def test_nobody_is_asked_for_his_password_for_ever() -> None:
    login = play(nudged(), (b"Username: \r\nPassword: ", b"\n"))
    play(login, (b"\r\nPassword: ", b"\n"), (b"\r\nPassword: ", b"\n"), (b"\r\nPassword: ", b"pw\n"))


def test_a_return_that_was_taken_for_the_password() -> None:
    login = nudged(user=None)
    play(login, (b"Password: ", b"pw\n"))
    assert login.feed(b"\r\n% Bad passwords\r\nPassword: ") == b""
    assert login.quiet() == b""
    assert (login.refused, login.quiet_after) == (None, NUDGE), "ours has not been looked at yet"
    login.feed(b"\r\nr1#")
    assert login.done is not None


def test_a_wrong_password_behind_a_return_is_told_from_silence() -> None:
    login = nudged(user=None)
    play(login, (b"Password: ", b"pw\n"))
    assert login.feed(b"\r\nPassword: ") + login.quiet() + login.quiet() == b""
    assert (login.refused, login.certain) == (Refusal.PASSWORD, False)
    again = nudged(user=None)
    play(again, (b"Password: ", b"pw\n"))
    assert again.feed(b"\r\nPassword: ") + again.quiet() == b""
    again.feed(b"\r\n% Bad passwords\r\n")
    assert (again.refused, again.certain) == (Refusal.PASSWORD, True)


def test_a_wrong_password_on_a_console_is_certain() -> None:
    login = play(nudged(), (b"\r\nr1 login: ", b"joe\n"), (b"joe\r\nPassword: ", b"pw\n"))
    login.feed(b"\r\nLogin incorrect\r\n")
    assert (login.refused, login.certain) == (Refusal.PASSWORD, True)


class Reader:
    """A device that asks after it was spoken to, and reads line by line: every line is the answer to something."""

    def __init__(self, *, asks: str) -> None:
        self.names: list[bytes] = []
        self.passwords: list[bytes] = []
        self.asks = asks  # what follows an empty name

    def read(self, line: bytes) -> bytes:
        if len(self.names) > len(self.passwords):
            self.passwords.append(line)
            good = (self.names[-1], line) == (b"joe", b"pw")
            return b"\r\nr1#" if good else b"\r\nLogin incorrect\r\nlogin: "
        if not line and self.asks == "name":
            return b"\r\nlogin: "
        self.names.append(line)
        return line + b"\r\nPassword: "


@pytest.mark.parametrize(("asks", "lags"), [("name", False), ("name", True), ("password", False)])
@pytest.mark.parametrize("nudges", [1, 2, 3])
@given(data=st.data())
def test_a_slow_device_never_takes_the_name_for_the_password(
    asks: str, lags: bool, nudges: int, data: st.DataObject
) -> None:
    """What it says arrives in any pieces. If it lags, the line settles although it has not read all that we sent."""
    login, device = machine(), Reader(asks=asks)
    typed = b"".join(login.quiet() for _ in range(nudges))
    assert typed == b"\n" * nudges
    said = b"\r\nlogin: "
    for turn in range(30):
        *lines, typed = typed.split(b"\n") if turn or not lags else [typed]
        if lags:
            typed = b"".join(line + b"\n" for line in lines[1:]) + typed
            lines = lines[:1]
        said += b"".join(device.read(line) for line in lines)
        while said and not login.ended:
            cut = data.draw(st.integers(1, len(said)))
            typed += login.feed(said[:cut])
            said = said[cut:]
        if login.ended:
            break
        typed += login.quiet() if lags or not typed else b""
    assert login.done is not None
    assert (device.names[-1], device.passwords[-1]) == (b"joe", b"pw")
    assert b"joe" not in device.passwords
    assert b"pw" not in device.names


def test_over_ssh_a_prompt_is_believed_and_a_question_only_after_silence() -> None:
    login = machine(authenticated=True)
    assert login.feed(b"Mail for user:") == b""
    assert login.quiet_after == SETTLE
    login.feed(b" none\r\nr1#")
    assert login.done is not None
    again = play(
        machine(authenticated=True), (b"\r\nUser: ", b"joe\n"), (b"Password: ", b"pw\n"), (b"\r\nr1>", b"")
    )
    assert again.done is not None


def test_questions_of_the_platform() -> None:
    login = play(
        machine(authenticated=True),
        (b"Do you want to see the software license? [Y/n]: ", b"n"),
        (b"\r\nr1#", b""),
    )
    assert login.done is not None
    secret = machine(authenticated=True)
    secret.feed(b"new secret:")
    assert secret.quiet() == b"\n", "not ours to answer"


def test_an_endless_banner_is_not_kept() -> None:
    login = machine()
    for _ in range(600):
        login.feed(b"banner line\r\n" * 100)
        assert len(login._buffer) <= (1 << 18) + 2000
    play(login, (b"Username: ", b"joe\n"), (b"joe\r\nPassword: ", b"pw\n"), (b"\r\nr1#", b""))
    assert login.done is not None
    assert "r1#" in login.seen()


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30), st.sampled_from([b"Password: ", b"login: ", b"r1#", b"\r\n", b"\x1b["])
        ),
        max_size=10,
    )
)
def test_the_password_is_sent_at_most_once(pieces: list[bytes]) -> None:
    login = machine()
    sent = b""
    for piece in pieces:
        sent += login.feed(piece)
        sent += login.quiet()
    assert sent.count(b"pw") <= 1


def in_turn(*others: tuple[str | None, str | None], line: str | None = None) -> Login:
    """joe logs in, and after him the others."""
    return Login(
        patterns=PATTERNS,
        prompts=Prompts(CISCO),
        username="joe",
        password="pw",
        authenticated=False,
        newline=b"\n",
        further=[functools.partial(_same, other) for other in others],
        line_password=functools.partial(_same, line) if line is not None else None,
    )


def _same(value: Any) -> Any:
    return value


SERVER = ((b"ts1\r\nUsername: ", b"joe\n"), (b"joe\r\nPassword: ", b"pw\n"))


@pytest.mark.parametrize("split", [whole, bytewise])
def test_a_terminal_server_asks_and_then_the_device_behind_it(split: Split) -> None:
    device = ((b"\r\n\r\nr1 login: ", b"ann\n"), (b"ann\r\nPassword: ", b"apw\n"), (b"\r\nr1#", b""))
    login = play(in_turn(("ann", "apw")), *SERVER, *device, split=split)
    assert login.done is not None
    login = play(
        in_turn((None, "apw")), *SERVER, (b"\r\nPassword: ", b"apw\n"), (b"\r\nr1#", b""), split=split
    )
    assert login.done is not None


def test_a_console_behind_a_terminal_server_is_woken() -> None:
    login = play(in_turn(("ann", "apw")), *SERVER, (b"\r\n", b"\n"))
    play(login, (b"\r\nr1 login: ", b"ann\n"), (b"ann\r\nPassword: ", b"apw\n"), (b"\r\nr1#", b""))
    assert login.done is not None


def test_who_is_refused_is_the_last_to_log_in() -> None:
    login = play(in_turn(("ann", "apw")), *SERVER, (b"\r\n% Login invalid\r\n\r\nUsername: ", b""))
    assert login.refused is Refusal.PASSWORD
    login = play(in_turn(("ann", "apw"), ("eve", "epw")), *SERVER, (b"\r\nr1 login: ", b"ann\n"))
    play(login, (b"\r\nPassword: ", b"apw\n"), (b"\r\nLogin incorrect\r\nr1 login: ", b""))
    assert login.refused is Refusal.PASSWORD
    login = play(in_turn(), *SERVER, (b"\r\nr1 login: ", b""))
    assert login.refused is Refusal.PASSWORD


def test_the_password_of_a_line_that_wants_no_name() -> None:
    assert play(in_turn(line="lpw"), (b"\r\nPassword: ", b"lpw\n"), (b"\r\nr1>", b"")).done is not None
    assert play(in_turn(line="lpw"), *SERVER, (b"\r\nr1>", b"")).done is not None
