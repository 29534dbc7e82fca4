# SPDX-License-Identifier: Apache-2.0
"""Targets that do not do what targets do."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aioconn.errors import AuthenticationFailed, BadReply, GnmiError, ShellRefused
from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.connection import GnmiConnection
from aioconn.protocols.gnmi.library import grpc
from aioconn.testbed.device import Device

CAPABLE = messages.CapabilityResponse(gNMI_version="0.7.0").SerializeToString()
PASSWORD = "s3cret-word"


class Odd(grpc.GenericRpcHandler):
    """Answers each method with bytes, with a status, or not at all; a subscription with all of a list."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"Capabilities": CAPABLE, **answers}

    def service(self, handler_call_details: Any) -> Any:
        answer = self._answers.get(handler_call_details.method.rpartition("/")[2])
        if answer is None:
            return None
        if isinstance(answer, list):

            async def stream(_: Any, context: Any) -> None:
                await context.read()
                for message in answer:
                    await context.write(message)

            return grpc.stream_stream_rpc_method_handler(stream)

        async def serve(_: bytes, context: Any) -> bytes:
            if isinstance(answer, bytes):
                return answer
            code, details = answer
            await context.abort(code, details)
            raise AssertionError("aborted")

        return grpc.unary_unary_rpc_method_handler(serve)


@contextlib.asynccontextmanager
async def device(**answers: Any) -> AsyncIterator[Device]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Odd(**answers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    device = Device(
        "odd",
        connections={"gnmi": {"protocol": "gnmi", "ip": "127.0.0.1", "port": port, "insecure": True}},
        credentials={"default": {"username": "me", "password": PASSWORD}},
    )
    try:
        yield device
    finally:
        await device.manager.destroy_all()
        await server.stop(0)


async def session_of(device: Device) -> GnmiConnection:
    session = await device.connect()
    assert isinstance(session, GnmiConnection)
    return session


async def test_bytes_that_are_no_message_end_the_session() -> None:
    async with device(Get=b"\xff\xff\xff", Set=b"\x0a\xff", Subscribe=[b"\xff"]) as odd:
        session = await session_of(odd)
        with pytest.raises(BadReply, match="no message of gNMI"):
            await session.get("/a")
        assert not session.connected
        with pytest.raises(BadReply):
            await session.set({"/a": 1})
        with pytest.raises(BadReply):
            async for _ in session.subscribe("/a"):
                pass


async def test_json_that_is_none() -> None:
    answer = messages.GetResponse()
    answer.notification.add().update.add().val.json_ietf_val = b'{"a": '
    async with device(Get=answer.SerializeToString()) as odd:
        session = await session_of(odd)
        with pytest.raises(BadReply, match="no JSON"):
            await session.get("/a")
        assert not session.connected


async def test_a_target_that_does_not_tell_what_it_can_do() -> None:
    async with device(Capabilities=(grpc.StatusCode.UNIMPLEMENTED, "no"), Get=b"") as odd:
        session = await session_of(odd)
        assert await session.get("/a", encoding="bytes") == []
        with pytest.raises(GnmiError) as caught:
            await session.set({"/a": 1})
        assert caught.value.code == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("code", "error", "certain"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, AuthenticationFailed, False),
        (grpc.StatusCode.UNAUTHENTICATED, AuthenticationFailed, True),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ShellRefused, None),
    ],
)
async def test_targets_that_do_not_want_us(code: Any, error: Any, certain: bool | None) -> None:
    async with device(Capabilities=(code, f"not you, {PASSWORD}")) as odd:
        with pytest.raises(error, match="not you") as caught:
            await odd.connect(connect_timeout=5)
        assert getattr(caught.value, "certain", None) is certain
        assert PASSWORD not in str(caught.value) + repr(vars(caught.value))


async def test_a_stream_that_the_target_ends() -> None:
    update = messages.SubscribeResponse()
    update.update.update.add().val.int_val = 7
    old = messages.SubscribeResponse()
    old.error.code, old.error.message = 5, "no such thing"
    empty = messages.SubscribeResponse()
    async with device(Subscribe=[empty.SerializeToString(), update.SerializeToString()]) as odd:
        session = await session_of(odd)
        assert [each.value async for each in session.subscribe("/a")] == [7]
    async with device(Subscribe=[old.SerializeToString()]) as odd:
        session = await session_of(odd)
        with pytest.raises(GnmiError, match="NOT_FOUND: no such thing"):
            async for _ in session.subscribe("/a"):
                pass


async def test_a_status_with_our_password_in_its_words() -> None:
    async with device(Get=(grpc.StatusCode.ABORTED, f"{PASSWORD} is not enough")) as odd:
        session = await session_of(odd)
        with pytest.raises(GnmiError) as caught:
            await session.get("/a")
        assert caught.value.details == "*** is not enough"
        assert PASSWORD not in repr(vars(caught.value))
