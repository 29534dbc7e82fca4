# SPDX-License-Identifier: Apache-2.0
"""A process that is killed while its children work on its sessions.

`python -m tests.processes.orphans TESTBED COMPLAINTS` prints the number of its children when each of them is in the
middle of something; whatever ends that is written to the complaints, with the moment at which it did.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aioconn.sync import Device, load
from tests.processes.parent import Complaints

LONG = 60.0


def execute(r1: Device, ready: Any) -> None:
    ready.release()
    r1.execute("sleep 60", timeout=LONG)


def wait(r1: Device, ready: Any) -> None:
    """For a session: another one has the only one of that pool."""
    ready.release()
    r1["small"].execute("echo hello", timeout=LONG)


def keep(r1: Device, ready: Any) -> None:
    """It has a session, and asks something now and then."""
    with r1["small"].acquire() as session:
        ready.release()
        while True:
            session.execute("echo hello")
            time.sleep(0.05)


def read(r1: Device, ready: Any) -> None:
    pieces = r1.stream("ping 192.0.2.1", timeout=LONG)
    next(pieces)
    ready.release()
    for _ in pieces:
        pass


def look(r1: Device, ready: Any) -> None:
    """It asks the parent alone, not the device."""
    ready.release()
    while r1.is_connected():
        time.sleep(0.01)


ROLES: list[Callable[[Device, Any], None]] = [execute, keep, wait, read, look]


def child(role: Callable[[Device, Any], None], r1: Device, ready: Any, path: str) -> None:
    complaints = Complaints(Path(path))
    name = role.__name__
    try:
        role(r1, ready)
        complaints.write(f"{name}: nothing")
    except BaseException as error:
        complaints.write(f"{name}: {type(error).__name__}", f"{time.monotonic()!r} {error}")


def main(testbed_file: str, path: str) -> None:
    with load(testbed_file) as testbed:
        r1 = testbed["r1"]
        r1.connect(pool_size=4)
        r1.connect(alias="small", pool_size=1)
        for how in ("fork", "spawn"):
            context: Any = multiprocessing.get_context(how)
            for role in ROLES:
                ready = context.Semaphore(0)
                if role is keep and how == "spawn":
                    continue  # the session is taken
                context.Process(target=child, args=(role, r1, ready, path)).start()
                assert ready.acquire(timeout=LONG)
        print(len(multiprocessing.active_children()), flush=True)
        threading.Event().wait(LONG)


if __name__ == "__main__":
    main(*sys.argv[1:])
