# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.platforms.loader import load_platform
from aioconn.platforms.model import Mode, Platform
from aioconn.wire.prompt import Prompts, Strength, raw_begin
from tests.wire.device import CISCO, JUNOS, LINUX, SRL, SROS

ANY, R1 = Prompts(CISCO), Prompts(CISCO, "r1")


@pytest.mark.parametrize(
    ("data", "mode", "host"),
    [
        (b"r1>", "user", "r1"),
        (b"\r\nr1# ", "privileged", "r1"),
        (b"r1#\x00", "privileged", "r1"),
        (b"r1#\x07", "privileged", "r1"),
        (b"x\r\n\rr1# \x1b[K", "privileged", "r1"),
        (b"\x1b[1mr1\x1b[m# ", "privileged", "r1"),
        (b"--More--\x08\x08\x08\x08\x08\x08\x08\x08        \r r1\x08\x08\x08r1# ", "privileged", "r1"),
        (b"a-b.example.net(config-if)#", "config", "a-b.example.net"),
        (b"RP/0/RP0/CPU0:r1#", "privileged", "RP/0/RP0/CPU0:r1"),
    ],
)
def test_any_name_before_one_is_learned(data: bytes, mode: str, host: str) -> None:
    match = ANY.at_end(data)
    assert match is not None
    assert (match.mode, match.host, match.strength) == (mode, host, Strength.SURE)
    assert match.line_begin == data.rfind(b"\n") + 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"r1#\r",
        b"r1# \r\x00",
        b"r1#\r\n",
        b"r1#x",
        b"two words#",
        b"r1# \x1b[",
        b"r1#\x1b]0;t",
        b"#",
        b"\xff#",
        b"r1#\x1b[m\r",
    ],
)
def test_no_prompt(data: bytes) -> None:
    assert ANY.at_end(data) is None
    assert R1.at_end(data) is None


def test_the_learned_name_is_sure_and_others_are_not() -> None:
    for data, strength in (
        (b"r1#", Strength.SURE),
        (b"r2#", Strength.DOUBTFUL),
        (b"r11#", Strength.DOUBTFUL),
    ):
        match = R1.at_end(b"x\r\n" + data)
        assert match is not None
        assert match.strength is strength
        assert match.host == data[:-1].decode()
    assert R1.learned("r1") is R1
    assert R1.learned("r2").host == "r2"


def test_an_output_that_runs_into_the_prompt_is_doubtful() -> None:
    data = b"a\r\nthe last line.r1# "
    match = R1.at_end(data)
    assert match is not None
    assert match.strength is Strength.DOUBTFUL
    assert data[match.begin :] == b"r1# "
    assert ANY.at_end(data) is None


def test_an_echo_behind_a_prompt_that_shows_the_user_apart() -> None:
    prompts = Prompts(load_platform("junos"), "me@r1")
    assert prompts.at_end(b"me@r1> ") is not None  # the last one seen is not the one in front of the echo
    assert prompts.cut_prefix("me@r1:~ % cli") == "cli"
    assert prompts.cut_prefix("me@r2:~ % cli") is None


def test_the_user_is_a_part_of_the_name() -> None:
    match = Prompts(LINUX).at_end(b"me@r1:~$ ")
    assert match is not None
    assert match.host == "me@r1"
    learned = Prompts(LINUX, match.host)
    again = learned.at_end(b"two" + b"me@r1:~$ ")
    assert again is not None
    assert again.strength is Strength.DOUBTFUL
    assert learned.tail(again.text) == "me@r1:~$"
    fixed = Prompts(SROS).at_end(b"[/]\r\nA:admin@pe1# ")
    assert fixed is not None
    assert fixed.host == "pe1", "where the pattern wants a user the name stands alone"


LONG = "datacenter-north-switch-01"


@pytest.mark.parametrize("shown", [LONG, LONG[:20], LONG[:16]])
def test_a_long_name_may_be_cut_short(shown: str) -> None:
    match = Prompts(CISCO, LONG).at_end(f"{shown}(config)#".encode())
    assert match is not None
    assert (match.strength, match.host) == (Strength.SURE, LONG)


@pytest.mark.parametrize("shown", [LONG[:15], LONG[:-1] + "2", LONG[:20] + "x", LONG + "1"])
def test_a_sibling_of_a_long_name_is_another(shown: str) -> None:
    match = Prompts(CISCO, LONG).at_end(f"{shown}#".encode())
    assert match is not None
    assert match.strength is Strength.DOUBTFUL


def test_a_prompt_without_the_name_is_doubtful_where_there_is_place_for_it() -> None:
    loose = Platform(
        name="loose",
        default_mode="shell",
        modes={
            "shell": Mode(name="shell", prompt=r"(?:{host}:\S*)?[$#]"),
            "rom": Mode(name="rom", prompt=r"rommon \d+ >"),
        },
    )
    prompts = Prompts(loose, "r1")
    for data, strength in (
        (b"r1:~$ ", Strength.SURE),
        (b"\r\n# ", Strength.DOUBTFUL),
        (b"rommon 1 > ", Strength.SURE),
    ):
        match = prompts.at_end(data)
        assert match is not None
        assert match.strength is strength, data
    assert prompts.at_end(b"100 #") is None
    nameless = Prompts(loose).at_end(b"\r\n# ")
    assert nameless is not None
    assert nameless.host == ""


