# SPDX-License-Identifier: Apache-2.0
"""NETCONF over TLS, with a simulated device behind a TLS listener."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

import aioconn
from aioconn.errors import (
    CertificateRefused,
    ConnectTimeout,
    HostUnreachable,
    InvalidOption,
    KeyExchangeFailed,
    SessionBroken,
    UsageError,
)
from aioconn.lab import Faults, Lab, LabDevice, authority
from aioconn.lab.netconf import NetconfServer
from aioconn.lab.netconf_session import NetconfSession


class Tls(asyncio.Protocol):
    """What stands between a TLS connection and a session of the lab."""

    def __init__(self, server: NetconfServer) -> None:
        self._server = server
        self._session: NetconfSession | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._session = NetconfSession(self._server, self)
        self._session.start()

    def data_received(self, data: bytes) -> None:
        if self._session is not None:
            self._session.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._session is not None:
            self._session.lost()

    def write_output(self, data: bytes) -> None:
        self._transport.write(data)

    def finish(self, *, reset: bool) -> None:
        (self._transport.abort if reset else self._transport.close)()


Serve = Callable[..., Awaitable[tuple[aioconn.Device, LabDevice]]]


@pytest.fixture
async def serve(lab: Lab, tmp_path: Path) -> AsyncIterator[Serve]:
    """`await serve(context, **keys of the path)`: a device of ours, and what it talks to over TLS."""
    listeners: list[asyncio.Server] = []
    devices: list[aioconn.Device] = []
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authority.authority().pem)

    async def make(context: ssl.SSLContext | None, **keys: Any) -> tuple[aioconn.Device, LabDevice]:
        served = await lab.add(f"r{len(devices)}", protocols=("netconf",))
        server = served.servers["netconf"]
        assert isinstance(server, NetconfServer)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Tls(server), "127.0.0.1", 0, ssl=context)
        listeners.append(listener)
        port = listener.sockets[0].getsockname()[1]
        path = {"protocol": "netconf", "ip": "127.0.0.1", "port": port, "tls": True, "ca_file": str(trusted)}
        devices.append(aioconn.Device(f"r{len(devices)}", connections={"nc": {**path, **keys}}))
        return devices[-1], served

    yield make
    for device in devices:
        await device.manager.destroy_all()
    for listener in listeners:
        listener.close()


def mutual() -> ssl.SSLContext:
    return authority.context(clients=authority.authority())


async def test_with_certificates_on_both_sides(serve: Serve, tmp_path: Path) -> None:
    own = authority.authority().issue(["me"], client=True).write(tmp_path / "me.pem")
    device, served = await serve(mutual(), client_certificate=str(own))
    connection = await device.connect()
    assert connection.session_id == 1
    replies = await asyncio.gather(*(connection.get_config() for _ in range(20)))
    assert len({reply.message_id for reply in replies}) == 20
    text = "".join([piece async for piece in connection.stream_get()])
    assert text.endswith("</rpc-reply>")
    pool = await device.connect(alias="pool", pool_size=2)
    await asyncio.gather(*(pool.get_config() for _ in range(10)))
    served.faults = Faults(reset_after=100)
    with pytest.raises(SessionBroken):
        await connection.get()
    served.faults = Faults()
    assert await connection.get()
    await device.manager.destroy_all()
    async with asyncio.timeout(5):
        while served.sessions:
            await asyncio.sleep(0.01)


async def test_without_a_certificate_of_ours(serve: Serve) -> None:
    device, served = await serve(mutual())
    with pytest.raises(CertificateRefused) as caught:
        await device.connect()
    assert "client_certificate" in str(caught.value.hint)
    assert (caught.value.device, caught.value.path) == ("r0", "nc")
    assert not served.sessions


async def test_a_certificate_of_an_authority_that_is_not_trusted(serve: Serve, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_bytes(authority.Authority("another").pem)
    device, _ = await serve(authority.context(), ca_file=str(other))
    with pytest.raises(CertificateRefused, match="authority"):
        await device.connect()
    device, _ = await serve(authority.context(), ca_file=str(tmp_path / "absent.pem"))
    with pytest.raises(InvalidOption, match="absent"):
        await device.connect()


async def test_no_tls_there(serve: Serve) -> None:
    device, _ = await serve(None)
    with pytest.raises(KeyExchangeFailed, match="does not speak TLS"):
        await device.connect()


async def test_nobody_there_and_a_jump_host(lab: Lab) -> None:
    path = {"protocol": "netconf", "ip": "127.0.0.1", "port": 1, "tls": True, "verify": False}
    device = aioconn.Device("r1", connections={"nc": path})
    with pytest.raises(HostUnreachable):
        await device.connect()
    await lab.add("jump", protocols=("ssh",), forwards=True)
    testbed = lab.testbed()
    testbed["devices"]["r1"] = {"connections": {"nc": {**path, "proxy": "jump"}}}
    async with aioconn.load(testbed) as loaded:
        with pytest.raises(UsageError, match="jump host"):
            await loaded["r1"].connect()


async def test_a_handshake_that_comes_to_no_end(lab: Lab) -> None:
    gone: list[bool] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        gone.append(True)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    path = {"protocol": "netconf", "ip": "127.0.0.1", "port": port, "tls": True, "verify": False}
    device = aioconn.Device("r1", connections={"nc": path})
    with pytest.raises(ConnectTimeout) as caught:
        await device.connect(connect_timeout=0.2)
    assert caught.value.phase == "kex"
    for turns in range(8):
        connecting = asyncio.ensure_future(device.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
    await device.manager.destroy_all()
    server.close()
    assert gone
