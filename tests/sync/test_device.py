# SPDX-License-Identifier: Apache-2.0
"""One device without a loop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import aioconn.sync
from aioconn.caller import on_behalf
from aioconn.errors import (
    AuthenticationFailed,
    CommandRejected,
    CommandTimeout,
    Deadlock,
    DeviceBusy,
    SessionClosed,
    UnknownAlias,
)
from aioconn.home import homes
from aioconn.lab import Faults
from aioconn.sync import Device, Output, Testbed
from tests.lab_thread import LabThread

ENOUGH = 20.0


@pytest.fixture(params=["ssh", "telnet"])
def r1(request: pytest.FixtureRequest, testbed_of: Callable[..., Testbed]) -> Device:
    return testbed_of("r1", protocols=(request.param,))["r1"]


@contextlib.contextmanager
def in_a_thread(work: Callable[[], Any]) -> Iterator[list[Any]]:
    """Runs it while the block lasts; a list to which its result, or its error, is added."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        thread.join(ENOUGH)
        assert not thread.is_alive()


def test_a_conversation(lab: LabThread, r1: Device) -> None:
    assert not r1.connected
    connection = r1.connect()
    assert r1.connected
    assert r1.is_connected("default")
    assert not r1.is_connected("other")
    output = r1.execute("show version")
    assert isinstance(output, Output)
    assert output.command == "show version"
    assert [type(one) for one in r1.execute(["show clock", "show clock"])] == [Output, Output]
    r1.configure(["interface Loopback0", "description uplink"])
    assert "description uplink" in lab["r1"].config.render()
    assert "".join(r1.stream("show version")) == output
    with pytest.raises(CommandRejected) as refused:
        r1.execute("show nonsense")
    assert refused.value.device == "r1"
    assert r1.connect() is connection  # the same was asked for
    r1.disconnect()
    with pytest.raises(SessionClosed):
        r1.execute("show clock")
    r1.destroy()
    assert not r1.connections


def test_what_is_not_connected_starts_nothing(r1: Device) -> None:
    with pytest.raises(UnknownAlias, match=r"connect\(\)"):
        r1.execute("show clock")
    with pytest.raises(UnknownAlias):
        r1.stream("show clock")
    with pytest.raises(UnknownAlias):
        r1.disconnect()
    with pytest.raises(UnknownAlias), r1.transaction():
        pass
    assert len(homes) == 0
    r1.disconnect_all()
    r1.destroy_all()
    assert len(homes) == 0


def test_aliases(r1: Device) -> None:
    first, second = r1.connect(), r1.connect(alias="vty_1")
    assert r1.vty_1 is r1["vty_1"] is r1.connections["vty_1"] is second
    assert first != second
    assert {first: 1}[r1["default"]] == 1
    assert (second.alias, second.device, second.connected) == ("vty_1", "r1", True)
    assert "UTC" in r1.vty_1.execute("show clock")
    r1.destroy("vty_1")
    with pytest.raises(AttributeError, match="no connection or service 'vty_1'"):
        _ = r1.vty_1
    with pytest.raises(UnknownAlias):
        _ = r1["vty_1"]


def test_using_an_alias_is_a_matter_of_the_thread(lab: LabThread, r1: Device) -> None:
    r1.connect()
    r1.connect(alias="vty_1")
    r1.vty_1.enter_mode("config")
    seen: list[str] = []
    with r1.using_alias("vty_1") as vty_1:
        assert vty_1 is r1.vty_1
        assert r1.manager.default_alias == "vty_1"
        with in_a_thread(lambda: r1.execute("show clock").mode) as elsewhere:
            seen.append(r1.execute("do show clock").mode)
        with r1.exclusive():
            seen.append(r1.execute("do show clock").mode)
        assert "".join(r1.stream("do show version")).count("Version")
        with r1.transaction() as session:
            assert session is vty_1
        r1.disconnect()
        assert not r1.connected
    assert seen == ["config", "config"]
    assert elsewhere == ["privileged"]
    assert r1.connected
    with pytest.raises(UnknownAlias), r1.using_alias("vty_2"):
        pass


def test_many_threads_on_one_device(lab: LabThread, r1: Device) -> None:
    pool = r1.connect(alias="pool", pool_size=3)
    r1.connect()
    with ThreadPoolExecutor(8) as threads:
        outputs = list(threads.map(lambda number: (r1, pool)[number % 2].execute("show version"), range(40)))
    assert all("Version" in output for output in outputs)
    assert lab["r1"].sessions == 4


def test_exclusive_keeps_other_threads_out(r1: Device) -> None:
    r1.connect()
    inside, tried = threading.Event(), threading.Event()

    def other() -> Any:
        inside.wait(ENOUGH)
        try:
            with pytest.raises(DeviceBusy) as busy:
                r1.execute("show clock", timeout=0.2)
            return str(busy.value)
        finally:
            tried.set()

    with in_a_thread(other) as results, r1.exclusive():
        inside.set()
        assert tried.wait(ENOUGH)
        assert "UTC" in r1.execute("show clock")
        r1.configure(["interface Loopback0"])
        with r1.exclusive():  # a part of the outer one
            r1.execute("show clock")
    assert "thread MainThread, taken at test_device.py:" in results[0]
    assert "UTC" in r1.execute("show clock")


def test_a_thread_that_would_wait_for_itself(r1: Device) -> None:
    connection = r1.connect()
    itself = "thread MainThread would wait for itself"
    with connection.transaction(), pytest.raises(Deadlock, match=itself) as deadlock, r1.exclusive():
        pass
    assert str(deadlock.value).count("test_device.py:") == 2
    r1.execute("show clock")


