# SPDX-License-Identifier: Apache-2.0
"""A lab: simulated devices on loopback, in one event loop, with a testbed that reaches them."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import yaml

from aioconn.errors import UsageError
from aioconn.home.descriptors import keep, making
from aioconn.lab import servers
from aioconn.lab.cable import hard_reset
from aioconn.lab.device import LabDevice
from aioconn.lab.dialects import load as load_dialect
from aioconn.lab.faults import NO_FAULTS, Faults
from aioconn.lab.personality import load as load_personality
from aioconn.lab.telnet import TelnetSession

if TYPE_CHECKING:
    import ssl

    from aioconn.lab.ssh import SshServer

BACKLOG = 1024
TURNS = 20  # of the loop, more than any transport needs to tell its end
CLOSING = 10.0  # seconds for the servers of other protocols to end
# Turns of the loop from accept() to a protocol that is told of its connection.
ACCEPTING = 4


class Nobody(asyncio.Protocol):
    """A connection to a device that is down: reset at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        hard_reset(transport)


class Lab:
    """Simulated devices, served on 127.0.0.1 at ports that the system chooses.

    `async with Lab() as lab`, or `start()` and `stop()`. Leaving closes every listener, session and timer,
    also when cancelled. `seed` decides everything that is random; host keys are new each time.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.devices: dict[str, LabDevice] = {}
        self._listeners: dict[str, list[asyncio.Server]] = {}
        self._ssh: SshServer | None = None
        self._ssh_lock = asyncio.Lock()
        self._starting: dict[str, asyncio.TimerHandle] = {}  # devices that are down, until they are back
        self._closing: set[asyncio.Task[None]] = set()  # servers of devices that were removed
        self._running = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __repr__(self) -> str:
        sessions = sum(device.sessions for device in self.devices.values())
        state = "running" if self._running else "stopped"
        return f"<Lab {state}, {len(self.devices)} devices, {sessions} sessions>"

    def __getitem__(self, name: str) -> LabDevice:
        return self.devices[name]

    @property
    def host_key(self) -> str | None:
        """The public SSH host key of all devices; None while no device speaks SSH."""
        return self._ssh.host_key if self._ssh is not None else None

    async def start(self) -> None:
        self._running = True

    async def stop(self) -> None:
        """Close everything. Sessions that live are cut at once, before the first wait of this coroutine."""
        self._running = False
        loop = asyncio.get_running_loop()
        for listener in [one for listeners in self._listeners.values() for one in listeners]:
            for sock in listener.sockets:
                loop.remove_reader(sock.fileno())
        for device in self.devices.values():
            device.cut()
        try:
            # Before Python 3.12 a server that is closed loses the connections that it is just accepting, with their
            # sockets open: it accepts no more, and is closed when those have been made.
            for _ in range(ACCEPTING):
                await asyncio.sleep(0)
        finally:
            cut = [self._close(name) for name in list(self.devices)]
            self._ssh = None
            await self._servers_closed()
        # their ends are told in the next turns of the loop, and so are connections that were just being accepted
        for turn in range(TURNS):
            await asyncio.sleep(0)
            for device in cut:
                device.cut()
            if turn >= ACCEPTING and not any(device.connections for device in cut):
                break
        await asyncio.sleep(0)

    async def add(
        self,
        name: str,
        *,
        personality: str = "cisco_iosxe",
        protocols: Sequence[str] = ("ssh", "telnet"),
        faults: Faults = NO_FAULTS,
        username: str = "admin",
        password: str = "admin",
        enable: str | None = None,
        commands: Mapping[str, str] | None = None,
        hostname: str | None = None,
        max_vty: int | None = None,
        shells_per_link: int | None = None,
        echo: str | None = None,
        interrupt: str | None = None,
        login: str = "user",
        console: bool = False,
        negotiates: bool = True,
        banner: str = "",
        routes: int = 20,
        rows: int | None = None,
        authorized_key: str | None = None,
        ssh_auth: Sequence[str] = ("publickey", "password", "keyboard-interactive"),
        forwards: bool = False,
        boot: float = 0.2,
        vanishes: bool = False,
        unreachable: Sequence[str] = ("198.51.100.0/24",),
    ) -> LabDevice:
        """Put a device into the running lab; it can be reached when this returns.

        `protocols` are any of ssh, telnet, http, https (RESTCONF and vendors' APIs), netconf, snmp, gnmi and gnmis (the
        same with TLS); those that need a library which is not there raise `MissingDependency`. All of them show one
        configuration.

        `personality` is a name or the path of a folder. `commands` are further ones, each with its output.
        `login` (telnet) is "user", "password" (only that is asked) or "none"; a `console` says nothing until
        Return is pressed; `negotiates` offers and asks telnet options. `echo` is "reader" (when the device
        reads), "typing" (at once, as a plain tty), "both" (a tty with a line editor: what is typed ahead
        appears twice) or "none"; `interrupt` (Ctrl-C) "works", "ignored" or "prompt" (one prompt too many).
        `routes` is the length of the routing table, `rows` that of a page (0: no paging). A device that is told to
        reload refuses connections for `boot` seconds; one that `vanishes` leaves its old ones open, and silent. Nobody
        answers a ping in the networks `unreachable`.
        """
        if not self._running:
            raise UsageError(
                "the lab is not running", hint="use `async with Lab() as lab`, or await lab.start()"
            )
        if name in self.devices:
            raise UsageError(f"the lab has a device {name!r} already")
        for protocol in protocols:
            servers.check(protocol)
        kind = load_personality(personality)
        device = LabDevice(
            name,
            kind.extended(commands) if commands else kind,
            forgets=load_dialect(kind.dialect).forgets,
            seed=self.seed,
            username=username,
            password=password,
            enable=enable,
            authorized_key=authorized_key,
            faults=faults,
            hostname=hostname,
            max_vty=max_vty,
            shells_per_link=shells_per_link,
            echo=echo,
            interrupt=interrupt,
            login=login,
            console=console,
            negotiates=negotiates,
            banner=banner,
            routes=routes,
            rows=rows,
            ssh_auth=ssh_auth,
            forwards=forwards,
            boot=boot,
            vanishes=vanishes,
            unreachable=unreachable,
        )
        device.on_restart = functools.partial(self._restart, device)
        self.devices[name] = device
        self._listeners[name] = []
        try:
            if "ssh" in protocols:
                await self._serve_ssh(device)
            if "telnet" in protocols:
                await self._serve_telnet(device)
            for protocol in dict.fromkeys(protocols):
                if protocol in servers.KINDS:
                    await servers.serve(protocol, self, device)
        except BaseException:
            self._close(name)
            raise
        return device

    def remove(self, name: str) -> None:
        """Switch a device off: its sessions are cut and its ports refuse, those of servers a moment later."""
        self._close(name)

    def testbed(self) -> dict[str, Any]:
        """A testbed in pyATS form that reaches every device, as a plain mapping."""
        return {
            "testbed": {"name": "lab"},
            "devices": {name: servers.entry(it, self.host_key) for name, it in self.devices.items()},
        }

    def write_testbed(self, path: str | Path) -> Path:
        """Write the testbed as YAML."""
        path = Path(path)
        path.write_text(yaml.safe_dump(self.testbed(), sort_keys=False), encoding="utf-8")
        return path

    async def ssh(self) -> SshServer:
        """The one SSH server behind all devices; made when the first asks."""
        async with self._ssh_lock:
            if self._ssh is None:
                from aioconn.lab.ssh import SshServer

                server = SshServer(asyncio.get_running_loop())
                await server.prepare()
                self._ssh = server
        return self._ssh

    async def _serve_ssh(self, device: LabDevice) -> None:
        loop = asyncio.get_running_loop()
        ssh = await self.ssh()

        def accept() -> asyncio.BaseProtocol:
            return TelnetSession(device, loop) if device.faults.half_open else ssh.connection()

        listener = await self.listen(accept, device)
        self._listeners[device.name].append(listener)
        device.ports["ssh"] = port = listener.sockets[0].getsockname()[1]
        ssh.devices[port] = device

    async def _serve_telnet(self, device: LabDevice) -> None:
        loop = asyncio.get_running_loop()
        listener = await self.listen(lambda: TelnetSession(device, loop), device)
        self._listeners[device.name].append(listener)
        device.ports["telnet"] = listener.sockets[0].getsockname()[1]

    def _restart(self, device: LabDevice) -> None:
        """A device goes down: it is back when it has started."""
        loop = asyncio.get_running_loop()
        if (timer := self._starting.pop(device.name, None)) is not None:
            timer.cancel()
        self._starting[device.name] = loop.call_later(device.boot, self._started, device)

    def _started(self, device: LabDevice) -> None:
        self._starting.pop(device.name, None)
        device.away = False

    async def listen(
        self, accept: Callable[[], asyncio.BaseProtocol], device: LabDevice, tls: ssl.SSLContext | None = None
    ) -> asyncio.Server:
        """Listen at a port that the system chooses, until the caller closes it. A forked child has it no more.

        While the device is away nobody is accepted.
        """
        with making:
            # what is accepted sends small writes at once (TCP_NODELAY) only where the protocol is named
            sock = socket.socket(proto=socket.IPPROTO_TCP)
            keep(sock)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((device.address, 0))
            return await asyncio.get_running_loop().create_server(
                lambda: Nobody() if device.away else accept(), sock=sock, backlog=BACKLOG, ssl=tls
            )
        except BaseException:
            sock.close()
            raise

    def _close(self, name: str) -> LabDevice:
        device = self.devices.pop(name)
        if (timer := self._starting.pop(name, None)) is not None:
            timer.cancel()
        for listener in self._listeners.pop(name, ()):
            listener.close()
        device.cut()
        for server in device.servers.values():
            task = asyncio.get_running_loop().create_task(server.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return device

    async def _servers_closed(self) -> None:
        """Wait until what was removed has let go of its ports; also when it is cancelled."""
        loop = asyncio.get_running_loop()
        end = loop.time() + CLOSING
        cancelled: asyncio.CancelledError | None = None
        while self._closing and loop.time() < end:
            try:
                await asyncio.wait(self._closing, timeout=end - loop.time())
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
