# SPDX-License-Identifier: Apache-2.0
"""Local programs on a terminal."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence

import pytest

from aioconn.errors import HostUnreachable, SessionBroken
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.transport.base import Progress, Stream, Terminal
from aioconn.transport.process import open_process
from tests.transport.conftest import Record


async def run(argv: Sequence[str], record: Record) -> Stream:
    return await open_process(argv, record, device="r1", path="con", terminal=Terminal(), progress=Progress())


def all_children() -> set[str]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(file.read().split())


@pytest.fixture(autouse=True)
def here_before() -> None:
    """Such as those that `multiprocessing` keeps."""
    _here_before.clear()
    _here_before.update(all_children())


_here_before: set[str] = set()


def children() -> set[str]:
    return all_children() - _here_before


async def test_cat_and_close() -> None:
    record = Record()
    stream = await run(["cat"], record)
    stream.write(b"hello\n")
    await record.sees(b"hello\r\nhello\r\n")
    began = time.monotonic()
    await stream.close()
    assert time.monotonic() - began < CLOSE_TIMEOUT / 2
    assert record.ends == [None]
    assert not children()
    await stream.close()
    stream.abort()
    stream.write(b"late")
    assert record.ends == [None]


async def test_terminal_and_exit() -> None:
    record = Record()
    stream = await run(["bash", "--norc", "--noprofile"], record)
    stream.write(b"stty size; echo $TERM; tty >/dev/tty; exit 0\n")
    assert await record.ended() is None
    assert b"1000 500" in record.data
    assert b"vt100" in record.data
    assert b"/dev/pts/" in record.data
    assert not children()


async def test_the_last_words_arrive_and_the_status_is_told() -> None:
    record = Record()
    await run(["bash", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo end; exit 3"], record)
    error = await record.ended()
    assert isinstance(error, SessionBroken)
    assert "bash ended with status 3" in str(error)
    assert record.data == b"x" * 300000 + b"end\r\n"


async def test_killed_from_outside() -> None:
    record = Record()
    await run(["bash", "-c", "kill -9 $$"], record)
    assert "by signal 9" in str(await record.ended())


async def test_one_that_ignores_the_hang_up_is_killed() -> None:
    record = Record()
    stream = await run(["bash", "-c", "trap '' HUP; echo ready; while :; do sleep 0.05; done"], record)
    await record.sees(b"ready")
    began = time.monotonic()
    await stream.close()
    assert CLOSE_TIMEOUT / 2 - 0.1 < time.monotonic() - began < CLOSE_TIMEOUT
    assert record.ends == [None]
    assert not children()


async def test_close_cancelled_kills() -> None:
    record = Record()
    stream = await run(["bash", "-c", "trap '' HUP; echo ready; while :; do sleep 0.05; done"], record)
    await record.sees(b"ready")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await stream.close()
    assert await record.ended() is None
    async with asyncio.timeout(5):
        while children():
            await asyncio.sleep(0.01)
    assert record.ends == [None]


async def test_abort() -> None:
    record = Record()
    stream = await run(["cat"], record)
    stream.abort()
    assert record.ends == []
    assert await record.ended() is None
    async with asyncio.timeout(5):
        while children():
            await asyncio.sleep(0.01)
    assert record.ends == [None]


async def test_large_writes_and_pause() -> None:
    record = Record()
    stream = await run(["bash", "-c", "stty raw -echo; echo ready; cat"], record)
    await record.sees(b"ready")
    record.data = b""
    stream.pause_reading()
    data = bytes(range(256)) * 1024
    stream.write(data)
    stream.write(b"!")
    await asyncio.sleep(0.05)
    assert b"\x01" not in record.data
    stream.resume_reading()
    await record.until(lambda record: record.data.endswith(data + b"!"))
    await stream.close()


@pytest.mark.parametrize("argv", [["/no/such/program"], ["nosuchprogram-x"], ["/etc/passwd"], []])
async def test_what_cannot_be_started(argv: list[str]) -> None:
    with pytest.raises(HostUnreachable, match="cannot be started"):
        await run(argv, Record())
