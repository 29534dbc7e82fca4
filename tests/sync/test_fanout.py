# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aioconn.broker.estate import here
from aioconn.errors import AioconnError, AuthenticationFailed, ConnectTimeout, SessionError, UsageError
from aioconn.lab import Faults
from aioconn.results import Result
from aioconn.sync import Device, Testbed, fan_out, load
from tests.forking import in_child
from tests.lab_thread import LabThread

ENOUGH = 20.0

Fill = Callable[..., Testbed]


@pytest.fixture
def fill(lab: LabThread) -> Iterator[Fill]:
    """So many devices of both protocols, as a testbed that is closed after the test."""
    testbeds: list[Testbed] = []

    def fill(count: int, **keys: Any) -> Testbed:
        for number in range(count):
            lab.add(f"r{number}", protocols=("ssh" if number % 2 else "telnet",), **keys)
        testbeds.append(load(lab.file))
        return testbeds[-1]

    yield fill
    here().stop()
    for testbed in testbeds:
        testbed.disconnect()


def clock(device: Device) -> str:
    return device.execute("show clock").upper()


WORK = pytest.mark.parametrize("work", ["show clock", clock], ids=["command", "function"])
"""A command, and a function."""


@WORK
def test_every_device_gives_one_result(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(12)
    lab["r3"].faults = Faults(wrong_password=True)
    lab["r4"].faults = Faults(half_open=True)
    seen: dict[str, Result[Any]] = {}
    for result in fan_out(testbed, work, limit=8, timeout=2):
        seen[result.device] = result
    assert set(seen) == set(testbed)
    assert {name for name, result in seen.items() if not result.ok} == {"r3", "r4"}
    assert isinstance(seen["r3"].error, AuthenticationFailed)
    assert isinstance(seen["r4"].error, ConnectTimeout)
    assert all("UTC" in result.unwrap() for result in seen.values() if result.ok)
    assert not any(device.connected for device in testbed.devices.values())
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_several_commands(fill: Fill) -> None:
    for result in fan_out(fill(3).devices.values(), ["show version", "show clock"]):
        version, now = result.unwrap()
        assert "Version" in version
        assert "UTC" in now


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (RuntimeError, "mine"),
        (SystemExit, "the work raised SystemExit"),
        (StopIteration, "the work raised StopIteration"),
    ],
)
def test_what_a_function_raises_is_a_result(fill: Fill, kind: type[BaseException], seen: str) -> None:
    def work(device: Device) -> str:
        if device.name == "r1":
            raise kind("mine")
        return clock(device)

    results = {result.device: result for result in fan_out(fill(3), work)}
    assert [results[name].ok for name in ("r0", "r1", "r2")] == [True, False, True]
    error = results["r1"].error
    assert seen in str(error)
    assert kind in (type(error), type(error.__cause__) if error is not None else None)


def test_a_function_gets_the_device_it_was_called_for_and_the_callers_context(fill: Fill) -> None:
    testbed = fill(4)
    mine = threading.get_ident()

    def work(device: Device) -> tuple[bool, bool]:
        return device is testbed[device.name], threading.get_ident() != mine

    assert [result.unwrap() for result in fan_out(testbed, work)] == [(True, True)] * 4


def test_a_coroutine_function_is_refused(fill: Fill) -> None:
    async def work(device: Any) -> None: ...

    with pytest.raises(UsageError, match=r"aioconn\.fan_out"):
        fan_out(fill(1), work)


def test_limits_that_are_none_are_refused_at_once(fill: Fill) -> None:
    with pytest.raises(ValueError, match="limit"):
        fan_out(fill(1), "show clock", limit=0)


@WORK
def test_what_was_connected_stays_connected(fill: Fill, work: Any) -> None:
    testbed = fill(3)
    testbed["r0"].connect()
    for result in fan_out(testbed, work):
        result.unwrap()
    assert [device.connected for device in testbed.devices.values()] == [True, False, False]
    for result in fan_out(testbed, work, keep=True):
        result.unwrap()
    assert all(device.connected for device in testbed.devices.values())
    for device in testbed.devices.values():
        assert "UTC" in device.execute("show clock")


