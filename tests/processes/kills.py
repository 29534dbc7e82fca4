# SPDX-License-Identifier: Apache-2.0
"""A process whose children are killed, at whatever they are doing with its sessions.

`python -m tests.processes.kills TESTBED COMPLAINTS --kills N` on a lab as tests/processes/test_kills.py makes it:
`r1` and `r2`, on which everybody works, and a device for each child's place, whose session that child keeps, or uses,
when it is killed, and for which the parent waits.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aioconn.broker.estate import here
from aioconn.broker.frames import Call, Inbox, Target, encode
from aioconn.broker.handshake import greet
from aioconn.sync import Device, load
from tests.processes import parent, words
from tests.processes.parent import Complaints

CHILDREN = 8
SIZE = 3
"""Of the pools that are shared by all."""

LONG = 20.0
"""Seconds after which something hangs."""

HELD = ("lease", "transaction", "exclusive", "stopped", "grandchild", "threads")
"""Of these the child keeps the session of its device from when it says so until it is killed."""

USED = ("executing", "configure")
"""Of these it has it most of the time, and then the device is in the middle of something."""

OTHERS = ("idle", "busy", "mid-frame", "hello", "reading")
"""Of these it has none of its own device."""


@dataclass(slots=True)
class Ledger:
    kills: Counter[str] = field(default_factory=Counter)
    back: dict[str, list[float]] = field(default_factory=dict)
    """Seconds from each kill to the moment at which the waiting caller had the session."""
    answers: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Child:
    """What a child does until it is killed. `tell()` when it is where its role wants it."""

    def __init__(self, place: Place, role: str, seed: int, pipe: int) -> None:
        self._place = place
        self._role = role
        self._rng = random.Random(seed)
        self._pipe = pipe

    def run(self) -> None:
        getattr(self, f"_{self._role.replace('-', '_')}")()

    def _tell(self) -> None:
        os.write(self._pipe, b"!")

    def _rest(self) -> None:
        self._tell()
        while True:
            signal.pause()

    def _ask(self, device: Any, name: str = "") -> None:
        if what := words.wrong(device, self._rng, name=name):
            self._place.complaints.write("wrong in a child", what)

    def _ask_own(self) -> None:
        self._ask(self._place.own)

    # ------------------------------------------------------------------ it holds a session

    def _lease(self) -> None:
        with self._place.own["default"].acquire() as session:
            self._ask(session, self._place.own.name)
            self._rest()

    def _transaction(self) -> None:
        with self._place.own.transaction() as session:
            self._ask(session, self._place.own.name)
            self._rest()

    def _exclusive(self) -> None:
        with self._place.own.exclusive():
            self._ask_own()
            self._rest()

    def _stopped(self) -> None:
        with self._place.own["default"].acquire() as session:
            self._ask(session, self._place.own.name)
            self._tell()
            os.kill(os.getpid(), signal.SIGSTOP)
            self._rest()

    def _grandchild(self) -> None:
        """It has all that its parent had, and lives longer."""
        with self._place.own["default"].acquire() as session:
            self._ask(session, self._place.own.name)
            mine = os.getpid()
            if not os.fork():
                while os.getppid() == mine:
                    time.sleep(0.02)
                time.sleep(0.5)
                os._exit(0)
            self._rest()

    def _threads(self) -> None:
        """Others of its threads work for everybody, while one holds a session."""

        def work() -> None:
            while True:
                self._ask(self._rng.choice(self._place.shared))

        with self._place.own["default"].acquire() as session:
            self._ask(session, self._place.own.name)
            for _ in range(3):
                threading.Thread(target=work, daemon=True).start()
            self._rest()

    # ------------------------------------------------------------------ it uses one

    def _executing(self) -> None:
        self._tell()
        while True:
            self._ask_own()

    def _configure(self) -> None:
        self._tell()
        for number in range(1_000_000):
            self._place.own.configure(
                ["interface Loopback0", f"description child {os.getpid()} {number}"], timeout=LONG
            )

    # ------------------------------------------------------------------ it has none

    def _idle(self) -> None:
        self._ask(self._rng.choice(self._place.shared))
        self._rest()

    def _busy(self) -> None:
        self._tell()
        while True:
            self._ask(self._rng.choice(self._place.shared))

    def _mid_frame(self) -> None:
        """It has sent a part of a call."""
        sock = self._knock()
        greet(sock, Inbox("client"), self._place.address.token, None)
        frame = encode(
            Call(kind="call", target=self._place.target, name="execute", args=("show clock",), kwargs={})
        )
        sock.sendall(frame[: self._rng.randrange(1, len(frame))])
        self._rest()

    def _hello(self) -> None:
        """It has not even said who it is."""
        sock = self._knock()
        sock.sendall(b"\0\0"[: self._rng.randrange(3)])
        self._rest()

    def _knock(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self._place.address.path)
        return sock

    def _reading(self) -> None:
        """It reads a part of an answer that goes on and on."""
        for _ in self._rng.choice(self._place.shared).stream("show running-config", timeout=LONG):
            break
        pieces = self._rng.choice(self._place.shared).stream("show running-config", timeout=LONG)
        next(pieces)
        self._rest()


class Place:
    """One of the places that children take, one after the other, and the device that belongs to it."""

    def __init__(
        self, testbed: Any, number: int, complaints: Complaints, ledger: Ledger, *, seed: int
    ) -> None:
        self.number = number
        self.own: Device = testbed[f"m{number}"]
        self.shared: list[Device] = [testbed["r1"], testbed["r2"]]
        self.complaints = complaints
        self.address = here().address()
        self.target = Target("device", here().enroll(self.own.local))
        self._ledger = ledger
        self._rng = random.Random(seed * 1000 + number)

    def kill_one(self) -> None:
        """Start a child, wait until it is where its role wants it, kill it, and take what it had."""
        role = self._rng.choice(HELD + HELD + USED + USED + USED + OTHERS)
        reading, writing = os.pipe()
        child = Child(self, role, self._rng.getrandbits(32), writing)
        pid = parent.fork(child.run, self.complaints)
        os.close(writing)
        try:
            told, _, _ = select.select([reading], [], [], LONG)
            if not told or not os.read(reading, 1):
                self.complaints.write("not told", f"{role} after {LONG if not told else 0:g} s")
                parent.ask_where(pid)
                os.kill(pid, signal.SIGKILL)
            else:
                self._strike(pid, role)
        finally:
            os.close(reading)
            self._bury(pid, role)
        with self._ledger.lock:
            self._ledger.kills[role] += 1

    def _strike(self, pid: int, role: str) -> None:
        delay = self._rng.random() * 0.03
        killed: list[float] = []

        def kill() -> None:
            time.sleep(delay)
            killed.append(time.monotonic())
            os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill, name=f"killer of {self.number}")
        killer.start()
        if role in OTHERS:
            killer.join()
        else:
            session = self.own["default"].acquire(timeout=LONG)
            taken = time.monotonic()
            killer.join()
            try:
                if taken >= killed[0]:
                    with self._ledger.lock:
                        self._ledger.back.setdefault(role, []).append(taken - killed[0])
                elif role in HELD:
                    self.complaints.write("had by two", f"{role}, {killed[0] - taken:.3f} s before its end")
                if what := words.wrong(session, self._rng, name=self.own.name):
                    self.complaints.write(f"wrong after {role}", what)
            finally:
                session.release()
        if role == "configure":
            self._configure()
        elif what := words.wrong(self.own, self._rng):
            self.complaints.write(f"wrong after {role}", what)

    def _configure(self) -> None:
        """The device can be configured, and nobody else's lines come in between."""
        word = f"parent {self._rng.getrandbits(32):08x}"
        self.own.configure(["interface Loopback0", f"description {word}"], timeout=LONG)
        if f"description {word}" not in self.own.execute("show running-config", timeout=LONG):
            self.complaints.write("wrong after configure", f"{word} is not there")

    def _bury(self, pid: int, role: str) -> None:
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
            time.sleep(0.001)
        self.complaints.write("not dead", role)


