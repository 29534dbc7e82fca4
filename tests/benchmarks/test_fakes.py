# SPDX-License-Identifier: Apache-2.0
"""The servers that pools talk to: whatever way a request arrives in pieces, it is answered the same."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from typing import Any

import pytest

from benchmarks.fakes.answering import Answering
from benchmarks.fakes.postgres import Postgres
from benchmarks.fakes.resp import Resp
from benchmarks.fakes.web import Web


class Recorder(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


def connected(kind: type[Answering[Any]]) -> tuple[Answering[Any], Recorder]:
    session, transport = kind(), Recorder()
    session.connection_made(transport)
    return session, transport


async def answered(kind: type[Answering[Any]], pieces: Iterable[bytes], end: bytes) -> bytes:
    """Everything that was said, the last of it `end`."""
    session, transport = connected(kind)
    for piece in pieces:
        session.data_received(piece)
    try:
        async with asyncio.timeout(5):
            while not transport.written.endswith(end):
                await asyncio.sleep(0.001)
    finally:
        session.connection_lost(None)
    return transport.written


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


START = message(b"", struct.pack("!I", 196608) + b"user\0admin\0database\0postgres\0\0")
SSL = message(b"", struct.pack("!I", 80877103))
SAID = message(b"D", struct.pack("!HI", 1, 6) + b"word-1") + message(b"C", b"SELECT 1\0")
PARSED = (
    message(b"P", b"s1\0select 'word-1'\0\0\0"),
    message(b"D", b"Ss1\0"),
    message(b"B", b"\0s1\0" + bytes(6)),
    message(b"E", b"\0" + bytes(4)),
    message(b"S", b""),
)

TALKS = [
    (
        Web,
        b"GET /turn HTTP/1.1\r\nHost: r1\r\n\r\nGET /word-1 HTTP/1.1\r\nHost: r1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nword-1",
    ),
    (
        Resp,
        b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$6\r\nword-1\r\n*1\r\n$4\r\nPING\r\n",
        b"+PONG\r\n$6\r\nword-1\r\n+PONG\r\n",
    ),
    (
        Postgres,
        SSL + START + message(b"Q", b"BEGIN\0") + message(b"Q", b"select 'word-1'\0"),
        message(b"C", b"BEGIN\0")
        + message(b"Z", b"T")
        + message(b"T", b"\0\1word\0" + struct.pack("!IHIHIH", 0, 0, 25, 0xFFFF, 0xFFFFFFFF, 0))
        + SAID
        + message(b"Z", b"T"),
    ),
    (Postgres, START + b"".join(PARSED), SAID + message(b"Z", b"I")),
]


@pytest.mark.parametrize(
    ("kind", "typed", "end"), TALKS, ids=["http", "redis", "simple query", "parsed query"]
)
async def test_every_cut(kind: type[Answering[Any]], typed: bytes, end: bytes) -> None:
    whole = await answered(kind, [typed], end)
    single = [typed[at : at + 1] for at in range(len(typed))]
    # the first answer of PostgreSQL holds the session's number, which differs
    assert len(await answered(kind, single, end)) == len(whole)
    halves = [answered(kind, [typed[:cut], typed[cut:]], end) for cut in range(1, len(typed))]
    assert {len(said) for said in await asyncio.gather(*halves)} == {len(whole)}


async def test_a_query_is_cancelled_over_another_connection() -> None:
    session, transport = connected(Postgres)
    session.data_received(START)
    at = transport.written.index(b"K\0\0\0\x0c")
    secret = transport.written[at + 5 : at + 13]
    before = len(transport.written)
    session.data_received(message(b"Q", b"BEGIN\0") + message(b"Q", b"select 'word-1'\0"))
    other, asking = connected(Postgres)
    other.data_received(message(b"", struct.pack("!I", 80877102) + secret))
    said = transport.written[before:]
    assert asking.closed
    assert b"57014" in said
    assert b"word-1" not in said
    assert said.endswith(message(b"Z", b"E"))
    session.connection_lost(None)
    other.connection_lost(None)


async def test_what_follows_a_cancelled_execution_is_skipped() -> None:
    session, transport = connected(Postgres)
    session.data_received(START + b"".join(PARSED[:4]))
    before = len(transport.written)
    session.interrupt()
    session.data_received(PARSED[3])
    assert b"57014" in transport.written[before:]
    before = len(transport.written)
    session.data_received(PARSED[4])
    assert transport.written[before:] == message(b"Z", b"I")
    session.connection_lost(None)


async def test_a_session_that_is_lost_answers_nothing() -> None:
    session, transport = connected(Web)
    session.data_received(b"GET /word-1 HTTP/1.1\r\n\r\n")
    session.connection_lost(None)
    await asyncio.sleep(0.02)
    assert transport.written == b""
