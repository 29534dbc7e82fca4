# SPDX-License-Identifier: Apache-2.0
"""What our connection leaves out of what asyncssh does, and what it does not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import asyncssh
import pytest

from aioconn.transport.base import Terminal
from aioconn.transport.ssh_connection import Connection
from tests.transport.conftest import Connect, Record, Serve
from tests.transport.test_outbox import Wire

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
    assert any("Received MSG_CHANNEL_DATA" in line and "chan=0" in line for line in ours)
    assert any("Received MSG_NEWKEYS" in line for line in ours)
    assert any("Sent MSG_IGNORE" in line for line in ours) == pads


async def test_nothing_is_said_where_nobody_listens(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "asyncssh"):
        link = await connect(await serve())
        await (await connect(await serve())).close()
    assert not caplog.records
    with caplog.at_level(logging.INFO, "asyncssh"):  # whenever somebody begins to
        await link.close()
    assert any("[r1 cli] Closing connection" in line for line in caplog.messages)
    with caplog.at_level(logging.INFO, "asyncssh"):
        await (await connect(await serve())).close()
    assert any("[r1 cli] Auth for user ann succeeded" in line for line in caplog.messages)
    assert all(record.levelno == logging.INFO for record in caplog.records)


async def test_what_arrives_is_answered_in_one_piece_and_at_once() -> None:
    wire = Wire()
    loop = asyncio.get_running_loop()
    options = asyncssh.SSHClientConnectionOptions(
        config=None, client_keys=None, known_hosts=None, login_timeout=0
    )
    options.waiter = loop.create_future()
    connection = Connection(loop, options, name="r1 cli")
    connection.connection_made(wire)  # type: ignore[arg-type]  # all of a transport that is used
    assert [piece[:8] for piece in wire.said] == [b"SSH-2.0-"]
    unknown = (12).to_bytes(4, "big") + bytes([10, 15]) + bytes(10)  # a packet of type 15: not implemented
    connection.data_received(b"SSH-2.0-peer\r\n" + unknown)
    assert len(wire.said) == 2
    answer = wire.said[1]
    assert isinstance(answer, bytes)
    assert (answer[5], answer[-11]) == (20, 3)  # MSG_KEXINIT, MSG_UNIMPLEMENTED
    assert not connection.outbox.holding
    with pytest.raises(TypeError):
        connection.data_received(None)  # type: ignore[arg-type]
    assert not connection.outbox.holding
    connection.abort()
    await connection.wait_closed()
