# SPDX-License-Identifier: Apache-2.0
"""The stream without a network."""

from __future__ import annotations

import asyncio

from aioconn.errors import SessionBroken
from aioconn.transport.memory import MemoryPeer, open_memory
from tests.transport.conftest import Record


async def test_conversation() -> None:
    peer = MemoryPeer(lambda data: peer.feed(data.upper()))
    record = Record()
    peer.feed(b"early ")
    stream = await open_memory(peer, record)
    assert peer.open
    assert record.data == b"early "
    stream.write(b"show")
    assert record.data == b"early SHOW"
    assert peer.written == b"show"
    stream.pause_reading()
    peer.feed(b"!")
    assert record.data == b"early SHOW"
    stream.resume_reading()
    assert record.data == b"early SHOW!"
    await stream.close()
    stream.write(b"late")
    peer.feed(b"late")
    peer.lose()
    assert record.ends == [None]
    assert record.data == b"early SHOW!"
    assert peer.written == b"show"
    assert not peer.open


async def test_lost_and_aborted() -> None:
    peer, record, error = MemoryPeer(), Record(), SessionBroken("gone")
    stream = await open_memory(peer, record)
    peer.lose(error)
    stream.abort()
    await stream.close()
    assert record.ends == [error]
    record = Record()
    stream = await open_memory(MemoryPeer(), record)
    stream.abort()
    assert record.ends == []
    await asyncio.sleep(0)
    assert record.ends == [None]
