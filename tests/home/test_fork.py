# SPDX-License-Identifier: Apache-2.0
"""Real sessions of real devices, and children that are forked while they live.

Whatever a child does to what it has inherited, the sessions of its parent go on byte for byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.errors import AioconnError
from aioconn.home import homes
from aioconn.home.thread import LoopThread
from aioconn.residence import LoopKind
from aioconn.transport.base import Progress, Terminal
from aioconn.transport.process import ProcessStream, open_process
from tests.forking import ENOUGH, Child, links
from tests.lab_thread import LabThread
from tests.transport.conftest import Record

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc"),
]

COMMANDS = ("show version", "show running-config", "show ip route")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    """In a thread of its own: its sockets are the parent's as well."""
    with LabThread(tmp_path) as lab:
        for protocol in ("ssh", "telnet"):
            lab.add(protocol, protocols=(protocol,), routes=200)
        yield lab


def tcp_sockets() -> set[str]:
    """All of the system, as descriptors show them."""
    lines = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return {f"socket:[{line.split()[9]}]" for line in lines}


def touch_everything() -> int:
    """What a child might do to the objects that it has inherited, and worse; how many transports it found."""
    count = 0
    for thing in gc.get_objects():
        with contextlib.suppress(Exception):
            if isinstance(thing, asyncio.WriteTransport):
                count += 1
                thing.write(b"reload\r\n")
                thing.abort() if count % 2 else thing.close()
            elif isinstance(thing, ProcessStream) or type(thing).__name__.startswith("SSH"):
                thing.abort()
            elif isinstance(thing, asyncio.AbstractEventLoop):
                thing.call_soon_threadsafe(lambda: None)
                thing.close()
            elif isinstance(thing, LoopThread):
                thing.stop(0.1)
    homes.stop(0.1)
    thing = None
    gc.collect()
    return count


async def outputs(testbed: aioconn.Testbed) -> list[bytes]:
    return [
        (await device.execute(command)).raw for device in testbed.devices.values() for command in COMMANDS
    ]


async def ended(child: Child) -> object:
    """What it says, while this loop runs on."""
    return await asyncio.to_thread(child.result)


@pytest.mark.parametrize("loop", ["caller", "own", "shared"])
async def test_sessions_go_on_whatever_children_do(lab: LabThread, loop: LoopKind):
    async with aioconn.load(lab.testbed(), loop=loop) as testbed:
        (await testbed.connect()).raise_for_errors()
        before = await outputs(testbed)
        assert sum(map(len, before)) > 5_000
        sockets = tcp_sockets() & set(links().values())
        assert len(sockets) >= 6  # two sessions, each with both ends, and the lab's listeners

        def destroy(_: Child) -> tuple[int, list[str]]:
            mine = sorted(sockets & set(links().values()))
            return touch_everything(), mine

        for _ in range(3):
            traffic = asyncio.ensure_future(outputs(testbed))
            await asyncio.sleep(0.005)
            child = Child(destroy)
            assert await traffic == before
            found: Any = await ended(child)
            assert found[0] >= 4, "transports"
            assert found[1] == [], "sockets"
            assert await outputs(testbed) == before
        assert lab.sessions == 2
        assert lab.logins == 2, "nothing had to be connected again"
        assert not lab.typed("reload")


@pytest.mark.parametrize("loop", ["caller", "own"])
async def test_devices_hear_of_the_end_although_a_child_lives(lab: LabThread, loop: LoopKind):
    async with aioconn.load(lab.testbed(), loop=loop) as testbed:
        (await testbed.connect()).raise_for_errors()
        with Child(lambda child: child.wait()) as child:
            await testbed.disconnect()
            assert await asyncio.to_thread(lab.wait_for, lambda: lab.sessions == 0)
            # and of a device that was switched off while the child lives, so do we
            await testbed.connect()
            lab.call(remove(lab, "telnet"))
            connection = testbed["telnet"].manager.connections["default"]
            async with asyncio.timeout(ENOUGH):
                while connection.connected:
                    await asyncio.sleep(0.005)
            child.go()
            child.result()


async def remove(lab: LabThread, name: str) -> None:
    lab.lab.remove(name)


async def test_a_connection_that_is_just_being_made(lab: LabThread):
    """Its socket is the parent's from its first moment on."""
    async with aioconn.load(lab.testbed()) as testbed:
        for turns in range(12):
            connecting = asyncio.ensure_future(testbed["ssh"].connect())
            for _ in range(turns):
                await asyncio.sleep(0)
            sockets = tcp_sockets() & set(links().values())
            child = Child(lambda _, sockets=sockets: sorted(sockets & set(links().values())))  # type: ignore[misc]
            await connecting
            left = await ended(child)
            # An accepted socket is the loop's alone until its protocol hears of it, two turns later.
            assert len(left) <= 1, (turns, left)  # type: ignore[arg-type]
            assert "Version" in await testbed["ssh"].execute("show version")
            await testbed["ssh"].disconnect()