class Storm:
    """`places`: so many children at a time; with one of them nothing else goes on, and times are those of a kill."""

    def __init__(
        self, testbed: Any, complaints: Complaints, *, kills: int, seed: int, places: int = CHILDREN
    ) -> None:
        self.ledger = Ledger()
        self._places = places
        self._testbed = testbed
        self._complaints = complaints
        self._left = kills
        self._seed = seed
        self._over = threading.Event()
        self._lock = threading.Lock()

    def connect(self) -> None:
        for number in range(CHILDREN):
            self._testbed[f"m{number}"].connect(pool_size=1)
        for name in ("r1", "r2"):
            self._testbed[name].connect(pool_size=SIZE)

    def run(self) -> None:
        """All of it. Children are killed from as many threads, while others work and watch."""
        places = [
            Place(self._testbed, number, self._complaints, self.ledger, seed=self._seed)
            for number in range(self._places)
        ]
        strikers = [threading.Thread(target=self._guarded(self._strike), args=(place,)) for place in places]
        others = [
            threading.Thread(target=self._guarded(self._work), args=("r1",)),
            threading.Thread(target=self._guarded(self._work), args=("r2",)),
            threading.Thread(target=self._guarded(self._watch)),
        ][: None if self._places > 1 else 0]
        for thread in (*strikers, *others):
            thread.start()
        for thread in strikers:
            thread.join()
        self._over.set()
        for thread in others:
            thread.join()

    def _guarded(self, work: Callable[..., None]) -> Callable[..., None]:
        def run(*args: Any) -> None:
            try:
                work(*args)
            except BaseException:
                self._complaints.write_exception("in the parent")

        return run

    def _strike(self, place: Place) -> None:
        while True:
            with self._lock:
                if self._left <= 0:
                    return
                self._left -= 1
            place.kill_one()

    def _work(self, name: str) -> None:
        rng = random.Random(f"{self._seed} {name}")
        device = self._testbed[name]
        while not self._over.wait(0.01):
            if what := words.wrong(device, rng):
                self._complaints.write("wrong in the parent", what)
            self.ledger.answers += 1

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for name in self._testbed:
                numbers = self._testbed[name]["default"].statistics()
                sessions = sum(numbers[stage] for stage in ("idle", "busy", "opening", "settling", "closing"))
                if sessions > numbers["size"]:
                    self._complaints.write("too many sessions", f"{name}: {numbers}")

    def settled(self) -> dict[str, Any]:
        """What is still held or waited for, once it has had time to go."""

        def left() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for name in self._testbed:
                numbers = self._testbed[name]["default"].statistics()
                busy = {
                    key: numbers[key] for key in ("busy", "waiting", "settling", "closing") if numbers[key]
                }
                alone = self._testbed[name].manager.statistics()["exclusive"]
                busy |= {key: alone[key] for key in ("shared", "exclusive", "waiting") if alone[key]}
                if busy:
                    found[name] = busy
            broker = here().broker
            if broker is not None and broker.wires:
                found["wires"] = broker.wires
            return found

        parent.wait_for(lambda: not left(), LONG)
        return left()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("testbed")
    parser.add_argument("complaints", type=Path)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument(
        "--alone", type=int, default=100, help="kills with nothing else going on, after the others"
    )
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    complaints = Complaints(told.complaints)
    with load(told.testbed) as testbed:
        here().address()
        warm = Storm(testbed, complaints, kills=CHILDREN, seed=0)
        warm.connect()
        warm.run()
        warm.settled()
        testbed.disconnect()
        parent.wait_for(lambda: len(threading.enumerate()) <= 2)
        before = parent.possessions()

        storm = Storm(testbed, complaints, kills=told.kills, seed=told.seed)
        storm.connect()
        started = time.monotonic()
        storm.run()
        seconds = time.monotonic() - started
        held = storm.settled()
        alone = Storm(testbed, complaints, kills=told.alone, seed=told.seed + 1, places=1)
        alone.run()
        held |= alone.settled()
        testbed.disconnect()
        parent.say(
            {
                "kills": dict(storm.ledger.kills),
                "back": storm.ledger.back,
                "back_alone": alone.ledger.back,
                "answers": storm.ledger.answers,
                "seconds": seconds,
                "held": held,
                "more": parent.more(before),
            }
        )


if __name__ == "__main__":
    main()
