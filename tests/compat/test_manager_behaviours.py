# SPDX-License-Identifier: Apache-2.0
"""What pyATS documents of its devices and their connection manager, one by one, of ours."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

import aioconn
from aioconn.connection import BaseConnection, service
from aioconn.errors import (
    AliasInUse,
    HostUnreachable,
    InvalidAlias,
    InvalidOption,
    PoolTimeout,
    SessionClosed,
    UnknownAlias,
    UnknownClass,
    UnknownPath,
    UsageError,
)
from aioconn.lab import Faults, Lab
from aioconn.protocols.cli import CliConnection
from aioconn.request import BaseOptions

DeviceOf = Callable[..., Awaitable[aioconn.Device]]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming-from-pyats.md"


class Noted(BaseConnection[BaseOptions]):
    """Talks to nobody."""

    options_type: ClassVar[type[BaseOptions]] = BaseOptions

    async def _open(self) -> None:
        pass

    async def _close(self) -> None:
        pass

    @service
    async def who(self) -> str:
        """Which class it is, and what it was told."""
        return f"{type(self).__name__} {self.options.timeout:g}"


class OfThePath(Noted):
    pass


class OfTheDefaults(Noted):
    pass


class OfTheCaller(Noted):
    pass


@pytest.fixture
async def device_of(lab: Lab) -> AsyncIterator[DeviceOf]:
    """`await device_of(defaults={...})`: a device with the paths cli (SSH), vty (telnet) and classy (a class)."""
    made: list[aioconn.Device] = []

    async def make(*, defaults: dict[str, Any] | None = None, **options: Any) -> aioconn.Device:
        await lab.add("r1", **options)
        keys = lab.testbed()["devices"]["r1"]
        keys["connections"]["classy"] = {"protocol": "ssh", "host": "127.0.0.1", "class": place_of(OfThePath)}
        keys["connections"]["plain"] = {"protocol": "ssh", "host": "127.0.0.1"}
        if defaults is not None:
            keys["connections"]["defaults"] = defaults
        made.append(aioconn.Device("r1", **keys))
        return made[-1]

    yield make
    for device in made:
        await device.destroy_all()


def place_of(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


async def test_connect(device_of: DeviceOf, lab: Lab) -> None:
    """`connect()` opens one connection, by default the command line's."""
    r1 = await device_of()
    connection = await r1.connect()
    assert connection.connected
    assert connection.via == "cli"
    assert "Version" in await connection.execute("show version")
    assert lab["r1"].sessions == 1


async def test_default_alias(device_of: DeviceOf) -> None:
    """Without an alias it is called `default`, unless `connections.defaults.alias` says otherwise."""
    r1 = await device_of()
    await r1.connect()
    assert list(r1.connections) == ["default"]
    assert r1.manager.default_alias == "default"
    named = aioconn.Device(
        "r2", connections={"a": {"protocol": "ssh", "host": "192.0.2.1"}, "defaults": {"alias": "main"}}
    )
    assert named.manager.default_alias == "main"
    named.manager.instantiate(cls=Noted)
    assert list(named.connections) == ["main"]


async def test_alias(device_of: DeviceOf, lab: Lab) -> None:
    """Further connections each have an alias of their own."""
    r1 = await device_of()
    await r1.connect()
    await r1.connect(alias="vty_1", via="vty")
    assert list(r1.connections) == ["default", "vty_1"]
    assert lab["r1"].sessions == 2
    for alias in ("name", "not an identifier", "class"):
        with pytest.raises(InvalidAlias):
            await r1.connect(alias=alias)


async def test_via(device_of: DeviceOf) -> None:
    """`via` names the path; an unknown one is an error that names the known ones."""
    r1 = await device_of()
    assert (await r1.connect(via="vty")).via == "vty"
    with pytest.raises(UnknownPath, match="vty"):
        await r1.connect(alias="other", via="vtyy")


async def test_default_via(device_of: DeviceOf) -> None:
    """`connections.defaults.via` is taken when nothing is said."""
    r1 = await device_of(defaults={"via": "vty"})
    assert (await r1.connect()).via == "vty"


