# SPDX-License-Identifier: Apache-2.0
"""Connections without a loop, of our classes and of somebody else's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aioconn.connection import State, service
from aioconn.errors import DeviceBusy, SessionClosed, UsageError
from aioconn.protocols import cli
from aioconn.sync import CliConnection, Connection, Device, Testbed
from tests.lab_thread import LabThread
from tests.sync.greeter import Greeter, serving


@pytest.fixture
def greeting() -> Iterator[Device]:
    with serving() as path:
        device = Device("r1", connections={"a": path})
        yield device
        device.destroy_all()


def test_what_a_connection_tells(testbed_of: Callable[..., Testbed]) -> None:
    r1 = testbed_of("r1")["r1"]
    connection: Any = r1.connect(alias="vty_1")
    assert type(connection) is CliConnection
    assert (connection.device, connection.alias, connection.via) == ("r1", "vty_1", "cli")
    assert connection.state is State.READY
    assert connection.connected
    assert connection.mode == "privileged"
    assert connection.platform.name == "cisco_iosxe"
    assert connection.path.protocol == "ssh"
    assert connection.options.timeout > 0
    assert connection.credentials.get().user == "admin"
    assert set(connection.services) == set(cli.CliConnection.services)
    assert set(connection.streams) == set(cli.CliConnection.streams)
    assert repr(connection) == "<CliConnection r1.vty_1 via cli ready>"
    connection.close()
    assert str(connection.state) == "closed"
    with pytest.raises(SessionClosed):
        connection.execute("show clock")
    connection.open()
    assert "UTC" in connection.execute("show clock")


def test_talking_raw(testbed_of: Callable[..., Testbed]) -> None:
    connection = testbed_of("r1")["r1"].connect()
    connection.send("show clock")
    found = connection.expect([r"nothing of the kind", r"(UTC)"])
    assert (found.index, found.match[1]) == (1, "UTC")
    connection.send("show version")
    assert connection.receive()
    connection.enter_mode("config")
    assert connection.mode == "config"


def test_a_transaction_is_the_threads(testbed_of: Callable[..., Testbed]) -> None:
    import threading

    r1 = testbed_of("r1")["r1"]
    connection = r1.connect()
    refused: list[Any] = []

    def other() -> None:
        with pytest.raises(DeviceBusy) as busy:
            connection.execute("show clock", timeout=0.1)
        refused.append(str(busy.value))

    with connection.transaction() as session:
        assert session is connection
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert "UTC" in session.execute("show clock")
        assert "UTC" in r1.execute("show clock")
        with r1.transaction():  # a part of the outer one
            session.execute("show clock")
    assert "thread MainThread" in refused[0]
    assert "test_connection.py:" in refused[0]


def test_a_block_is_entered_once_at_a_time(testbed_of: Callable[..., Testbed]) -> None:
    connection = testbed_of("r1")["r1"].connect()
    block = connection.transaction()
    with block, pytest.raises(UsageError, match="entered already"), block:
        pass
    with block:
        connection.execute("show clock")


def test_a_class_of_somebody_elses(greeting: Device) -> None:
    greeter: Any = greeting.connect(cls=Greeter)
    assert issubclass(type(greeter), Connection)
    assert type(greeter).__name__ == "Greeter"
    assert greeter.greet("r1") == greeting.greet("r1") == "hello r1"
    assert greeter.politeness == 2
    assert list(greeter.greet_all(["a", "b"])) == ["hello a", "hello b"]
    assert list(greeting.greet_all(["c"])) == ["hello c"]
    with greeter.transaction() as session:
        assert session.greet("x") == "hello x"
    assert type(greeter).greet.__doc__ == "Greet somebody by name."
    assert list(inspect.signature(greeter.greet).parameters) == ["name", "timeout"]
    assert not inspect.iscoroutinefunction(greeter.greet)
    assert greeting.connect(cls=Greeter) is greeter
    assert type(greeting.connect(alias="second", cls=Greeter)) is type(greeter)
    with pytest.raises(UsageError, match="it offers greet"):
        greeting.execute("show clock")
    with pytest.raises(AttributeError, match="greets"):
        greeting.greets("r1")


def test_a_pool_of_somebody_elses(greeting: Device) -> None:
    pool = greeting.connect(alias="pool", cls=Greeter, pool_size=2)
    assert pool.greet("r1") == "hello r1"
    assert list(pool.greet_all(["a", "b"])) == ["hello a", "hello b"]
    with pool.acquire() as session:
        assert session.greet("r2") == "hello r2"
        assert session.politeness
        assert list(session.greet_all(["a"])) == ["hello a"]


class Chatty(cli.CliConnection):
    """A command line with one service more, and one that is another."""

    @service
    async def uptime(self, *, timeout: float | None = None) -> str:
        """How long it runs."""
        return (await self.execute("show version")).split("uptime is ")[1].splitlines()[0]

    @service
    async def parse(self, command: str, *, loud: bool = False, timeout: float | None = None) -> Any:  # type: ignore[override]
        return command.upper() if loud else command


def test_a_class_that_is_built_on_ours(testbed_of: Callable[..., Testbed], lab: LabThread) -> None:
    r1 = testbed_of("r1")["r1"]
    chatty: Any = r1.connect(cls=Chatty)
    assert issubclass(type(chatty), CliConnection)
    assert type(chatty) is not CliConnection
    assert chatty.uptime() == r1.uptime()
    assert "UTC" in chatty.execute("show clock")
    assert chatty.parse("a", loud=True) == "A"
    pool = r1.connect(alias="pool", cls=Chatty, pool_size=2)
    assert pool.uptime() == chatty.uptime()
    with pool.acquire() as session:
        assert session.parse("a", loud=True) == "A"
        assert "UTC" in session.execute("show clock")
