# SPDX-License-Identifier: Apache-2.0
"""The lab's gNMI target as part of a lab: its port, its sessions, its end. What it says is tested with our client."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aioconn.errors import MissingDependency, UsageError
from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.gnmi import GnmiServer
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.channel import Channel, Failed
from aioconn.protocols.gnmi.options import GnmiOptions
from aioconn.testbed.testbed import load
from tests.grpc_alive import grpc_alive

__all__ = ["grpc_alive"]

LOGIN = (("username", "admin"), ("password", "admin"))


def channel_to(device: LabDevice) -> Channel:
    return Channel(f"127.0.0.1:{device.ports['gnmi']}", None, GnmiOptions(insecure=True))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_testbed_reaches_it_and_sessions_are_counted(tmp_path: Path) -> None:
    async with Lab() as lab:
        served = await lab.add("r1", protocols=("telnet", "gnmi", "gnmis"))
        assert set(served.ports) == {"telnet", "gnmi", "gnmis"}
        entry = lab.testbed()["devices"]["r1"]["connections"]
        assert list(entry) == ["vty", "gnmi", "gnmi_gnmis"]
        assert entry["gnmi"]["insecure"] is True
        testbed = load(lab.write_testbed(tmp_path / "lab.yaml"))
        device = testbed["r1"]
        for via in ("gnmi", "gnmi_gnmis"):
            session: Any = await device.connect(via=via, alias=via)
            assert (await session.get("/system/config/hostname"))[0].value == "r1"
        assert served.sessions == 2
        assert served.logins == 2
        await device.manager.destroy_all()
        await until(lambda: not served.sessions)


async def test_stopping_ends_everything() -> None:
    lab = Lab()
    await lab.start()
    served = await lab.add("r1", protocols=("gnmi",))
    server = served.servers["gnmi"]
    assert isinstance(server, GnmiServer)
    folder = server._folder
    assert folder is not None
    assert folder.exists()
    channel = channel_to(served)
    await channel.unary(messages.CAPABILITIES, b"", LOGIN, 20)
    lab.remove("r1")
    await lab.stop()
    assert not folder.exists()
    assert not served.sessions
    channel.close()
    await server.close()
    server.cut()


async def test_one_session_too_many() -> None:
    async with Lab() as lab:
        served = await lab.add("r1", protocols=("gnmi",), max_vty=1)
        first, second = channel_to(served), channel_to(served)
        try:
            await first.unary(messages.CAPABILITIES, b"", LOGIN, 20)
            with pytest.raises(Failed, match="UNAVAILABLE"):
                await second.unary(messages.CAPABILITIES, b"", LOGIN, 20)
            assert served.refusals >= 1
        finally:
            first.close()
            second.close()


@pytest.mark.parametrize(
    ("method", "request_bytes", "code"),
    [
        (messages.GET, b"\xff\xff", "INVALID_ARGUMENT"),
        (messages.GET, messages.GetRequest(encoding=1).SerializeToString(), "UNIMPLEMENTED"),
        ("/gnmi.gNMI/Other", b"", "UNIMPLEMENTED"),
    ],
)
async def test_calls_that_are_none(method: str, request_bytes: bytes, code: str) -> None:
    async with Lab() as lab:
        channel = channel_to(await lab.add("r1", protocols=("gnmi",)))
        try:
            with pytest.raises(Failed) as caught:
                await channel.unary(method, request_bytes, LOGIN, 20)
            assert caught.value.code == code
        finally:
            channel.close()


async def test_every_call_needs_the_password() -> None:
    async with Lab() as lab:
        channel = channel_to(await lab.add("r1", protocols=("gnmi",)))
        try:
            for login in ((), (("username", "admin"),), (("username", "admin"), ("password", "x"))):
                with pytest.raises(Failed, match="UNAUTHENTICATED"):
                    await channel.unary(messages.GET, b"", login, 20)
        finally:
            channel.close()


async def test_a_reset_in_the_middle_of_an_answer() -> None:
    async with Lab() as lab:
        served = await lab.add("r1", protocols=("gnmi",))
        channel = channel_to(served)
        try:
            await channel.unary(messages.CAPABILITIES, b"", LOGIN, 20)
            served.faults = Faults(reset_after=100)
            with pytest.raises(Failed, match="UNAVAILABLE"):
                await channel.unary(messages.GET, b"", LOGIN, 20)
        finally:
            channel.close()


async def test_an_edit_over_gnmi_shows_on_the_command_line() -> None:
    async with Lab() as lab:
        served = await lab.add("r1", personality="juniper_junos", protocols=("gnmi",))
        channel = channel_to(served)
        path = messages.Path(elem=[{"name": "system"}, {"name": "config"}, {"name": "hostname"}])
        update = messages.Update(path=path, val=messages.TypedValue(json_ietf_val=b'"r7"'))
        try:
            request = messages.SetRequest(update=[update]).SerializeToString()
            await channel.unary(messages.SET, request, LOGIN, 20)
        finally:
            channel.close()
        assert "host-name r7;" in served.hierarchy.render([])
        assert served.host == "r7"


async def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Lab() as lab:
        for name in list(sys.modules):
            if name == "aioconn.lab.gnmi" or name.startswith(("aioconn.protocols.gnmi", "grpc")):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "grpc", None)
        with pytest.raises(MissingDependency) as caught:
            await lab.add("r1", protocols=("gnmi",))
        assert caught.value.hint == "pip install 'aioconn[gnmi]'"
        assert "r1" not in lab.devices


async def test_a_protocol_that_nobody_speaks() -> None:
    async with Lab() as lab:
        with pytest.raises(UsageError, match="no protocol 'gnmy'") as caught:
            await lab.add("r1", protocols=("gnmy",))
        assert "gnmi" in str(caught.value.hint)
