# SPDX-License-Identifier: Apache-2.0
"""What our connection leaves out of what asyncssh does, and what it does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import asyncssh
import pytest

from aioconn.transport.base import Terminal
from tests.transport.conftest import Connect, Record, Serve

pytestmark = pytest.mark.clock("jumping")


@pytest.fixture
def traced(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that asyncssh can say; our end of a link says whose it is."""
    asyncssh.set_debug_level(3)
    with caplog.at_level(logging.DEBUG, "asyncssh"):
        yield caplog
    asyncssh.set_debug_level(1)


@pytest.mark.parametrize(
    ("cipher", "pads"),
    [
        ("aes128-gcm@openssh.com", False),
        ("aes256-ctr", False),
        ("chacha20-poly1305@openssh.com", False),
        ("aes256-cbc", True),
        ("3des-cbc", True),
    ],
)
async def test_only_a_cipher_that_needs_it_gets_empty_packets_in_between(
    serve: Serve, connect: Connect, traced: pytest.LogCaptureFixture, cipher: str, pads: bool
) -> None:
    world = await serve(encryption_algs=[cipher])
    link = await connect(world, ciphers=(cipher,), legacy=True)
    record = Record()
    stream = await link.open_shell(record, Terminal())
    stream.write(b"hello\n")
    await record.sees(b"HELLO")
    await link.close()
    ours = [line for line in traced.messages if line.startswith("[r1 cli")]
    assert any("Sent MSG_CHANNEL_DATA" in line and "chan=0" in line for line in ours)
    assert any("Received MSG_NEWKEYS" in line for line in ours)
    assert any("Sent MSG_IGNORE" in line for line in ours) == pads


async def test_nothing_is_said_where_nobody_listens(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "asyncssh"):
        await (await connect(await serve())).close()
    assert not caplog.records
    with caplog.at_level(logging.INFO, "asyncssh"):
        await (await connect(await serve())).close()
    assert any("[r1 cli] Auth for user ann succeeded" in line for line in caplog.messages)
    assert all(record.levelno == logging.INFO for record in caplog.records)
