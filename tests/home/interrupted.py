# SPDX-License-Identifier: Apache-2.0
"""A program that is interrupted at random moments of its calls: `python -m tests.home.interrupted COUNT SEED PROTOCOL`.

It works on a simulated device until Ctrl-C comes, and then sees whether everything is as it was. It prints one JSON
object: what it found wrong, and how long each interrupt took from the signal to the `except` that caught it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aioconn
from aioconn.home import call_from_thread, enter_from_thread, homes, iterate_from_thread
from aioconn.home.errand import errands_at
from tests.lab_thread import LabThread

ANSWERS = {f"show w{number:02d}": f"w{number:02d} is the answer\n" * (1 + number % 9) for number in range(40)}
LATE = 10.0
"""Seconds until an interrupt counts as lost, or a call as stuck."""


class Interrupter:
    """Sends this process one SIGINT, some time after it is told to."""

    def __init__(self) -> None:
        self.sent = 0.0
        self._delay: float | None = 0.0
        self._go = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="interrupter", daemon=True)
        self._thread.start()

    def arm(self, delay: float) -> None:
        self._delay = delay
        self._go.release()

    def stop(self) -> None:
        self._delay = None
        self._go.release()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._go.acquire()
            if self._delay is None:
                return
            time.sleep(self._delay)
            self.sent = time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)


class Program:
    def __init__(self, lab: LabThread, rng: random.Random) -> None:
        self.rng = rng
        self.wrong: list[str] = []
        self.device = aioconn.load(lab.testbed(), loop="own")["r1"]
        self.home = self.device.manager.claim_home()
        self.call(self.device.connect)
        self.pool = self.call(self.device.connect, alias="pool", pool_size=2)
        self.works = [
            self.compute, self.suspend, self.execute, self.lend, self.keep, self.stream, self.be_alone, self.step
        ]  # fmt: skip

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        return call_from_thread(self.home, function, args, kwargs)

    # ------------------------------------------------------------------ what is interrupted

    def compute(self) -> None:
        self.expect(self.call(double, 21), 42)

    def suspend(self) -> None:
        self.expect(self.call(pause, 7), 7)

    def execute(self) -> None:
        self.ask(self.device)

    def lend(self) -> None:
        lease = call_from_thread(self.home, take, (self.pool,), undo=self.pool.release)
        try:
            self.ask(lease)
        finally:
            self.call(give, self.pool, lease)

    def keep(self) -> None:
        entered = enter_from_thread(self.home, self.device.exclusive)
        try:
            self.ask(self.device)
        finally:
            entered.leave(*sys.exc_info())

    def stream(self) -> None:
        command = self.some()
        text = "".join(iterate_from_thread(self.home, self.device.stream, (command,)))
        self.expect(text.strip().replace("\r\n", "\n"), ANSWERS[command].strip())

    def be_alone(self) -> None:
        entered = enter_from_thread(self.home, self.pool.acquire)
        try:
            self.ask(entered.value)
        finally:
            entered.leave(*sys.exc_info())

    def step(self) -> None:
        iteration = iterate_from_thread(self.home, count)
        self.expect([next(iteration), next(iteration)], [0, 1])
        iteration.close()

    # ------------------------------------------------------------------ what has to hold afterwards

    def settle(self) -> None:
        """Look at everything; the block before was left by force."""
        gc.collect()
        for _ in range(3):
            self.ask(self.device)
        self.call(self.has_all_sessions)
        entered = enter_from_thread(self.home, self.device.exclusive)
        entered.leave()
        if left := {visit for visit in errands_at(self.home).pending if not visit.lost}:  # type: ignore[attr-defined]
            self.wrong.append(f"still under way: {left}")
        names = self.call(tasks)
        if any("bridge" in name for name in names):
            self.wrong.append(f"tasks left: {names}")

    async def has_all_sessions(self) -> None:
        async with asyncio.timeout(LATE):
            first = await self.pool.acquire()
            second = await self.pool.acquire()
        first.release()
        second.release()

    def some(self) -> str:
        return self.rng.choice(list(ANSWERS))

    def ask(self, thing: Any) -> None:
        command = self.some()
        self.expect(str(self.call(thing.execute, command)), ANSWERS[command].strip())

    def expect(self, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{found!r} instead of {expected!r}")


async def double(number: int) -> int:
    return 2 * number


async def pause(number: int) -> int:
    await asyncio.sleep(0)
    return number


async def count() -> AsyncIterator[int]:
    for number in range(5):
        await asyncio.sleep(0)
        yield number


async def take(pool: Any) -> Any:
    return await pool.acquire()


async def give(pool: Any, lease: Any) -> None:
    pool.release(lease)


async def tasks() -> list[str]:
    await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return [repr(task.get_coro()) for task in others]


def homes_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("aioconn")]


def main(count: int, seed: int, protocol: str) -> dict[str, Any]:
    rng = random.Random(seed)
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as folder, LabThread(Path(folder)) as lab:
        lab.add("r1", protocols=(protocol,), commands=ANSWERS)
        program = Program(lab, rng)
        interrupter = Interrupter()
        for number in range(count):
            work = rng.choice(program.works)
            work()  # how long it takes
            begun = time.perf_counter()
            work()
            took = time.perf_counter() - begun
            try:
                until = time.perf_counter() + LATE
                interrupter.arm(rng.uniform(0, 2 * took))
                while time.perf_counter() < until:
                    work()
                program.wrong.append(f"{number}: {work.__name__}: the interrupt was lost")
            except KeyboardInterrupt:
                delays.append(time.perf_counter() - interrupter.sent)
            begun = time.perf_counter()
            program.settle()
            if (took := time.perf_counter() - begun) > LATE / 2:
                program.wrong.append(f"{number}: {work.__name__}: {took:.1f} s until all was well")
        interrupter.stop()
        program.call(program.device.manager.disconnect_all)
        until = time.monotonic() + LATE
        # Both come to their end by themselves.
        while (lab.sessions or homes_threads()) and time.monotonic() < until:
            time.sleep(0.01)
        sessions = lab.sessions
    if len(homes):
        program.wrong.append(f"a home is left: {homes!r}")
    delays.sort()
    return {
        "wrong": program.wrong,
        "interrupts": len(delays),
        "p99": delays[int(len(delays) * 0.99)],
        "longest": delays[-1],
        "sessions": sessions,
        "threads": homes_threads(),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
