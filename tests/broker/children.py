# SPDX-License-Identifier: Apache-2.0
"""A parent with devices, as a program: it is run by tests that kill it, and whose children outlive it.

It prints a line when it is ready, and its children print one for each thing that happens to them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aioconn
from aioconn.broker.client import RemoteEstate, estate_of
from aioconn.broker.estate import Address, here
from aioconn.broker.frames import Target
from aioconn.errors import BrokerGone

LIFE = 50  # seconds, at most, of each of these processes


def work(address: Address, target: Target, who: object) -> int:
    """Many commands of several threads, each with an answer of its own; how many were answered."""
    estate = estate_of(address)

    def run(thread: int) -> int:
        commands = [f"show running-config | include {who}-{thread}-{number}" for number in range(8)]
        answers = [estate.call(target, "execute", (command,)) for command in commands]
        assert [answer.command for answer in answers] == commands
        with estate.enter(Target("connection", target.key, "default"), "acquire") as session:
            assert session.call("execute", ("show version",)).command == "show version"
        return len(answers) + 1

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(run, range(4)))


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def wait_for_the_end(estate: RemoteEstate, target: Target) -> None:
    """A command that does not end by itself; says how it ended, and how long after the parent's death."""
    parent = os.getppid()
    try:
        estate.call(target, "expect", ("never",), {"timeout": LIFE})
        say("answered")
    except BrokerGone:
        died = time.monotonic()
        while os.getppid() == parent and time.monotonic() < died + 5:  # the system may tell others first
            time.sleep(0.001)
        say("gone", "early" if os.getppid() == parent else "")
    try:
        estate.call(target, "execute", ("show version",))
        say("answered")
    except BrokerGone:
        say("still gone")


def child(address: Address, key: int, what: str) -> None:
    signal.alarm(LIFE)
    estate, target = estate_of(address), Target("device", key)
    say("works" if "Version" in estate.call(target, "execute", ("show version",)) else "wrong")
    if what == "work":
        say("worked", work(address, target, os.getpid()))
    elif what == "outlive":
        threads = [threading.Thread(target=wait_for_the_end, args=(estate, target)) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        say("ready")
        for thread in threads:
            thread.join()
    elif what == "interrupted":
        say("ready", os.getpid())
        try:
            estate.call(target, "expect", ("never",), {"timeout": LIFE})
            say("answered")
        except KeyboardInterrupt:
            say("interrupted")
        say("works" if "Version" in estate.call(target, "execute", ("show version",)) else "wrong")


def main(file: str, method: str, what: str, count: int) -> None:
    signal.alarm(LIFE)
    warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
    testbed = aioconn.load(Path(file), loop="own")
    device = testbed["r1"]
    asyncio.run(connect(device))
    key = here().enroll(device)
    address = here().address()
    context = multiprocessing.get_context(method)
    children = [context.Process(target=child, args=(address, key, what)) for _ in range(count)]  # type: ignore[attr-defined]
    for process in children:
        process.start()
    for process in children:
        process.join()
    asyncio.run(device.disconnect())
    here().stop()
    say("well", *{process.exitcode for process in children})


async def connect(device: aioconn.Device) -> None:
    await device.connect(pool_size=4)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