async def test_class_resolution(device_of: DeviceOf) -> None:
    """The class: `cls=`, that of the path, that of `connections.defaults`, that of the protocol."""
    r1 = await device_of(defaults={"class": place_of(OfTheDefaults)})
    said = {
        "caller": (await r1.connect(alias="a", via="classy", cls=OfTheCaller)),
        "path": (await r1.connect(alias="b", via="classy")),
        "defaults": (await r1.connect(alias="c", via="plain")),
    }
    assert {name: (await one.who()).split()[0] for name, one in said.items()} == {
        "caller": "OfTheCaller",
        "path": "OfThePath",
        "defaults": "OfTheDefaults",
    }
    other = aioconn.Device("r2", connections={"a": {"protocol": "ssh", "host": "192.0.2.1"}})
    assert other.manager.class_of("a") is CliConnection


async def test_class_of_pyats(device_of: DeviceOf) -> None:
    """pyATS's own names of classes, and the one by which it gets our sessions, mean what we have for them."""
    for name in ("unicon.Unicon", "aioconn.compat.pyats.Connection"):
        paths = {"a": {"protocol": "telnet", "host": "192.0.2.1"}, "defaults": {"class": name}}
        assert aioconn.Device("r1", connections=paths).manager.class_of("a") is CliConnection
    broken = aioconn.Device(
        "r1", connections={"a": {"protocol": "ssh", "host": "192.0.2.1", "class": "no.such.Thing"}}
    )
    with pytest.raises(UnknownClass, match=re.escape("no.such.Thing")):
        await broken.connect()


async def test_keyword_arguments(device_of: DeviceOf) -> None:
    """What else is said reaches the class; an option that it does not know is refused."""
    r1 = await device_of()
    assert await (await r1.connect(via="classy", timeout=9)).who() == "OfThePath 30"  # bounds the attempt
    one = await r1.connect(alias="one", via="cli", columns=132)
    assert one.options.columns == 132
    with pytest.raises(InvalidOption, match="columns"):
        await r1.connect(alias="two", via="cli", colums=132)
    assert "two" not in r1.connections


async def test_connect_again(device_of: DeviceOf, lab: Lab) -> None:
    """An alias that is connected is returned as it is; one that was disconnected is opened again."""
    r1 = await device_of()
    first = await r1.connect()
    assert await r1.connect() is first
    await r1.disconnect()
    assert await r1.connect() is first
    assert first.connected
    assert lab["r1"].logins == 2
    with pytest.raises(AliasInUse):
        await r1.connect(via="vty")


async def test_instantiate(device_of: DeviceOf, lab: Lab) -> None:
    """`instantiate()` makes a connection without opening it."""
    r1 = await device_of()
    made = r1.manager.instantiate(alias="later", via="cli")
    assert not made.connected
    assert lab["r1"].logins == 0
    assert await r1.connect(alias="later", via="cli") is made


async def test_is_connected(device_of: DeviceOf) -> None:
    """`is_connected(alias)`, False for an alias that there is not; `connected` is about the default one."""
    r1 = await device_of()
    assert not r1.is_connected()
    await r1.connect(alias="vty_1", via="vty")
    assert [r1.is_connected("vty_1"), r1.is_connected("nobody"), r1.connected] == [True, False, False]


async def test_disconnect(device_of: DeviceOf, lab: Lab) -> None:
    """`disconnect()` closes; the connection stays, and its services say that it is closed."""
    r1 = await device_of()
    await r1.connect()
    await r1.disconnect()
    assert "default" in r1.connections
    with pytest.raises(SessionClosed):
        await r1.execute("show clock")
    assert lab["r1"].logins == 1


async def test_disconnect_all(device_of: DeviceOf, lab: Lab) -> None:
    """`disconnect_all()` closes all, pools as well, and keeps them."""
    r1 = await device_of()
    await r1.connect()
    await r1.connect(alias="pool", via="vty", pool_size=2)
    await r1.disconnect_all()
    assert [one.connected for one in r1.connections.values()] == [False, False]
    assert not r1.manager.statistics()["sessions_used"]


async def test_destroy(device_of: DeviceOf) -> None:
    """`destroy()` closes and forgets: the alias is free."""
    r1 = await device_of()
    await r1.connect()
    await r1.destroy()
    assert not r1.connections
    with pytest.raises(UnknownAlias):
        await r1.execute("show clock")
    assert (await r1.connect(via="vty")).via == "vty"


async def test_destroy_all(device_of: DeviceOf) -> None:
    """`destroy_all()` leaves nothing."""
    r1 = await device_of()
    kept = [await r1.connect(), await r1.connect(alias="vty_1", via="vty")]
    await r1.destroy_all()
    assert not r1.connections
    assert not any(connection.connected for connection in kept)


