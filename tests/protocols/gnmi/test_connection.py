# SPDX-License-Identifier: Apache-2.0
"""gNMI sessions with simulated targets, over real gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    CertificateRefused,
    CommandTimeout,
    ConnectError,
    ConnectTimeout,
    GnmiError,
    HostUnknown,
    HostUnreachable,
    InvalidOption,
    KeyExchangeFailed,
    MissingDependency,
    NotCapable,
    SessionBroken,
    SessionClosed,
    UsageError,
)
from aioconn.events import ServiceStarted
from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.authority import Authority, authority
from aioconn.lab.gnmi import GnmiServer, serve
from aioconn.protocols.gnmi.connection import GnmiConnection, Subscription
from aioconn.protocols.gnmi.results import Change, Update
from aioconn.testbed.device import Device

ETHERNET = "/interfaces/interface[name=Ethernet1]"


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with Lab() as lab:
        yield lab


@pytest.fixture
async def target(lab: Lab) -> LabDevice:
    return await lab.add("r1", personality="arista_eos", protocols=("gnmi",))


def device_of(served: LabDevice, server: Any, *, loop: Any = "caller", **more: Any) -> Device:
    entry = {"protocol": "gnmi", "ip": served.address, "port": server.port, **server.keys, **more}
    credentials = {"default": {"username": served.username, "password": served.password}}
    return Device(served.name, loop=loop, connections={"gnmi": entry}, credentials=credentials)


@contextlib.asynccontextmanager
async def connected(served: LabDevice, server: Any = None, **more: Any) -> AsyncIterator[GnmiConnection]:
    device = device_of(served, server or served.servers["gnmi"], **more)
    try:
        session = await device.connect()
        assert isinstance(session, GnmiConnection)
        yield session
    finally:
        await device.manager.destroy_all()


@pytest.fixture
async def session(target: LabDevice) -> AsyncIterator[GnmiConnection]:
    async with connected(target) as session:
        yield session


async def until_sync(updates: AsyncIterator[Update]) -> list[Update]:
    found = []
    async with asyncio.timeout(20):
        async for update in updates:
            if update.sync:
                break
            found.append(update)
    return found


async def the_next(updates: AsyncIterator[Update]) -> Update:
    async with asyncio.timeout(20):
        return await anext(aiter(updates))


# ---------------------------------------------------------------------- get and set


async def test_capabilities(session: GnmiConnection) -> None:
    found = await session.capabilities()
    assert found.version == "0.10.0"
    assert found.encodings == ("json", "json_ietf", "proto", "ascii")
    assert "openconfig-interfaces" in [model.name for model in found.models]


async def test_get_in_every_encoding(session: GnmiConnection) -> None:
    path = f"{ETHERNET}/state/counters/in-errors"
    values = {
        each: (await session.get(path, encoding=each))[0].value
        for each in ("json", "json_ietf", "proto", "ascii")
    }
    assert values == {"json": 0, "json_ietf": "0", "proto": 0, "ascii": "0"}
    (tree,) = await session.get(f"{ETHERNET}/config")
    assert tree.path == f"{ETHERNET}/config"
    assert tree.value["description"] == "core"
    assert tree.timestamp > 10**18
    leaves = await session.get(f"{ETHERNET}/config", encoding="proto")
    assert {each.path.rpartition("/")[2]: each.value for each in leaves} == {
        "name": "Ethernet1",
        "type": "ethernetCsmacd",
        "description": "core",
        "enabled": True,
    }


async def test_get_of_several_paths_wildcards_prefix_and_types(session: GnmiConnection) -> None:
    found = await session.get(["config/description", "state/oper-status"], prefix=ETHERNET)
    assert [each.value for each in found] == ["core", "UP"]
    every = await session.get("/interfaces/interface[name=*]/config/description")
    assert [each.path for each in every] == [
        f"/interfaces/interface[name={name}]/config/description" for name in ("Ethernet1", "Loopback0")
    ]
    assert "config" not in (await session.get(ETHERNET, type="state"))[0].value
    assert "state" not in (await session.get(ETHERNET, type="config"))[0].value
    ietf = await session.get("ietf-interfaces:/interfaces/interface[name=Ethernet1]/description")
    assert (ietf[0].path, ietf[0].value) == (
        "ietf-interfaces:/interfaces/interface[name=Ethernet1]/description",
        "core",
    )


async def test_set_changes_the_configuration_in_its_order(target: LabDevice, session: GnmiConnection) -> None:
    result = await session.set(
        {f"{ETHERNET}/config": {"description": "by gnmi"}},
        replace=[("/system/config", {"hostname": "r9"})],
        delete="/interfaces/interface[name=Loopback0]",
    )
    assert result.changes == (
        Change(path="/interfaces/interface[name=Loopback0]", operation="delete"),
        Change(path="/system/config", operation="replace"),
        Change(path=f"{ETHERNET}/config", operation="update"),
    )
    text = target.config.render()
    assert "description by gnmi" in text
    assert "hostname r9" in text
    assert "interface Loopback0" not in text
    await session.set(update=[("mtu", 9000)], prefix=f"{ETHERNET}/config", encoding="proto")
    assert "mtu 9000" in target.config.render()


async def test_what_a_target_refuses_is_an_error_with_its_words(
    target: LabDevice, session: GnmiConnection
) -> None:
    before = target.config.render()
    with pytest.raises(GnmiError, match=r"r1 via gnmi .*INVALID_ARGUMENT: .*'fast' is no number") as caught:
        await session.set({"/system/config/hostname": "r9", f"{ETHERNET}/config/mtu": "fast"})
    assert (caught.value.code, caught.value.device, caught.value.path) == ("INVALID_ARGUMENT", "r1", "gnmi")
    assert "is no number" in caught.value.details
    assert target.config.render() == before
    with pytest.raises(GnmiError) as caught:
        await session.get("/interfaces/interface[name=Ethernet9]")
    assert caught.value.code == "NOT_FOUND"
    assert session.connected


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.get("/a[b"),
        lambda session: session.get(["/good", "/a//b"]),
        lambda session: session.set({"/a": {1, 2}}),
        lambda session: session.set(),
        lambda session: session.get("/a", encoding="yaml"),
        lambda session: session.get("/a", type="everything"),
        lambda session: session.get("/a", encoding="bytes"),
    ],
)
async def test_mistakes_are_told_before_anything_is_sent(
    target: LabDevice, session: GnmiConnection, call: Callable[[Any], Any]
) -> None:
    seen = len(target.log)
    with pytest.raises((UsageError, NotCapable)):
        await call(session)
    assert len(target.log) == seen


async def test_an_encoding_that_the_target_does_not_have(session: GnmiConnection) -> None:
    with pytest.raises(NotCapable, match="no encoding bytes, but json, json_ietf") as caught:
        await session.get("/system", encoding="bytes")
    assert caught.value.capability == "bytes"


async def test_calls_do_not_wait_for_each_other(target: LabDevice, session: GnmiConnection) -> None:
    target.faults = Faults(hang_on="hostname")
    slow = asyncio.ensure_future(session.get("/system/config/hostname"))
    async with asyncio.timeout(20):
        while not any("hostname" in entry.command for entry in target.log):
            await asyncio.sleep(0.005)
        assert (await session.get(f"{ETHERNET}/config/name"))[0].value == "Ethernet1"
    assert not slow.done()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_a_deadline_is_the_targets_too(target: LabDevice, session: GnmiConnection) -> None:
    target.faults = Faults(hang_on="hostname")
    with pytest.raises(CommandTimeout, match=r"did not end within 0\.2 s") as caught:
        await session.get("/system/config/hostname", timeout=0.2)
    assert caught.value.__context__ is None or not hasattr(caught.value.__context__, "debug_error_string")
    assert (await session.get(f"{ETHERNET}/config/name"))[0].value == "Ethernet1"


async def test_a_target_that_gives_a_sign_of_life_keeps_its_session(
    target: LabDevice, session: GnmiConnection
) -> None:
    async with contextlib.aclosing(session.subscribe("/system/config/hostname")) as told:
        assert (await anext(told)).value == "r1"
        assert (await anext(told)).sync
        target.faults = Faults(hang_on="^Get")
        for _ in range(2):
            with pytest.raises(CommandTimeout):
                await session.get("/system/config/hostname", timeout=0.2)
        target.faults = Faults()
        assert (await session.get("/system/config/hostname"))[0].value == "r1"
        await session.set({"/system/config/hostname": "r2"})
        assert (await anext(told)).value == "r2"
    assert [entry.command for entry in target.log].count("Capabilities") >= 2  # it was asked for one


async def test_a_target_that_gives_none_gets_a_new_session(
    target: LabDevice, session: GnmiConnection
) -> None:
    target.faults = Faults(hang_on=".")
    with pytest.raises(CommandTimeout):
        await session.get("/system/config/hostname", timeout=0.2)
    assert session.state == "recovering"  # who calls now is not sent to the old session
    async with asyncio.timeout(20):
        while "Capabilities" not in [entry.command for entry in target.log][1:]:
            await asyncio.sleep(0.005)
        target.faults = Faults()
        before = target.logins
        assert (await session.get("/system/config/hostname"))[0].value == "r1"
    assert target.logins == before + 1


async def test_values_are_in_no_event(session: GnmiConnection) -> None:
    seen: list[Any] = []
    session.listeners.add(seen.append)
    await session.set({f"{ETHERNET}/config/description": "a-secret-word"})
    assert [each.what for each in seen if isinstance(each, ServiceStarted)] == [
        f"{ETHERNET}/config/description"
    ]
    assert "a-secret-word" not in repr(seen)


async def test_a_message_that_is_too_long_is_refused(target: LabDevice) -> None:
    async with connected(target, max_message=2000) as session:
        with pytest.raises(GnmiError) as caught:
            await session.get("/")
        assert caught.value.code == "RESOURCE_EXHAUSTED"
        assert (await session.get(f"{ETHERNET}/config/name"))[0].value == "Ethernet1"


# ---------------------------------------------------------------------- subscriptions


async def test_once(session: GnmiConnection) -> None:
    found = [
        each async for each in session.subscribe(["/system/config", f"{ETHERNET}/config/mtu"], mode="once")
    ]
    assert [(each.path, each.value, each.sync) for each in found] == [
        ("/system/config/hostname", "r1", False),
        ("", None, True),
    ]


async def test_on_change(target: LabDevice, session: GnmiConnection) -> None:
    updates = session.subscribe(f"{ETHERNET}/config", trigger="on_change")
    async with contextlib.aclosing(updates):
        before = {each.path: each.value for each in await until_sync(updates)}
        assert before[f"{ETHERNET}/config/description"] == "core"
        target.configure(("interface Ethernet1",), "description typed")
        changed = await the_next(updates)
        assert (changed.path, changed.value, changed.deleted) == (
            f"{ETHERNET}/config/description",
            "typed",
            False,
        )
        target.configure(("interface Ethernet1",), "no description")
        gone = await the_next(updates)
        assert (gone.path, gone.deleted, gone.value) == (f"{ETHERNET}/config/description", True, None)
        assert (await session.get("/system/config/hostname"))[0].value == "r1"  # meanwhile


async def test_samples(session: GnmiConnection) -> None:
    wanted = Subscription(path=f"{ETHERNET}/state/counters/in-errors", trigger="sample", interval=0.02)
    updates = session.subscribe([wanted], encoding="proto")
    async with contextlib.aclosing(updates):
        await until_sync(updates)
        assert [(await the_next(updates)).value for _ in range(3)] == [0, 0, 0]


async def test_a_heartbeat_and_updates_only(session: GnmiConnection) -> None:
    updates = session.subscribe(
        "/system/config/hostname", trigger="on_change", heartbeat=0.02, updates_only=True
    )
    async with contextlib.aclosing(updates):
        assert await until_sync(updates) == []
        assert [(await the_next(updates)).value for _ in range(2)] == ["r1", "r1"]


async def test_polls_come_when_more_is_wanted(target: LabDevice, session: GnmiConnection) -> None:
    updates = session.subscribe("/system/config/hostname", mode="poll")
    async with contextlib.aclosing(updates):
        assert [each.value for each in await until_sync(updates)] == ["r1"]
        target.configure((), "hostname r2")
        assert [each.value for each in await until_sync(updates)] == ["r2"]


async def test_silence_has_its_limit(session: GnmiConnection) -> None:
    updates = session.subscribe("/system/config/hostname", trigger="on_change", silence=0.1)
    async with contextlib.aclosing(updates):
        await until_sync(updates)
        with pytest.raises(CommandTimeout, match=r"within 0\.1 s"):
            await the_next(updates)
    assert (await session.get("/system/config/hostname"))[0].value == "r1"


async def test_the_first_message_has_its_deadline(target: LabDevice, session: GnmiConnection) -> None:
    target.faults = Faults(hang_on="Subscribe")
    with pytest.raises(CommandTimeout):
        await the_next(session.subscribe("/system", timeout=0.2))
    assert session.connected


async def test_a_refused_subscription(session: GnmiConnection) -> None:
    with pytest.raises(GnmiError, match="nonsense") as caught:
        await the_next(session.subscribe("/nonsense"))
    assert caught.value.code == "INVALID_ARGUMENT"
    with pytest.raises(UsageError, match="at character 3"):
        await the_next(session.subscribe("/a[b"))


async def test_a_lost_session_ends_its_subscriptions(target: LabDevice, session: GnmiConnection) -> None:
    updates = session.subscribe("/system/config/hostname", trigger="on_change")
    async with contextlib.aclosing(updates):
        await until_sync(updates)
        target.cut()
        with pytest.raises(SessionBroken):
            await the_next(updates)


async def test_closing_ends_subscriptions(session: GnmiConnection) -> None:
    updates = session.subscribe("/system/config/hostname", trigger="on_change")
    async with contextlib.aclosing(updates):
        await until_sync(updates)
        waiting = asyncio.ensure_future(the_next(updates))
        await asyncio.sleep(0)
        await session.close()
        with pytest.raises(SessionClosed):
            await waiting


async def test_a_subscription_that_is_left_ends_at_the_target(
    target: LabDevice, session: GnmiConnection
) -> None:
    async with contextlib.aclosing(session.subscribe("/system", trigger="on_change")) as updates:
        await the_next(updates)
        assert target._watchers
    async with asyncio.timeout(20):
        while target._watchers:
            await asyncio.sleep(0.005)


async def test_subscriptions_of_a_pool_and_of_another_loop(target: LabDevice) -> None:
    for loop in ("caller", "own"):
        device = device_of(target, target.servers["gnmi"], loop=loop)
        try:
            pool = await device.connect(pool_size=2)
            found = [each async for each in pool.subscribe("/system/config", mode="once")]
            assert [each.value for each in found] == ["r1", None]
        finally:
            await device.manager.destroy_all()


# ---------------------------------------------------------------------- TLS, and ways not to get in


async def secure(lab: Lab, **options: Any) -> tuple[LabDevice, GnmiServer]:
    served = await lab.add("r1", protocols=())
    server = await serve(lab, served, tls=True, **options)
    served.servers["gnmi"] = server
    return served, server


async def test_the_certificate_is_verified(lab: Lab) -> None:
    served, server = await secure(lab)
    async with connected(served, server) as session:
        assert (await session.get("/system/config/hostname"))[0].value == "r1"
    with pytest.raises(CertificateRefused, match="authority that is not trusted") as caught:
        async with connected(served, server, ca_file=None):
            pass
    assert caught.value.phase == "kex"


async def test_any_certificate_or_one_by_its_fingerprint(lab: Lab) -> None:
    identity = authority().issue(["router.example"])
    served, server = await secure(lab, identity=identity)
    async with connected(served, server, ca_file=None, verify=False) as session:
        assert session.connected
    async with connected(served, server, ca_file=None, fingerprint=identity.fingerprint) as session:
        assert session.connected
    async with connected(served, server, server_name="router.example") as session:
        assert session.connected
    with pytest.raises(CertificateRefused, match="another fingerprint"):
        async with connected(served, server, ca_file=None, fingerprint="ab" * 32):
            pass
    with pytest.raises(CertificateRefused, match="for another name"):
        async with connected(served, server):
            pass


async def test_certificates_of_clients(lab: Lab, tmp_path: Any) -> None:
    clients = Authority("clients")
    served, server = await secure(lab, clients=clients.pem)
    file = clients.issue(["me"], client=True).write(tmp_path / "me.pem")
    async with connected(served, server, client_certificate=str(file)) as session:
        assert (await session.get("/system/config/hostname"))[0].value == "r1"
    with pytest.raises(ConnectError):
        async with connected(served, server):
            pass


async def test_tls_where_there_is_none_and_the_other_way_round(lab: Lab, target: LabDevice) -> None:
    with pytest.raises(KeyExchangeFailed, match="does not speak TLS"):
        async with connected(target, insecure=False):
            pass
    other = await lab.add("r2", protocols=("gnmis",))
    with pytest.raises(KeyExchangeFailed, match="does not speak gRPC"):
        async with connected(other, other.servers["gnmis"], insecure=True):
            pass


async def test_wrong_passwords_are_certain(target: LabDevice) -> None:
    target.faults = Faults(wrong_password=True)
    with pytest.raises(AuthenticationFailed) as caught:
        async with connected(target):
            pass
    assert caught.value.certain
    assert caught.value.phase == "auth"


async def test_names_that_do_not_resolve(target: LabDevice) -> None:
    with pytest.raises(HostUnknown):
        async with connected(target, ip="no-such-host.invalid"):
            pass


async def test_a_target_that_says_nothing(target: LabDevice) -> None:
    target.faults = Faults(half_open=True)
    device = device_of(target, target.servers["gnmi"])
    with pytest.raises(ConnectTimeout) as caught:
        await device.connect(connect_timeout=0.3)
    assert caught.value.phase == "tcp"
    target.faults = Faults(slow_login=60)
    with pytest.raises(ConnectTimeout) as caught:
        await device.connect(connect_timeout=1.5)
    assert caught.value.phase == "auth"


async def test_garbage_is_no_grpc(target: LabDevice) -> None:
    target.faults = Faults(garbage=1)
    with pytest.raises((KeyExchangeFailed, HostUnreachable)):
        async with connected(target):
            pass


@pytest.mark.parametrize(
    "options",
    [
        {"tls_minimum": "1.0"},
        {"max_message": 0},
        {"keepalive": 0.01},
        {"encoding": "yaml"},
        {"ca_file": "/no/such"},
    ],
)
async def test_wrong_options(target: LabDevice, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        async with connected(target, **{"insecure": False, **options}):
            pass


async def test_a_password_that_grpc_cannot_carry() -> None:
    device = Device(
        "r1",
        connections={"gnmi": {"protocol": "gnmi", "ip": "127.0.0.1", "port": 1, "insecure": True}},
        credentials={"default": {"username": "admin", "password": "pässword"}},
    )
    with pytest.raises(InvalidOption, match="printable ASCII"):
        await device.connect()


async def test_a_loss_is_noticed_while_nothing_is_asked(target: LabDevice, session: GnmiConnection) -> None:
    target.cut()
    async with asyncio.timeout(20):
        while session.connected:
            await asyncio.sleep(0.01)
    assert (await session.get("/system/config/hostname"))[0].value == "r1"


@pytest.mark.parametrize("library", ["grpc", "google.protobuf"])
async def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    for name in list(sys.modules):
        if name.startswith(("aioconn.protocols.gnmi", library)):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    device = Device("r1", connections={"gnmi": {"protocol": "gnmi", "ip": "127.0.0.1", "port": 1}})
    with pytest.raises(MissingDependency) as caught:
        await device.connect()
    assert caught.value.hint == "pip install 'aioconn[gnmi]'"


async def test_a_late_failure_of_an_old_session_leaves_the_new_one_alone(
    target: LabDevice, session: GnmiConnection
) -> None:
    updates = session.subscribe("/system/config/hostname", trigger="on_change")
    async with contextlib.aclosing(updates):
        await until_sync(updates)
        target.cut()
        async with asyncio.timeout(20):
            while session.connected:
                await asyncio.sleep(0.01)
        await session.get("/system/config/hostname")
        logins = target.logins
        with pytest.raises(SessionBroken):
            await the_next(updates)
        assert session.connected
        await session.get("/system/config/hostname")
        assert target.logins == logins


# ---------------------------------------------------------------------- through others


@pytest.mark.parametrize("protocol", ["gnmi", "gnmis"])
async def test_behind_a_jump_host(lab: Lab, protocol: str) -> None:
    jump = await lab.add("jump", protocols=("ssh",), personality="linux", forwards=True)
    served = await lab.add("r1", personality="arista_eos", protocols=(protocol,))
    whole = lab.testbed()
    whole["devices"]["r1"]["connections"]["gnmi"]["proxy"] = "jump"
    async with aioconn.load(whole) as testbed:
        session: Any = await testbed["r1"].connect()
        way = session._way
        assert Path(way._socket).exists()
        assert (await session.get("/system/config/hostname"))[0].value == "r1"
        assert jump.connections
        updates = session.subscribe("/interfaces", trigger="sample", interval=0.02)
        async with contextlib.aclosing(updates):
            for _ in range(500):
                await the_next(updates)
        served.cut()
        async with asyncio.timeout(20):
            while session.connected:
                await asyncio.sleep(0.01)
        assert (await session.get("/system/config/hostname"))[0].value == "r1"
        folder = session._way._folder
    assert not folder.exists()
    assert way._folder is None
    async with asyncio.timeout(20):
        while served.sessions:
            await asyncio.sleep(0.01)


async def test_any_certificate_behind_a_jump_host(lab: Lab) -> None:
    await lab.add("jump", protocols=("ssh",), personality="linux", forwards=True)
    await lab.add("r1", protocols=("gnmis",))
    whole = lab.testbed()
    path = whole["devices"]["r1"]["connections"]["gnmi"]
    path.update(proxy="jump", ca_file=None)
    async with aioconn.load(whole) as testbed:
        with pytest.raises(CertificateRefused):
            await testbed["r1"].connect()
    path.update(verify=False)
    async with aioconn.load(whole) as testbed:
        session: Any = await testbed["r1"].connect()
        assert (await session.get("/system/config/hostname"))[0].value == "r1"


async def test_nobody_listens_behind_a_jump_host(lab: Lab) -> None:
    await lab.add("jump", protocols=("ssh",), personality="linux", forwards=True)
    await lab.add("r1", protocols=("gnmi",))
    whole = lab.testbed()
    whole["devices"]["r1"]["connections"]["gnmi"].update(proxy="jump", port=1)
    async with aioconn.load(whole) as testbed:
        with pytest.raises(HostUnreachable):
            await testbed["r1"].connect()