async def test_a_local_program():
    record = Record()
    stream = await open_process(
        ["cat"], record, device="r1", path="con", terminal=Terminal(), progress=Progress()
    )
    stream.write(b"one\n")
    await record.sees(b"one\r\none\r\n")
    numbers = {number for number, link in links().items() if "ptmx" in link or "pidfd" in link}

    def destroy(_: Child) -> tuple[int, list[str]]:
        seen = links()
        return touch_everything(), [seen[number] for number in numbers]

    assert await ended(Child(destroy)) == (0, [os.devnull] * len(numbers))
    assert len(numbers) == 2
    stream.write(b"two\n")
    await record.sees(b"two\r\ntwo\r\n")
    with Child(lambda child: child.wait()):
        await stream.close()
    assert record.ends == [None]


def live_on_its_own(lab: LabThread) -> str:
    """What a child may do that wants sessions of its own."""
    logging.getLogger("aioconn.test").warning("from a child")

    async def main() -> str:
        async with aioconn.load(lab.testbed(), loop="own") as testbed:
            results = await testbed.execute("show version")
            results.raise_for_errors()
            return str(results["ssh"].value)

    return asyncio.run(main())


def test_children_of_threads_that_are_busy(lab: LabThread):
    """Forked at any moment from any thread, while others call and log; and children of children."""
    testbed = aioconn.load(lab.testbed(), loop="own")

    def in_a_loop(work: Callable[[], Awaitable[object]]) -> None:
        async def main() -> None:
            await work()

        asyncio.run(main())

    in_a_loop(testbed.connect)
    done = threading.Event()
    failures: list[BaseException] = []

    async def call() -> None:
        while not done.is_set():
            (await testbed.execute("show version")).raise_for_errors()
            logging.getLogger("aioconn.test").debug("from the parent")

    def guarded(work: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def grandchild(_: Child) -> str:
        return live_on_its_own(lab)

    def fork() -> None:
        for _ in range(4):
            child = Child(lambda _: (live_on_its_own(lab), Child(grandchild).result()))
            first, second = child.result()
            assert "Version" in first
            assert first.split("uptime")[0] == second.split("uptime")[0]

    callers = [guarded(lambda: in_a_loop(call)) for _ in range(2)]
    forkers = [guarded(fork) for _ in range(2)]
    for thread in forkers:
        thread.join(ENOUGH)
    done.set()
    for thread in callers:
        thread.join(ENOUGH)
    in_a_loop(testbed.disconnect)
    assert failures == []


async def test_what_a_child_calls_on_inherited_objects(lab: LabThread):
    """It gets an error, and gets it soon."""
    async with aioconn.load(lab.testbed(), loop="own") as testbed:
        (await testbed.connect()).raise_for_errors()

        def call(_: Child) -> list[str]:
            async def main() -> list[str]:
                names = []
                for device in testbed.devices.values():
                    try:
                        await device.execute("show version")
                    except AioconnError as error:
                        names.append(type(error).__name__)
                return names

            return asyncio.run(main())

        assert await ended(Child(call)) == ["SessionClosed", "SessionClosed"]
        (await testbed.execute("show version")).raise_for_errors()


SCRIPT = """
import asyncio, gc, multiprocessing, os, sys, threading, warnings
warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
# that of the script itself, which a child inherits; none of those that run in threads
warnings.filterwarnings("ignore", category=ResourceWarning, message="unclosed event loop .*running=False")
from pathlib import Path
import aioconn
from tests.lab_thread import LabThread

loop, folder, *endings = sys.argv[1:]

lab = LabThread(Path(folder))
lab.start()
for protocol in ("ssh", "telnet"):
    lab.add(protocol, protocols=(protocol,))
testbed = aioconn.load(lab.testbed(), loop=loop)
runner = asyncio.Runner()
runner.run(testbed.connect())

def outputs():
    return {name: str(result.value) for name, result in runner.run(testbed.execute("show version")).items()}

before = outputs()
for ending in endings:
    if ending == "process":
        process = multiprocessing.get_context("fork").Process(target=sys.exit, args=(7,))
        process.start()
        process.join(30)
        code = process.exitcode
    else:
        pid = os.fork()
        if pid == 0:
            if ending == "_exit":
                os._exit(7)
            if ending == "collect":
                del testbed, lab
                gc.collect()
            if ending == "close":
                runner.get_loop().close()  # which the interpreter would do, too, if it came to it
            if ending == "own loop":
                asyncio.run(asyncio.sleep(0))
            sys.exit(7)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == 7, (ending, code)
    assert outputs() == before, ending
    assert lab.logins == 2, ending
runner.run(testbed.disconnect())
runner.close()
lab.stop()
print("well")
"""


@pytest.mark.parametrize("endings", [["close"], ["exit", "collect", "own loop", "_exit", "process"]])
@pytest.mark.parametrize("loop", ["caller", "own"])
def test_children_end_in_silence(loop: str, endings: list[str], tmp_path: Path):
    """In whatever way: nothing is printed by them, nor lost by their parent."""
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", SCRIPT, loop, str(tmp_path), *endings],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")
