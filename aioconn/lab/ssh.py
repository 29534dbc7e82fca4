# SPDX-License-Identifier: Apache-2.0
"""The SSH side of a lab: an asyncssh server whose sessions are shells, or NETCONF sessions, of simulated devices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import asyncssh

from aioconn.home.descriptors import keep
from aioconn.lab import forwarding
from aioconn.lab.login import greet, refused
from aioconn.lab.player import Player

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

# cheap ones first: a lab of thousands shares its processor with the client under test
KEX = (
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "diffie-hellman-group14-sha256",
)
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-256")


class Speaker(Protocol):
    """What speaks on a channel whose subsystem was asked for."""

    def start(self) -> None: ...

    def feed(self, data: bytes) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def end(self) -> None: ...

    def lost(self) -> None: ...


class SshSession(asyncssh.SSHServerSession[bytes]):
    """One channel: a shell, a single command (`exec`), or a subsystem."""

    def __init__(self, link: SshLink, *, surplus: bool = False) -> None:
        self._link = link
        self._surplus = surplus  # one more than the link may carry
        self._player: Player | None = None
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._width = 80
        self._netconf: Speaker | None = None
        self._ended = False  # by the device

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(
        self, term_type: str, term_size: tuple[int, int, int, int], term_modes: Mapping[int, int]
    ) -> bool:
        self._width = term_size[0]
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:
        if self._player is not None:
            self._player.shell.resize(width)

    def shell_requested(self) -> bool:
        device = self._link.device
        if device.crowded and device.faults.vty_refusal == "channel":
            device.refusals += 1
            return False
        self._player = Player(device, self, self._link.loop, user=self._link.user)
        return True

    def exec_requested(self, command: str) -> bool:
        device = self._link.device
        if device.crowded or not device.personality.exec_channel:
            return False
        self._player = Player(device, self, self._link.loop, user=self._link.user)
        self._player.shell.once(command)
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        begin, device = self._link.netconf, self._link.device
        if subsystem != "netconf" or begin is None:
            return False
        if device.crowded and device.faults.vty_refusal == "channel":
            device.refusals += 1
            return False
        self._netconf = begin(self)
        return True

    def session_started(self) -> None:
        if self._netconf is not None:
            self._netconf.start()
        player = self._player
        if player is None:
            return
        if player.shell.alone:
            player.play()
            return
        player.shell.resize(self._width)
        full = self._surplus or player.device.full
        player.shell.start(refused(player.shell) if full else greet(player.shell))
        player.play()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if self._player is not None:
            self._player.feed(data)
        elif self._netconf is not None:
            self._netconf.feed(data)

    def eof_received(self) -> bool:
        if self._netconf is not None:
            self._netconf.end()
        if self._player is not None and not self._player.shell.alone:
            self._player.end()
        return True

    def break_received(self, msec: int) -> bool:
        return True

    def signal_received(self, signal: str) -> None:
        if signal == "INT" and self._player is not None:
            self._player.feed(b"\x03")

    def pause_writing(self) -> None:
        if (speaker := self._player or self._netconf) is not None:
            speaker.pause()

    def resume_writing(self) -> None:
        if (speaker := self._player or self._netconf) is not None:
            speaker.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.shells -= 1
        if (speaker := self._player or self._netconf) is not None:
            speaker.lost()
        # classic devices close the whole connection with its only shell
        alone = self._netconf is None and self._link.device.shells_per_link == 1
        if self._ended and alone and not self._surplus:
            self._link.finish(reset=False)

    @property
    def stays(self) -> bool:
        return False

    def write_output(self, data: bytes) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data)

    def finish(self, *, reset: bool) -> None:
        if reset:
            self._link.reset()
        elif self._channel is not None and not self._channel.is_closing():
            self._channel.exit(self._player.shell.status if self._player else 0)
            self._ended = True


class SshLink(asyncssh.SSHServer):
    """One SSH connection to a device."""

    def __init__(self, server: SshServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self.loop = loop
        self.netconf: Callable[[SshSession], Speaker] | None = None  # at the port that the client came to
        self.user = ""
        self.shells = 0
        self._gone = asyncio.Event()
        self._connection: asyncssh.SSHServerConnection | None = None
        self.device: LabDevice

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        if (sock := conn.get_extra_info("socket")) is not None:
            keep(sock)
        port = conn.get_extra_info("sockname")[1]
        self.device = self._server.devices[port]
        self.netconf = self._server.netconf.get(port)
        self.device.connections[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self.device.connections.pop(self, None)

    async def begin_auth(self, username: str) -> bool:
        self.user = username
        device = self.device
        if device.banner and self._connection is not None:
            self._connection.send_auth_banner(device.text(device.banner))
        if device.faults.slow_login:
            with contextlib.suppress(TimeoutError):  # a client that leaves is not waited for
                async with asyncio.timeout(device.faults.slow_login):
                    await self._gone.wait()
        return bool(device.ssh_auth)

    def password_auth_supported(self) -> bool:
        return "password" in self.device.ssh_auth

    def validate_password(self, username: str, password: str) -> bool:
        return self.device.accepts(username, password) and self.device.may_log_in()

    def kbdint_auth_supported(self) -> bool:
        return "keyboard-interactive" in self.device.ssh_auth

    def get_kbdint_challenge(
        self, username: str, lang: str, submethods: str
    ) -> tuple[str, str, str, Sequence[tuple[str, bool]]]:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> bool:
        return (
            len(responses) == 1 and self.device.accepts(username, responses[0]) and self.device.may_log_in()
        )

    def public_key_auth_supported(self) -> bool:
        return "publickey" in self.device.ssh_auth and self.device.authorized_key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        known = self.device.authorized_key
        if known is None or self.device.faults.wrong_password or username != self.device.username:
            return False
        return key.public_data == asyncssh.import_public_key(known).public_data

    def session_requested(self) -> Any:
        surplus = self.netconf is None and self.shells >= self.device.shells_per_link
        if surplus:
            self.device.refusals += 1
            if self.device.faults.vty_refusal == "channel":
                return False
        self.shells += 1
        return SshSession(self, surplus=surplus)

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Literal[False] | Awaitable[Any]:
        """A jump host of the lab leads to the lab: nothing but loopback is reached through it."""
        if not self.device.forwards or dest_host != self.device.address:
            return False
        return _Reaching(self, dest_host, dest_port)

    async def reach(self, host: str, port: int) -> Any:
        """For `_Reaching`."""
        near = await forwarding.reach(self.loop, host, port)
        if self._gone.is_set():  # asyncssh 2.24 forgets what comes about after the end of its connection
            near.other.close()
        return near

    def finish(self, *, reset: bool) -> None:
        """End the connection from the device's side."""
        if reset:
            self.reset()
        elif self._connection is not None:
            self._connection.close()

    def reset(self) -> None:
        if self._connection is not None:
            self.device.reset(cast(Any, self._connection))


