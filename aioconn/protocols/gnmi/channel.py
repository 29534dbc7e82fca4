# SPDX-License-Identifier: Apache-2.0
"""The gRPC channel of one session: made, watched, closed. gRPC is known to this module, `library` and `trust` alone."""

from __future__ import annotations

import asyncio
import ipaddress
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aioconn.protocols.gnmi.library import Owner, grpc, hold
from aioconn.protocols.gnmi.options import GnmiOptions

Metadata: TypeAlias = tuple[tuple[str, str], ...]


class Failed(Exception):
    """A call has ended with a status that is none of success."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details


async def _settled(work: Awaitable[Any]) -> Any:
    """What `work` gives, or `Failed`.

    gRPC keeps a connection open as long as there is an object of a call on it. The errors that it raises hold such
    objects, by way of their tracebacks; so nothing that leaves here has one of them for its cause or context.
    """
    failed: BaseException
    try:
        return await work
    except grpc.aio.AioRpcError as error:
        failed = Failed(error.code().name, error.details() or "")
    except asyncio.CancelledError:
        failed = asyncio.CancelledError()
    except asyncio.InvalidStateError:  # written to when it had ended
        failed = Failed("CANCELLED", "the call had ended")
    finally:
        del work
    raise failed


class Stream:
    """A call with messages both ways."""

    __slots__ = ("_call", "_owner", "channel")

    def __init__(self, channel: Channel, call: Any) -> None:
        self.channel = channel
        self._call: Any = call
        self._owner = Owner()

    async def write(self, message: bytes) -> None:
        """Raises `Failed`; a cancel ends the call."""
        if self._call is not None:
            await _settled(self._call.write(message))

    async def read(self) -> bytes | None:
        """The next message; None at the end. Raises `Failed`; a cancel ends the call."""
        if self._call is None:
            return None
        message = await _settled(self._call.read())
        self.channel.hear()
        return message if isinstance(message, bytes) else None

    def end(self) -> None:
        """End it; a plain function, may be repeated."""
        call, self._call = self._call, None
        if call is not None and self._owner.is_here:
            call.cancel()


GLANCE = 0.5
"""Seconds between two looks at a connection on which nothing is asked."""

_NEVER = 2**31 - 1  # milliseconds; gRPC's way to say so


class Channel:
    """A channel of its own, which shares no connection with others. Made in a running loop.

    Its sockets are made by gRPC's core, which has no public way to hand them over: a forked child keeps copies of them
    until it ends.
    """

    def __init__(
        self, target: str, credentials: Any, options: GnmiOptions, *, authority: str = "", name: str = ""
    ) -> None:
        settings: list[tuple[str, Any]] = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
            ("grpc.client_idle_timeout_ms", _NEVER),
            ("grpc.max_receive_message_length", options.max_message),
            ("grpc.max_send_message_length", -1),
        ]
        if options.keepalive is not None:
            settings += [
                ("grpc.keepalive_time_ms", round(options.keepalive * 1000)),
                ("grpc.keepalive_timeout_ms", round(options.keepalive_timeout * 1000)),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.max_pings_without_data", 0),
            ]
        if authority:
            settings.append(("grpc.default_authority", authority))
        if name:
            settings.append(("grpc.ssl_target_name_override", name))
        self._channel = hold(
            grpc.aio.insecure_channel(target, settings)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, settings)
        )
        self._methods: dict[str, Any] = {}
        self._owner = Owner()
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        """When the target answered last, or the channel was made; of the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None
        self._calls: weakref.WeakSet[Any] = weakref.WeakSet()
        self.closed = False
        self.ending = False
        """Whether what is under way has been cancelled by us."""

    @property
    def ready(self) -> bool:
        return not self.closed and self._channel.get_state() is grpc.ChannelConnectivity.READY

    def watch(self, lost: Callable[[], None]) -> None:
        """Call `lost` when the connection has gone, within `GLANCE` seconds; not after `close`.

        gRPC can be asked to tell of a change, but what waits for one outlives the channel that it waits for. So its
        state is looked at, which costs a microsecond.
        """

        def look() -> None:
            if self.closed:
                return
            if not self.ready:
                lost()
                return
            self._timer = self._loop.call_later(GLANCE, look)

        self._timer = self._loop.call_later(GLANCE, look)

    def hear(self) -> None:
        """The target has said something."""
        self.heard_at = self._loop.time()

    async def unary(self, method: str, request: bytes, metadata: Metadata, timeout: float | None) -> bytes:
        """One request, one answer. Raises `Failed`. A cancel ends the call at the target too."""
        answer: bytes = await _settled(self._unary(method, request, metadata, timeout))
        self.hear()
        return answer

    def _unary(
        self, method: str, request: bytes, metadata: Metadata, timeout: float | None
    ) -> Awaitable[Any]:
        if (call := self._methods.get(method)) is None:  # without a serializer it takes and gives bytes
            call = self._methods[method] = self._channel.unary_unary(method)
        begun: Awaitable[Any] = self._keep(call(request, timeout=timeout, metadata=metadata))
        return begun

    def stream(self, method: str, metadata: Metadata) -> Stream:
        """Begin a call that goes on."""
        return Stream(self, self._keep(self._channel.stream_stream(method)(metadata=metadata)))

    def _keep(self, call: Any) -> Any:
        self._calls.add(call)
        return hold(call)

    async def settle(self) -> None:
        """Cancel what is under way, and wait until gRPC is through with that. A cancel does no harm.

        It tells the loop of a call when the call has ended, also when nobody waits for that any more, and reports
        an error in some other loop if that loop has ended meanwhile. A call that gets no time, and is not sent, comes
        after those.
        """
        if self.closed or not self._owner.is_here:
            return
        self.ending = True
        self._cancel()
        try:
            await self.unary("/", b"", (), 0.0)
        except Failed:
            pass

    def _cancel(self) -> None:
        for call in list(self._calls):
            call.cancel()

    def close(self) -> None:
        """End it, and the calls under way. A plain function; may be repeated."""
        if self.closed:
            return
        self.closed = self.ending = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._owner.is_here:
            return
        self._cancel()
        closing = self._channel.close()  # waits for nothing if nobody is given time
        try:
            closing.send(None)
        except StopIteration:
            pass
        finally:
            closing.close()


def target_of(host: str, port: int) -> str:
    """How gRPC writes an address. A name is resolved by gRPC."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return f"dns:///{host}:{port}"
    # a zone (`fe80::1%eth0`) is written as in a URL
    return f"ipv4:{host}:{port}" if address.version == 4 else f"ipv6:[{host.replace('%', '%25')}]:{port}"
