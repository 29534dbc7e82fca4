# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.wire.echo import EchoSearch, find_echo
from aioconn.wire.prompt import Prompts
from tests.wire.device import CISCO, bytewise

PROMPTS = Prompts(CISCO, "r1")
LONG = "show running-config | include interface GigabitEthernet0/0/1 description uplink to the core"


def behind(data: bytes, command: str) -> bytes | None:
    end = find_echo(data, 0, command, PROMPTS)
    return None if end is None else data[end:]


@pytest.mark.parametrize(
    ("echo", "command"),
    [
        (b"show x\r\n", "show x"),
        (b"show x\n", "show x"),
        (b"show x \r\r\n", "show x"),
        (b"show x\r\x00\r\n", "show x"),
        (b" show x\r\n", "show x"),
        (b"\x1b[Kshow x\r\n", "show x"),
        (b"r1# show x\r\n", "show x"),
        (b"r1#show x\r\n", "show x"),
        (b"r1(config-if)# show x\r\n", "show x"),
        (b"\rr1# \x1b[Kshow x\r\n", "show x"),
        (b"sho\x08\x08\x08   \x08\x08\x08show x\r\n", "show x"),
        (b"\x08" * 7 + b" " * 7 + b"\x08" * 7 + b"show x\r\n", "show x"),
        (b"rest of a line\r\n\r\nr1# show x\r\n", "show x"),
        (b"\r\n*Mar  1 00:00:01: %SYS-5-CONFIG_I: by joe\r\nshow x\r\n", "show x"),
        ("description café über 漢字\r\n".encode(), "description café über 漢字"),
        (b"\r\n", ""),
        (b"rest\r\nr1# \r\n", ""),
        (b"rest\r\n\r\nmore\r\nr1# \r\n", ""),
        # readline's wrap, the blank being its own or the command's
        (LONG[:40].encode() + b" \r" + LONG[40:].encode() + b"\r\n", LONG),
        (b"show run \rning-config\r\n", "show running-config"),
        # the same on a terminal with automatic margins, also below telnet
        (LONG[:41].encode() + b"\r" + LONG[40:].encode() + b"\r\n", LONG),
        (b"r1# " + LONG[:41].encode() + b"\r\x00" + LONG[40:].encode() + b"\r\n", LONG),
        # broken by the device at the edge of its window, with and without a prompt
        (LONG[:40].encode() + b"\r\n" + LONG[40:80].encode() + b"\r\n" + LONG[80:].encode() + b"\r\n", LONG),
        (b"r1# " + LONG[:36].encode() + b"\r\n" + LONG[36:].encode() + b"\r\n", LONG),
        (b"rest\r\nr1# " + LONG[:36].encode() + b"\r\n" + LONG[36:].encode() + b"\r\n", LONG),
        # IOS: scrolled sideways, the line repainted behind "$"
        (LONG[:75].encode() + b"\rr1#$" + LONG[30:].encode() + b" " * 20 + b"\x08" * 20 + b"\r\n", LONG),
        (b"r1#$" + LONG[40:].encode() + b"\r\n", LONG),
        (("x" * 5000).encode() + b"\r\n", "x" * 5000),
        (("x" * 3000).encode() + b" \r" + b"x" * 2000 + b"\r\n", "x" * 5000),
    ],
)
@pytest.mark.parametrize("output", [b"", b"show x\r\n", b"r1# show x\r\nr1# ", b"\r\na\r\n"])
def test_what_the_line_editor_made_of_it(echo: bytes, command: str, output: bytes) -> None:
    assert behind(echo + output, command) == output


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"show x",
        b"show x\r",
        b"show xy\r\n",
        b"the output of show x\r\n",
        b"show x is a command\r\n",
        b"r2# show x\r\n",
        b"show\r\ny\r\n",
        b"\r\n",
        b"r1# \r\n",
    ],
)
def test_no_echo(data: bytes) -> None:
    assert behind(data, "show x") is None


@given(
    st.lists(
        st.sampled_from([b"a\r\n", b"\r\n", b"show\r\n", b"r1# \r\n", b"x\x08y\r\n", b"r1# show y\r\n"]),
        max_size=200,
    )
)
def test_leftovers_of_any_length(leftovers: list[bytes]) -> None:
    data = b"".join(leftovers) + b"r1# show x\r\nanswer\r\n"
    assert behind(data, "show x") == b"answer\r\n"
    search = EchoSearch("show x", PROMPTS)
    grown, ends = bytearray(), []
    for byte in bytewise(data):
        grown += byte
        if (end := search.end_in(grown)) is not None:
            ends.append(end)
            break
    assert ends == [len(data) - len(b"answer\r\n")]


def test_behind_a_prompt_only() -> None:
    data = b"show x\r\nrest\r\nr1# show x\r\nanswer\r\n"
    end = EchoSearch("show x", PROMPTS, behind_prompt=True).end_in(data)
    assert end is not None
    assert data[end:] == b"answer\r\n"


def test_a_masked_secret_is_likely() -> None:
    search = EchoSearch("username joe password hunter2", PROMPTS)
    data = b"rest\r\nr1# username joe password *******\r\nmore\r\n"
    assert search.end_in(data) is None
    assert search.likely is not None
    assert data[search.likely :] == b"more\r\n"
    assert search.likely == len(data) - 6


def test_an_endless_line_is_passed_over() -> None:
    assert behind(b"\x08a" * 5_000_000 + b"\r\nr1# show x\r\n", "show x") == b""
