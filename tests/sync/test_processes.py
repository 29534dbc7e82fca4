# SPDX-License-Identifier: Apache-2.0
"""Handles in other processes: forked, spawned, and by pickling."""

from __future__ import annotations

import concurrent.futures
import functools
import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import pickle
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from aioconn.broker import estate
from aioconn.errors import (
    BrokerGone,
    CannotCross,
    CommandRejected,
    CommandTimeout,
    DeviceBusy,
    PoolTimeout,
    UnknownAlias,
    UnknownDevice,
    UsageError,
    UsedAfterRelease,
)
from aioconn.lab import Faults
from aioconn.sync import CliConnection, CliPool, CliSession, Device, Output, Testbed
from tests.forking import in_child
from tests.lab_thread import LabThread
from tests.sync.greeter import Greeter, serving

ENOUGH = 20.0

pytestmark = [
    pytest.mark.programs,
    # Since Python 3.12 a process with threads is warned of forking.
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def servants() -> None:
    """What multiprocessing starts once and keeps."""
    multiprocessing.resource_tracker.ensure_running()
    multiprocessing.forkserver.ensure_running()


@pytest.fixture
def r1(testbed_of: Callable[..., Testbed]) -> Device:
    device = testbed_of("r1", protocols=("telnet",))["r1"]
    device.connect(pool_size=3, pool_timeout=ENOUGH)
    return device


METHODS = [
    method for method in ("fork", "forkserver", "spawn") if method in multiprocessing.get_all_start_methods()
]


@pytest.mark.parametrize(
    "method",
    [pytest.param(it, marks=[pytest.mark.processes] if it != "fork" else []) for it in METHODS],
)
def test_eight_workers_share_three_sessions(lab: LabThread, r1: Device, method: Any) -> None:
    for session in [r1.default.acquire() for _ in range(3)]:
        session.release()
    workers = multiprocessing.get_context(method).Pool(8)
    try:
        outputs = workers.map(r1.execute, ["show version"] * 80)
    finally:
        workers.close()
        workers.join()
    assert len(outputs) == 80
    assert all(isinstance(output, Output) and "Version" in output for output in outputs)
    assert {output.command for output in outputs} == {"show version"}
    assert lab["r1"].logins == lab["r1"].peak_sessions == 3
    assert lab["r1"].sessions == 3
    assert "UTC" in r1.execute("show clock")


@pytest.mark.parametrize("method", METHODS)
def test_executors(lab: LabThread, r1: Device, method: Any) -> None:
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as workers:
        outputs = list(workers.map(functools.partial(clock, r1), range(6)))
        refused = workers.submit(r1.execute, "show nonsense")
        with pytest.raises(CommandRejected) as error:
            refused.result(ENOUGH)
    assert all("UTC" in output for output in outputs)
    assert (error.value.device, error.value.command) == ("r1", "show nonsense")
    assert lab["r1"].peak_sessions <= 3


def clock(device: Device, number: int) -> Output:
    return device.execute("show clock")


def test_everything_a_forked_child_can_do(lab: LabThread, r1: Device) -> None:
    testbed, pool = r1.testbed, r1.default
    assert testbed is not None
    vty = r1.connect(alias="vty_1")

    def child() -> None:
        assert testbed["r1"] is r1
        assert (r1.name, r1.os, r1.alias, r1.type) == ("r1", "iosxe", "r1", "router")
        assert (vty.device, vty.alias, vty.via, vty.mode) == ("r1", "vty_1", "vty", "privileged")
        assert r1.local is None
        assert (r1.connected, r1.is_connected("vty_1"), r1.is_connected("other")) == (True, True, False)
        assert set(r1.connections) == {"default", "vty_1"}
        assert r1.vty_1 == vty == r1["vty_1"]
        assert type(r1.vty_1) is CliConnection
        assert type(r1.default) is CliPool
        assert f"<Device r1 iosxe of process {os.getppid()}>" == repr(r1)
        assert "Version" in "".join(r1.stream("show version"))
        assert [type(one) for one in r1.execute(["show clock", "show clock"])] == [Output, Output]
        r1.configure(["interface Loopback0", "description child"])
        with vty.transaction() as session:
            assert "UTC" in session.execute("show clock")
        with r1.using_alias("vty_1"):
            r1.enter_mode("config")
            assert vty.mode == "config"
            assert r1.manager.default_alias == "vty_1"
            vty.enter_mode("privileged")
        with pool.acquire() as session:
            assert type(session) is CliSession
            session.enter_mode("config")
            assert session.mode == "config"
            assert "UTC" in r1.execute("show clock")
        with pytest.raises(UsedAfterRelease):
            session.execute("show clock")
        held = [pool.acquire() for _ in range(3)]
        with pytest.raises(PoolTimeout, match=f"process {os.getpid()}"):
            pool.acquire(timeout=0.05)
        for session in held:
            session.release()
        with r1.exclusive():
            r1.execute("show clock")
            vty.execute("show clock")
        assert r1.manager.statistics()["connected"] == 2
        assert r1.manager.limits.max_sessions is None
        assert (dict(r1.custom), dict(r1.interfaces), testbed.topology.links) == ({}, {}, {})
        assert testbed.execute("show clock").ok["r1"]
        again = r1.connect(alias="vty_2")
        assert again is r1.vty_2
        r1.destroy("vty_2")
        assert "vty_2" not in r1.connections

    in_child(child)
    assert "description child" in lab["r1"].config.render()
    assert lab.wait_for(lambda: pool.statistics()["busy"] == 0)
    assert "UTC" in r1.execute("show clock")
    assert "UTC" in vty.execute("show clock")


def test_errors_are_what_they_are(r1: Device) -> None:
    testbed = r1.testbed
    assert testbed is not None
    wrong: Any = {"a": object()}

    def child() -> None:
        with pytest.raises(CommandRejected, match="r1"):
            r1.execute("show nonsense")
        with pytest.raises(UnknownAlias, match="r1"):
            _ = r1["nothing"]
        with pytest.raises(UnknownDevice, match="r1"):
            _ = testbed["r3"]
        with pytest.raises(
            UsageError, match=r"'credentials' of Device r1 iosxe of process \d+ is to be had in that"
        ):
            _ = r1.credentials
        with pytest.raises(UsageError, match="spec"):
            _ = r1.spec
        r1.manager.breaker("vty").reset()
        with pytest.raises(UsageError, match="breaker"):
            _ = r1.manager.breaker("vty").failures
        with pytest.raises(CannotCross):
            r1.connect(alias="x", cls=object())
        with pytest.raises(CannotCross):
            r1.execute("show clock", reply=wrong)
        with pytest.raises(AttributeError, match="no connection or service 'nothing'"):
            _ = r1.nothing

    in_child(child)


def test_leaving_a_block_of_the_parent_in_a_child_leaves_nothing(lab: LabThread, r1: Device) -> None:
    """As it happens when a child that was forked in the middle of blocks ends by an exception, or sys.exit()."""
    testbed, pool = r1.testbed, r1.default
    assert testbed is not None
    with testbed, r1.exclusive(), pool.acquire() as session:

        def child() -> None:
            with pytest.raises(UsageError):
                session.execute("show clock")
            assert "forked from" in repr(session)
            for block in (session, testbed):
                block.__exit__(None, None, None)

        in_child(child)
        assert not session.released
        assert "UTC" in session.execute("show clock")
        assert r1.connected
    assert not r1.connected


def test_a_class_of_somebody_elses() -> None:
    with serving() as path:
        device = Device("r1", connections={"a": path})
        device.connect(cls=Greeter)
        device.connect(alias="pool", cls=Greeter, pool_size=2)

        def child() -> None:
            assert device.greet("r1") == device.default.greet("r1") == "hello r1"
            assert type(device.default).__name__ == "Greeter"
            assert list(device.default.greet_all(["a", "b"])) == ["hello a", "hello b"]
            assert list(device.greet_all(["c"])) == ["hello c"]
            assert device.pool.greet("r1") == "hello r1"
            with device.pool.acquire() as session:
                assert session.greet("r2") == "hello r2"
                assert list(session.greet_all(["a"])) == ["hello a"]

        in_child(child)
        device.destroy_all()


def test_threads_of_a_child(lab: LabThread, r1: Device) -> None:
    lab["r1"].faults = Faults(latency=0.1)  # so that they are there at the same time

    def child() -> None:
        outputs: list[str] = []
        threads = [
            threading.Thread(target=lambda: outputs.append(r1.execute("show version"))) for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(ENOUGH)
        assert sum("Version" in output for output in outputs) == 12

    in_child(child)
    assert lab["r1"].peak_sessions == 3


def test_a_child_of_a_child(lab: LabThread, r1: Device) -> None:
    def child() -> None:
        assert "UTC" in r1.execute("show clock")
        in_child(grandchild)
        assert "UTC" in r1.execute("show clock")

    def grandchild() -> None:
        assert "UTC" in r1.execute("show clock")

    in_child(child)
    assert lab["r1"].logins == 1


def test_a_handle_that_came_by_pickling_in_a_child_equals_the_forked_one(r1: Device) -> None:
    connection = r1.default
    text = pickle.dumps((r1, connection, r1.testbed))

    def child() -> None:
        device, pool, testbed = pickle.loads(text)  # noqa: S301
        assert (device, pool, testbed) == (r1, connection, r1.testbed)
        assert len({device, r1, pool, connection}) == 2
        assert testbed["r1"] == r1
        assert testbed["r1"].testbed is testbed
        assert "UTC" in device.execute("show clock")

    in_child(child)


def test_an_exclusive_child_keeps_others_out(lab: LabThread, r1: Device) -> None:
    ready_in, ready_out = os.pipe()
    done_in, done_out = os.pipe()

    def child() -> None:
        with r1.exclusive():
            os.write(ready_out, b"x")
            os.read(done_in, 1)
            r1.execute("show clock")

    def parent() -> None:
        os.read(ready_in, 1)
        try:
            with pytest.raises(DeviceBusy, match=r"kept out for 0.1 s: exclusive since .* by process \d+"):
                r1.execute("show clock", timeout=0.1)
        finally:
            os.write(done_out, b"x")

    thread = threading.Thread(target=parent)
    thread.start()
    in_child(child)
    thread.join(ENOUGH)
    for number in (ready_in, ready_out, done_in, done_out):
        os.close(number)
    assert "UTC" in r1.execute("show clock")


def test_a_child_that_holds_a_session_passes_exclusive_work_that_waits(lab: LabThread, r1: Device) -> None:
    """It waits for the child, so the child must not wait for it."""
    vty = r1.connect(alias="vty_1")
    ready_in, ready_out = os.pipe()
    outcome: list[str] = []

    def child() -> None:
        with r1.default.acquire() as session:
            os.write(ready_out, b"x")
            assert lab_waits()
            assert "UTC" in session.execute("show clock")
            assert "UTC" in vty.execute("show clock", timeout=ENOUGH / 2)
            assert "UTC" in r1.execute("show clock", timeout=ENOUGH / 2)

    def lab_waits() -> bool:
        return LabThread.wait_for(lambda: r1.manager.statistics()["exclusive"]["waiting"] == 1)

    def alone() -> None:
        os.read(ready_in, 1)
        with r1.exclusive(timeout=ENOUGH):
            outcome.append("alone")

    thread = threading.Thread(target=alone)
    thread.start()
    in_child(child)
    thread.join(ENOUGH)
    os.close(ready_in)
    os.close(ready_out)
    assert outcome == ["alone"]


def test_a_timeout_in_a_child_leaves_the_session_in_step(lab: LabThread, r1: Device) -> None:
    lab["r1"].faults = Faults(hang_on="version")

    def child() -> None:
        for _ in range(3):
            with pytest.raises(CommandTimeout):
                r1.execute("show version", timeout=0.1)

    in_child(child)
    lab["r1"].faults = Faults()
    assert all("UTC" in r1.execute("show clock") for _ in range(4))


def test_an_interrupted_child_leaves_the_session_in_step(lab: LabThread, r1: Device) -> None:
    lab["r1"].faults = Faults(hang_on="version")

    def child() -> None:
        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            r1.execute("show version")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    in_child(child)
    lab["r1"].faults = Faults()
    assert all("UTC" in r1.execute("show clock") for _ in range(4))
    assert lab.wait_for(lambda: r1.default.statistics()["busy"] == 0)


def test_the_owner_is_gone(lab: LabThread, r1: Device) -> None:
    text = pickle.dumps(r1)
    estate.here().stop()

    def child() -> None:
        device = pickle.loads(text)  # noqa: S301
        with pytest.raises(BrokerGone, match=str(os.getppid())):
            device.execute("show clock")

    in_child(child)
