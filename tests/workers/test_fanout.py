# SPDX-License-Identifier: Apache-2.0
"""A fan-out over several processes gives what it gives in one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    CannotCross,
    CommandRejected,
    CommandTimeout,
    UsageError,
    WorkerLost,
)
from aioconn.events import Event
from aioconn.lab import Faults, Lab
from aioconn.workers.crew import Workers
from aioconn.workers.spread import WORTH, processes
from tests.workers import chores

pytestmark = pytest.mark.programs


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    async with Workers(2) as found:
        yield found


async def fill(lab: Lab, count: int, **keys: Any) -> aioconn.Testbed:
    for number in range(count):
        await lab.add(f"r{number}", protocols=("ssh" if number % 2 else "telnet",), **keys)
    return aioconn.load(lab.testbed())


async def gone(lab: Lab) -> None:
    """Until no device has a session, or a connection, any more."""
    async with asyncio.timeout(20):
        while any(served.sessions or served.connections for served in lab.devices.values()):
            await asyncio.sleep(0.001)


async def all_of(devices: Any, work: Any, **keys: Any) -> dict[str, aioconn.Result[Any]]:
    return {result.device: result async for result in aioconn.fan_out(devices, work, **keys)}


async def everywhere(devices: Any, workers: Workers, function: Any = chores.clock) -> set[int]:
    """The processes that take part in a fan-out, the workers among them once they are ready."""
    async with asyncio.timeout(30):
        while True:
            results = await all_of(devices, functools.partial(function), limit=2, workers=workers)
            pids = {result.unwrap()[0] for result in results.values()}
            if len(pids) > 1:
                return pids


async def test_results_errors_and_events_are_those_of_one_process(lab: Lab, workers: Workers) -> None:
    testbed = await fill(lab, 12)
    heard: list[Event] = []
    assert len(await everywhere([testbed[f"r{n}"] for n in range(0, 12, 2)], workers)) == 2
    lab["r3"].faults = Faults(wrong_password=True)
    for number in (5, 7):
        lab[f"r{number}"].faults = Faults(vty_limit=0, vty_refusal="text")
    testbed.listeners.add(heard.append)
    found, events = [], []
    for count in (1, workers):
        heard.clear()
        found.append(await all_of(testbed, ["show version", "show nonsense"], limit=4, workers=count))
        events.append({(event.device, type(event)) for event in heard})
    one, many = found
    assert set(one) == set(many) == set(testbed)
    assert events[0] == events[1]
    for name, result in one.items():
        other = many[name]
        assert type(result.error) is type(other.error)
        assert str(result.error) == str(other.error)
        assert getattr(result.error, "phase", None) == getattr(other.error, "phase", None)
    assert isinstance(many["r3"].error, AuthenticationFailed)
    assert isinstance(many["r0"].error, CommandRejected)
    assert many["r0"].error.command == "show nonsense"
    assert "Invalid" in many["r0"].error.output
    await gone(lab)


async def test_outputs_are_whole(lab: Lab, workers: Workers) -> None:
    testbed = await fill(lab, 4)
    await everywhere(testbed, workers)
    results = await all_of(testbed, "show version", limit=2, workers=workers)
    for result in results.values():
        output = result.unwrap()
        assert isinstance(output, aioconn.Output)
        assert output.command == "show version"
        assert output.raw.replace(b"\r\n", b"\n").count(b"\n") > 3
        assert output.elapsed > 0 < result.elapsed
    assert not any(device.connected for device in testbed.devices.values())


async def test_functions_cross_by_name(lab: Lab, workers: Workers) -> None:
    testbed = await fill(lab, 6)
    await everywhere(testbed, workers)
    results = await all_of(testbed, functools.partial(chores.clock, suffix="!"), limit=2, workers=workers)
    assert {result.unwrap()[1][-1] for result in results.values()} == {"!"}
    results = await all_of(testbed, chores.fails, workers=workers)
    assert {repr(result.error) for result in results.values()} == {f"KeyError('r{n}')" for n in range(6)}
    results = await all_of(testbed, chores.gives_a_socket, limit=2, workers=workers)
    errors = [result.error for result in results.values() if result.error is not None]
    assert {type(error) for error in errors} == {CannotCross}
    results = await all_of(testbed, chores.opens_more, limit=2, workers=workers)
    assert len({result.unwrap() for result in results.values()}) == 2
    await testbed.disconnect()
    await gone(lab)


async def test_what_cannot_cross_is_said_before_anything_is_touched(lab: Lab) -> None:
    testbed = await fill(lab, 1)

    async def inner(device: Any) -> None: ...

    class Thing:
        async def method(self, device: Any) -> None: ...

    unknown: Any = lab
    for work in (
        inner,
        Thing().method,
        functools.partial(chores.clock, suffix=unknown),
        lambda device: None,
    ):
        with pytest.raises(UsageError):
            await all_of(testbed, work, workers=2)
    with pytest.raises(UsageError, match="kept"):
        await all_of(testbed, "show clock", workers=2, keep=True)
    for count in (0, -1, 1.5, "many"):
        with pytest.raises(UsageError, match="neither"):
            await all_of(testbed, "show clock", workers=count)
    assert not lab["r0"].log
    assert not testbed["r0"].connections
    assert len(await all_of(testbed, inner, workers="auto")) == 1


async def test_a_worker_that_is_killed_costs_its_devices_and_no_more(lab: Lab) -> None:
    testbed = await fill(lab, 12)
    async with Workers(2) as workers:
        await everywhere(testbed, workers)
        [killed] = workers.pids
        work = functools.partial(chores.dies, owner=os.getpid())
        results = await all_of(testbed, work, limit=4, workers=workers)
        assert len(results) == 12
        lost = [result.error for result in results.values() if result.error is not None]
        assert 0 < len(lost) <= 2  # what it had in its hands
        assert all(isinstance(error, WorkerLost) and error.maybe_executed for error in lost)
        assert str(killed) in str(lost[0])
        assert "SIGKILL" in str(lost[0])
        assert workers.pids == ()
        assert killed not in await everywhere(testbed, workers)  # another one has taken its place
    await gone(lab)


async def test_a_worker_that_cannot_do_it_again_leaves_its_devices_to_the_others(
    lab: Lab, workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    testbed = await fill(lab, 6)
    work = functools.partial(chores.vanishes, owner=os.getpid())
    assert len(await everywhere(testbed, workers, work)) == 2
    results = await all_of(testbed, work, limit=2, workers=workers)
    assert {result.unwrap() for result in results.values()} == {(os.getpid(), name) for name in lab.devices}
    assert "of no use" in caplog.text
    await gone(lab)


@pytest.mark.parametrize("end", ["break", "cancel"])
async def test_who_leaves_early_leaves_nothing_behind(lab: Lab, workers: Workers, end: str) -> None:
    testbed = await fill(lab, 9, faults=Faults(hang_on="show version"))
    lab["r0"].faults = Faults()
    assert len(await everywhere(testbed, workers)) == 2
    first = asyncio.Event()

    async def work() -> None:
        async with contextlib.aclosing(
            aioconn.fan_out(testbed, "show version", limit=8, workers=workers)
        ) as results:
            async for result in results:
                assert result.device == "r0"
                first.set()
                if end == "break":
                    break

    task = asyncio.create_task(work())
    await first.wait()
    if end == "cancel":
        async with asyncio.timeout(20):
            while sum(any("version" in it.command for it in one.log) for one in lab.devices.values()) < 9:
                await asyncio.sleep(0.001)
        task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() is (end == "cancel")
    await gone(lab)
    assert len(workers.pids) == 1  # nobody had to be killed
    assert len(await everywhere(testbed, workers)) == 2


async def test_devices_behind_one_jump_host_share_a_process_and_its_link(lab: Lab, workers: Workers) -> None:
    for name in ("j1", "j2"):
        await lab.add(name, personality="linux", protocols=("ssh",), forwards=True)
    for number in range(12):
        await lab.add(f"r{number}", protocols=("ssh",))
    data = lab.testbed()
    for number in range(12):
        for path in data["devices"][f"r{number}"]["connections"].values():
            if "protocol" in path:
                path["proxy"] = f"j{number % 2 + 1}"
    testbed = aioconn.load(data)
    behind = [testbed[f"r{number}"] for number in range(12)]
    pids: set[int] = set()
    async with asyncio.timeout(30):
        while len(pids) < 2:
            await testbed.disconnect()
            results = await all_of(behind, chores.clock, limit=4, workers=workers)
            shared = [{results[f"r{n}"].unwrap()[0] for n in range(12) if n % 2 == odd} for odd in (0, 1)]
            assert [len(one) for one in shared] == [1, 1]
            pids = shared[0] | shared[1]
    await testbed.disconnect()
    await workers.close()
    await gone(lab)


async def test_what_cannot_move_stays_here(lab: Lab, workers: Workers) -> None:
    testbed = await fill(lab, 8)
    await everywhere(testbed, workers)

    class Wrapper:
        def applies(self, connection: Any, service: str) -> bool:
            return True

        async def call(self, call: Any, proceed: Any) -> Any:
            return await proceed(call)

    await testbed["r0"].connect()
    testbed["r1"].wrap(Wrapper())
    results = await all_of(testbed, chores.clock, limit=2, workers=workers)
    assert {results[name].unwrap()[0] for name in ("r0", "r1")} == {os.getpid()}
    assert len({result.unwrap()[0] for result in results.values()}) == 2
    assert testbed["r0"].connected  # as it was
    await testbed.disconnect()


async def test_a_device_is_there_what_it_is_here(
    lab: Lab, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(lab, 6)
    data = lab.testbed()
    for name, device in data["devices"].items():
        device["custom"] = {"site": "Köln", "number": 7, "list": [1, {"a": None}], "name": name}
        device["interfaces"] = {"Gi1": {"type": "ethernet", "link": "l1"}}
        device["credentials"] = {"default": {"username": "%ENV{WHO}", "password": "%ENV{WORD}"}}
    testbed = aioconn.load(data)
    [login] = {
        (one.username, one.password.reveal())
        for one in map(_login, aioconn.load(lab.testbed()).devices.values())
    }
    monkeypatch.setenv("WHO", login[0])
    monkeypatch.setenv("WORD", login[1])
    results: dict[str, aioconn.Result[Any]] = {}
    async with asyncio.timeout(30):
        pids: set[int] = set()
        while len(pids) < 2:
            results = await all_of(testbed, chores.tells, limit=2, workers=workers)
            pids = {result.unwrap().pop("pid") for result in results.values()}
    for name, result in results.items():
        assert result.unwrap() == {
            "custom": dict(testbed[name].custom),
            "interfaces": ["Gi1"],
            "os": testbed[name].os,
            "testbed": testbed.name,
        }
    monkeypatch.delenv("WORD")
    testbed = aioconn.load(data)
    results = await all_of(testbed, "show clock", limit=2, workers=workers)
    assert {type(result.error).__name__ for result in results.values()} == {"MissingValue"}
    assert all("WORD" in str(result.error) for result in results.values())


def _login(device: aioconn.Device) -> Any:
    return device.credentials.login()


async def test_secrets_are_in_no_argument_and_no_variable(lab: Lab, workers: Workers) -> None:
    testbed = await fill(lab, 6)
    secret = _login(testbed["r0"]).password.reveal()
    await everywhere(testbed, workers)
    results = await all_of(testbed, chores.leaves_traces, limit=2, workers=workers)
    texts = {text for result in results.values() for text in result.unwrap()}
    assert any("aioconn.workers.worker" in text for text in texts)
    assert not any(secret in text for text in texts)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The devices that this process has connected."""
    found: set[str] = set()
    connect = aioconn.Device.connect

    async def seen(device: aioconn.Device, *args: Any, **keys: Any) -> Any:
        found.add(device.name)
        return await connect(device, *args, **keys)

    monkeypatch.setattr(aioconn.Device, "connect", seen)
    return found


