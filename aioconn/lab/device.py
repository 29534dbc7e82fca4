# SPDX-License-Identifier: Apache-2.0
"""One simulated device: who is on it, what it has open, what it has seen."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from aioconn.lab.cable import hard_reset, hold
from aioconn.lab.faults import NO_FAULTS, Faults
from aioconn.lab.memory import Memory
from aioconn.lab.personality import Personality

if TYPE_CHECKING:
    import asyncio
    import socket

    from aioconn.lab.data import DataStore

FILES = {"running-config": 4096, "startup-config": 4096, "flash:image.bin": 65536, "notes.txt": 512}


class Entry(NamedTuple):
    """A command that a device has seen."""

    session: int
    command: str


class Session(Protocol):
    """A live session of any protocol."""

    def end(self, *, reset: bool = False) -> None:
        """End it from the device's side, at once."""
        ...


class Wire(Protocol):
    """A connection that can be ended."""

    def finish(self, *, reset: bool) -> None: ...


@runtime_checkable
class Line(Session, Protocol):
    """A live session that has a command line."""

    @property
    def wire(self) -> Wire: ...

    @property
    def shell(self) -> Any:
        """Its `Shell`."""
        ...

    @property
    def stays(self) -> bool:
        """Whether its connection outlives a restart of the device, as that of a console does."""
        ...

    def restart(self) -> None:
        """Begin anew, on the same connection."""
        ...


class Server(Protocol):
    """What a module's `serve(site, device)` returns: a listener on 127.0.0.1.

    A server may have `keys`, a mapping: what else the device's entries in a testbed say (`ca_file`, `community`).
    """

    @property
    def port(self) -> int: ...

    def cut(self) -> None:
        """End all connections now; plain, and idempotent."""
        ...

    async def close(self) -> None:
        """Listen no more and free everything; idempotent."""
        ...


