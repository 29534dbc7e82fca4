# SPDX-License-Identifier: Apache-2.0
"""Every test is audited: what it leaves behind, or lets slip in an event loop, fails it.

Unawaited coroutines and unclosed transports are warnings, and warnings are errors already; this adds
unhandled exceptions of any loop in any thread, tasks, file descriptors and threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from hypothesis import settings

from tests.examples import EVERYDAY

pytest_plugins = ["tests.daemons", "tests.lab_fixtures"]

settings.load_profile(EVERYDAY)

GRACE = 0.2
"""Seconds that a test's leavings get to go away by themselves."""


@pytest.fixture(scope="session", autouse=True)
def raised_descriptor_limit() -> None:
    """As many open files as the system allows without asking."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and means less
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture(autouse=True)
def own_known_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The keys of simulated devices are remembered for one test: their ports come again with other keys, and the
    user's own file is none of our business."""
    folder = tmp_path_factory.getbasetemp() / f"state-{time.monotonic_ns()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        yield


class LoopErrors(logging.Handler):
    """What event loops report when nobody handles it; asyncio's logger is where all of them end up."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(self.format(record))


@pytest.fixture(scope="session", autouse=True)
def frozen_objects() -> Iterator[None]:
    """Whatever the audit hides from the garbage collector is shown to it in the end."""
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def asyncio_log() -> Iterator[LoopErrors]:
    handler = LoopErrors()
    logging.getLogger("asyncio").addHandler(handler)
    yield handler
    logging.getLogger("asyncio").removeHandler(handler)


@pytest.fixture(autouse=True)
def audit(asyncio_log: LoopErrors) -> Iterator[LoopErrors]:
    """Around the test's loop and all its other fixtures.

    A test that provokes a loop error on purpose asks for this fixture, asserts on `seen` and clears it.
    """
    asyncio_log.seen.clear()
    gc.collect()  # what the last test had, which was kept for as long as its fixtures were
    share_nothing()
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    gc.freeze()  # so that these collections look at one test's objects only, which makes them cheap
    yield asyncio_log
    gc.collect()  # brings out what is reported by finalizers
    deadline = time.monotonic() + GRACE
    for thread in set(threading.enumerate()) - threads:
        while thread.ident is None and time.monotonic() < deadline:
            time.sleep(0.001)  # it is just being started
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads]
    left += [f"descriptor {number}, {target}" for number, target in open_descriptors() - descriptors]
    left += [f"loop error: {text}" for text in asyncio_log.seen]
    if left:
        pytest.fail("the test leaves behind:\n" + "\n".join(left), pytrace=False)


@pytest_asyncio.fixture
async def audit_tasks(audit: LoopErrors) -> AsyncIterator[None]:
    """Around the other fixtures of an asynchronous test, in the test's loop."""
    tasks, descriptors = asyncio.all_tasks(), open_descriptors()
    yield
    deadline = time.monotonic() + GRACE
    turns = 0
    while (asyncio.all_tasks() - tasks - {asyncio.current_task()} or open_descriptors() - descriptors) and (
        time.monotonic() < deadline
    ):
        turns += 1
        await asyncio.sleep(0 if turns < 10 else 0.005)
    left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
    if left:
        pytest.fail("the test leaves tasks behind:\n" + "\n".join(map(repr, left)), pytrace=False)


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and pytest_asyncio.is_async_test(item):
        item.fixturenames.insert(item.fixturenames.index("audit") + 1, "audit_tasks")


def plain_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    if os.environ.get("AIOCONN_LOOP") != "uvloop":
        return asyncio.new_event_loop
    import uvloop

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


@pytest.fixture(scope="session", autouse=True)
def first_loop() -> None:
    """libuv keeps a pipe for signals from its first loop on."""
    plain_loop()().close()


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Silences cost nothing to a test that is marked `clock("jumping")`, unless AIOCONN_CLOCK says "real".

    The others run on uvloop where AIOCONN_LOOP says "uvloop".
    """
    marker = item.get_closest_marker("clock")
    if marker is None or "real" in (*marker.args, os.environ.get("AIOCONN_CLOCK")):
        return {"plain": plain_loop()}
    from tests.desync.clock import JumpingLoop

    return {"jumping": JumpingLoop}


def share_nothing() -> None:
    """What earlier tests shared with other processes is over, also where only the garbage collector knows that."""
    estate = sys.modules.get("aioconn.broker.estate")
    if estate is not None and not estate.here().empty:
        gc.unfreeze()
        gc.collect()
        estate.here().stop()


def open_descriptors() -> set[tuple[int, str]]:
    """Numbers and what they stand for; a number that was closed and taken again counts as another."""
    found = set()
    for number in map(int, os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")):
        with contextlib.suppress(OSError):  # the one that listed the folder
            found.add((number, target_of(number)))
    return found


def target_of(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        status = os.fstat(number)
        return f"inode {status.st_dev}:{status.st_ino}"
