# SPDX-License-Identifier: Apache-2.0
"""gNMI with the other side made by somebody else: a target of pygnmi's messages, and pygnmi as a client of the lab."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.errors import GnmiError, NotCapable
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.connection import GnmiConnection
from aioconn.testbed.device import Device
from tests.grpc_alive import grpc_alive
from tests.integration.servers import needs
from tests.lab_thread import LabThread

__all__ = ["grpc_alive"]

pytestmark = pytest.mark.integration


def program(name: str, *arguments: str) -> subprocess.Popen[str]:
    """In a process of its own: gRPC's synchronous side leaves threads behind."""
    if importlib.util.find_spec("pygnmi") is None:
        needs.missing("pygnmi is not installed")
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "servers" / name), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def target() -> Iterator[int]:
    """The port of a target."""
    with program("gnmi_target.py") as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.communicate(timeout=20)


@pytest.fixture
async def session(target: int) -> AsyncIterator[GnmiConnection]:
    device = Device(
        "r1",
        connections={"gnmi": {"protocol": "gnmi", "ip": "127.0.0.1", "port": target, "insecure": True}},
        credentials={"default": {"username": "me", "password": "word"}},
    )
    try:
        session = await device.connect()
        assert isinstance(session, GnmiConnection)
        yield session
    finally:
        await device.manager.destroy_all()


async def test_our_client_and_their_target(session: GnmiConnection) -> None:
    assert (await session.get("/who"))[0].value == {"username": "me", "password": "word"}
    found = await session.capabilities()
    assert (found.version, found.encodings) == ("0.8.0", ("json_ietf", "proto"))
    assert [model.name for model in found.models] == ["some-model"]
    assert [each.value for each in await session.get("/system/hostname")] == ["elsewhere"]
    assert [each.value for each in await session.get("octets", prefix="/counter", encoding="proto")] == [7]
    with pytest.raises(GnmiError, match="NOT_FOUND: no nothing"):
        await session.get("/nothing")
    with pytest.raises(NotCapable):
        await session.get("/system/hostname", encoding="ascii")


async def test_our_set_and_their_target(session: GnmiConnection) -> None:
    result = await session.set(
        {"/a/b[k=v]": {"c": [1, "zwei", None]}},
        replace={"/system/hostname": "here"},
        delete="/counter/octets",
    )
    assert [(each.path, each.operation) for each in result.changes] == [
        ("/counter/octets", "delete"),
        ("/system/hostname", "replace"),
        ("/a/b[k=v]", "update"),
    ]
    found = await session.get(["/system/hostname", "/a/b"])
    assert [each.value for each in found] == ["here", {"c": [1, "zwei", None]}]
    with pytest.raises(GnmiError, match="no counter/octets"):
        await session.get("/counter/octets")


async def test_our_subscriptions_and_their_target(session: GnmiConnection) -> None:
    async with asyncio.timeout(30):
        once = [each async for each in session.subscribe(["/system/hostname", "/none"], mode="once")]
        assert [(each.path, each.value, each.deleted, each.sync) for each in once] == [
            ("/system/hostname", "elsewhere", False, False),
            ("/none", None, True, False),
            ("", None, False, True),
        ]
        async with contextlib.aclosing(session.subscribe("/counter/octets", mode="poll")) as polled:
            assert [(await anext(polled)).value for _ in range(2)] == [7, None]
            await session.set({"/counter/octets": 8})
            assert (await anext(polled)).value == 8
        stream = session.subscribe("/counter/octets", trigger="sample", interval=0.02, encoding="proto")
        async with contextlib.aclosing(stream) as sampled:
            assert [(await anext(sampled)).value for _ in range(4)] == [8, None, 8, 8]


@pytest.mark.parametrize("protocol", ["gnmi", "gnmis"])
def test_their_client_and_our_target(tmp_path: Path, protocol: str) -> None:
    with LabThread(tmp_path) as lab:
        served = lab.add("r1", personality="arista_eos", protocols=(protocol,))
        server: Any = served.servers[protocol]
        arguments = [str(server.port), *([server.keys["ca_file"]] if protocol == "gnmis" else [])]
        with program("gnmi_client.py", *arguments) as process:
            assert process.stdout is not None
            told = (json.loads(line) for line in process.stdout)
            assert next(told) == ["json", "json_ietf", "proto", "ascii"]
            assert next(told)[0]["val"] == "core"
            assert next(told)[0]["op"] == "UPDATE"
            assert "description by pygnmi" in served.config.render()
            first = next(told)
            assert first["update"]["update"][0]["val"] == "by pygnmi"

            async def type_it() -> None:
                served.configure(("interface Ethernet1",), "description typed")

            lab.call(type_it())
            assert next(told)["update"]["update"][0]["val"] == "typed"
            assert process.wait(20) == 0


def test_our_messages_are_theirs() -> None:
    """Numbers, names and types, wherever both have a field; theirs is an older version of gNMI."""
    from pygnmi.spec.v080 import gnmi_pb2

    theirs = gnmi_pb2.DESCRIPTOR.message_types_by_name
    compared = 0
    for name in messages.MESSAGES:
        if name == "Any":
            continue
        known = {field.number: field for field in theirs[name].fields}
        for field in messages._made[name].DESCRIPTOR.fields:
            if (other := known.get(field.number)) is not None:
                ours = (field.name, field.type, field.is_repeated, field.containing_oneof is None)
                assert ours == (other.name, other.type, other.is_repeated, other.containing_oneof is None)
                compared += 1
    assert compared > 60
    for name, values in messages.ENUMERATIONS.items():
        owner, _, inner = name.rpartition(".")
        place = theirs[owner].enum_types_by_name if owner else gnmi_pb2.DESCRIPTOR.enum_types_by_name
        known_values = [value.name for value in place[inner].values]
        assert list(values[: len(known_values)]) == known_values
