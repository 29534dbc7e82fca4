# SPDX-License-Identifier: Apache-2.0
"""A simulated device as a gNMI target."""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aioconn.errors import AioconnError
from aioconn.lab import authority, telemetry
from aioconn.lab.data import Edit, Operation
from aioconn.lab.front import Front
from aioconn.lab.places import DataError
from aioconn.lab.subscriptions import Subscriptions
from aioconn.protocols.gnmi import messages, values
from aioconn.protocols.gnmi.library import Owner, grpc, hold
from aioconn.protocols.gnmi.messages import DecodeError, Message
from aioconn.protocols.gnmi.paths import GnmiPath

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice
    from aioconn.lab.servers import Site

STATUSES = {
    "data-missing": grpc.StatusCode.NOT_FOUND,
    "data-exists": grpc.StatusCode.ALREADY_EXISTS,
    "unknown-element": grpc.StatusCode.INVALID_ARGUMENT,
    "operation-failed": grpc.StatusCode.ABORTED,
    "operation-not-supported": grpc.StatusCode.UNIMPLEMENTED,
}
WHERE: Any = {"device": "", "path": ""}


class GnmiServer:
    """A target at a port of its own. `calls` are the methods that were called, `keys` what a testbed has to say."""

    def __init__(self, device: LabDevice) -> None:
        self.device = device
        self.port = 0
        self.keys: Mapping[str, Any] = {}
        self._random = random.Random(f"{device.seed}/{device.name}/gnmi")
        self._folder: Path | None = None
        self._listener: asyncio.Server | None = None
        self._server: Any = None
        self._owner = Owner()

    async def listen(self, site: Site, identity: authority.Identity | None, clients: bytes | None) -> None:
        self._folder = folder = Path(tempfile.mkdtemp(prefix="aioconn-lab-"))
        try:
            behind = str(folder / "gnmi")
            server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
            self._server = hold(server)
            server.add_generic_rpc_handlers((_Methods(self),))
            if identity is None:
                server.add_insecure_port(f"unix:{behind}")
                self.keys = {"insecure": True}
            else:
                pairs = [(identity.key, identity.certificate)]
                credentials = grpc.ssl_server_credentials(
                    pairs, clients, require_client_auth=clients is not None
                )
                server.add_secure_port(f"unix:{behind}", credentials)
                (folder / "ca.pem").write_bytes(authority.authority().pem)
                self.keys = {"ca_file": str(folder / "ca.pem")}
            await server.start()
            self._listener = await site.listen(lambda: Front(self.device, behind), self.device)
            self.port = self._listener.sockets[0].getsockname()[1]
        except BaseException:
            await self.close()
            raise

    def cut(self) -> None:
        """Reset all connections now."""
        for connection in list(self.device.connections):
            if isinstance(connection, Front):
                connection.end(reset=True)

    async def close(self) -> None:
        """Listen no more, and end what is open."""
        if not self._owner.is_here:
            return
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self.cut()
        server, self._server = self._server, None
        try:
            if server is not None:
                await server.stop(0)
        finally:
            folder, self._folder = self._folder, None
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    # ------------------------------------------------------------------ what every call goes through

    async def admit(self, context: Any, what: str) -> None:
        """Note a call, be as slow as the faults say, and refuse those who are not known here."""
        device = self.device
        device.record(0, what)
        faults = device.faults
        if faults.hang_on and re.search(faults.hang_on, what):
            await asyncio.get_running_loop().create_future()
        pause = faults.latency + (self._random.random() * faults.jitter if faults.jitter else 0.0)
        if what == "Capabilities":
            pause += faults.slow_login
        if pause:
            await asyncio.sleep(pause)
        given = {str(name): value for name, value in context.invocation_metadata() or ()}
        if not device.accepts(str(given.get("username", "")), str(given.get("password", ""))):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "username or password is wrong")
        if what == "Capabilities":
            device.logins += 1

    # ------------------------------------------------------------------ the service

    async def capabilities(self, request: Message, context: Any) -> Message:
        await self.admit(context, "Capabilities")
        store = self.device.data
        return messages.CapabilityResponse(
            gNMI_version=messages.VERSION,
            supported_encodings=[messages.number("Encoding", each) for each in telemetry.ENCODINGS],
            supported_models=[
                messages.ModelData(
                    name=module.name,
                    organization="OpenConfig working group" if "openconfig" in module.name else "IETF",
                    version=module.revision,
                )
                for module in store.modules
            ],
        )

    async def get(self, request: Message, context: Any) -> Message:
        wanted = [values.path_of(each).below(values.path_of(request.prefix)) for each in request.path]
        wanted = wanted or [values.path_of(request.prefix)]
        await self.admit(context, "Get " + " ".join(map(str, wanted)))
        encoding = self._encoding(request.encoding)
        config = telemetry.CONFIG[messages.name("GetRequest.DataType", request.type)]
        answer = messages.GetResponse()
        for path in wanted:
            answer.notification.append(self._notification(path, config, encoding))
        return answer

    def _notification(self, path: GnmiPath, config: bool | None, encoding: values.Encoding) -> Message:
        store = self.device.data
        notification = messages.Notification(timestamp=time.time_ns())
        for found in telemetry.find(store, path):
            value = telemetry.read(store, found, config)
            if value is None:
                continue
            if encoding in ("json", "json_ietf"):
                shown = values.path_message(GnmiPath(origin=path.origin, elements=found.elements))
                if found.node is not None and found.node.kind == "leaf":
                    made = telemetry.leaf_message(found.node, value, encoding)
                else:
                    made = telemetry.tree_message(found, value, encoding)
                notification.update.append(messages.Update(path=shown, val=made))
                continue
            for top in [found] if found.node is not None else telemetry.tops(store, config):
                for elements, node, leaf in telemetry.leaves(top, telemetry.read(store, top, config)):
                    shown = values.path_message(GnmiPath(origin=path.origin, elements=elements))
                    made = telemetry.leaf_message(node, leaf, encoding)
                    notification.update.append(messages.Update(path=shown, val=made))
        if not notification.update and not any("*" in str(each) for each in path.elements):
            raise DataError("data-missing", str(path), "there is nothing at this path")
        return notification

    async def set(self, request: Message, context: Any) -> Message:
        before = values.path_of(request.prefix)
        asked: list[tuple[str, Operation, Message, Any]] = [
            *(("DELETE", "remove", path, None) for path in request.delete),
            *(("REPLACE", "replace", each.path, each) for each in request.replace),
            *(("UPDATE", "merge", each.path, each) for each in request.update),
        ]
        await self.admit(context, "Set " + " ".join(str(values.path_of(path)) for _, _, path, _ in asked))
        if request.union_replace:
            raise DataError("operation-not-supported", "/", "union_replace")
        edits: list[Edit] = []
        answer = messages.SetResponse(timestamp=time.time_ns())
        for done, operation, path, update in asked:
            value = None if update is None else values.plain(update.val, WHERE)
            edits += telemetry.edit(self.device.data, operation, values.path_of(path).below(before), value)
            answer.response.add(path=path, op=messages.number("UpdateResult.Operation", done))
        self.device.data.edit(edits)
        return answer

    async def subscribe(self, first: Message, context: Any) -> None:
        if first.WhichOneof("one") != "subscribe":
            raise DataError("invalid-value", "/", "the first message has to subscribe")
        asked = first.subscribe
        paths = [values.path_of(each.path).below(values.path_of(asked.prefix)) for each in asked.subscription]
        await self.admit(context, "Subscribe " + " ".join(map(str, paths)))
        subscriptions = Subscriptions(self.device.data, asked, paths, self._encoding(asked.encoding))
        await subscriptions.serve(context)

    def _encoding(self, number: int) -> values.Encoding:
        name = messages.name("Encoding", number)
        for each in telemetry.ENCODINGS:
            if name == str(each):
                return each
        raise DataError("operation-not-supported", "/", f"encoding {name}")


