# SPDX-License-Identifier: Apache-2.0
"""A gNMI target that has said everything before: its answers are bytes that are only sent."""

from __future__ import annotations

from typing import Any

from aioconn.protocols.gnmi import messages
from aioconn.protocols.gnmi.library import grpc
from benchmarks.target import GNMI_LEAVES, GNMI_MESSAGES


def _notification() -> Any:
    made = messages.Notification(timestamp=1)
    for number in range(GNMI_LEAVES):
        path = messages.Path(
            elem=[{"name": "interfaces"}, {"name": "interface", "key": {"name": f"eth{number}"}}]
        )
        path.elem.add(name="state")
        path.elem.add(name="mtu")
        made.update.add(path=path, val=messages.TypedValue(uint_val=1500 + number))
    return made


class Answers(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        capable = messages.CapabilityResponse(gNMI_version="0.8.0", supported_encodings=[4, 2])
        self._unary: dict[str, bytes] = {
            messages.CAPABILITIES: capable.SerializeToString(),
            messages.GET: messages.GetResponse(notification=[_notification()]).SerializeToString(),
        }
        self._update = messages.SubscribeResponse(update=_notification()).SerializeToString()
        self._sync = messages.SubscribeResponse(sync_response=True).SerializeToString()

    def service(self, handler_call_details: Any) -> Any:
        if handler_call_details.method == messages.SUBSCRIBE:
            return grpc.stream_stream_rpc_method_handler(self._subscribe)
        answer = self._unary[handler_call_details.method]

        async def serve(_: bytes, __: Any) -> bytes:
            return answer

        return grpc.unary_unary_rpc_method_handler(serve)

    async def _subscribe(self, _: Any, context: Any) -> None:
        await context.read()
        for _ in range(GNMI_MESSAGES):
            await context.write(self._update)
        await context.write(self._sync)


async def listen() -> tuple[Any, int]:
    """The server, and its port."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Answers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port