async def test_the_verbs_of_a_testbed_use_workers_as_well(lab: Lab, workers: Workers, here: set[str]) -> None:
    testbed = await fill(lab, 10)
    await everywhere(testbed, workers)
    await testbed["r0"].connect()
    lab["r3"].faults = Faults(wrong_password=True)
    names = [f"r{number}" for number in (9, 7, 5, 3, 1, 0)]
    for work in (testbed.execute, testbed.configure):
        here.clear()
        what = "show version" if work == testbed.execute else ["interface Loopback0", "description both"]
        results = await work(what, names, limit=4, workers=workers)
        assert [*results] == names
        assert [*results.failed] == ["r3"]
        assert isinstance(results["r3"].error, AuthenticationFailed)
        assert 0 < len(here & {*names}) < 5  # the others were a worker's
        assert [name for name in names if testbed[name].connected] == ["r0"]
    assert "Version" in (await testbed.execute("show version", ["r9"], workers="auto")).ok["r9"]
    assert not testbed["r9"].connected
    assert all("description both" in lab[f"r{number}"].config.render() for number in (9, 0))
    with pytest.raises(UsageError, match="neither"):
        await testbed.execute("show version", workers=0)
    await testbed.disconnect()
    await gone(lab)


async def test_a_deadline_holds_for_the_devices_of_all_processes(lab: Lab, workers: Workers) -> None:
    testbed = await fill(lab, 9)
    assert len(await everywhere(testbed, workers)) == 2
    for served in lab.devices.values():
        served.faults = Faults(hang_on="show version")
    results = await testbed.execute("show version", limit=4, deadline=2, workers=workers)
    assert len(results.failed) == 9
    errors = [str(error) for error in results.failed.values()]
    assert sum("turn did not come" in error for error in errors) == 5
    assert sum(isinstance(error, CommandTimeout) for error in results.failed.values()) == 4
    await gone(lab)


def test_how_many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioconn.workers.spread.cores", lambda: 4)
    wanted = [(0, 1), (WORTH - 1, 1), (WORTH, 2), (2 * WORTH, 3), (100 * WORTH, 4)]
    assert [processes("auto", devices) for devices, _ in wanted] == [count for _, count in wanted]
    assert processes(3, 1) == 3
