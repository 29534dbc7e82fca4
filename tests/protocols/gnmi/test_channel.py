# SPDX-License-Identifier: Apache-2.0
"""gRPC channels: what forked children must not do to those of their parent, and what errors must not keep alive."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from aioconn.lab import Faults
from aioconn.protocols.gnmi import messages, requests
from aioconn.protocols.gnmi.channel import Channel, Failed, target_of
from aioconn.protocols.gnmi.options import GnmiOptions
from aioconn.protocols.gnmi.requests import Subscription
from tests.forking import Child
from tests.lab_thread import LabThread

LOGIN = (("username", "admin"), ("password", "admin"))


@pytest.mark.parametrize(
    ("host", "target"),
    [
        ("192.0.2.1", "ipv4:192.0.2.1:9339"),
        ("2001:db8::1", "ipv6:[2001:db8::1]:9339"),
        ("fe80::1%eth0", "ipv6:[fe80::1%25eth0]:9339"),
        ("r1.example", "dns:///r1.example:9339"),
    ],
)
def test_addresses_as_grpc_writes_them(host: str, target: str) -> None:
    assert target_of(host, 9339) == target


async def test_a_forked_child_disturbs_nothing(tmp_path: Path) -> None:
    with LabThread(tmp_path) as lab:
        served = lab.add("r1", protocols=("gnmi",))
        channel = Channel(target_of("127.0.0.1", served.ports["gnmi"]), None, GnmiOptions(insecure=True))
        held: list[Any] = [channel, channel.stream(messages.SUBSCRIBE, LOGIN)]
        wanted = requests.subscribe(
            "/system/config/hostname",
            mode="stream",
            common=Subscription(path="", trigger="on_change"),
            encoding="json",
            prefix=None,
            origin="",
            updates_only=True,
        )
        try:
            async with asyncio.timeout(20):
                await held[1].write(wanted.SerializeToString())
                assert await held[1].read()

            def work(_: Child) -> str:
                held.pop().end()
                held.pop().close()
                gc.collect()
                return "let go"

            assert await asyncio.to_thread(Child(work).result) == "let go"

            async def rename() -> None:
                served.configure((), "hostname r2")

            lab.call(rename())
            async with asyncio.timeout(20):
                assert b"r2" in await held[1].read()
                assert b"r2" in await channel.unary(messages.GET, b"", LOGIN, 20)
        finally:
            channel.close()


async def test_an_error_keeps_no_connection_open(tmp_path: Path) -> None:
    with LabThread(tmp_path) as lab:
        served = lab.add("r1", protocols=("gnmi",), faults=Faults(wrong_password=True))
        channel = Channel(target_of("127.0.0.1", served.ports["gnmi"]), None, GnmiOptions(insecure=True))
        with pytest.raises(Failed) as caught:
            await channel.unary(messages.GET, b"", LOGIN, 20)
        channel.close()
        channel.close()
        assert await asyncio.to_thread(lab.wait_for, lambda: not served.sessions, 20)
        assert caught.value.code == "UNAUTHENTICATED"
