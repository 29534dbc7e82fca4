# SPDX-License-Identifier: Apache-2.0
"""A device, as scripts without a loop use it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from aioconn.errors import UsageError, nearest
from aioconn.sync import finding
from aioconn.sync.handle import Handles
from aioconn.sync.reach import Local
from aioconn.sync.redirected import Redirected
from aioconn.sync.words import DeviceWords
from aioconn.testbed import device as async_device

if TYPE_CHECKING:
    from aioconn.sync.manager import ConnectionManager
    from aioconn.sync.reach import Reach
    from aioconn.sync.testbed import Testbed

Home = Literal["own", "shared"]


def checked_home(loop: Home) -> Home:
    """Where a device of a script may live: a thread has no loop of its own."""
    if loop not in ("own", "shared"):
        raise UsageError(
            f"loop {loop!r} is none of own, shared",
            hint="a device of a script lives in a thread of aioconn's",
        )
    return loop


class Device(DeviceWords):
    """One device of a testbed, or one on its own: `Device("r1", os="iosxe", connections={...}, credentials={...})`.

    The keyword arguments are the device's keys in a testbed file. `loop` says where it lives: on a loop in a thread of
    its own ("own"), or on the one thread of all that ask for "shared". Connections are reached by their alias, as
    attributes (`r1.vty_1`) or items (`r1["vty_1"]`); services called on the device go to the default alias.

    Any thread may use it, several at once, and so may child processes: they ask the process that owns it.
    """

    __slots__ = ("_alias_in_use", "_testbed")

    _alias_in_use: ContextVar[str | None] | None
    _testbed: Testbed | None

    def __init__(self, name: str, *, loop: Home = "own", **keys: Any) -> None:
        self.stand_for(finding.reach_of(async_device.Device(name, loop=checked_home(loop), **keys)))
        finding.remember(self)

    def stand_for(self, reach: Reach) -> None:
        super().stand_for(reach)
        self._alias_in_use = None
        self._testbed = None

    @property
    def _reach(self) -> Reach:
        return self._at if self._alias_in_use is None else self.redirected(self._at)

    def redirected(self, reach: Reach) -> Reach:
        """The way of a call that may be meant for the alias of `using_alias()`."""
        alias = self._alias_in_use.get() if self._alias_in_use is not None else None
        return reach if alias is None else Redirected(reach, alias, self)

    # ------------------------------------------------------------------ its connections

    @property
    def manager(self) -> ConnectionManager:
        """What owns the connections of the device."""
        from aioconn.sync.manager import ConnectionManager

        manager = ConnectionManager()
        manager.stand_for(self._at.on("manager") if isinstance(self._at, Local) else self._at)
        return manager.of(self)

    @property
    def testbed(self) -> Testbed | None:
        """The testbed that it is a device of. A device that came here from another process alone does not know it."""
        if self._testbed is not None:
            return self._testbed
        testbed = self._at.own("testbed")
        return finding.of_testbed(testbed) if testbed is not None else None

    @property
    def of_testbed_elsewhere(self) -> Testbed | None:
        """The testbed of another process that it is known to belong to."""
        return self._testbed if self._at.local is None else None

    def belongs_to(self, testbed: Testbed) -> None:
        """For a testbed: that it is a device of that one."""
        self._testbed = testbed

    @property
    def connections(self) -> Mapping[str, Any]:
        """Alias -> connection or pool."""
        device = self._at.local
        if device is None:
            return Handles(self._at.ask("connections"))
        live = device.manager.connections.copy()
        return Handles(
            {alias: finding.of_connection(connection, device) for alias, connection in live.items()}
        )

    def connection(self, alias: str | None = None) -> Any:
        """The connection of an alias, by default the one that services go to. Raises `UnknownAlias`."""
        alias = alias or (self._alias_in_use.get() if self._alias_in_use is not None else None)
        device = self._at.local
        if device is None:
            return self._at.ask("get", (alias,))
        return finding.of_connection(device.manager.get(alias), device)

    def __getitem__(self, alias: str) -> Any:
        return self.connection(alias)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        connections = self.connections
        if name in connections:
            return connections[name]
        current = connections.get(self.manager.default_alias) if connections else None
        offered = (*current.services, *current.streams) if current is not None else ()
        if name in offered:
            return getattr(current, name)
        known = {*connections, *offered}
        hint = nearest(name, known) if known else "connect() it first"
        raise AttributeError(f"device {self.name!r} has no connection or service {name!r}: {hint}")

    @contextlib.contextmanager
    def using_alias(self, name: str) -> Iterator[Any]:
        """Within the block, and in this thread only, services called on the device go to `name`."""
        connection = self.connection(name)
        if self._alias_in_use is None:
            self._alias_in_use = ContextVar(f"aioconn alias of {self.name}", default=None)
        variable = self._alias_in_use
        token = variable.set(name)
        try:
            yield connection
        finally:
            variable.reset(token)

    def transaction(self, *, timeout: float | None = None) -> AbstractContextManager[Any]:
        """`with device.transaction() as session:` on the default alias. See `Connection.transaction`."""
        transaction: AbstractContextManager[Any] = self.connection().transaction(timeout=timeout)
        return transaction

    def bash_console(self, *, timeout: float | None = None) -> AbstractContextManager[Any]:
        """`with device.bash_console() as bash:` on the default alias. See `CliConnection.bash_console`."""
        connection = self.connection()
        if not hasattr(connection, "bash_console"):
            raise UsageError(f"{type(connection).__name__} has no 'bash_console'", device=self.name)
        block: AbstractContextManager[Any] = connection.bash_console(timeout=timeout)
        return block

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything. Another process than the one that owns the device closes nothing: it is in use there."""
        if self._at.local is not None:
            self.destroy_all()


def device(
    url: str, *, name: str | None = None, os: str | None = None, loop: Home = "own", **keys: Any
) -> Device:
    """A device from one line: `device("ssh://admin@192.0.2.1:22", os="iosxe", password=...)`.

    `password`, `username` and `enable_password` are credentials; other keyword arguments are options of the connection.
    """
    return finding.of_device(async_device.device(url, name=name, os=os, loop=checked_home(loop), **keys))