@WORK
def test_the_limit_holds(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(9, faults=Faults(hang_on="show clock"))
    for name in ("r0", "r1", "r2"):
        lab[name].faults = Faults(latency=0.02)
    results = fan_out(testbed, work, limit=3)
    for _ in range(3):  # whose places others get
        next(results).unwrap()
    assert lab.wait_for(lambda: lab.typed("show clock") == 6)
    assert not lab.wait_for(lambda: lab.sessions > 3, timeout=0.2)
    results.close()
    assert sum(lab[name].logins for name in testbed) == 6


def test_all_devices_share_one_loop_and_one_thread(fill: Fill) -> None:
    testbed = fill(40)
    most = 0
    for result in fan_out(testbed, "show clock"):
        result.unwrap()
        most = max(most, len(threads(" home")))
    assert most == 1


def threads(kind: str) -> list[str]:
    """Names of the threads that end so, or begin so."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.endswith(kind) or name.startswith(kind)]


# ---------------------------------------------------------------------- ends before the end


@WORK
def test_leaving_early_closes_what_is_under_way(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(8, faults=Faults(hang_on="show clock"))
    lab["r0"].faults = Faults()
    for result in fan_out(testbed, work):
        assert result.device == "r0"
        break
    gc.collect()
    assert lab.wait_for(lambda: lab.sessions == 0)
    assert not any(device.connected for device in testbed.devices.values())
    assert lab.wait_for(lambda: not threads("aioconn fan-out"))


@WORK
def test_leaving_early_leaves_sessions_in_step(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(4, faults=Faults(hang_on="show clock"))
    lab["r0"].faults = Faults()
    testbed.connect().raise_for_errors()
    results = fan_out(testbed, work)
    assert next(results).device == "r0"
    results.close()
    logins = lab.logins
    for device in testbed.devices.values():
        lab[device.name].faults = Faults()
        assert "Version" in device.execute("show version")
        assert "UTC" in device.execute("show clock")
    assert lab.logins == logins


@WORK
def test_control_c(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(4, faults=Faults(hang_on="show clock"))

    def interrupt() -> None:
        assert lab.wait_for(lambda: lab.typed("show clock") == 4, ENOUGH)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        list(fan_out(testbed, work))
    interrupter.join()
    gc.collect()
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_a_function_whose_time_is_over_hears_of_it(lab: LabThread, fill: Fill) -> None:
    testbed = fill(3, faults=Faults(hang_on="show clock"))
    heard: list[BaseException] = []

    def work(device: Device) -> None:
        try:
            device.execute("show clock", timeout=60)
        except AioconnError as error:
            heard.append(error)
        try:
            device.execute("show version")
        except AioconnError as error:
            heard.append(error)
            raise

    results = list(fan_out(testbed, work, timeout=0.5))
    assert [str(result.error).partition(": ")[2] for result in results] == [
        "the work did not end within 0.5 s"
    ] * 3
    assert lab.wait_for(lambda: len(heard) == 6)
    assert {type(error) for error in heard} == {SessionError}
    assert lab.typed("show version") == 0
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_a_function_that_does_not_come_back_is_left_behind(lab: LabThread, fill: Fill) -> None:
    testbed = fill(3)
    enough, back = threading.Event(), threading.Event()

    def work(device: Device) -> str:
        if device.name != "r0":
            return clock(device)
        assert enough.wait(ENOUGH)
        back.set()
        return "too late"

    results = {result.device: result for result in fan_out(testbed, work, timeout=0.5, limit=1)}
    assert [results[name].ok for name in ("r0", "r1", "r2")] == [False, True, True]
    assert lab.wait_for(lambda: lab.sessions == 0)
    enough.set()
    assert back.wait(ENOUGH)


def test_called_where_a_loop_runs(fill: Fill) -> None:
    testbed = fill(1)

    async def main() -> None:
        with pytest.raises(UsageError, match="loop"):
            next(fan_out(testbed, "show clock"))

    asyncio.run(main())


# ---------------------------------------------------------------------- in a child


@WORK
def test_a_child_works_on_the_parents_sessions(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(4)
    testbed["r0"].connect()
    testbed["r1"].connect()

    def child() -> None:
        results = list(fan_out(testbed, work, limit=3))
        assert {result.device for result in results} == set(testbed)
        assert all("UTC" in result.unwrap() for result in results)
        some = list(fan_out([testbed["r1"], testbed["r2"]], work))
        assert {result.device for result in some} == {"r1", "r2"}

    in_child(child)
    assert [device.connected for device in testbed.devices.values()] == [True, True, False, False]
    assert [lab[f"r{number}"].logins for number in range(4)] == [1, 1, 2, 1]
    assert "UTC" in testbed["r0"].execute("show clock")


@WORK
def test_a_child_that_leaves_early(lab: LabThread, fill: Fill, work: Any) -> None:
    testbed = fill(4, faults=Faults(hang_on="show clock"))
    lab["r0"].faults = Faults()

    def child() -> None:
        results = fan_out(testbed, work)
        assert next(results).device == "r0"
        results.close()
        # on a busy machine its patience may end before all is disconnected
        assert lab.wait_for(lambda: not any(device.connected for device in testbed.devices.values()), ENOUGH)

    in_child(child)
    assert lab.wait_for(lambda: lab.sessions == 0)
    assert not any(device.connected for device in testbed.devices.values())
