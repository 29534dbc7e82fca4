# SPDX-License-Identifier: Apache-2.0
"""One simulated device: what it is, who is on it, what it has been told."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from aioconn.lab.config import ConfigTree
from aioconn.lab.dialects import load as load_dialect
from aioconn.lab.facts import facts, fill, moments
from aioconn.lab.faults import NO_FAULTS, Faults
from aioconn.lab.hierarchy import Hierarchy
from aioconn.lab.personality import Personality

if TYPE_CHECKING:
    from aioconn.lab.data import DataStore
    from aioconn.lab.dialects.base import Dialect
    from aioconn.lab.player import Wire
    from aioconn.lab.servers import Server


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


class LabDevice:
    """A device of a lab. `faults` may be replaced at any time; what is counted here is for tests to read.

    `log` holds the last `LOG` commands with the number of the session that typed them.
    """

    LOG = 10_000

    def __init__(
        self,
        name: str,
        personality: Personality,
        *,
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
        self.name = name
        self.personality = personality
        self.dialect = load_dialect(personality.dialect)
        self.seed = seed
        self.username = username
        self.password = password
        self.enable = enable
        self.authorized_key = authorized_key
        self.faults = faults
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
        self._saved = 0  # the version that it starts with
        self._startup: ConfigTree | None = None
        self._dialects: dict[str, Dialect] = {}
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
        self.facts = {**personality.facts, **facts(name, seed), "user": username}
        self.version = 0  # of the configuration: grows with every change
        self._watchers: dict[object, Callable[[], None]] = {}
        self._data: DataStore | None = None
        self._touch()
        self._banner = banner
        self._given = self._hostname = hostname or name
        self._identities = 0
        self._login_times: deque[float] = deque()
        self._config: ConfigTree | None = None
        self._history: list[Hierarchy] = []  # committed configurations, newest first
        self._candidate: Hierarchy | None = None

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
    def host(self) -> str:
        """The name in the prompt."""
        return self.faults.hostname or self._hostname

    @property
    def banner(self) -> str:
        return self.faults.banner if self.faults.banner is not None else self._banner

    def dialect_of(self, mode: str) -> Dialect:
        """How one of its modes behaves: as the rest, or as a shell below does."""
        name = self.personality.modes[mode].dialect
        if not name:
            return self.dialect
        if name not in self._dialects:
            self._dialects[name] = load_dialect(name)
        return self._dialects[name]

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
    def config(self) -> ConfigTree:
        """The running configuration."""
        if self._config is None:
            text = self.text(self.personality.configuration)
            self._config = ConfigTree(text, single=self.personality.single)
        return self._config

    @property
    def hierarchy(self) -> Hierarchy:
        """The committed configuration of a device with nested statements."""
        if not self._history:
            self._history.append(
                Hierarchy(self.personality.schema, self.text(self.personality.configuration))
            )
        return self._history[0]

    @property
    def candidate(self) -> Hierarchy:
        """The configuration that all sessions edit until it is committed."""
        if self._candidate is None:
            self._candidate = self.hierarchy.copy()
        return self._candidate

    @property
    def data(self) -> DataStore:
        """The configuration and the state as YANG models see them."""
        if self._data is None:
            from aioconn.lab.data import DataStore

            self._data = DataStore(self)
        return self._data

    @property
    def running(self) -> ConfigTree | Hierarchy:
        """The configuration that counts, in the form that this kind of device has."""
        return self.hierarchy if self.personality.schema else self.config

    @property
    def draft(self) -> Hierarchy | None:
        """What is edited on the command line and not committed yet; None while nothing is."""
        edited = self._candidate is not None and self._candidate != self.hierarchy
        return self._candidate if edited else None

    def adopt(self, configuration: ConfigTree | Hierarchy) -> None:
        """Make a changed copy of the running configuration count."""
        if isinstance(configuration, Hierarchy):
            if self.draft is None:
                self._candidate = None
            self._history = [configuration, *self._history][:50]
        else:
            self._config = configuration
        self._changed()

    @property
    def modified(self) -> bool:
        """Whether a restart would lose what was configured."""
        return self.dialect.forgets and self.version != self._saved

    def save(self) -> None:
        """Keep the configuration for the next start."""
        self._startup = self.config.copy() if self.dialect.forgets else None
        self._saved = self.version

    def restart(self) -> None:
        """Go down with all that is open, and come back after `boot` seconds with the configuration that was saved.

        One that `vanishes` tells nobody: its connections stay open, and silent. So does the line of a console, which
        shows how it starts.
        """
        from aioconn.lab.player import Player

        self.away = True
        self.boots += 1
        if self.modified:
            self._config = self._startup.copy() if self._startup is not None else None
            self._changed()
            self._saved = self.version
        self._candidate = None
        self.on_restart()
        players = [player for player in self.players if isinstance(player, Player)]
        if self.vanishes:
            for player in players:
                player.lost()
            return
        for server in self.servers.values():
            server.cut()
        staying = [player for player in players if player.wire.stays]
        lines: list[Wire] = [player.wire for player in staying]
        for session in list(self.players):
            if session not in staying:
                session.end()
        for connection in list(self.connections):
            if connection not in lines:
                connection.finish(reset=False)
        for player in staying:
            player.restart()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change of the configuration. Calling what this returns ends it."""
        key = object()
        self._watchers[key] = callback

        def withdraw() -> None:
            self._watchers.pop(key, None)

        return withdraw

    def commit(self) -> None:
        """Make the candidate count; the last fifty are kept."""
        self._history = [self.candidate.copy(), *self._history][:50]
        self._changed()

    def rollback(self, number: int) -> None:
        """Make an earlier configuration the candidate: 0 is the one that counts now."""
        committed = [self.hierarchy, *self._history[1:]]
        self._candidate = committed[min(number, len(committed) - 1)].copy()

    def text(self, text: str) -> str:
        """`text` with the facts of this device."""
        self.facts["host"] = self.host
        return fill(text, self.facts)

    def configure(self, path: Sequence[str], line: str) -> None:
        """Apply one line of configuration in a section."""
        self.config.apply(path, line)
        self._changed()

    def open_section(self, path: Sequence[str]) -> None:
        """Have a section of the configuration, empty if it was not there."""
        lines = self.config.root
        for line in path:
            if line not in lines:
                self.config.section(path)
                self._changed()
                return
            lines = lines[line]

    def _changed(self) -> None:
        """After every change of the configuration: its name and its date are those of the new one."""
        configured = (
            self.hierarchy.value("system", "host-name")
            if self.personality.schema
            else self.config.value("hostname")
        )
        self._hostname = configured or self._given
        self._touch()
        self.version += 1
        for callback in list(self._watchers.values()):
            callback()

    def _touch(self) -> None:
        """Note when the configuration was changed."""
        self.facts.update(moments("changed", time.time()))

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
