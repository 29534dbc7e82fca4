# SPDX-License-Identifier: Apache-2.0
"""The floor of calls from children: bare messages on a Unix socket, an asyncio protocol in the parent."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.clients.children import Begin, Call, ChildrenClient
from benchmarks.clients.threadsafe import loop_in_thread
from benchmarks.fakes.frames import LENGTH, Answer, Ask, Wire, decode_ask, framed
from benchmarks.target import Target

_TIMEOUT = 30.0


class BareProtocol(ChildrenClient):
    name = "protocol"
    offers = frozenset({"answers", "remote shell"})
    packages = ("msgspec",)
    floor = True

    @contextmanager
    def answers(self, size: int) -> Iterator[Begin]:
        with loop_in_thread() as loop, _listening(loop, _Peer) as address:
            yield functools.partial(_begin, address, size)

    @contextmanager
    def remote_shell(self, target: Target, command: str, sessions: int) -> Iterator[Begin]:
        """The command runs on aioconn's asynchronous side, in the parent."""
        from benchmarks.clients.aioconn_ import Aioconn

        device = Aioconn().testbed([target])[target.name]
        with loop_in_thread() as loop:
            _run(loop, device.connect(**({"pool_size": sessions} if sessions > 1 else {})))
            with _listening(loop, lambda: _Runner(functools.partial(device.execute, command))) as address:
                yield functools.partial(_begin, address, 0)
            _run(loop, device.destroy_all())


def _begin(address: str, size: int) -> Call:
    return functools.partial(Wire(address).ask, "say", size)


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(_TIMEOUT)


@contextmanager
def _listening(loop: asyncio.AbstractEventLoop, peer: Callable[[], asyncio.Protocol]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "floor.sock")
        server = _run(loop, loop.create_unix_server(peer, address))
        try:
            yield address
        finally:
            loop.call_soon_threadsafe(server.close)


class _Peer(asyncio.Protocol):
    """One child. It asks nothing before it has been answered."""

    def connection_made(self, transport: Any) -> None:
        if hasattr(transport, "max_size"):
            transport.max_size = 64 * 1024  # its default is a new buffer of 256 KiB for each read
        self._write = transport.write
        self._asked = bytearray()

    def data_received(self, data: bytes) -> None:
        if self._asked:
            self._asked += data
            data = bytes(self._asked)
        if len(data) < LENGTH.size or len(data) < LENGTH.size + LENGTH.unpack_from(data)[0]:
            self._asked = bytearray(data)
            return
        self._asked.clear()
        self._answer(decode_ask(data[LENGTH.size :]))

    def _answer(self, asked: Ask) -> None:
        self._write(framed(Answer("x" * asked.size)))


class _Runner(_Peer):
    """One whose answers take a coroutine."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, str]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def _answer(self, asked: Ask) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        self._write(framed(Answer(str(await self._work()))))
