# SPDX-License-Identifier: Apache-2.0
"""What is asked on a wire, what is held for it, and how it ends."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aioconn.broker import owing, words
from aioconn.broker.frames import Call, Cancel, Failure, Frame, Item, Leave, Next, Target, Value, encode
from aioconn.broker.values import ConnectionRef, DeviceRef
from aioconn.connection import State
from aioconn.errors import (
    CommandRejected,
    Deadlock,
    DeviceBusy,
    PoolTimeout,
    UnknownAlias,
    UnknownDevice,
    UsageError,
    UsedAfterRelease,
)
from aioconn.results import Output, Results
from tests.broker.caller import WasCancelled
from tests.broker.conftest import Shared
from tests.lab_thread import LabThread

SOON = 0.3
"""Seconds for something that is not to happen."""

# ---------------------------------------------------------------------- calls


def test_a_call_gives_what_the_method_gives(shared: Shared) -> None:
    wire = shared.connect("r1")
    output = wire.call("execute", "show clock", timeout=5)
    assert isinstance(output, Output)
    assert output.command == "show clock"
    assert [type(one) for one in wire.call("execute", ["show clock", "show clock"])] == [Output, Output]


def test_connecting_gives_a_reference(shared: Shared) -> None:
    wire = shared.wire(shared.target("r1"))
    reference = wire.call("connect", alias="vty_1")
    assert reference == ConnectionRef(
        key=shared.target("r1").key,
        alias="vty_1",
        device="r1",
        kind="CliConnection",
        services=reference.services,
        streams=("stream",),
        pool=False,
    )
    assert "execute" in reference.services
    assert wire.call("execute", "show clock", on=shared.target("r1", "vty_1"))
    assert wire.ask("get", "vty_1") == reference
    assert wire.ask("connections") == {"vty_1": reference}
    pool = wire.call("connect", alias="pool", pool_size=2)
    assert (pool.kind, pool.pool) == ("CliConnection", True)


def test_errors_come_with_type_and_fields(shared: Shared) -> None:
    wire = shared.connect("r1")
    with pytest.raises(CommandRejected) as caught:
        wire.call("execute", "no such command")
    assert caught.value.device == "r1"
    assert caught.value.command == "no such command"
    assert isinstance(caught.value.output, Output)
    with pytest.raises(TypeError):
        wire.call("execute")
    assert wire.call("execute", "show clock")


def test_asks_are_properties_and_plain_methods(shared: Shared) -> None:
    wire = shared.connect("r1")
    assert wire.ask("name") == "r1"
    assert wire.ask("connected") is True
    assert wire.ask("is_connected", "nobody") is False
    assert wire.ask("statistics")["connected"] == 1
    assert wire.ask("state", on=shared.target("r1", "default")) is State.READY
    assert wire.ask("repr").startswith("<Device r1 ")
    with pytest.raises(UnknownAlias):
        wire.ask("get", "nobody")


def test_a_testbed_over_a_wire(shared: Shared) -> None:
    wire = shared.wire(shared.target())
    assert wire.home == 0
    assert wire.ask("names") == ["r1", "r2"]
    devices = wire.ask("devices")
    assert [(type(one), one.name) for one in devices.values()] == [(DeviceRef, "r1"), (DeviceRef, "r2")]
    assert wire.ask("get", "r2") == devices["r2"]
    results = wire.call("execute", "show clock", ["r1"])
    assert isinstance(results, Results)
    assert isinstance(results["r1"].unwrap(), Output)
    connected = wire.call("connect")
    assert [one.unwrap().device for one in connected.values()] == ["r1", "r2"]
    with pytest.raises(UnknownDevice):
        wire.ask("get", "r9")


def test_a_fan_out_is_an_iteration(shared: Shared) -> None:
    wire = shared.wire(shared.target())
    first = wire.call("fan_out", ["r1", "r2"], "show clock", kind="iterate", limit=1)
    second = wire.next()
    assert {first.device, second.device} == {"r1", "r2"}
    assert isinstance(first.value, Output)
    with pytest.raises(StopIteration):
        wire.next()
    assert wire.ask("names")


def test_what_is_not_listed_is_out_of_reach(shared: Shared) -> None:
    wire = shared.connect("r1")
    for name in ("credentials", "manager", "_manager", "__class__", "listeners", "spec", "nonsense", ""):
        for kind in ("ask", "call", "iterate", "enter"):
            with pytest.raises(UsageError):
                wire.call(name, kind=kind)
    with pytest.raises(UsageError, match="did you mean 'execute'"):
        wire.call("exekute", "show clock")
    with pytest.raises(UsageError, match="credentials"):
        wire.ask("credentials", on=shared.target("r1", "default"))


def test_no_class_is_imported_because_a_peer_says_so(
    shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = shared.wire(shared.target("r1"))
    (tmp_path / "no_such_class.py").write_text("Connection = None")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="cannot be asked for by another process"):
        wire.call("connect", cls="no_such_class.Connection")
    assert "no_such_class" not in sys.modules
    assert wire.call("connect", cls="unicon.Unicon").kind == "CliConnection"


def test_a_device_that_nobody_keeps_is_gone(shared: Shared) -> None:
    import aioconn

    device = aioconn.Device("r9", connections={"cli": {"protocol": "telnet", "ip": "127.0.0.1"}})
    target = Target("device", shared.estate.enroll(device))
    wire = shared.wire(target)
    assert wire.ask("name") == "r9"
    del device
    with pytest.raises(UnknownDevice, match="keep a reference"):
        wire.ask("name")
    with pytest.raises(UnknownDevice):
        wire.call("connect")
    with pytest.raises(UnknownDevice):
        wire.ask("name", on=Target("testbed", shared.target("r1").key))


def test_a_result_that_cannot_cross_is_an_error_and_no_more(shared: Shared) -> None:
    shared.testbed.spec.custom["odd"] = object()  # type: ignore[index]
    wire = shared.wire(shared.target())
    with pytest.raises(UsageError, match="the result of custom"):
        wire.ask("custom")
    assert wire.ask("name") == "lab"


def test_an_answer_in_parts(shared: Shared) -> None:
    text = "x" * (3 * 1024 * 1024)
    shared.testbed.spec.custom["long"] = text  # type: ignore[index]
    wire = shared.wire(shared.target())
    assert wire.ask("custom") == {"long": text}


def test_the_wire_of_a_device_is_at_its_home(shared: Shared) -> None:
    with shared.wire(shared.target("r1")) as early:
        assert early.home == 0  # it has none yet
    first, second = shared.connect("r1"), shared.connect("r2")
    assert first.home != 0
    assert second.home not in (0, first.home)
    assert shared.wire(shared.target("r1", "default")).home == first.home
    # what lives elsewhere can be reached all the same
    assert first.ask("statistics", on=shared.target("r2"))["connected"] == 1
    assert first.call("execute", "show clock", on=shared.target("r2"))


def test_the_home_stays_while_a_wire_is_there(shared: Shared) -> None:
    wire = shared.connect("r1")
    wire.call("disconnect_all")
    homes = [thread for thread in threading.enumerate() if thread.name == "aioconn home of r1"]
    time.sleep(SOON)
    assert [thread.is_alive() for thread in homes] == [True]
    assert wire.ask("connected") is False
    wire.sock.close()
    assert LabThread.wait_for(lambda: not homes[0].is_alive())


def test_signs_of_life_come_while_a_call_takes_long(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owing, "PULSE", 0.02)
    wire = shared.connect("r1")
    wire.call("send", "something")
    with pytest.raises(TimeoutError):
        wire.call("expect", "never to be seen", timeout=0.3)
    assert wire.alive >= 3


# ---------------------------------------------------------------------- cancelling


def test_a_call_is_cancelled(shared: Shared) -> None:
    wire = shared.connect("r1")
    wire.begin("expect", "never", timeout=30)
    time.sleep(0.05)
    wire.cancel()
    wire.cancel()  # once is enough
    with pytest.raises(WasCancelled):
        wire.answer()
    assert wire.call("execute", "show clock").mode


def test_a_cancel_in_the_same_piece_as_its_call(shared: Shared) -> None:
    wire = shared.connect("r1")
    wire.sock.sendall(
        encode(Call("call", shared.target("r1"), "expect", ("never",), {"timeout": 30})) + encode(Cancel())
    )
    with pytest.raises(WasCancelled):
        wire.answer()
    assert wire.call("execute", "show clock").mode


def test_a_cancel_that_crosses_with_the_answer_does_nothing(shared: Shared) -> None:
    wire = shared.connect("r1")
    for _ in range(50):
        wire.begin("execute", "show clock")
        wire.cancel()
        try:
            assert isinstance(wire.answer(), Output)
        except WasCancelled:
            pass
        wire.cancel()  # nothing is under way
        assert wire.ask("connected") is True


def test_a_cancel_while_the_answer_is_written(shared: Shared) -> None:
    text = "x" * (8 * 1024 * 1024)
    shared.testbed.spec.custom["long"] = text  # type: ignore[index]
    wire = shared.connect("r1")
    # asked at a home of its own, so that it is not answered from within the reading of the call
    other = shared.connect("r2")
    shared.testbed["r1"].spec.custom["long"] = text  # type: ignore[index]
    other.begin("custom", kind="ask", on=shared.target("r1"))
    time.sleep(0.1)
    other.cancel()
    assert other.answer() == {"long": text}
    assert wire.ask("connected") is True
    assert other.ask("connected") is True


def test_a_wait_for_a_block_is_cancelled(shared: Shared) -> None:
    first = shared.connect("r1", pool_size=1)
    second = shared.wire(shared.target("r1"))
    pool = shared.target("r1", "default")
    first.enter("acquire", on=pool)
    second.begin("acquire", kind="enter", on=pool, timeout=30)
    time.sleep(0.05)
    second.cancel()
    with pytest.raises(WasCancelled):
        second.answer()
    first.leave()
    assert second.enter("acquire", on=pool, timeout=5).device == "r1"
    second.leave()
    assert second.ask("statistics", on=pool)["busy"] == 0


# ---------------------------------------------------------------------- blocks


def test_a_block_is_entered_used_and_left(shared: Shared) -> None:
    wire = shared.connect("r1", pool_size=1)
    pool, session = shared.target("r1", "default"), Target("entered")
    reference = wire.enter("acquire", on=pool)
    assert (reference.device, reference.pool) == ("r1", False)
    assert wire.call("execute", "show clock", on=session).command == "show clock"
    assert wire.ask("connected", on=session) is True
    assert wire.ask("statistics", on=pool)["busy"] == 1
    assert wire.leave() is None
    assert wire.ask("statistics", on=pool)["busy"] == 0
    with pytest.raises(UsedAfterRelease):
        wire.call("execute", "show clock", on=session)
    with pytest.raises(UsedAfterRelease):
        wire.leave()
    assert wire.ask("connected") is True


def test_calls_on_the_wire_of_a_block_are_inside(shared: Shared) -> None:
    wire, other = shared.connect("r1"), shared.wire(shared.target("r1"))
    assert wire.enter("exclusive") is None
    with pytest.raises(DeviceBusy, match=rf"process {__import__('os').getpid()}, taken at "):
        other.call("execute", "show clock", timeout=0.1)
    assert wire.call("execute", "show clock", timeout=5)
    wire.enter("transaction")
    assert wire.call("execute", "show clock", on=Target("entered"), timeout=5)
    wire.leave()
    wire.leave()
    assert other.call("execute", "show clock", timeout=5)


def test_a_wire_that_would_wait_for_itself(shared: Shared) -> None:
    wire = shared.connect("r1")
    wire.enter("transaction")
    with pytest.raises(Deadlock):
        wire.enter("exclusive", timeout=30)
    wire.leave()
    wire.enter("exclusive", timeout=30)
    wire.leave()


def test_blocks_are_left_in_any_order(shared: Shared) -> None:
    wire = shared.connect("r1", pool_size=2)
    pool = shared.target("r1", "default")
    wire.enter("acquire", on=pool)
    wire.enter("acquire", on=pool)
    wire.leave(1)
    with pytest.raises(UsedAfterRelease):
        wire.call("execute", "show clock", on=Target("entered", 1))
    assert wire.call("execute", "show clock", on=Target("entered", 2))
    with pytest.raises(UsedAfterRelease):
        wire.leave(1)
    wire.leave(2)
    assert wire.ask("statistics", on=pool)["busy"] == 0


def test_who_holds_a_session_is_told(shared: Shared) -> None:
    wire, other = shared.connect("r1", pool_size=1), shared.wire(shared.target("r1"))
    wire.enter("acquire", on=shared.target("r1", "default"))
    with pytest.raises(PoolTimeout, match=r"held by process \d+ for .* taken at "):
        other.enter("acquire", on=shared.target("r1", "default"), timeout=0.1)


def test_a_block_that_cannot_be_entered_is_not_there(shared: Shared) -> None:
    wire = shared.connect("r1")
    with pytest.raises(UnknownAlias):
        wire.enter("transaction", on=shared.target("r1", "nobody"))
    with pytest.raises(UsedAfterRelease):
        wire.leave()
    # it counts among those of the wire all the same
    wire.enter("transaction")
    wire.leave(2)


# ---------------------------------------------------------------------- iterations


def test_an_iteration_is_closed_early(shared: Shared) -> None:
    wire = shared.connect("r1")
    assert isinstance(wire.call("stream", "show ip route", kind="iterate"), str)
    wire.send(Leave(1))
    with pytest.raises(StopIteration):
        wire.answer()
    with pytest.raises(UsedAfterRelease):
        wire.next(1)
    assert wire.call("execute", "show clock", timeout=5)


def test_a_step_of_an_iteration_is_cancelled(shared: Shared) -> None:
    other, wire = shared.connect("r1"), shared.wire(shared.target("r1"))
    other.enter("transaction")
    wire.begin("stream", "show clock", kind="iterate")
    time.sleep(0.05)
    wire.cancel()
    with pytest.raises(WasCancelled):
        wire.answer()
    with pytest.raises(UsedAfterRelease):
        wire.next()
    other.leave()
    assert wire.call("execute", "show clock", timeout=5)


def test_calls_between_two_items(shared: Shared) -> None:
    wire = shared.wire(shared.target())
    wire.call("fan_out", ["r1", "r2"], "show clock", kind="iterate", limit=1)
    assert wire.ask("names") == ["r1", "r2"]
    assert wire.call("execute", "show clock", ["r1"])["r1"].ok
    assert wire.next(1).ok
    with pytest.raises(StopIteration):
        wire.next(1)


def test_an_item_that_cannot_cross_ends_the_iteration(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()

    async def odd(testbed: object) -> AsyncIterator[object]:
        try:
            yield 1
            yield object()
        finally:
            closed.set()

    monkeypatch.setitem(words.TESTBED.iterations, "odd", odd)
    wire = shared.wire(shared.target())
    assert wire.call("odd", kind="iterate") == 1
    with pytest.raises(UsageError, match="an item of odd"):
        wire.next()
    assert closed.is_set()
    assert wire.ask("names")


def test_a_cancel_that_is_swallowed_is_over_with_the_step(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stubborn(testbed: object) -> AsyncIterator[str]:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            yield "all the same"
        yield "and again"
        raise asyncio.CancelledError  # of its own, as of a task inside

    monkeypatch.setitem(words.TESTBED.iterations, "stubborn", stubborn)
    wire = shared.wire(shared.target())
    wire.begin("stubborn", kind="iterate")
    time.sleep(0.05)
    wire.cancel()
    assert wire.answer() == "all the same"
    assert wire.next() == "and again"
    with pytest.raises(WasCancelled):
        wire.next()
    assert wire.ask("names")


# ---------------------------------------------------------------------- what is not done


@pytest.mark.parametrize(
    "frames",
    [
        [Call("call", Target("device", 1), "execute", ("show clock",))] * 2,
        [Value(None)],
        [Item(1)],
        [Failure(ValueError())],
    ],
    ids=["two calls", "value", "item", "failure"],
)
def test_who_breaks_the_rules_is_thrown_out(shared: Shared, frames: list[Frame]) -> None:
    good, bad = shared.connect("r1"), shared.wire(shared.target("r1"))
    bad.sock.sendall(b"".join(encode(frame) for frame in frames))
    assert bad.ends()
    assert good.call("execute", "show clock", timeout=5)
    assert LabThread.wait_for(lambda: shared.broker.wires == 1)
    assert sum(shared.broker.refused.values()) == 1


def test_a_block_has_no_next_item(shared: Shared) -> None:
    bad, other = shared.connect("r1"), shared.wire(shared.target("r1"))
    bad.enter("exclusive")
    bad.send(Next(1))
    assert bad.ends()
    assert other.call("execute", "show clock", timeout=20)
    assert shared.broker.refused["protocol"] == 1


def test_next_and_leave_of_nothing_are_answered(shared: Shared) -> None:
    wire = shared.connect("r1")
    for frame in (Next(), Leave(), Next(7), Leave(7)):
        wire.send(frame)
        with pytest.raises(UsedAfterRelease):
            wire.answer()
    assert wire.ask("connected") is True


def test_too_many_wires_of_one_process(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    from aioconn.broker import server
    from aioconn.errors import BrokerRefused

    monkeypatch.setattr(server, "WIRES_PER_PROCESS", 3)
    wires = [shared.wire(shared.target("r1")) for _ in range(3)]
    with pytest.raises(BrokerRefused, match="too many"):
        shared.wire(shared.target("r1"))
    wires[0].sock.close()
    assert LabThread.wait_for(lambda: shared.broker.wires == 2)
    assert shared.wire(shared.target("r1")).ask("name") == "r1"


def test_who_asks_without_reading_is_thrown_out(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    from aioconn.broker import attachment

    monkeypatch.setattr(attachment, "PENDING_LIMIT", 4 * 1024 * 1024)
    shared.testbed.spec.custom["long"] = "x" * 1024 * 1024  # type: ignore[index]
    wire = shared.wire(shared.target())
    asks = encode(Call("ask", shared.target(), "custom"))
    for _ in range(200):
        try:
            wire.sock.sendall(asks)
        except OSError:
            break
        time.sleep(0.005)
    assert shared.gone()
    assert shared.broker.refused["slow"] == 1


def test_a_slow_reader_stops_only_itself(shared: Shared) -> None:
    slow, other = shared.connect("r1"), shared.connect("r2")
    for device in ("r1", "r2"):
        shared.testbed[device].spec.custom["long"] = "x" * (8 * 1024 * 1024)  # type: ignore[index]
    slow.begin("custom", kind="ask", on=shared.target("r2"))  # from another home: written as it is read
    time.sleep(0.1)
    assert other.call("execute", "show clock", timeout=5)
    assert shared.wire(shared.target("r1")).call("execute", "show clock", timeout=5)
    assert len(slow.answer()["long"]) == 8 * 1024 * 1024


def test_who_calls_again_before_he_has_read_is_thrown_out(shared: Shared) -> None:
    shared.testbed["r2"].spec.custom["long"] = "x" * (8 * 1024 * 1024)  # type: ignore[index]
    shared.connect("r2")
    wire = shared.connect("r1")
    wire.begin("custom", kind="ask", on=shared.target("r2"))
    time.sleep(0.1)
    wire.begin("name", kind="ask")
    assert wire.ends()
    assert shared.broker.refused["protocol"] == 1


def test_what_is_answered_at_once_is_to_be_read_as_well(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "x" * 900_000  # plain, and more than the system takes
    shared.connect("r2")
    wire, hasty = shared.connect("r1"), shared.connect("r1")
    monkeypatch.setattr(words, "present", lambda *_: long)
    for _ in range(3):
        wire.begin("custom", kind="ask", on=shared.target("r2"))
        assert wire.answer() == long
    hasty.begin("custom", kind="ask", on=shared.target("r2"))
    time.sleep(0.1)
    hasty.begin("name", kind="ask")
    assert hasty.ends()
    assert shared.broker.refused["protocol"] == 1


def test_a_wire_between_frames_may_live_for_ever(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deadline holds for handshakes only, even for half a frame."""
    from aioconn.broker import handshake, porter

    monkeypatch.setattr(handshake, "TIMEOUT", 0.1)
    monkeypatch.setattr(porter, "TIMEOUT", 0.1)
    wire = shared.connect("r1")
    data = encode(Call("ask", shared.target("r1"), "name"))
    wire.sock.sendall(data[:7])
    time.sleep(SOON)
    wire.sock.sendall(data[7:])
    assert wire.answer() == "r1"


def test_statistics_over_a_wire(shared: Shared) -> None:
    shared.broker.about = lambda: {"name": "lab"}
    wire = shared.connect("r1")
    wire.call("execute", "show clock")
    told = wire.ask("statistics", on=Target("broker"))
    assert told["name"] == "lab"
    assert told["wires"] == 1
    [process] = told["processes"]
    assert process["wires"] == 1
    assert process["calls"] == 2


def test_changes_are_told(shared: Shared) -> None:
    changes: list[int] = []
    shared.broker.on_change = lambda: changes.append(shared.broker.wires)
    wire = shared.wire(shared.target("r1"))
    before = len(changes)
    assert before
    wire.ask("name")
    assert len(changes) > before
    wire.sock.close()
    assert LabThread.wait_for(lambda: changes[-1] == 0)
    assert shared.broker.idle > 0.0
