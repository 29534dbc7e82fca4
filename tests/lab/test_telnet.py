# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

import pytest
import telnetlib3
from hypothesis import given
from hypothesis import strategies as st

from aioconn.lab import Lab
from aioconn.lab.player import Player
from aioconn.lab.telnet import OPENING, Options
from tests.lab.dialogue import Telnet

IAC = b"\xff"
TYPED = (
    b"show\xff\xfb\x18 clock\r\0"  # WILL TTYPE inside of data
    b"\xff\xfa\x1f\x00\xc8\x00\x32\xff\xf0"  # NAWS 200 x 50
    b"\xff\xff and \xff\xf1 after\xff\xfd\x01\xff\xfd\x03\xff\xfd\x05\xff\xfb\x05\xff\xfb\x05\xff\xf4"
    b"\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0end"
)


@given(st.lists(st.integers(0, len(TYPED)), max_size=10))
def test_options_in_any_split(cuts: list[int]) -> None:
    places = sorted({0, *cuts, len(TYPED)})
    options = Options()
    data = b"".join(options.data(TYPED[start:end]) for start, end in itertools.pairwise(places))
    assert data == b"show clock\r\0\xff and  after\x03end"
    assert options.size == (255, 24)
    assert bytes(options.replies) == b"\xff\xfa\x18\x01\xff\xf0\xff\xfc\x05\xff\xfe\x05"


@given(st.binary(max_size=300))
def test_no_input_breaks_it(data: bytes) -> None:
    options = Options()
    out = b"".join(options.data(data[index : index + 1]) for index in range(len(data)))
    assert out == Options().data(data)
    assert len(out) <= len(data)


async def test_it_negotiates_as_cisco_does() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        client = await Telnet.open(device)
        assert (await client.until(b"Username: ")).startswith(OPENING)
        client.writer.write(
            b"\xff\xfd\x01\xff\xfd\x03\xff\xfb\x1f\xff\xfa\x1f\x00\x84\x00\x00\xff\xf0admin\radmin\r"
        )
        await client.until(b"r1#")
        (player,) = device.players
        assert isinstance(player, Player)
        assert player.shell.width == 132
        await client.close()


async def test_a_client_of_somebody_elses() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        reader: Any
        writer: Any
        reader, writer = await telnetlib3.open_connection(
            "127.0.0.1",
            device.telnet_port or 0,
            client_factory=telnetlib3.TelnetClient,
            encoding=False,
            term="xterm",
            cols=132,
            rows=50,
            connect_maxwait=5,
            compression=False,
        )
        heard = b""
        async with asyncio.timeout(10):
            for typed in (b"", b"admin\r\0", b"admin\r\0", b"show privilege\r\0"):
                writer.write(typed)
                heard = await reader.readuntil_pattern(re.compile(rb"(: |#)$"))
        assert b"15" in heard
        assert [player.shell.width for player in device.players if isinstance(player, Player)] == [132]
        assert writer.remote_option[telnetlib3.ECHO]
        writer.close()
        await writer.wait_closed()


async def test_without_negotiation() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", negotiates=False)
        client = await Telnet.open(device)
        assert IAC not in await client.until(b"Username: ")
        await client.close()


async def test_bytes_of_255_are_doubled() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", personality="linux", login="none", echo="none")
        client = await Telnet.open(device)
        await client.until(b"$ ")
        assert b"a\xff\xffb" in await client.say(r"printf 'a\377b\n'", b"$ ")
        await client.close()


async def test_three_wrong_passwords() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", personality="frr", login="password")
        client = await Telnet.open(device)
        await client.until(b"Password: ")
        for _ in range(2):
            assert await client.say("wrong", b"Password: ") == b"\r\nPassword: "
        client.writer.write(b"wrong\r")
        assert await client.rest() == b"\r\n% Bad passwords, too many failures!\r\n"
        await client.close()
        assert device.sessions == 0


async def test_wrong_then_right() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        client = await Telnet.open(device)
        await client.until(b"Username: ")
        await client.say("admin", b"Password: ")
        assert b"% Login invalid" in await client.say("wrong", b"Username: ")
        await client.say("admin", b"Password: ")
        await client.say("admin", b"r1#")
        await client.close()


async def test_no_login() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", login="none")
        client = await Telnet.open(device)
        await client.until(b"r1#")
        await client.close()


async def test_a_console_is_silent_until_return() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", console=True, negotiates=False)
        client = await Telnet.open(device)
        with pytest.raises(TimeoutError):
            await client_first_byte(client)
        client.writer.write(b"\r")
        await client.until(b"Username: ")
        await client.close()


async def client_first_byte(client: Telnet) -> None:
    async with asyncio.timeout(0.05):
        await client.reader.read(1)


async def test_a_reader_that_stops_is_waited_for() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        await client.say("terminal length 0", b"r1#")
        client.writer.write(b"show lab lines 300000\r")
        got = b""
        while not got.endswith(b"r1#"):
            got = got[-8:] + await client.reader.read(65536)
        client.writer.write(b"show lab bytes 2000000000\r")  # far more than fits anywhere
        await client.reader.read(1000)
        client.writer.write(b"\x03")
        got = b""
        while not got.endswith(b"r1#"):
            got = got[-8:] + await client.reader.read(1 << 20)
        await client.say("show privilege", b"15\r\nr1#")
        await client.close()
