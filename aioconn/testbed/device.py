# SPDX-License-Identifier: Apache-2.0
"""A device: the script's handle. It delegates; its manager does the work."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, cast, overload
from urllib.parse import unquote, urlsplit

from aioconn.admission import ConnectGate
from aioconn.credentials import Credentials
from aioconn.declaration import Loader
from aioconn.errors import UnknownDevice, UsageError, nearest
from aioconn.events import Listeners
from aioconn.manager import Connection, ConnectionManager
from aioconn.manager.defaults import DEFAULT_ALIAS, Defaults
from aioconn.path import Path
from aioconn.policy import COMMAND_TIMEOUT, POOL_TIMEOUT, Limits
from aioconn.residence import LoopKind
from aioconn.results import Output
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import DeviceSpec
from aioconn.testbed.topology import Interface, Link
from aioconn.wrapping import Wrapper, Wrapping

if TYPE_CHECKING:
    from aioconn.protocols.cli import CliConnection
    from aioconn.protocols.cli_options import Replies
    from aioconn.testbed.testbed import Testbed


class Device:
    """One device of a testbed, or one on its own: `Device("r1", os="iosxe", connections={...}, credentials={...})`.

    The keyword arguments are the device's keys in a testbed file. `loop` says where it lives: on the loop that connects
    first ("caller"), on one in a thread of its own ("own"), or on the one thread of all that ask for "shared".
    Connections are reached by their alias, as attributes (`r1.vty_1`) or items (`r1["vty_1"]`); services called on the
    device go to the default alias.
    """

    def __init__(self, name: str, *, loop: LoopKind = "caller", **keys: Any) -> None:
        spec = load_spec({"devices": {name: keys}}).devices[name]
        self._set_up(spec, None, loop)

    @classmethod
    def from_spec(
        cls, spec: DeviceSpec, testbed: Testbed | None = None, *, loop: LoopKind = "caller"
    ) -> Device:
        """The live object of what a testbed says of a device."""
        self = cls.__new__(cls)
        self._set_up(spec, testbed, loop)
        return self

    def _set_up(self, spec: DeviceSpec, testbed: Testbed | None, loop: LoopKind) -> None:
        self._spec = spec
        self._testbed = weakref.ref(testbed) if testbed is not None else None
        self._listeners = Listeners(testbed.listeners if testbed is not None else None)
        defaults = spec.defaults
        self._manager = ConnectionManager(
            self,
            defaults=Defaults(
                class_name=defaults.class_name,
                alias=defaults.alias or DEFAULT_ALIAS,
                via=defaults.via,
                arguments=defaults.arguments,
                pool_size=defaults.pool_size,
                pool_timeout=POOL_TIMEOUT if defaults.pool_timeout is None else defaults.pool_timeout,
            ),
            limits=Limits(max_sessions=defaults.max_sessions, logins_per_minute=defaults.logins_per_minute),
            loop=loop,
            wrappers=[
                *(testbed.named_wrappers if testbed is not None else ()),
                *map(Loader, spec.wrappers),
            ],
        )

    # ------------------------------------------------------------------ what it is

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def alias(self) -> str:
        """The device's other name in the testbed; its name if it has none."""
        return self._spec.alias or self._spec.name

    @property
    def os(self) -> str | None:
        """The operating system, as the testbed spells it."""
        return self._spec.os

    @property
    def platform(self) -> str | None:
        """The hardware platform, as the testbed spells it."""
        return self._spec.platform

    @property
    def type(self) -> str | None:
        return self._spec.type

    @property
    def custom(self) -> Mapping[str, Any]:
        return self._spec.custom

    @property
    def interfaces(self) -> Mapping[str, Interface]:
        """The interfaces that the testbed describes, by name or alias."""
        return self._spec.interfaces

    @property
    def peripherals(self) -> Mapping[str, Any]:
        """What is attached to the device: power, console servers, ..."""
        return self._spec.peripherals

    @property
    def links(self) -> tuple[Link, ...]:
        """The links that the device has an interface on."""
        testbed = self.testbed
        return testbed.topology.links_of(self.name) if testbed is not None else ()

    def find_links(self, other: str) -> tuple[Link, ...]:
        """The links to another device of the testbed, by its name or alias. Raises `UnknownDevice`."""
        testbed = self.testbed
        return testbed.topology.links_between(self.name, testbed[other].name) if testbed is not None else ()

    @property
    def spec(self) -> DeviceSpec:
        """All that the testbed says of it."""
        return self._spec

    @property
    def testbed(self) -> Testbed | None:
        return self._testbed() if self._testbed is not None else None

    @property
    def manager(self) -> ConnectionManager:
        return self._manager

    @property
    def paths(self) -> Mapping[str, Path]:
        """The ways to the device, by name."""
        return self._spec.connections

    @property
    def credentials(self) -> Credentials:
        return self._spec.credentials

    @property
    def listeners(self) -> Listeners:
        """Who hears of this device's events: `device.listeners.add(callback)`."""
        return self._listeners

    @property
    def connections(self) -> Mapping[str, Connection]:
        """Alias -> connection or pool."""
        return self._manager.connections

    def __repr__(self) -> str:
        live = [alias for alias, connection in self.connections.items() if connection.connected]
        return f"<Device {self.name} {self.os or 'os unknown'} {'connected: ' + ', '.join(live) if live else 'idle'}>"

    # ------------------------------------------------------------------ what the manager asks

    @property
    def platform_hint(self) -> Any:
        return self._spec.os or None

    @property
    def connect_gate(self) -> ConnectGate | None:
        testbed = self.testbed
        return testbed.connect_gate if testbed is not None else None

    def manager_of(self, device: str) -> ConnectionManager:
        testbed = self.testbed
        if testbed is None:
            raise UnknownDevice(
                f"{self.name} goes through {device!r}, but belongs to no testbed", device=self.name
            )
        return testbed.hop(device).manager

    def owns_name(self, name: str) -> bool:
        return hasattr(type(self), name) or name in self.__dict__

    # ------------------------------------------------------------------ the manager's verbs

    async def connect(
        self,
        *,
        alias: str | None = None,
        via: str | Sequence[str] | None = None,
        cls: Any = None,
        timeout: float | None = None,
        replace: bool = False,
        pool_size: int | None = None,
        pool_timeout: float | None = None,
        **arguments: Any,
    ) -> Any:
        """See `ConnectionManager.connect`."""
        return await self._manager.connect(
            alias=alias,
            via=via,
            cls=cls,
            timeout=timeout,
            replace=replace,
            pool_size=pool_size,
            pool_timeout=pool_timeout,
            **arguments,
        )

    async def disconnect(self, alias: str | None = None) -> None:
        """See `ConnectionManager.disconnect`."""
        await self._manager.disconnect(alias)

    async def destroy(self, alias: str | None = None) -> None:
        """See `ConnectionManager.destroy`."""
        await self._manager.destroy(alias)

    async def disconnect_all(self) -> None:
        """See `ConnectionManager.disconnect_all`."""
        await self._manager.disconnect_all()

    async def destroy_all(self) -> None:
        """See `ConnectionManager.destroy_all`."""
        await self._manager.destroy_all()

    def is_connected(self, alias: str | None = None) -> bool:
        """Whether the alias is live; False for an unknown one."""
        return self._manager.is_connected(alias)

    @property
    def connected(self) -> bool:
        """Whether the default alias is live."""
        return self._manager.is_connected()

    def using_alias(self, name: str) -> AbstractContextManager[Connection]:
        """See `ConnectionManager.using_alias`."""
        return self._manager.using_alias(name)

    def wrap(self, wrapper: Wrapper, *, order: int | None = None) -> Wrapping:
        """See `ConnectionManager.wrap`."""
        return self._manager.wrap(wrapper, order=order)

    def transaction(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Any]:
        """`async with device.transaction() as session:` on the default alias. See `BaseConnection.transaction`."""
        return self._manager.get().transaction(timeout=timeout)

    def bash_console(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Any]:
        """`async with device.bash_console() as bash:` on the default alias. See `CliConnection.bash_console`."""
        return self._cli("bash_console").bash_console(timeout=timeout)

    def exclusive(self, *, timeout: float = COMMAND_TIMEOUT) -> AbstractAsyncContextManager[Any]:
        """`async with device.exclusive():` keeps everybody else out. See `ConnectionManager.exclusive`."""
        return self._manager.exclusive(timeout=timeout)

    async def __aenter__(self) -> Device:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.destroy_all()

    # ------------------------------------------------------------------ services of the default alias

    @overload
    async def execute(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one command
        self,
        command: str,
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        idempotent: bool = False,
    ) -> Output: ...

    @overload
    async def execute(
        self,
        command: Sequence[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        idempotent: bool = False,
    ) -> list[Output]: ...

    async def execute(
        self,
        command: Any,
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        idempotent: bool = False,
    ) -> Any:
        """Run a command, or several. See `CliConnection.execute`."""
        return await self._cli("execute").execute(
            command, timeout=timeout, check=check, reply=reply, mode=mode, idempotent=idempotent
        )

    async def configure(
        self,
        lines: str | Iterable[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        commit: bool = True,
        exclusive: bool = True,
    ) -> Output:
        """Send configuration lines. See `CliConnection.configure`."""
        return await self._cli("configure").configure(
            lines, timeout=timeout, check=check, reply=reply, commit=commit, exclusive=exclusive
        )

    async def parse(
        self, command: str, *, timeout: float | None = None, parser: str | None = None
    ) -> list[dict[str, Any]]:
        """Run a command and parse its output. See `CliConnection.parse`."""
        return await self._cli("parse").parse(command, timeout=timeout, parser=parser)

    def stream(
        self, command: str, *, timeout: float | None = None, reply: Replies | None = None
    ) -> AsyncGenerator[str, None]:
        """The output of a command while it arrives. See `CliConnection.stream`."""
        return self._cli("stream").stream(command, timeout=timeout, reply=reply)

    def _cli(self, service: str) -> CliConnection:
        connection = self._manager.get()
        if not hasattr(connection, service):
            raise UsageError(
                f"{type(connection).__name__} has no {service!r}",
                device=self.name,
                path=connection.via,
                hint=f"it offers {', '.join(connection.services)}",
            )
        return cast("CliConnection", connection)

    # ------------------------------------------------------------------ aliases, and services of other classes

    def __getitem__(self, alias: str) -> Any:
        return self._manager.get(alias)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        connections = self._manager.connections
        if name in connections:
            return connections[name]
        current = connections.get(self._manager.default_alias)
        offered = (*type(current).services, *type(current).streams) if current is not None else ()
        if name in offered:
            return getattr(current, name)
        known = {*connections, *offered}
        raise AttributeError(
            f"device {self.name!r} has no connection or service {name!r}: {nearest(name, known)}"
        )


def device(
    url: str, *, name: str | None = None, os: str | None = None, loop: LoopKind = "caller", **keys: Any
) -> Device:
    """A device from one line: `device("ssh://admin@192.0.2.1:22", os="iosxe", password=...)`.

    `password`, `username` and `enable` are credentials; other keyword arguments are options of the connection.
    """
    parts = urlsplit(url)
    if not parts.scheme or not parts.hostname:
        raise UsageError(f"{url!r} is no address", hint="write ssh://user@host:port")
    try:
        port = parts.port
    except ValueError:
        raise UsageError(f"{url!r}: the port is not a number between 1 and 65535") from None
    password = keys.pop("password", unquote(parts.password) if parts.password else None)
    username = keys.pop("username", unquote(parts.username) if parts.username else None)
    enable = keys.pop("enable_password", None)
    login = {
        key: value for key, value in (("username", username), ("password", password)) if value is not None
    }
    credentials: dict[str, Any] = {"default": login} if login else {}
    if enable is not None:
        credentials["enable"] = {"password": enable}
    path = {"protocol": parts.scheme, "host": parts.hostname, **({"port": port} if port else {})}
    made = Device(
        name or parts.hostname,
        loop=loop,
        **({"os": os} if os else {}),
        connections={parts.scheme: path, "defaults": {"via": parts.scheme}},
        credentials=credentials,
    )
    if keys:
        made.manager.default_arguments(keys)
    return made
