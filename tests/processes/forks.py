# SPDX-License-Identifier: Apache-2.0
"""A process that is forked, in every way and at any moment, while it reads what devices say.

`python -m tests.processes.forks TESTBED COMPLAINTS --seconds S` on a lab as tests/processes/test_forks.py makes it:
`r1` and `r2`, which say numbered lines, and `r3`, of which children ask things.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import multiprocessing
import os
import random
import select
import selectors
import shutil
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from aioconn.broker.estate import here
from aioconn.events import Event, ServiceFinished, ServiceStarted
from aioconn.sync import Device, load
from tests.processes import parent
from tests.processes.parent import Complaints

FORKERS = 4
LINES = 500
ENDS = 1.0
"""Seconds from the end of its work in which a child has to end."""

INTERPRETER = 5.0
"""The same where Python takes itself to pieces in the end, which may take half a second by itself."""

TRUE = shutil.which("true") or "/bin/true"

LONG = 30.0
"""Seconds after which something hangs."""


def ask(device: Device, number: int) -> bool:
    """Whether the answer is the right one."""
    return bool(device.execute(f"echo word{number}", timeout=LONG) == f"word{number}")


def ask_and_tell(device: Device, number: int, pipe: Any) -> None:
    """What a process of `multiprocessing` does: the moment at which it was done, or what it saw."""
    try:
        pipe.send(time.monotonic() if ask(device, number) else "a wrong answer")
    except BaseException as error:
        pipe.send(f"{type(error).__name__}: {error}")
    pipe.close()


class Reader:
    """Reads numbered lines, again and again, and looks at each byte."""

    def __init__(self, device: Device, complaints: Complaints, over: threading.Event) -> None:
        self._device = device
        self._complaints = complaints
        self._over = over
        self.calls = 0
        self.lines = 0
        self.pieces = 0
        self.events: Counter[str] = Counter()
        device.listeners.add(self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, ServiceStarted | ServiceFinished):
            self.events[type(event).__name__] += 1

    def run(self) -> None:
        right = "".join(f"line {number:<8d}{'.' * 50}\n" for number in range(LINES))
        while not self._over.is_set():
            self.calls += 1
            if not ask(self._device, self.calls):
                self._complaints.write("wrong in the parent")
            at = 0
            for piece in self._device.stream(f"lab lines {LINES}", timeout=LONG):
                self.pieces += 1
                if not right.startswith(piece, at):
                    self._complaints.write("wrong line", f"{self._device.name} at {at}: {piece[:200]!r}")
                    return
                at += len(piece)
            if at < len(right) - 1:
                self._complaints.write("lost lines", f"{self._device.name}: {at} of {len(right)}")
            self.lines += LINES


class Forker:
    """Makes children, one after the other, in one thread."""

    def __init__(
        self, device: Device, complaints: Complaints, over: threading.Event, *, seed: int, slow: bool
    ) -> None:
        self._device = device
        self._complaints = complaints
        self._over = over
        self._rng = random.Random(seed)
        self._slow = slow
        self.made: Counter[str] = Counter()
        self.latest: dict[str, float] = {}
        self._now = ""

    def run(self) -> None:
        while not self._over.is_set():
            self._make(self._rng.choice(self._slow_ways if self._slow else self._quick_ways))
            time.sleep(self._rng.random() * 0.02)

    def run_each(self) -> None:
        """Each way once."""
        for make in (*self._quick_ways, *self._slow_ways):
            self._make(make)

    def _make(self, make: Callable[[], None]) -> None:
        self._now = make.__name__.strip("_").replace("_", " ")
        make()
        self.made[self._now] += 1

    @property
    def _quick_ways(self) -> list[Callable[[], None]]:
        return [
            self._call,
            self._do_nothing,
            self._collect,
            self._wreck,
            self._fork_again,
            self._execute,
            self._spawn_a_program,
            self._fork_process,
            self._fork_pool,
            self._fork_executor,
        ]

    @property
    def _slow_ways(self) -> list[Callable[[], None]]:
        return [self._spawn_process, self._forkserver_process]

    # ------------------------------------------------------------------ os.fork

    def _call(self) -> None:
        number = self._rng.getrandbits(32)

        def work() -> None:
            if not ask(self._device, number):
                self._complaints.write("wrong in a child")

        self._child(work)

    def _do_nothing(self) -> None:
        self._child(lambda: None)

    def _collect(self) -> None:
        """All that it has of its parent's and nobody refers to any more is finalized in it."""

        def work() -> None:
            self._device = None  # type: ignore[assignment]
            gc.unfreeze()
            gc.collect()

        self._child(work)

    def _wreck(self) -> None:
        """It ends all that it can find of its parent's, as finalizers might, and then some."""

        def work() -> None:
            for thing in gc.get_objects():
                with contextlib.suppress(Exception):
                    if isinstance(thing, asyncio.WriteTransport):
                        thing.write(b"exit\r\n")
                        thing.abort()
                    elif isinstance(thing, asyncio.BaseTransport):
                        thing.close()
                    elif isinstance(thing, socket.socket):
                        thing.shutdown(socket.SHUT_RDWR)
                    elif isinstance(thing, selectors.BaseSelector):
                        for key in list(thing.get_map().values()):
                            thing.unregister(key.fileobj)

        self._child(work)

    def _fork_again(self) -> None:
        number = self._rng.getrandbits(32)

        def grandchild() -> None:
            if not ask(self._device, number):
                self._complaints.write("wrong in a grandchild")

        def work() -> None:
            if not ask(self._device, number):
                self._complaints.write("wrong in a child")
            self._child(grandchild)
            if not ask(self._device, number):
                self._complaints.write("wrong in a child after its own fork")

        self._child(work)

    def _execute(self) -> None:
        """Another program, by fork and exec."""
        self._child(lambda: os.execv(TRUE, ["true"]), tells=False)  # noqa: S606  a list of arguments, no shell

    def _spawn_a_program(self) -> None:
        subprocess.run([TRUE], check=True, timeout=LONG)

    def _child(self, work: Callable[[], object], *, tells: bool = True) -> None:
        reading, writing = os.pipe()

        def all_of_it() -> None:
            work()
            if tells:
                os.write(writing, repr(time.monotonic()).encode())

        pid = parent.fork(all_of_it, self._complaints)
        os.close(writing)
        try:
            found, _, _ = select.select([reading], [], [], LONG)
            told = os.read(reading, 100) if found else b""
            if tells and not told:
                self._complaints.write("not told", "it hangs" if not found else "it has ended")
                parent.ask_where(pid)
            self._see_the_end(pid, float(told) if told else time.monotonic())
        finally:
            os.close(reading)

    def _see_the_end(self, pid: int, done: float) -> None:
        while not os.waitpid(pid, os.WNOHANG)[0]:
            if time.monotonic() - done > LONG:
                self._complaints.write("does not end")
                parent.ask_where(pid)
                os.kill(pid, 9)
                os.waitpid(pid, 0)
                return
            time.sleep(0.001)
        self._was_done(done)

    def _was_done(self, done: float) -> None:
        late = time.monotonic() - done
        self.latest[self._now] = max(self.latest.get(self._now, 0.0), late)
        if late > (INTERPRETER if self._now == "spawn process" else ENDS):
            self._complaints.write("late", f"{self._now}: it ended {late:.2f} s after its work")

    # ------------------------------------------------------------------ multiprocessing

    def _fork_process(self) -> None:
        self._process("fork")

    def _spawn_process(self) -> None:
        self._process("spawn")

    def _forkserver_process(self) -> None:
        self._process("forkserver")

    def _process(self, how: Any) -> None:
        context = multiprocessing.get_context(how)
        here, there = context.Pipe(duplex=False)
        number = self._rng.getrandbits(32)
        process = context.Process(target=ask_and_tell, args=(self._device, number, there))
        process.start()
        there.close()
        told = here.recv() if here.poll(LONG) else "nothing"
        here.close()
        if not isinstance(told, float):
            self._complaints.write(f"in a child by {how}", told)
            process.kill()
        process.join(LONG)
        # Another thread of this process may have been told of its end, and not yet have come to writing that down:
        # multiprocessing asks after all children whenever it starts one.
        until = time.monotonic() + 1.0
        while process.exitcode is None and time.monotonic() < until:
            time.sleep(0.01)
        if process.exitcode is None:
            self._complaints.write("does not end", how)
            parent.ask_where(process.pid or 0)
            process.kill()
            process.join()
        elif isinstance(told, float):
            self._was_done(told)
        process.close()

    def _fork_pool(self) -> None:
        numbers = [self._rng.getrandbits(32) for _ in range(12)]
        with multiprocessing.get_context("fork").Pool(3) as pool:
            heard = pool.map(self._device.execute, [f"echo word{number}" for number in numbers])
        if heard != [f"word{number}" for number in numbers]:
            self._complaints.write("wrong in a pool", heard)

    def _fork_executor(self) -> None:
        numbers = [self._rng.getrandbits(32) for _ in range(8)]
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
            heard = list(pool.map(self._device.execute, [f"echo word{number}" for number in numbers]))
        if heard != [f"word{number}" for number in numbers]:
            self._complaints.write("wrong in an executor", heard)