class _Reaching:
    """The way on from a jump host, for asyncssh to await; one that ends before it does leaves no coroutine behind."""

    def __init__(self, link: SshLink, host: str, port: int) -> None:
        self._link = link
        self._host = host
        self._port = port

    def __await__(self) -> Generator[Any, None, Any]:
        return self._link.reach(self._host, self._port).__await__()


class _Catcher:
    """Stands where asyncssh would forward a listener through another connection, and keeps its factory.

    One set of server options then serves every listener of a lab: building them costs a millisecond or two
    and a thread's turn, too much for each of a thousand devices.
    """

    factory: Callable[[str, int], Any] | None = None

    async def create_server(self, factory: Callable[[str, int], Any], host: str, port: int) -> _Catcher:
        self.factory = factory
        return self

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


class SshServer:
    """What all SSH devices of one lab share: the host key, the options, the maps from port to device and to NETCONF."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._factory: Callable[[str, int], Any] | None = None
        self.devices: dict[int, LabDevice] = {}
        self.netconf: dict[int, Callable[[SshSession], Speaker]] = {}

    @property
    def host_key(self) -> str:
        """The public key as it is written in a known-hosts file: `ssh-ed25519 AAAA...`."""
        return " ".join(self._key.export_public_key().decode().split()[:2])

    async def prepare(self) -> None:
        """Build the options that every connection uses."""
        catcher = _Catcher()
        await asyncssh.listen(
            "127.0.0.1",
            0,
            tunnel=cast(Any, catcher),
            server_factory=lambda: SshLink(self, self._loop),
            server_host_keys=[self._key],
            kex_algs=KEX,
            encryption_algs=CIPHERS,
            mac_algs=MACS,
            compression_algs=["none"],
            signature_algs="default",
            encoding=None,
            line_editor=False,
            gss_host=None,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_scp=False,
            login_timeout=60,
            server_version="aioconn_lab",
        )
        self._factory = catcher.factory

    def connection(self) -> asyncio.BaseProtocol:
        """The protocol of an accepted connection."""
        assert self._factory is not None
        return cast(asyncio.BaseProtocol, self._factory("127.0.0.1", 0))
