# SPDX-License-Identifier: Apache-2.0
"""The shell below a command line."""

from __future__ import annotations

import asyncio

import pytest

from aioconn.errors import SessionBroken
from aioconn.platforms.loader import load_platform
from aioconn.protocols.shell import Shell
from aioconn.transport.memory import MemoryPeer, open_memory
from aioconn.wire.login import Login


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
        async with asyncio.timeout(0.5):
            await shell.run(login(shell), b"", heard=shell.take_stray())


async def test_what_was_heard_before_the_end_counts() -> None:
    peer = MemoryPeer()
    shell = Shell(load_platform("iosxe"), where={"device": "r1", "path": "cli"}, on_lost=lambda error: None)
    shell.attach(await open_memory(peer, shell))
    peer.feed(b"\r\nr1#")
    peer.lose()
    talk = login(shell)
    async with asyncio.timeout(0.5):
        await shell.run(talk, b"", heard=shell.take_stray())
    assert talk.done is not None