def storm(testbed: Any, complaints: Complaints, seconds: float, seed: int) -> dict[str, Any]:
    testbed["r1"].connect()
    testbed["r2"].connect()
    testbed["r3"].connect(pool_size=3)
    over = threading.Event()
    readers = [Reader(testbed[name], complaints, over) for name in ("r1", "r2")]
    forkers = [
        Forker(testbed["r3"], complaints, over, seed=seed * 100 + number, slow=number == 0)
        for number in range(FORKERS)
    ]

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException:
                complaints.write_exception("in the parent")

        return run

    threads = [
        threading.Thread(target=guarded(run))
        for run in [reader.run for reader in readers] + [forker.run for forker in forkers]
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    for reader in readers:
        if set(reader.events.values()) != {reader.calls}:
            complaints.write("lost events", f"{dict(reader.events)} in {reader.calls} calls")
    made: Counter[str] = Counter()
    latest: dict[str, float] = {}
    for forker in forkers:
        made += forker.made
        for kind, late in forker.latest.items():
            latest[kind] = max(late, latest.get(kind, 0.0))
    return {
        "made": dict(made),
        "lines": sum(reader.lines for reader in readers),
        "pieces": sum(reader.pieces for reader in readers),
        "events": sum(sum(reader.events.values()) for reader in readers),
        "latest": latest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("testbed")
    parser.add_argument("complaints", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    complaints = Complaints(told.complaints)
    multiprocessing.set_forkserver_preload([])
    with load(told.testbed) as testbed:
        here().address()
        testbed["r3"].connect(pool_size=3)
        Forker(testbed["r3"], complaints, threading.Event(), seed=0, slow=True).run_each()
        testbed.disconnect()
        parent.wait_for(lambda: len(threading.enumerate()) <= 2)
        before = parent.possessions()
        report = storm(testbed, complaints, told.seconds, told.seed)
        testbed.disconnect()
        parent.say({**report, "more": parent.more(before)})


if __name__ == "__main__":
    main()