async def test_pool(device_of: DeviceOf, lab: Lab) -> None:
    """`pool_size` makes a pool, which is used like a connection: the first session that is free."""
    r1 = await device_of(faults=Faults(latency=0.02))
    pool = await r1.connect(alias="pool", via="cli", pool_size=3)
    outputs = await asyncio.gather(*[r1.pool.execute("show clock") for _ in range(9)])
    assert len(outputs) == 9
    assert lab["r1"].peak_sessions == 3
    assert pool.size == 3


async def test_pool_allocate(device_of: DeviceOf) -> None:
    """A session of a pool for several commands: `allocate()` there, `acquire()` here."""
    r1 = await device_of()
    await r1.connect(alias="pool", via="cli", pool_size=2)
    async with r1.pool.acquire() as session:
        await session.enter_mode("config")
        assert session.mode == "config"
    assert (await r1.pool.execute("show clock")).mode == "privileged"


@pytest.mark.clock("jumping")
async def test_pool_timeout(device_of: DeviceOf) -> None:
    """`pool_timeout` bounds the wait for a session; the error names who has them."""
    r1 = await device_of()
    await r1.connect(alias="pool", via="cli", pool_size=1, pool_timeout=5)
    async with r1.pool.acquire():
        with pytest.raises(PoolTimeout, match="test_pool_timeout"):
            await asyncio.create_task(r1.pool.execute("show clock"))


async def test_attribute_of_the_alias(device_of: DeviceOf) -> None:
    """`device.vty_1` is the connection of that alias; `device["vty_1"]` is the same."""
    r1 = await device_of()
    connection = await r1.connect(alias="vty_1", via="vty")
    assert r1.vty_1 is connection
    assert r1["vty_1"] is connection
    with pytest.raises(AttributeError, match="vty_1"):
        _ = r1.vty_2


async def test_services_of_the_device(device_of: DeviceOf, lab: Lab) -> None:
    """A service called on the device is that of the default alias."""
    r1 = await device_of()
    await r1.connect(via="cli")
    await r1.connect(alias="other", via="classy")
    assert (await r1.execute("show clock")).mode == "privileged"
    assert await r1.other.who() == "OfThePath 30"
    with pytest.raises(AttributeError, match="who"):
        await r1.who()
    await r1.destroy()
    await r1.connect(via="classy")
    assert await r1.who() == "OfThePath 30"
    with pytest.raises(UsageError, match="execute"):
        await r1.execute("show clock")


async def test_temporary_default_alias(device_of: DeviceOf) -> None:
    """`temp_default_alias()` there, `using_alias()` here: services go to another alias for a while."""
    r1 = await device_of()
    await r1.connect()
    await r1.connect(alias="vty_1", via="vty")
    with r1.using_alias("vty_1") as connection:
        assert connection is r1.vty_1
        await r1.disconnect()
    assert [r1.is_connected(), r1.is_connected("vty_1")] == [True, False]


async def test_connections_of_the_manager(device_of: DeviceOf) -> None:
    """The manager, `connectionmgr` there and `manager` here, has them all by alias."""
    r1 = await device_of()
    connection = await r1.connect(alias="vty_1", via="vty")
    assert dict(r1.manager.connections) == {"vty_1": connection}
    with pytest.raises(TypeError):
        r1.manager.connections["x"] = connection  # type: ignore[index]


def test_one_manager_for_each_device() -> None:
    """Each device has a manager of its own, which holds it weakly."""
    paths = {"a": {"protocol": "ssh", "host": "192.0.2.1"}}
    one, other = aioconn.Device("r1", connections=paths), aioconn.Device("r2", connections=paths)
    assert one.manager is not other.manager
    assert one.manager.device is one
    manager, gone = one.manager, weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
    with pytest.raises(UsageError, match="no longer exists"):
        _ = manager.device


async def test_a_failed_connect() -> None:
    """What did not come about is not there afterwards."""
    r1 = aioconn.Device("r1", connections={"a": {"protocol": "telnet", "host": "127.0.0.1", "port": 1}})
    with pytest.raises(HostUnreachable):
        await r1.connect(timeout=5)
    assert not r1.connections


def test_the_table_of_the_page_names_these_tests() -> None:
    """Each behaviour that the page promises is tested here under the name that it has there."""
    table = PAGE.read_text(encoding="utf-8").partition("| behaviour |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert len(rows) >= 20
    assert set(rows) == tests - {"the_table_of_the_page_names_these_tests"}
