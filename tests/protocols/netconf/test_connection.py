# SPDX-License-Identifier: Apache-2.0
"""NETCONF sessions with simulated devices, over real SSH."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import aioconn
from aioconn.connection import State
from aioconn.errors import (
    AuthenticationFailed,
    BadReply,
    CommandTimeout,
    ConnectTimeout,
    HostKeyChanged,
    InvalidOption,
    NotCapable,
    RpcError,
    SessionBroken,
    SessionError,
    ShellRefused,
)
from aioconn.events import ServiceStarted
from aioconn.lab import Faults, Lab, LabDevice
from aioconn.lab.data import Edit, Step
from aioconn.lab.netconf import NetconfServer
from aioconn.protocols.netconf.connection import NetconfConnection

pytestmark = pytest.mark.clock("jumping")

Pair = tuple[aioconn.Device, LabDevice]
Make = Callable[..., Awaitable[Pair]]

SYSTEM = "urn:ietf:params:xml:ns:yang:ietf-system"
INTERFACES = "urn:ietf:params:xml:ns:yang:ietf-interfaces"


def contact(name: str) -> dict[str, Any]:
    return {"system": {"@xmlns": SYSTEM, "contact": name}}


def contact_of(served: LabDevice) -> Any:
    return served.data.read((Step("ietf-system:system"), Step("contact")))


def server_of(served: LabDevice) -> Any:  # its sessions are looked into
    server = served.servers["netconf"]
    assert isinstance(server, NetconfServer)
    return server


async def connected(pair: Make, **keys: Any) -> tuple[NetconfConnection, LabDevice]:
    options = keys.pop("options", {})
    device, served = await pair("netconf", **keys)
    connection = await device.connect(**options)
    assert isinstance(connection, NetconfConnection)
    return connection, served


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


# ------------------------------------------------------------------ opening


@pytest.mark.clock("real")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_both_versions(pair: Make, version: str) -> None:
    connection, served = await connected(pair, options={"versions": (version,)})
    assert connection.session_id == 1
    assert ":candidate" in connection.server_capabilities
    assert await connection.capabilities() == server_of(served).capabilities
    reply = await connection.get_config(filter=f'<interfaces xmlns="{INTERFACES}"/>')
    names = [element.text for element in reply.data.iter(f"{{{INTERFACES}}}name")]
    assert "Loopback0" in names
    assert reply.elapsed > 0


async def test_no_version_in_common(pair: Make) -> None:
    device, served = await pair("netconf")
    server_of(served).capabilities = tuple(
        uri for uri in server_of(served).capabilities if ":base:1.1" not in uri
    )
    with pytest.raises((BadReply, ShellRefused)):
        await device.connect(versions=("1.1",))
    await until(lambda: not served.sessions)


async def test_a_wrong_password(pair: Make) -> None:
    device, served = await pair("netconf")
    served.faults = Faults(wrong_password=True)
    with pytest.raises(AuthenticationFailed, match="admin"):
        await device.connect()
    await until(lambda: not served.connections)


async def test_another_host_key(lab: Lab) -> None:
    await lab.add("r1", protocols=("netconf",))
    testbed = lab.testbed()
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    testbed["devices"]["r1"]["connections"]["netconf"]["host_key"] = other
    async with aioconn.load(testbed) as loaded:
        with pytest.raises(HostKeyChanged):
            await loaded["r1"].connect()


async def test_through_a_jump_host(lab: Lab) -> None:
    bastion = await lab.add("bastion", protocols=("ssh",), forwards=True)
    await lab.add("r1", protocols=("netconf",))
    testbed = lab.testbed()
    testbed["devices"]["r1"]["connections"]["netconf"]["proxy"] = "bastion"
    async with aioconn.load(testbed) as loaded:
        connection = await loaded["r1"].connect()
        assert "Loopback0" in await connection.get_config()
        assert len(bastion.connections) == 1


async def test_a_device_that_says_no_hello(pair: Make) -> None:
    device, served = await pair("netconf", faults=Faults(silent=True))
    with pytest.raises(ConnectTimeout) as caught:
        await device.connect(connect_timeout=0.3)
    assert caught.value.phase == "shell"
    await until(lambda: not served.sessions and not served.connections)


@pytest.mark.parametrize("refusal", ["channel", "text"])
async def test_a_device_that_is_full(pair: Make, refusal: str) -> None:
    device, served = await pair("netconf", faults=Faults(vty_limit=1, vty_refusal=refusal))
    first = await device.connect()
    with pytest.raises(aioconn.errors.AioconnError):
        await device.connect(alias="second", connect_timeout=0.5)
    assert await first.get()
    assert served.sessions == 1


async def test_a_device_without_the_subsystem(lab: Lab) -> None:
    await lab.add("r1", protocols=("ssh",))
    testbed = lab.testbed()
    path = testbed["devices"]["r1"]["connections"]["cli"]
    testbed["devices"]["r1"]["connections"] = {"nc": {**path, "protocol": "netconf"}}
    async with aioconn.load(testbed) as loaded:
        with pytest.raises(ShellRefused, match="netconf"):
            await loaded["r1"].connect()


async def test_hello_in_small_pieces(pair: Make) -> None:
    connection, _ = await connected(pair, faults=Faults(byte_at_a_time=50, byte_interval=0.0001))
    assert "Loopback0" in await connection.get_config()


async def test_what_the_subsystem_says_on_its_standard_error_is_no_netconf(pair: Make) -> None:
    connection, served = await connected(pair)
    wire: Any = server_of(served).sessions[1]._wire
    wire._channel.write_stderr(b"warning: no such file\n")
    assert await connection.get()
    assert connection.session_id == 1


@pytest.mark.skipif(
    os.environ.get("AIOCONN_CLOCK") == "real", reason="compares times, and a busy machine is late"
)
@pytest.mark.parametrize(
    ("announced", "options", "least", "most"),
    [
        ((), {}, 0.0, 0.04),
        ((), {"hello_pause": 0.5}, 0.5, 1.0),
        (("http://netconfcentral.org/ns/yuma-ncx?module=yuma-ncx",), {}, 0.05, 0.4),
        (("http://netconfcentral.org/ns/yuma-ncx?module=yuma-ncx",), {"hello_pause": 0}, 0.0, 0.04),
    ],
)
async def test_a_pause_behind_the_hello(
    pair: Make, announced: tuple[str, ...], options: dict[str, Any], least: float, most: float
) -> None:
    """On a clock that stands still while anything happens."""
    device, served = await pair("netconf")
    server_of(served).capabilities += announced
    begun = asyncio.get_running_loop().time()
    await device.connect(**options)
    assert least <= asyncio.get_running_loop().time() - begun <= most


async def test_the_class_that_pyats_names(lab: Lab) -> None:
    await lab.add("r1", protocols=("netconf",))
    testbed = lab.testbed()
    testbed["devices"]["r1"]["connections"]["netconf"]["class"] = "yang.connector.Netconf"
    async with aioconn.load(testbed) as loaded:
        connection = await loaded["r1"].connect(via="netconf", alias="netconf")
        assert isinstance(connection, NetconfConnection)
        assert await loaded["r1"].netconf.get_config()


async def test_a_session_that_is_cut_anywhere(pair: Make) -> None:
    """Each cut is an error that says so, or comes too late to matter; nothing waits, and nothing is left."""
    device, served = await pair("netconf")
    told = set()
    for cut in (*range(0, 1200, 60), *range(1200, 6000, 300)):
        served.faults = Faults(reset_after=cut)
        try:
            async with asyncio.timeout(20):
                connection = await device.connect(connect_timeout=10)
                assert (await connection.get_config(timeout=10)).data is not None
            told.add("ok")
        except (ShellRefused, SessionBroken) as error:
            told.add(type(error).__name__)
        await device.manager.destroy_all()
        await until(lambda: not served.connections)
    assert told == {"ok", "ShellRefused", "SessionBroken"}


async def test_options_are_checked(pair: Make) -> None:
    device, _ = await pair("netconf")
    for wrong in ({"versions": ("2.0",)}, {"max_reply": 0}, {"hello_pause": -1}, {"max_repl": 1}):
        with pytest.raises(InvalidOption):
            await device.connect(**wrong)


# ------------------------------------------------------------------ services


async def test_reading(pair: Make) -> None:
    connection, _served = await connected(pair)
    everything = await connection.get()
    assert len(everything) > len(await connection.get_config())
    assert "oper-status" in everything
    assert "oper-status" not in await connection.get_config()
    by_path = await connection.get_config(
        xpath="/if:interfaces/if:interface[if:name='Loopback0']/if:description", namespaces={"if": INTERFACES}
    )
    subtree = {"interfaces": {"@xmlns": INTERFACES, "interface": {"name": "Loopback0", "description": None}}}
    assert "router id" in by_path
    assert "router id" in await connection.get_config(filter=subtree)
    assert "Gigabit" not in await connection.get_config(filter=subtree)
    any_namespace = await connection.get_config(filter="<system/>")
    assert {element.tag.partition("}")[0] for element in any_namespace.data} == {
        f"{{{SYSTEM}",
        "{http://openconfig.net/yang/system",
    }
    assert "<enabled>true" in await connection.get_config()
    assert "<enabled>true" not in await connection.get_config(with_defaults="trim")
    with pytest.raises(NotCapable, match="explicit"):
        await connection.get_config(with_defaults="explicit")
    schema = await connection.get_schema("ietf-interfaces")
    assert schema.startswith("module ietf-interfaces {\n")
    assert "<" not in schema


async def test_changing(pair: Make) -> None:
    connection, served = await connected(pair)
    await connection.edit_config(contact("one & two"))
    assert contact_of(served) is None
    assert "one &amp; two" in await connection.get_config("candidate")
    await connection.discard_changes()
    assert "one" not in await connection.get_config("candidate")
    await connection.edit_config(contact("three"))
    await connection.validate()
    await connection.commit()
    assert contact_of(served) == "three"
    await connection.edit_config(contact("four"), target="running")
    assert contact_of(served) == "four"
    await connection.copy_config("running", "candidate")
    leaf = '<contact nc:operation="delete" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"/>'
    remove = f'<system xmlns="{SYSTEM}">{leaf}</system>'
    await connection.edit_config(remove, default_operation="none")
    await connection.commit()
    assert contact_of(served) is None
    assert (await connection.rpc("discard-changes")).startswith("<ok")


async def test_what_the_device_refuses(pair: Make) -> None:
    connection, _ = await connected(pair)
    with pytest.raises(RpcError) as caught:
        await connection.edit_config(
            {"interfaces": {"@xmlns": INTERFACES, "interface": {"name": "Loopback0", "mtu-x": 1}}}
        )
    error = caught.value
    assert error.error_tag == "unknown-element"
    assert error.error_type == "application"
    assert error.error_severity == "error"
    assert error.error_path == "/ietf-interfaces:interfaces/interface" or error.error_path
    assert len(error.errors) == 1
    assert (error.device, error.path, error.phase) == ("r1", "netconf", "command")
    assert connection.state is State.READY
    with pytest.raises(RpcError, match="operation-not-supported"):
        await connection.delete_config("candidate")
    with pytest.raises(RpcError, match="no operation 'reboot'"):
        await connection.rpc("reboot")


async def test_nothing_is_sent_that_is_not_announced(pair: Make) -> None:
    device, served = await pair("netconf")
    server = server_of(served)
    server.capabilities = tuple(uri for uri in server.capabilities if ":base:" in uri)
    connection = await device.connect()
    for call in (
        connection.commit(),
        connection.validate("running"),
        connection.get(xpath="/a"),
        connection.edit_config(contact("x"), target="candidate"),
        connection.get_schema("a"),
    ):
        with pytest.raises(NotCapable):
            await call
    with pytest.raises(InvalidOption):
        await connection.get("<a>")
    with pytest.raises(NotCapable):
        async for _ in connection.subscribe():
            pass
    assert [entry.command for entry in served.log] == []


async def test_a_secret_in_a_configuration_is_in_no_event_and_no_error(pair: Make) -> None:
    connection, _served = await connected(pair, password="s3cret-word")
    seen: list[str] = []
    connection.listeners.add(lambda event: seen.append(repr(event)))
    with pytest.raises(RpcError) as caught:
        await connection.edit_config({"s3cret-word": {"@xmlns": "urn:x", "password": "hunter2"}})
    assert "s3cret-word" not in str(caught.value)
    assert "s3cret-word" not in repr(caught.value.errors)
    assert len(seen) == 2
    assert not any("hunter2" in text or "s3cret-word" in text for text in seen)


async def test_events_say_what_is_asked_for(pair: Make) -> None:
    connection, _ = await connected(pair)
    seen: list[str] = []
    connection.listeners.add(
        lambda event: seen.append(event.what) if isinstance(event, ServiceStarted) else None
    )
    await connection.get_config("running")
    await connection.get("<system><contact/></system>")
    assert seen == ["running", "<system>"]


# ------------------------------------------------------------------ several calls at once


async def test_calls_are_under_way_together(pair: Make) -> None:
    connection, _served = await connected(pair, faults=Faults(latency=0.2))
    started = asyncio.get_running_loop().time()
    replies = await asyncio.gather(*(connection.get_config() for _ in range(50)))
    assert asyncio.get_running_loop().time() - started < 50 * 0.2
    assert len({reply.message_id for reply in replies}) == 50
    assert connection.state is State.READY


async def test_a_call_that_is_cancelled_leaves_the_others_alone(pair: Make) -> None:
    connection, served = await connected(pair, faults=Faults(latency=0.1))
    calls = [asyncio.ensure_future(connection.get_config()) for _ in range(10)]
    await until(lambda: len(served.log) == 10)
    for call in calls[::2]:
        call.cancel()
    await asyncio.wait(calls)
    assert all("Loopback0" in call.result() for call in calls[1::2])
    assert connection.session_id == 1
    assert "Loopback0" in await connection.get_config()


async def test_an_answer_with_another_number_ends_the_session(pair: Make) -> None:
    connection, served = await connected(pair)
    served.faults = Faults(wrong_id=True)
    with pytest.raises(BadReply, match="was not made"):
        await connection.get()
    served.faults = Faults()
    assert await connection.get()
    assert connection.session_id == 2


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_garbage_ends_the_session(pair: Make, version: str) -> None:
    connection, served = await connected(pair, options={"versions": (version,)})
    served.faults = Faults(garbage=1)
    with pytest.raises(BadReply):
        await connection.get()
    served.faults = Faults()
    assert await connection.get()


async def test_a_session_that_is_cut_in_the_middle_of_an_answer(pair: Make) -> None:
    connection, served = await connected(pair)
    served.faults = Faults(reset_after=3000)
    with pytest.raises(SessionBroken) as caught:
        await connection.get()
    assert caught.value.maybe_executed
    served.faults = Faults()
    assert await connection.get(idempotent=True)


async def test_what_may_be_repeated_is_repeated(pair: Make) -> None:
    connection, served = await connected(pair, faults=Faults(reset_after=3000))
    call = asyncio.ensure_future(connection.get(idempotent=True, timeout=20))
    await until(lambda: len(served.log) == 1)
    served.faults = Faults()
    assert "Loopback0" in await call
    assert len(served.log) == 2


async def test_a_reply_that_is_too_large(pair: Make) -> None:
    connection, _ = await connected(pair, options={"max_reply": 2000})
    with pytest.raises(BadReply, match="more than 2000 bytes"):
        await connection.get()
    assert "contact" not in await connection.get(filter="<system/>")


# ------------------------------------------------------------------ a device that is silent


async def test_a_call_without_an_answer_leaves_a_session_that_answers_others(pair: Make) -> None:
    connection, _served = await connected(pair, faults=Faults(hang_on="<commit"))
    with pytest.raises(CommandTimeout) as caught:
        await connection.commit(timeout=0.2)
    assert caught.value.maybe_executed
    assert await connection.get()
    assert connection.session_id == 1


async def test_a_device_that_answers_nothing_any_more_gets_a_new_session(pair: Make) -> None:
    connection, served = await connected(pair)
    served.faults = Faults(hang_on=".")
    with pytest.raises(CommandTimeout):
        await connection.get(timeout=0.2)
    assert connection.state is State.RECOVERING  # who calls now is not sent to the old session
    await until(lambda: len(served.log) == 2)  # it was asked for a sign of life
    served.faults = Faults()
    assert await connection.get()
    assert connection.session_id == 2


async def test_a_slow_device_keeps_its_session(pair: Make) -> None:
    connection, _served = await connected(pair, faults=Faults(latency=0.5))
    with pytest.raises(CommandTimeout):
        await connection.get(timeout=0.2)
    assert await connection.get()
    assert connection.session_id == 1


# ------------------------------------------------------------------ locks


async def test_a_lock_keeps_others_out(pair: Make) -> None:
    device, served = await pair("netconf")
    first, second = await device.connect(alias="first"), await device.connect(alias="second")
    await first.lock("running")
    with pytest.raises(RpcError) as caught:
        await second.lock("running")
    assert caught.value.error_tag == "lock-denied"
    assert f">{first.session_id}<" in caught.value.info
    with pytest.raises(RpcError, match="locked"):
        await second.edit_config(contact("x"), target="running")
    await first.unlock("running")
    async with second.locked("running") as session:
        assert session is second
        await session.edit_config(contact("x"), target="running")
    assert not server_of(served).locks


async def test_an_error_in_a_locked_block_discards_and_unlocks(pair: Make) -> None:
    connection, served = await connected(pair)

    async def work() -> None:
        async with connection.locked():
            await connection.edit_config(contact("x"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await work()
    assert "<contact>" not in await connection.get_config("candidate")
    assert not server_of(served).locks


async def test_a_locked_block_that_is_cancelled_anywhere_unlocks(pair: Make) -> None:
    connection, served = await connected(pair, faults=Faults(latency=0.002))
    server = server_of(served)

    async def work() -> None:
        async with connection.locked("candidate"):
            await connection.edit_config(contact("x"))
            await connection.discard_changes()

    for turns in range(0, 60, 2):
        task = asyncio.ensure_future(work())
        for _ in range(turns):
            await asyncio.sleep(0 if turns < 20 else 0.0005)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await connection.get(filter="<x/>")  # is answered after what was sent before
        assert not server.locks, f"locked after a cancel at turn {turns}"
    assert connection.session_id == 1
    assert not connection._locks


async def test_a_lock_that_is_cancelled_is_given_back(pair: Make) -> None:
    connection, served = await connected(pair, faults=Faults(latency=0.05))
    call = asyncio.ensure_future(connection.lock("running"))
    await until(lambda: len(served.log) == 1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await connection.get()
    assert not server_of(served).locks


async def test_nobody_else_uses_the_session_in_a_locked_block(pair: Make) -> None:
    connection, _ = await connected(pair)
    entered, leave = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with connection.locked("running"):
            entered.set()
            await leave.wait()
            assert await connection.get()

    holder = asyncio.ensure_future(hold())
    await entered.wait()
    with pytest.raises(aioconn.errors.DeviceBusy, match="transaction"):
        await connection.get(timeout=0.1)
    leave.set()
    await holder
    assert await connection.get()


async def test_a_session_that_breaks_in_a_locked_block_is_not_replaced_there(pair: Make) -> None:
    connection, served = await connected(pair)

    async def work() -> None:
        async with connection.locked("candidate"):
            served.cut()
            await until(lambda: connection.state is State.BROKEN)
            await connection.commit()

    with pytest.raises(SessionError):
        await work()
    assert [entry.command for entry in served.log] == ["lock"]
    await connection.get()


@pytest.mark.clock("real")
async def test_a_locked_block_from_another_loop(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("netconf",))
    entry = lab.testbed()["devices"]["r1"]
    device = aioconn.Device("r1", loop="own", **entry)
    connection = await device.connect()
    try:
        async with connection.locked():
            await connection.edit_config(contact("x"))
            await connection.commit()
        with pytest.raises(RuntimeError):
            async with connection.locked():
                raise RuntimeError
        await connection.get()
        assert not server_of(served).locks
        assert contact_of(served) == "x"
        assert "".join([piece async for piece in connection.stream_get()]).endswith("</rpc-reply>")
    finally:
        await device.manager.destroy_all()


# ------------------------------------------------------------------ commits that are to be confirmed


async def test_a_commit_that_is_confirmed(pair: Make) -> None:
    connection, served = await connected(pair)
    await connection.edit_config(contact("x"))
    await connection.commit(confirmed=True, confirm_timeout=60)
    assert contact_of(served) == "x"
    assert server_of(served).unconfirmed
    await connection.commit()
    assert not server_of(served).unconfirmed
    assert contact_of(served) == "x"


async def test_a_commit_that_is_taken_back(pair: Make) -> None:
    connection, served = await connected(pair)
    await connection.edit_config(contact("x"))
    await connection.commit(confirmed=True)
    await connection.cancel_commit()
    assert contact_of(served) is None
    await connection.edit_config(contact("y"))
    await connection.commit(confirmed=True, confirm_timeout=1)
    await until(lambda: contact_of(served) is None)
    with pytest.raises(RpcError):
        await connection.cancel_commit()


async def test_a_commit_that_outlives_its_session(pair: Make) -> None:
    device, served = await pair("netconf")
    for persist in (None, "word"):
        first = await device.connect(alias="first")
        await first.edit_config(contact("x"))
        await first.commit(confirmed=True, persist=persist)
        await device.disconnect("first")
        await until(lambda: not served.sessions)
        assert contact_of(served) == ("x" if persist else None)
    second = await device.connect(alias="second")
    with pytest.raises(RpcError, match="persist-id"):
        await second.commit(persist_id="other")
    await second.commit(persist_id="word")
    assert contact_of(served) == "x"
    assert not server_of(served).unconfirmed


# ------------------------------------------------------------------ notifications


async def test_notifications_while_calls_are_made(pair: Make) -> None:
    connection, served = await connected(pair)
    names = []
    async with contextlib.aclosing(connection.subscribe("NETCONF", idle=10)) as events:
        started = asyncio.ensure_future(anext(events))
        await until(lambda: server_of(served).sessions[1]._subscribed)
        await connection.edit_config(contact("x"), target="running")
        names.append((await started).name)
        for number in range(100):
            server_of(served).notify(f'<made xmlns="urn:m">{number}</made>')
        assert await connection.get()
        for number in range(100):
            event = await anext(events)
            assert event.data.text == str(number)
            assert event.event_time is not None
    assert names == ["netconf-config-change"]
    # nobody takes them any more: the session is replaced, and the next one has no subscription
    await until(lambda: connection.state is State.BROKEN)
    assert await connection.get()
    assert connection.session_id == 2


async def test_a_subscription_that_comes_to_its_end(pair: Make) -> None:
    connection, served = await connected(pair)
    server_of(served).notify('<early xmlns="urn:m"/>')
    now = datetime.now(UTC)
    names = [
        event.name
        async for event in connection.subscribe(
            start=now - timedelta(hours=1), stop=now + timedelta(seconds=0.2)
        )
    ]
    assert names == ["early", "replayComplete", "notificationComplete"]
    assert await connection.get()
    assert connection.session_id == 1
    assert [event.name async for event in connection.subscribe(start=now, stop=now)] == [
        "replayComplete",
        "notificationComplete",
    ]


async def test_a_device_that_does_not_interleave(pair: Make) -> None:
    device, served = await pair("netconf")
    server = server_of(served)
    server.capabilities = tuple(uri for uri in server.capabilities if "interleave" not in uri)
    connection = await device.connect()
    async with contextlib.aclosing(connection.subscribe()) as events:
        first = asyncio.ensure_future(anext(events))
        await until(lambda: server.sessions[1]._subscribed)
        with pytest.raises(NotCapable, match=":interleave"):
            await connection.get()
        server.notify('<one xmlns="urn:m"/>')
        assert (await first).name == "one"
    assert await connection.get()


async def test_a_subscription_hears_of_the_end(pair: Make) -> None:
    connection, served = await connected(pair)
    for end in (served.cut, lambda: asyncio.ensure_future(connection.close())):
        await connection.open()
        events = connection.subscribe()
        first = asyncio.ensure_future(anext(events))
        await until(lambda: any(session._subscribed for session in server_of(served).sessions.values()))
        end()
        with pytest.raises(SessionError):
            await first
        await events.aclose()


async def test_two_subscriptions_on_one_session_and_a_stream_that_is_not_there(pair: Make) -> None:
    connection, served = await connected(pair)
    with pytest.raises(RpcError, match="no stream"):
        await anext(connection.subscribe("OTHER"))
    async with contextlib.aclosing(connection.subscribe()) as events:
        first = asyncio.ensure_future(anext(events))
        await until(lambda: server_of(served).sessions[1]._subscribed)
        with pytest.raises(InvalidOption, match="already"):
            await anext(connection.subscribe())
        server_of(served).notify('<one xmlns="urn:m"/>')
        await first


async def test_a_subscription_in_which_nothing_happens(pair: Make) -> None:
    connection, _ = await connected(pair)
    with pytest.raises(CommandTimeout, match="no notification"):
        await anext(connection.subscribe(idle=0.1))


# ------------------------------------------------------------------ large answers


def fill(served: LabDevice, count: int) -> None:
    edits = [
        Edit(
            operation="merge",
            path=(Step("ietf-interfaces:interfaces"), Step("interface", {"name": f"Loopback{number}"})),
            value={"name": f"Loopback{number}", "description": "x" * 2000},
        )
        for number in range(1000, 1000 + count)
    ]
    served.data.edit(edits)


async def test_a_large_answer_in_pieces(pair: Make) -> None:
    connection, served = await connected(pair, options={"max_reply": 10_000})
    fill(served, 40)
    pieces = [piece async for piece in connection.stream_get_config()]
    assert len(pieces) > 2
    text = "".join(pieces)
    assert text.startswith("<rpc-reply")
    assert text.endswith("</rpc-reply>")
    assert text.count("x" * 2000) == 2 * 40
    assert "Loopback0" in await connection.get(
        filter=f'<interfaces xmlns="{INTERFACES}"><interface><name>Loopback0</name></interface></interfaces>'
    )
    assert connection.session_id == 1


async def test_leaving_a_large_answer(pair: Make) -> None:
    connection, served = await connected(pair)
    fill(served, 40)
    for _ in range(3):
        async with contextlib.aclosing(connection.stream_get()) as pieces:
            async for _ in pieces:
                break
        assert await connection.get(filter="<x/>")
    assert connection.session_id == 1


async def test_what_a_stream_is_refused(pair: Make) -> None:
    connection, served = await connected(pair)
    with pytest.raises(RpcError):
        async for _ in connection.stream_get(xpath="/["):
            pass
    with pytest.raises(NotCapable):
        async for _ in connection.stream_get_config("startup"):
            pass
    served.faults = Faults(hang_on=".")
    with pytest.raises(CommandTimeout):
        async for _ in connection.stream_get(timeout=0.1):
            pass
    served.faults = Faults()
    assert await connection.get()


# ------------------------------------------------------------------ company


async def test_sessions_share_one_link(pair: Make) -> None:
    device, served = await pair("netconf")
    first = await device.connect(alias="first")
    others = await asyncio.gather(*(device.connect(alias=f"n{number}") for number in range(4)))
    assert (len(served.connections), served.sessions) == (1, 5)
    assert {one.session_id for one in (first, *others)} == {1, 2, 3, 4, 5}
    await first.close()
    assert all(await asyncio.gather(*(one.get() for one in others)))
    await device.manager.disconnect_all()
    await until(lambda: not served.connections)


async def test_a_pool_on_one_link(pair: Make) -> None:
    device, served = await pair("netconf")
    pool = await device.connect(pool_size=3)
    await asyncio.gather(*(pool.get_config() for _ in range(30)))
    assert len(served.connections) == 1
    async with pool.acquire() as session:
        await session.lock("running")
    async with pool.acquire() as one, pool.acquire() as two, pool.acquire() as three:
        await one.lock("running")
        await one.unlock("running")
        for session in (two, three):
            async with session.locked("candidate"):
                await session.edit_config(contact("x"))
                await session.commit()
    assert not server_of(served).locks
    assert [piece async for piece in pool.stream_get_config()]


async def test_a_pool_replaces_a_session_with_a_subscription(pair: Make) -> None:
    device, served = await pair("netconf")
    pool = await device.connect(pool_size=1)
    async with contextlib.aclosing(pool.subscribe()) as events:
        first = asyncio.ensure_future(anext(events))
        await until(lambda: any(one._subscribed for one in server_of(served).sessions.values()))
        server_of(served).notify('<one xmlns="urn:m"/>')
        assert (await first).name == "one"
    assert await pool.get()
    await until(lambda: served.sessions == 1)
    assert not any(one._subscribed for one in server_of(served).sessions.values())


async def test_one_session_kills_another(pair: Make) -> None:
    device, _served = await pair("netconf")
    first, second = await device.connect(alias="first"), await device.connect(alias="second")
    await first.kill_session(second.session_id)
    await until(lambda: second.state is State.BROKEN)
    assert await second.get()
    with pytest.raises(RpcError):
        await first.kill_session(99)


async def test_the_command_line_and_netconf_show_one_configuration(lab: Lab) -> None:
    await lab.add("r1", protocols=("ssh", "netconf"))
    async with aioconn.load(lab.testbed()) as testbed:
        r1 = testbed["r1"]
        cli, netconf = await r1.connect(via="cli", alias="cli"), await r1.connect(via="netconf", alias="nc")
        await netconf.edit_config(contact("from netconf"), target="running")
        assert "from netconf" in await cli.execute("show running-config")
        await cli.configure(["interface Loopback0", "description from cli"])
        assert "from cli" in await netconf.get_config()


async def test_nothing_is_left_of_many_sessions(pair: Make) -> None:
    device, served = await pair("netconf")
    for _ in range(5):
        await asyncio.gather(*(device.connect(alias=f"n{number}") for number in range(5)))
        await device.manager.disconnect_all()
    await until(lambda: not served.connections and not served.sessions)
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, NetconfConnection) and one.connected]
