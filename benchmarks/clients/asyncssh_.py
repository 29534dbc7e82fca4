# SPDX-License-Identifier: Apache-2.0
"""The floor over SSH: asyncssh and nothing else, with all that is known to make it quick.

The first line that ends with # is the prompt; from then on exactly that is looked for at the end of what arrived.
Bytes are neither decoded nor searched for errors.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.clients.base import AsyncClient, Hook
from benchmarks.clients.links import LinkClient
from benchmarks.meter import Meter
from benchmarks.target import OPENING, PASSWORD, USER, Target

if TYPE_CHECKING:
    import asyncssh


class BareSsh(AsyncClient, LinkClient):
    name = "asyncssh"
    offers = frozenset({"ssh", "links", "jump", "live ssh", "import"})
    module = "asyncssh"
    packages = ("asyncssh",)
    floor = True

    def server(self, needs: str) -> str:
        return "ssh"

    def __init__(self) -> None:
        self._options: asyncssh.SSHClientConnectionOptions | None = None
        self._jump: asyncio.Task[asyncssh.SSHClientConnection] | None = None

    async def open(self, target: Target) -> Session:
        import asyncssh

        if self._options is None:
            self._options = await asyncssh.SSHClientConnectionOptions.construct(
                config=None,
                username=USER,
                password=PASSWORD,
                kex_algs=["curve25519-sha256"],
                encryption_algs=["aes128-gcm@openssh.com"],
                compression_algs=["none"],
                server_host_key_algs=["ssh-ed25519"],
                preferred_auth=["password"],
                known_hosts=None,
                client_keys=None,
                agent_path=None,
                login_timeout=0,
                encoding=None,
            )
        if target.jump:
            return await self._shell(await self._behind(target))
        # `asyncssh.connect` makes its options in a thread for each connection, even from ready ones
        options: Any = copy.copy(self._options)
        options.host, options.port = target.host, target.port
        loop = asyncio.get_running_loop()
        options.waiter = authenticated = loop.create_future()
        connection = asyncssh.SSHClientConnection(loop, options, wait="auth")
        transport: Any = (await loop.create_connection(lambda: connection, target.host, target.port))[0]
        if hasattr(transport, "max_size"):
            transport.max_size = 64 * 1024  # its default is a new buffer of 256 KiB for each read
        await authenticated
        return await self._shell(connection)

    async def _behind(self, target: Target) -> asyncssh.SSHClientConnection:
        import asyncssh

        options: Any = self._options

        async def connect() -> asyncssh.SSHClientConnection:
            return await asyncssh.connect(target.host, target.jump, options=options)

        if self._jump is None:
            self._jump = asyncio.ensure_future(connect())
        tunnel = await self._jump
        return await asyncssh.connect(target.host, target.port, tunnel=tunnel, options=options)

    async def settle(self) -> None:
        if self._jump is not None:
            connection = await self._jump
            self._jump = None
            connection.close()
            await connection.wait_closed()

    def further(
        self, target: Target, count: int, command: str, new: Meter, further: Meter, look: Hook
    ) -> Sequence[int]:
        async def work() -> Sequence[int]:
            first = await self.open(target)
            with new:
                sessions = [await self.open(target) for _ in range(count)]
            look()
            with further:
                others = [await self._shell(first.connection) for _ in range(count)]
            look()
            sizes = [len(await self.run(session, command)) for session in (*sessions, *others)]
            for session in (first, *sessions):
                await self.close(session)
            return sizes

        return asyncio.run(work())

    async def open_several(self, target: Target, count: int, *, one_link: bool) -> list[Any]:
        if not one_link:
            return await super().open_several(target, count, one_link=False)
        first = await self.open(target)
        others = [self._shell(first.connection) for _ in range(count - 1)]
        return [first, *await asyncio.gather(*others)]

    async def _shell(self, connection: asyncssh.SSHClientConnection) -> Session:
        session = Session(connection)
        shell: Any = session  # it has all that asyncssh calls, without being of its class
        await connection.create_session(
            lambda: shell, term_type="vt100", term_size=(500, 1000), encoding=None
        )
        session.learn(await session.prompts(1))
        session.write("\n".join((*OPENING, "")).encode())
        await session.prompts(len(OPENING))
        return session

    async def run(self, session: Session, command: str) -> bytes:
        session.write(command.encode() + b"\n")
        return await session.prompts(1)

    async def close(self, session: Session) -> None:
        session.write(b"exit\n")
        session.channel.close()
        await session.channel.wait_closed()
        session.connection.close()
        await session.connection.wait_closed()


class Session:
    """asyncssh calls it. An answer ends when what arrived ends with the prompt, for the last of those waited for."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.connection = connection
        self.channel: Any = None
        self._buffer = bytearray()
        self._prompt = b"#"
        self._wanted = 1
        self._waiter: asyncio.Future[None] | None = None

    def write(self, data: bytes) -> None:
        self.channel.write(data)

    def learn(self, greeting: bytes) -> None:
        self._prompt = greeting.rpartition(b"\n")[2]

    async def prompts(self, count: int) -> bytes:
        if not self._is_there(count):
            self._wanted = count
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        answer = bytes(self._buffer)
        self._buffer.clear()
        return answer

    def _is_there(self, count: int) -> bool:
        return self._buffer.endswith(self._prompt) and (
            count == 1 or self._buffer.count(self._prompt) == count
        )

    def connection_made(self, chan: Any) -> None:
        self.channel = chan

    def session_started(self) -> None: ...

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._buffer += data
        if self._waiter is not None and self._is_there(self._wanted) and not self._waiter.done():
            self._waiter.set_result(None)

    def xon_xoff_requested(self, client_can_do: bool) -> None: ...

    def exit_status_received(self, status: int) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionResetError("the device ended the session"))