@pytest.mark.parametrize("loop", ["own", "shared"])
def test_threads_that_would_wait_for_each_other(testbed_of: Callable[..., Testbed], loop: str) -> None:
    """The devices live on different loops, or on one."""
    testbed = testbed_of("r1", "r2", loop=loop)
    both = threading.Barrier(2, timeout=ENOUGH)

    def take(first: str, second: str) -> None:
        with testbed[first].exclusive(timeout=ENOUGH):
            both.wait()
            with testbed[second].exclusive(timeout=ENOUGH):
                pass

    def other() -> None:
        take("r2", "r1")

    ours = None
    with in_a_thread(other) as theirs:
        try:
            take("r1", "r2")
        except Deadlock as error:
            ours = error
    (told,) = filter(None, (ours, *theirs))
    assert isinstance(told, Deadlock)
    assert "thread MainThread took r1 (exclusive) at test_device.py:" in told.message
    assert " took r2 (exclusive) at test_device.py:" in told.message


def test_a_block_that_raises_is_left(r1: Device) -> None:
    connection = r1.connect()
    for block in (r1.exclusive(), r1.transaction(), connection.transaction()):
        with pytest.raises(KeyError), block:
            raise KeyError
    with in_a_thread(lambda: r1.execute("show clock", timeout=ENOUGH)) as results:
        pass
    assert isinstance(results[0], Output)


def test_an_interrupt_leaves_the_session_in_step(lab: LabThread, r1: Device) -> None:
    r1.connect()
    lab["r1"].faults = Faults(hang_on="version")

    def interrupt() -> None:
        assert lab.wait_for(lambda: lab.typed("version") == 1, ENOUGH)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with in_a_thread(interrupt), pytest.raises(KeyboardInterrupt):
        r1.execute("show version")
    lab["r1"].faults = Faults()
    output = r1.execute("show clock")
    assert "UTC" in output
    assert "Version" not in output


def test_a_timeout_is_the_very_error(lab: LabThread, r1: Device) -> None:
    r1.connect()
    lab["r1"].faults = Faults(hang_on="version")
    with pytest.raises(CommandTimeout, match="show version") as late:
        r1.execute("show version", timeout=0.2)
    assert isinstance(late.value, TimeoutError)
    frames = [frame.name for frame in late.traceback]
    assert "_work" not in frames  # the bridge is no news


def test_leaving_a_stream_early(lab: LabThread, r1: Device) -> None:
    r1.connect()
    with contextlib.closing(r1.stream("show version")) as pieces:
        assert "Cisco" in next(pieces)
    assert "UTC" in r1.execute("show clock")


def test_calls_between_the_pieces_of_a_stream_pass_exclusive_work_that_waits(
    lab: LabThread, r1: Device
) -> None:
    """It waits for the stream, and so for them."""
    r1.connect()
    other = r1.connect(alias="other")

    def alone() -> None:
        with r1.exclusive(timeout=ENOUGH):
            pass

    pieces = r1.stream("show version")
    assert "Cisco" in next(pieces)
    assert on_behalf.get() is None  # each asks for itself again
    with in_a_thread(alone) as results, contextlib.closing(pieces):
        assert lab.wait_for(lambda: r1.manager.statistics()["exclusive"]["waiting"] == 1)
        assert "UTC" in other.execute("show clock", timeout=2)
        assert not results
    assert results == [None]


def test_a_stream_that_is_left_early_is_nothing_that_the_thread_is_inside_of(
    lab: LabThread, r1: Device
) -> None:
    """It is brought back in step first, and then the thread is alone: it does not wait for itself."""
    lab["r1"].faults = Faults(byte_at_a_time=16)
    r1.connect()
    for _ in r1.stream("show version"):
        break
    with r1.exclusive(timeout=ENOUGH):
        lab["r1"].faults = Faults()
        assert "UTC" in r1.execute("show clock", timeout=ENOUGH)


def test_a_device_on_its_own(lab: LabThread) -> None:
    lab.add("r1", protocols=("ssh",))
    keys = lab.testbed()["devices"]["r1"]
    with Device("r1", **keys) as r1:
        assert "UTC" in r1.execute("show clock")
        assert r1.testbed is None
    assert not r1.connections
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_a_device_from_one_line(lab: LabThread) -> None:
    served = lab.add("r1", protocols=("telnet",))
    keys = lab.testbed()["devices"]["r1"]["connections"]["vty"]
    r1 = aioconn.sync.device(
        f"telnet://{served.username}@127.0.0.1:{keys['port']}", os="iosxe", password=served.password
    )
    with r1:
        assert "UTC" in r1.execute("show clock")


def test_a_path_that_failed_is_tried_again_when_it_is_told_so(lab: LabThread, r1: Device) -> None:
    lab["r1"].faults = Faults(wrong_password=True)
    with pytest.raises(AuthenticationFailed):
        r1.connect()
    breaker = r1.manager.breaker(next(iter(r1.paths)))
    assert breaker.failures == 1
    assert isinstance(breaker.last_error, AuthenticationFailed)
    lab["r1"].faults = Faults()
    breaker.reset()
    assert lab.wait_for(lambda: breaker.failures == 0)
    r1.connect()


def test_the_manager(r1: Device) -> None:
    manager = r1.manager
    assert manager == r1.manager
    assert manager.device is r1
    connection = manager.connect(alias="vty_1")
    assert manager.get("vty_1") is manager.connections["vty_1"] is connection
    assert manager.is_connected("vty_1")
    assert manager.statistics()["connected"] == 1
    assert manager.limits.max_sessions is None
    assert not manager.instantiate(alias="later").connected
    with manager.exclusive():
        connection.execute("show clock")
    assert repr(manager) == "<ConnectionManager r1 1/2 connected>"
    manager.disconnect("vty_1")
    manager.destroy_all()
    assert not r1.connections
