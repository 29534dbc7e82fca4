# SPDX-License-Identifier: Apache-2.0
"""A receiver that records, and SSH servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from aioconn.credentials import Credential, Secret
from aioconn.lab import forwarding
from aioconn.transport.base import Progress
from aioconn.transport.ssh import SshLink, SshOptions

PASSWORD = "s3cret-word"


class Record:
    """A receiver that keeps what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.ends: list[Exception | None] = []
        self._news = asyncio.Event()

    def data_received(self, data: bytes, /) -> None:
        self.data += data
        self._news.set()

    def connection_lost(self, error: Exception | None, /) -> None:
        self.ends.append(error)
        self._news.set()

    async def until(self, condition: Callable[[Record], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def sees(self, data: bytes) -> None:
        await self.until(lambda record: data in record.data)

    async def ended(self) -> Exception | None:
        await self.until(lambda record: bool(record.ends))
        return self.ends[0]


class Server(asyncssh.SSHServer):
    """An SSH server that the tests bend. One object per connection, all in `connections`."""

    def __init__(self, world: World) -> None:
        self.world = world

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.world.connections.append(conn)
        self.world.accepted += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.world.lost += 1

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return "password" in self.world.methods

    def validate_password(self, username: str, password: str) -> bool:
        self.world.passwords.append(password)
        if self.world.expired:
            raise asyncssh.PasswordChangeRequired("Your password has expired. New password: ")
        return password == PASSWORD

    def public_key_auth_supported(self) -> bool:
        return "publickey" in self.world.methods

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key in self.world.user_keys

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return key in self.world.user_authorities

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self.world.methods

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", self.world.rounds[0]

    def validate_kbdint_response(self, username: str, responses: Any) -> Any:
        self.world.replies.append(tuple(responses))
        done = len(self.world.replies)
        if done < len(self.world.rounds):
            return "", "", "", self.world.rounds[done]
        wanted = self.world.wanted
        return self.world.replies[: len(wanted)] == wanted

    async def _open(self) -> Any:
        if self.world.slow_channel is not None:
            await self.world.slow_channel.wait()
        if self.world.refuse_shell:
            code = asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
            raise asyncssh.ChannelOpenError(code, "session limit reached")
        return Shell(self.world)

    def session_requested(self) -> Any:
        wait = self.world.slow_channel is not None or self.world.refuse_shell
        return self._open() if wait else Shell(self.world)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        if not self.world.forwarding:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return forwarding.reach(asyncio.get_running_loop(), dest_host, dest_port)


class Shell(asyncssh.SSHServerSession[bytes]):
    """Echoes, and knows a few words."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pty: tuple[Any, ...] | None = None

    def connection_made(self, chan: Any) -> None:
        self.chan = chan
        self.world.channels += 1
        self.world.open_channels += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.world.open_channels -= 1

    def pty_requested(self, term_type: str, term_size: Any, term_modes: Any) -> bool:
        self.pty = (term_type, *term_size[:2])
        return True

    def shell_requested(self) -> bool:
        return self.world.shell

    def subsystem_requested(self, subsystem: str) -> bool:
        return subsystem == "netconf"

    def session_started(self) -> None:
        self.chan.write(f"hello {self.pty}\xff> ".encode("latin-1"))

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if data == b"exit\n":
            self.chan.exit(0)
        elif data == b"die\n":
            self.world.connections[-1].abort()
        else:
            self.chan.write(data.upper())

    def eof_received(self) -> bool:
        return False


class World:
    """One server's behaviour, and what it saw."""

    def __init__(self) -> None:
        self.methods: set[str] = {"password"}
        self.user_keys: list[asyncssh.SSHKey] = []
        self.user_authorities: list[asyncssh.SSHKey] = []
        self.rounds: list[list[tuple[str, bool]]] = []
        self.wanted: list[tuple[str, ...]] = []
        self.expired = False
        self.shell = True
        self.refuse_shell = False
        self.slow_channel: asyncio.Event | None = None
        self.forwarding = True
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.passwords: list[str] = []
        self.replies: list[tuple[str, ...]] = []
        self.accepted = self.lost = self.channels = self.open_channels = 0


Serve = Callable[..., Awaitable[World]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(methods=..., ...)`: a running server and its world. Other keywords go to asyncssh."""
    listeners: list[asyncssh.SSHAcceptor] = []

    async def start(world: World | None = None, **settings: Any) -> World:
        world = world or World()
        for name in [name for name in settings if hasattr(world, name)]:
            setattr(world, name, settings.pop(name))
        settings.setdefault("server_host_keys", [world.host_key])
        listener = await asyncssh.listen(
            "127.0.0.1",
            world.port,
            server_factory=lambda: Server(world),
            encoding=None,
            login_timeout=0,
            **settings,
        )
        world.port = listener.get_port()
        listeners.append(listener)
        world_list.append(world)
        return world

    world_list: list[World] = []
    yield start
    for listener in listeners:
        listener.close()
        await listener.wait_closed()
    for world in world_list:
        for connection in world.connections:
            connection.abort()
            await connection.wait_closed()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "state" / "known_hosts"


Connect = Callable[..., Awaitable[SshLink]]


@pytest.fixture
async def connect(store: Path) -> AsyncIterator[Connect]:
    """`await connect(world or port, **options)`: a link, aborted after the test."""
    links: list[SshLink] = []

    async def start(
        target: World | int,
        *,
        password: str | None = PASSWORD,
        user: str = "ann",
        tunnel: SshLink | None = None,
        progress: Progress | None = None,
        answers: Any = None,
        credential: Credential | None = None,
        host: str = "127.0.0.1",
        **options: Any,
    ) -> SshLink:
        options.setdefault("known_hosts", str(store))
        credential = credential or Credential(username=user, password=Secret(password) if password else None)
        port = target if isinstance(target, int) else target.port
        async with asyncio.timeout(10):
            link = await SshLink.open(
                host,
                port,
                device="r1",
                path="cli",
                credential=credential,
                options=SshOptions(**options),
                tunnel=tunnel,
                progress=progress or Progress(),
                answers=answers,
            )
        links.append(link)
        return link

    yield start
    for link in reversed(links):
        link.abort()
    await asyncio.sleep(0)
