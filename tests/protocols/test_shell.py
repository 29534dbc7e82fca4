# SPDX-License-Identifier: Apache-2.0
"""The shell below a command line."""

from __future__ import annotations

import asyncio

import pytest

from aioconn.errors import SessionBroken
from aioconn.platforms.loader import load_platform
from aioconn.protocols.shell import Shell
from aioconn.transport.memory import MemoryPeer, open_memory
from aioconn.wire.dialogue import Dialogue
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import Exchange
from aioconn.wire.login import Login
from aioconn.wire.probe import ProbeLine
from aioconn.wire.prompt import Prompts


def login(shell: Shell) -> Login:
    return Login(
        patterns=shell.platform.login,
        prompts=shell.prompts,
        username="joe",
        password="pw",
        authenticated=True,
        newline=b"\n",
    )


@pytest.mark.parametrize("said", [b"", b"Welcome\r\n"])
async def test_a_talk_on_a_stream_that_has_ended_ends_at_once(said: bytes) -> None:
    peer, ends = MemoryPeer(), list[Exception | None]()
    shell = Shell(load_platform("iosxe"), where={"device": "r1", "path": "cli"}, on_lost=ends.append)
    shell.attach(await open_memory(peer, shell))
    peer.feed(said)
    peer.lose()
    assert ends == [None]
    with pytest.raises(SessionBroken):
        async with asyncio.timeout(20):
            await shell.run(login(shell), b"", heard=shell.take_stray())


async def test_what_was_heard_before_the_end_counts() -> None:
    peer = MemoryPeer()
    shell = Shell(load_platform("iosxe"), where={"device": "r1", "path": "cli"}, on_lost=lambda error: None)
    shell.attach(await open_memory(peer, shell))
    peer.feed(b"\r\nr1#")
    peer.lose()
    talk = login(shell)
    async with asyncio.timeout(20):
        await shell.run(talk, b"", heard=shell.take_stray())
    assert talk.done is not None


async def test_what_broke_it_is_told_once() -> None:
    peer = MemoryPeer()
    shell = Shell(load_platform("iosxe"), where={"device": "r1", "path": "vty"}, on_lost=lambda error: None)
    shell.attach(await open_memory(peer, shell))
    peer.lose(SessionBroken("the connection broke", device="r1", path="vty", seen="keepalive timeout"))
    with pytest.raises(SessionBroken) as caught:
        shell.check()
    assert str(caught.value) == (
        "r1 via vty [command]: the session broke: the connection broke; seen: 'keepalive timeout'"
    )


async def test_a_doubtful_prompt_is_proven_while_what_came_with_it_is_streamed() -> None:
    written = bytearray()
    proven = asyncio.Event()

    def take(data: bytes) -> None:
        written.extend(data)
        if b"!aio" in data:
            proven.set()

    peer = MemoryPeer(take)
    platform = load_platform("iosxe")
    shell = Shell(platform, where={"device": "r1", "path": "cli"}, on_lost=lambda error: None)
    shell.attach(await open_memory(peer, shell))
    talk = Exchange(
        "show x",
        prompts=Prompts(platform, "r1"),
        discipline=Discipline.READER,
        dialogue=Dialogue([]),
        make_probe=lambda _: ProbeLine(platform.probe),
        streaming=True,
    )
    shell.begin(talk, talk.start())
    peer.feed(b"show x\r\none\r\ntwo\r\nr2#")
    async with asyncio.timeout(5):
        await shell.more()
        assert talk.take().startswith(b"one")
        await proven.wait()
    shell.end(talk)
    assert written.startswith(b"show x\n!aio")


async def test_a_prompt_with_a_log_message_behind_it_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aioconn.protocols.shell.STALLED_AFTER", 0.02)

    def answer(data: bytes) -> None:
        if data.startswith(b"!aio"):
            peer.feed(data.strip() + b"\r\nr1#")

    peer = MemoryPeer(answer)
    platform = load_platform("iosxe")
    shell = Shell(platform, where={"device": "r1", "path": "cli"}, on_lost=lambda error: None)
    shell.attach(await open_memory(peer, shell))
    for ends in (b"r1#\r\n*Mar 1 00:00:01: %SYS-5-CONFIG_I: x\r\n", b"r1#%LINK-3-UPDOWN: y\r\n"):
        talk = Exchange(
            "show x",
            prompts=Prompts(platform, "r1"),
            discipline=Discipline.READER,
            dialogue=Dialogue([]),
            make_probe=lambda _: ProbeLine(platform.probe),
        )
        asyncio.get_running_loop().call_later(0.01, peer.feed, b"show x\r\none\r\n" + ends)
        async with asyncio.timeout(5):
            await shell.run(talk, talk.start())
        assert talk.answered().text.startswith("one\n")
    shell.abort()