class _Methods(grpc.GenericRpcHandler):
    """The methods of the service, as gRPC finds them."""

    def __init__(self, server: GnmiServer) -> None:
        self._server = server

    def service(self, handler_call_details: Any) -> Any:
        server = self._server
        unary = {
            messages.CAPABILITIES: (messages.CapabilityRequest, server.capabilities),
            messages.GET: (messages.GetRequest, server.get),
            messages.SET: (messages.SetRequest, server.set),
        }
        method = handler_call_details.method
        if method == messages.SUBSCRIBE:
            return grpc.stream_stream_rpc_method_handler(self._subscribe)
        if method not in unary:
            return None
        kind, serve = unary[method]

        async def answer(request: bytes, context: Any) -> bytes:
            try:
                found: bytes = (await serve(kind.FromString(request), context)).SerializeToString()
                return found
            except (DataError, DecodeError, AioconnError, ValueError) as error:
                await _abort(context, error)
                raise

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _subscribe(self, _: Any, context: Any) -> None:
        first = await context.read()
        if first is grpc.aio.EOF:
            return
        try:
            await self._server.subscribe(messages.SubscribeRequest.FromString(first), context)
        except (DataError, DecodeError, AioconnError, ValueError) as error:
            await _abort(context, error)


async def _abort(context: Any, error: Exception) -> None:
    if isinstance(error, DataError):
        code = STATUSES.get(error.tag, grpc.StatusCode.INVALID_ARGUMENT)
        await context.abort(code, f"{error.path}: {error.message}")
    words = error.message if isinstance(error, AioconnError) else str(error)
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, words)


async def serve(
    site: Site,
    device: LabDevice,
    *,
    tls: bool = False,
    identity: authority.Identity | None = None,
    clients: bytes | None = None,
) -> GnmiServer:
    """Serve a device at a port that the system chooses; with `tls` with a certificate of the lab's authority, unless
    another `identity` is given. With `clients` (PEM) a client has to have a certificate of that authority."""
    server = GnmiServer(device)
    await server.listen(site, (identity or authority.identity()) if tls else None, clients)
    return server