class LabDevice(Memory):
    """A device of a lab. `faults` may be replaced at any time; what is counted here is for tests to read.

    `log` holds the last `LOG` commands with the number of the session that typed them.
    """

    LOG = 10_000

    def __init__(
        self,
        name: str,
        personality: Personality,
        *,
        forgets: bool,
        seed: int = 0,
        username: str = "admin",
        password: str = "admin",
        enable: str | None = None,
        authorized_key: str | None = None,
        faults: Faults = NO_FAULTS,
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
        ssh_auth: Sequence[str] = ("publickey", "password", "keyboard-interactive"),
        forwards: bool = False,
        boot: float = 0.2,
        vanishes: bool = False,
        unreachable: Sequence[str] = ("198.51.100.0/24",),
    ) -> None:
        super().__init__(name, personality, seed=seed, faults=faults, hostname=hostname, forgets=forgets)
        self.facts["user"] = username
        self.username = username
        self.password = password
        self.enable = enable
        self.authorized_key = authorized_key
        self.max_vty = max_vty
        self.shells_per_link = shells_per_link or personality.shells_per_link
        self.echo = echo or personality.echo
        self.interrupt = interrupt or personality.interrupt
        self.login = login
        self.console = console
        self.negotiates = negotiates
        self.ssh_auth = tuple(ssh_auth)
        self.forwards = forwards
        self.boot = boot
        self.vanishes = vanishes
        self.away = False  # it is starting: nobody can connect
        self.boots = 1
        self.on_restart: Callable[[], None] = lambda: None
        """What switches it off and on again; the lab's."""
        self.files: dict[str, int] = dict(FILES)  # and their sizes
        self._unreachable = [ipaddress.ip_network(network) for network in unreachable]
        self.routes = routes
        self.rows = personality.pager.rows if rows is None else rows
        self.ports: dict[str, int] = {}  # by protocol
        self.servers: dict[str, Server] = {}  # those of them that are no command line
        self.address = "127.0.0.1"
        self.players: dict[Session, None] = {}  # in the order of their coming
        self.connections: dict[Wire, None] = {}  # links and streams, those in their handshake among them
        self.peak_sessions = 0
        self.logins = 0
        self.refusals = 0
        self.log: deque[Entry] = deque(maxlen=self.LOG)
        self._data: DataStore | None = None
        self._vanishing: dict[int, socket.socket] | None = None  # what it leaves open, by the number it had
        self._held: list[socket.socket] = []
        self._banner = banner
        self._identities = 0
        self._login_times: deque[float] = deque()

    def __repr__(self) -> str:
        return f"<LabDevice {self.name} ({self.personality.name}), {self.sessions} sessions>"

    @property
    def ssh_port(self) -> int | None:
        return self.ports.get("ssh")

    @property
    def telnet_port(self) -> int | None:
        return self.ports.get("telnet")

    @property
    def sessions(self) -> int:
        """Live sessions, those that are still logging in among them."""
        return len(self.players)

    @property
    def banner(self) -> str:
        return self.faults.banner if self.faults.banner is not None else self._banner

    def reaches(self, address: str) -> bool:
        """Whether somebody answers there; what is no address is the name of somebody who does."""
        try:
            wanted = ipaddress.ip_address(address)
        except ValueError:
            return True
        return not any(wanted in network for network in self._unreachable)

    @property
    def limit(self) -> int | None:
        return self.faults.vty_limit if self.faults.vty_limit is not None else self.max_vty

    @property
    def full(self) -> bool:
        """Whether the session that just came is one too many."""
        return self.limit is not None and len(self.players) > self.limit

    @property
    def crowded(self) -> bool:
        """Whether the next session would be one too many."""
        return self.limit is not None and len(self.players) >= self.limit

    @property
    def data(self) -> DataStore:
        """The configuration and the state as YANG models see them."""
        if self._data is None:
            from aioconn.lab.data import DataStore

            self._data = DataStore(self)
        return self._data

    def restart(self) -> None:
        """Go down with all that is open, and come back after `boot` seconds with the configuration that was saved.

        One that `vanishes` tells nobody: its connections stay open, and silent, until it is removed. The line of a
        console stays as well where the device does not vanish; it shows how it starts.
        """
        self.away = True
        self.boots += 1
        self._start_anew()
        self.on_restart()
        if self.vanishes:
            self._vanish()
            return
        for server in self.servers.values():
            server.cut()
        staying = [session for session in self.players if isinstance(session, Line) and session.stays]
        wires = [line.wire for line in staying]
        for session in list(self.players):
            if session not in staying:
                session.end()
        for connection in list(self.connections):
            if connection not in wires:
                connection.finish(reset=False)
        for line in staying:
            line.restart()

    def _vanish(self) -> None:
        self._vanishing = {}
        for server in self.servers.values():
            server.cut()
        self.kill_sessions(reset=True)
        for connection in list(self.connections):
            connection.finish(reset=True)
        self._held += self._vanishing.values()
        self._vanishing = None

    def reset(self, transport: asyncio.BaseTransport) -> None:
        """End a connection with RST; when the device vanishes, only its own end of it: the peer hears nothing."""
        sock = transport.get_extra_info("socket")
        if self._vanishing is not None and sock is not None and sock.fileno() not in self._vanishing:
            self._vanishing[sock.fileno()] = hold(sock)
        hard_reset(transport)

    def accepts(self, username: str, password: str) -> bool:
        """Whether this is the user's password."""
        if self.faults.wrong_password:
            return False
        same = hmac.compare_digest(password.encode(), self.password.encode())
        return same and (username == self.username or self.personality.login.username is None)

    def may_log_in(self) -> bool:
        """Count a login against `logins_per_minute`; False if it is one too many."""
        limit = self.faults.logins_per_minute
        if not limit:
            return True
        now = time.monotonic()
        while self._login_times and now - self._login_times[0] >= 60:
            self._login_times.popleft()
        if len(self._login_times) >= limit:
            self.refusals += 1
            return False
        self._login_times.append(now)
        return True

    def record(self, session: int, command: str) -> None:
        self.log.append(Entry(session, command))

    def next_identity(self) -> int:
        self._identities += 1
        return self._identities

    def enter(self, player: Session) -> None:
        self.players[player] = None
        self.peak_sessions = max(self.peak_sessions, len(self.players))

    def leave(self, player: Session) -> None:
        self.players.pop(player, None)

    def kill_sessions(self, *, reset: bool = False) -> int:
        """End all sessions now, with FIN or with RST; the number of them."""
        victims = list(self.players)
        for player in victims:
            player.end(reset=reset)
        return len(victims)

    def cut(self) -> None:
        """End all connections, whatever protocol and state they are in."""
        for server in self.servers.values():
            server.cut()
        self.kill_sessions()
        for connection in list(self.connections):
            connection.finish(reset=True)
        for sock in self._held:
            sock.close()
        self._held.clear()
