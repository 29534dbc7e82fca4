# SPDX-License-Identifier: Apache-2.0
"""What a process that shares its sessions has at a moment, and where its children complain."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aioconn.broker.estate import here

faulthandler.register(signal.SIGUSR1, all_threads=True)

SETTLING = 5.0
"""Seconds in which what is ended may go away."""


class Complaints:
    """A file to which every process of a test writes what it finds wrong: whole lines, in one step each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, what: str, text: object = "") -> None:
        line = json.dumps({"what": what, "text": str(text), "pid": os.getpid()}) + "\n"
        os.write(self._number, line.encode())

    def write_exception(self, what: str) -> None:
        self.write(what, traceback.format_exc())

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def possessions() -> Counter[str]:
    """Descriptors by what they stand for, threads by name, and tasks of the broker's loop."""
    gc.collect()
    found: Counter[str] = Counter()
    for number in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the one that listed the folder
            target = os.readlink(f"/proc/self/fd/{number}")
            kind, _, inode = target.partition(":[")
            found[f"descriptor {kind}" if inode else f"descriptor {number} {target}"] += 1
    for thread in threading.enumerate():
        found[f"thread {thread.name}"] += 1
    broker = here().broker
    if broker is not None:
        found["task"] = len(asyncio.all_tasks(broker.loop))
    return found


def more(before: Counter[str]) -> dict[str, int]:
    """What there is now and was not before, once it has had time to go."""
    wait_for(lambda: not possessions() - before)
    return dict(possessions() - before)


def wait_for(condition: Callable[[], bool], timeout: float = SETTLING) -> bool:
    deadline = time.monotonic() + timeout
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def fork(work: Callable[[], object], complaints: Complaints) -> int:
    """A child that does this and ends; what goes wrong in it is a complaint."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        complaints.write_exception("in a child")
    finally:
        os._exit(code)


def ask_where(pid: int) -> None:
    """Have a child that hangs show where, on the parent's stderr, if it was forked and Python still runs in it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)
        time.sleep(0.5)


def say(report: dict[str, Any]) -> None:
    """The last line of a parent's output."""
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
