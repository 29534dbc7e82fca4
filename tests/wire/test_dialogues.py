# SPDX-License-Identifier: Apache-2.0
"""Recorded dialogues, played through the engine in every split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.platforms.model import Login as LoginPatterns
from aioconn.platforms.model import Platform
from aioconn.wire.dialogue import Answer
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import Exchange
from aioconn.wire.login import Login, Refusal
from aioconn.wire.prompt import Prompts
from tests.examples import examples
from tests.wire import dialogues
from tests.wire.device import CISCO, LINUX, Split, at, bytewise, exchange, whole
from tests.wire.dialogues import Turn


class Replay:
    """Plays a recording to one talk after the other; what a talk leaves comes to the next, late."""

    def __init__(self, turns: Sequence[Turn], split: Split) -> None:
        self.turns = list(turns)
        self.prompts: Prompts | None = None
        self._split = split
        self._left: list[bytes] = []

    def run(self, talk: Exchange | Login, opening: bytes) -> None:
        pending = opening
        while not talk.ended:
            if pending:
                assert self.turns
                assert self.turns.pop(0) == (">", pending)
                pending = b""
            arriving, self._left = self._left, []
            if not arriving and self.turns and self.turns[0][0] == "<":
                arriving = list(self._split(self.turns.pop(0)[1]))
            for index, piece in enumerate(arriving):
                pending += talk.feed(piece)
                if talk.ended:
                    self._left = arriving[index + 1 :]
                    break
            stuck = not pending and [kind for kind, _ in self.turns[:1]] == [">"]
            if not arriving or (stuck and not self._left and not talk.ended):
                assert talk.quiet_after is not None, f"both wait: {talk.seen()!r}, {self.turns[:1]}"
                pending += talk.quiet()
        assert not pending


def log_in(
    replay: Replay, platform: Platform, password: str | None, user: str | None = None, *, ssh: bool = False
) -> Login:
    login = Login(
        patterns=platform.login,
        prompts=Prompts(platform),
        username=user,
        password=password,
        authenticated=ssh,
        newline=b"\r",
    )
    replay.run(login, b"")
    return login


@dataclass
class Session:
    """Commands through a recording, each with the prompts that the one before has taught."""

    replay: Replay
    platform: Platform
    host: str | None = None
    discipline: Discipline = Discipline.READER
    modes: list[str] = field(default_factory=list)

    def run(self, command: str, *answers: Answer) -> str:
        talk = exchange(
            command,
            self.discipline,
            platform=self.platform,
            host=self.host,
            answers=answers,
            provable=False,
            newline=b"\r",
        )
        self.replay.run(talk, talk.start())
        assert talk.done is not None, talk.refused
        self.modes.append(talk.done.mode)
        self.host = talk.done.host or self.host
        raw = talk.answered()
        return raw.text


def enable(secret: bytes = b"enablepw\r") -> Answer:
    return Answer(pattern=r"(?i)password:\s*$", send=secret, secret=True)


def zebra(split: Split) -> list[object]:
    turns = list(dialogues.FRR_ZEBRA_VTY_TELNET)
    # a person's question mark, line kill and "q" at the pager are left out
    stop = turns.index((">", b"show interface\r"))
    begin = turns.index((">", b"terminal length 0\r"))
    end = turns.index((">", b"sho ver?"))
    again = turns.index((">", b"configure terminal\r"))
    last = turns.index((">", b"exit\r"))
    replay = Replay([*turns[:stop], *turns[begin:end], *turns[again:last]], split)
    login = log_in(replay, CISCO, "zebra")
    assert login.done is not None
    session = Session(replay, CISCO, login.done.host)
    texts = [session.run("enable", enable())]
    texts += [
        session.run("show version"),
        session.run("terminal length 0"),
        session.run("show running-config"),
    ]
    texts += [
        session.run(line) for line in ("configure terminal", "interface lo", "description spare", "end")
    ]
    return [login.done.mode, *texts, *session.modes, len(replay.turns)]


def bgpd(split: Split) -> list[object]:
    turns = list(dialogues.FRR_BGPD_VTY_TELNET)
    refused = turns.index((">", b"nope\r"))
    replay = Replay([*turns[:refused], *turns[refused + 2 : -2]], split)
    login = log_in(replay, CISCO, "zebra")
    session = Session(replay, CISCO, login.done.host if login.done else None)
    texts = [session.run("enable", enable())]
    for line in ("terminal length 0", "show bgp summary", "show bgp neighbors", "show bgp summary json"):
        texts.append(session.run(line))
    for line in ("configure terminal", "router bgp 65001", "neighbor 198.51.100.2 password s3cret", "bogus"):
        texts.append(session.run(line))
    return [*texts, session.run("address-family ipv4 unicast"), session.run("end"), *session.modes]


def ospfd(split: Split) -> list[object]:
    turns = list(dialogues.FRR_OSPFD_MOTD_NOLOGIN_IDLE)
    # the text of the day runs into the prompt: Return brings one that stands alone
    replay = Replay(
        [turns[0], (">", b"\r"), ("<", b"\r\nr1-ospfd> "), *turns[1:4], ("<", b"show ip ospf\r\nr1-ospfd# ")],
        split,
    )
    login = log_in(replay, CISCO, None)
    assert login.done is not None
    session = Session(replay, CISCO, login.done.host)
    return [login.done.text, session.run("enable"), session.run("show ip ospf"), *session.modes]


def vtysh(split: Split) -> list[object]:
    turns = list(dialogues.FRR_VTYSH_SSH)
    asked = turns.index((">", b"sho ver?"))
    killed = turns.index((">", b"\x15configure terminal\r"))
    # the line is killed and repainted: "\rr1# ESC[K" and then the echo
    replay = Replay([*turns[:asked], (">", b"configure terminal\r"), *turns[killed + 1 : -2]], split)
    login = log_in(replay, CISCO, None, ssh=True)
    session = Session(replay, CISCO, login.done.host if login.done else None)
    texts = [session.run(turn[1].decode().strip()) for turn in turns[1:asked:2]]
    for line in (
        "configure terminal",
        "interface lo",
        "description via-vtysh",
        "end",
        "write memory",
        "disable",
        "enable",
    ):
        texts.append(session.run(line))
    return [*texts, *session.modes]


def console_vtysh(split: Split) -> list[object]:
    replay = Replay(dialogues.CONSOLE_SER2NET_VTYSH[:-2], split)
    login = log_in(replay, CISCO, None)
    return [Session(replay, CISCO, login.done.host if login.done else None).run("show version")]


def bash(turns: Sequence[Turn], *, user: str | None = "joe") -> Callable[[Split], list[object]]:
    def play(split: Split) -> list[object]:
        replay = Replay(turns, split)
        login = log_in(replay, LINUX, "joepass", user, ssh=user is None)
        assert login.done is not None, login.refused
        session = Session(replay, LINUX, login.done.host)
        texts = []
        while replay.turns and (line := replay.turns[0][1]) != b"exit\r":
            texts.append(session.run(line.decode().strip()))
        return [login.done.text, *texts, *session.modes]

    return play


SU = dialogues.OPENSSH_BASH_SHELL.index((">", b"su - aioexp\r"))
PLAYS = {
    "zebra": zebra,
    "bgpd": bgpd,
    "ospfd": ospfd,
    "vtysh": vtysh,
    "console_vtysh": console_vtysh,
    "inetutils": bash(dialogues.TELNETD_INETUTILS_LOGIN),
    "netkit": bash(dialogues.TELNETD_NETKIT_LOGIN),
    "busybox": bash(dialogues.TELNETD_BUSYBOX_LOGIN),
    "console_login": bash(dialogues.CONSOLE_SER2NET_LOGIN),
    "openssh": bash(dialogues.OPENSSH_BASH_SHELL[:SU], user=None),
}


@pytest.fixture(params=PLAYS)
def play(request: pytest.FixtureRequest) -> Callable[[Split], list[object]]:
    return PLAYS[request.param]


def test_in_pieces_of_one_byte(play: Callable[[Split], list[object]]) -> None:
    assert play(bytewise) == play(whole)


def test_split_at_every_byte(play: Callable[[Split], list[object]]) -> None:
    expected = play(whole)
    for position in range(longest(play)):
        assert play(cut_at(position)) == expected, position


def longest(play: Callable[[Split], list[object]]) -> int:
    sizes = []

    def measure(data: bytes) -> list[bytes]:
        sizes.append(len(data))
        return [data]

    play(measure)
    return max(sizes)


def cut_at(position: int) -> Split:
    return lambda data: [piece for piece in (data[:position], data[position:]) if piece]


@given(st.sampled_from(sorted(PLAYS)), st.lists(st.integers(0, 3000), max_size=8))
@examples(200)
def test_any_split(name: str, cuts: list[int]) -> None:
    assert PLAYS[name](at(*cuts)) == PLAYS[name](whole)


def test_the_pager_of_a_vty_costs_no_character() -> None:
    mode, enabled, version, quiet, config, *_ = zebra(whole)
    assert (mode, enabled, quiet) == ("user", "Password: ", "")
    assert isinstance(version, str)
    assert "'--disable-scripting' '--disable-pim6d'" in version
    assert version.startswith("FRRouting 8.4.4 (r1) on Linux")
    assert version.endswith("'PYTHON=python3'")
    assert "More" not in version
    unpaged = vtysh(whole)[0]
    assert version == unpaged
    assert isinstance(config, str)
    assert config.startswith("Current configuration:\n!\n")
    assert config.endswith("exit\n!\nend")


def test_modes_are_seen() -> None:
    assert zebra(whole)[-9:] == [*["privileged"] * 4, *["config"] * 3, "privileged", 0]


def test_bash_says_what_it_said() -> None:
    for name in ("inetutils", "netkit", "busybox"):
        prompt, hello, version, system, ticks, *_ = PLAYS[name](whole)
        assert prompt == "joe@vm:~$"
        assert hello == "hello xterm\n50 200"
        assert version == "12.11"
        assert system == "Linux 6.1.0-18-amd64"
        assert ticks == "tick 1\ntick 2\ntick 3"
    assert PLAYS["openssh"](whole)[1:3] == ["hello\n50 200", "tick 1\ntick 2\ntick 3"]
    assert PLAYS["console_login"](whole)[1] == "/dev/pts/1\nLinux"


def test_the_text_of_the_day_is_no_prompt() -> None:
    assert ospfd(whole) == ["r1-ospfd>", "", "", "privileged", "privileged"]


@pytest.mark.parametrize("split", [whole, bytewise])
def test_a_wrong_password_is_tried_once(split: Split) -> None:
    replay = Replay(dialogues.FRR_VTY_BAD_PASSWORD, split)
    assert log_in(replay, CISCO, "wrong").refused is Refusal.PASSWORD
    assert replay.turns[0] == (">", b"wrong2\r")
    replay = Replay(dialogues.TELNETD_INETUTILS_BAD_LOGIN, split)
    assert log_in(replay, LINUX, "bad", "joe").refused is Refusal.PASSWORD
    assert replay.turns[0] == (">", b"joe\r")


@pytest.mark.parametrize("split", [whole, bytewise])
def test_a_vty_without_a_password_takes_nobody(split: Split) -> None:
    replay = Replay(dialogues.FRR_STATICD_NO_PASSWORD, split)
    assert log_in(replay, CISCO, "zebra").refused is Refusal.BUSY


@pytest.mark.parametrize("split", [whole, bytewise])
def test_a_refused_enable_secret_is_sent_once(split: Split) -> None:
    replay = Replay(dialogues.FRR_BGPD_VTY_TELNET, split)
    log_in(replay, CISCO, "zebra")
    talk = exchange("enable", host=None, answers=[enable(b"nope\r")], newline=b"\r")
    replay.run(talk, talk.start())
    assert talk.refused == "Password:"
    assert replay.turns[0] == (">", b"enablepw\r")


def test_the_patterns_are_the_platforms() -> None:
    assert CISCO.login == LoginPatterns()