@pytest.mark.parametrize(
    ("platform", "data", "mode", "begin"),
    [
        (JUNOS, b"x\r\n\r\n[edit]\r\nroot@r1# ", "config", 5),
        (JUNOS, b"x\r\n{master:0}[edit system]\r\nroot@r1# ", "config", 3),
        (JUNOS, b"x\r\nroot@r1> ", "cli", 3),
        (JUNOS, b"x\r\n{master}\r\nroot@r1> ", "cli", 3),
        (JUNOS, b"x\r\n[edit]\r\nroot@r1> ", "cli", 11),
        (SRL, b"x\r\n--{ + running }--[ network-instance default ]--\r\nA:srl1# ", "running", 3),
        (SRL, b"x\r\n--{ * candidate shared default }--[  ]--\r\nA:srl1# ", "config", 3),
        (SROS, b"x\r\n\r\n[/]\r\nA:admin@pe1# ", "cli", 5),
        (SROS, b'x\r\n*(ex)[/configure router "Base"]\r\nA:admin@pe1# ', "config", 3),
        (SROS, b"x\r\n*A:pe1# ", "classic", 3),
        (SROS, b"[/]\r\nA:admin@pe1# ", "cli", 0),
    ],
)
def test_the_line_above_tells_the_mode(platform: Platform, data: bytes, mode: str, begin: int) -> None:
    first = Prompts(platform).at_end(data)
    assert first is not None
    for prompts in (Prompts(platform), Prompts(platform, first.host)):
        match = prompts.at_end(data)
        assert match is not None
        assert (match.mode, match.begin, match.strength) == (mode, begin, Strength.SURE)


def test_a_leader_that_was_answered_is_none() -> None:
    data = b"[edit]\r\nroot@r1# "
    match = Prompts(JUNOS).at_end(data, 8)
    assert match is not None
    assert match.begin == 8


def test_a_line_without_an_end_is_at_most_doubtful() -> None:
    match = R1.at_end(b"x" * 509 + b"r1#")
    assert match is not None
    assert match.strength is Strength.DOUBTFUL
    wide = Platform(name="w", default_mode="m", modes={"m": Mode(name="m", prompt=r"{host}[^#]*#")})
    cut = Prompts(wide).at_end(b"x" * 1000 + b"#")
    assert cut is not None
    assert cut.strength is Strength.DOUBTFUL


def test_tail_and_prefix() -> None:
    assert R1.tail("r1#") == "r1#"
    assert R1.tail("xr1#") == "r1#"
    assert R1.tail("r2#") is None
    assert ANY.tail("r2#") == "r2#"
    assert ANY.tail("x r2#") is None
    assert R1.cut_prefix("r1(config)# show x") == "show x"
    assert R1.cut_prefix("r2# show x") is None
    assert R1.is_prompt("r1#")
    assert not R1.is_prompt("r1# x")
    assert Prompts(JUNOS).is_leader("[edit]")
    assert not ANY.is_leader("[edit]")


@pytest.mark.parametrize(
    ("line", "prompt", "begin"),
    [
        (b"endr1# ", "r1#", 3),
        (b"end\x1b[32mr1\x1b[m# ", "r1#", 3),
        (b"\x1b[32mr1\x1b[m# ", "r1#", 0),
        (b"r1# r1# ", "r1#", 4),
    ],
)
def test_raw_begin(line: bytes, prompt: str, begin: int) -> None:
    assert raw_begin(line, 0, len(line), prompt) == begin


@given(st.binary(max_size=60), st.sampled_from([b"r1# ", b"r2#", b"xr1#", b"\x1b[mr1#", b""]))
def test_any_bytes(head: bytes, tail: bytes) -> None:
    data = head + tail
    for prompts in (ANY, R1, Prompts(JUNOS, "r1"), Prompts(LINUX, "r1")):
        if (match := prompts.at_end(data)) is not None:
            assert 0 <= match.begin <= len(data)
            assert match.line_begin == data.rfind(b"\n") + 1


PIECES = [
    b"r1#",
    b"r1# ",
    b"r1(config)#",
    b"r1>",
    b"r2#",
    b"\r\n",
    b"\n",
    b"a",
    b"\x1b[m",
    b"me@r1:~$ ",
    b"#",
]


@pytest.mark.parametrize(
    ("platform", "host"), [(CISCO, "r1"), (CISCO, None), (LINUX, "me@r1"), (JUNOS, "r1")]
)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(PIECES), max_size=5).map(b"".join), st.integers(0, 6)), max_size=6
    )
)
def test_what_was_seen_before_changes_nothing(
    platform: Platform, host: str | None, seen: list[tuple[bytes, int]]
) -> None:
    """The prompt that was found last is looked for first."""
    used = Prompts(platform, host)
    for data, start in seen:
        start = min(start, len(data))
        assert used.at_end(bytearray(data), start) == Prompts(platform, host).at_end(data, start)
