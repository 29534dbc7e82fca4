# SPDX-License-Identifier: Apache-2.0
"""Threads that keep a device, or one of its sessions, for several calls: theirs pass, those of others wait."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.errors import DeviceBusy, UsageError
from aioconn.home import call_from_thread, enter_from_thread, homes, iterate_from_thread
from tests.home.conftest import ENOUGH
from tests.lab_thread import LabThread


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    with LabThread(tmp_path) as lab:
        yield lab


class Router:
    """A device of the lab, used from threads."""

    def __init__(self, device: aioconn.Device) -> None:
        self.device = device
        self.home = device.manager.claim_home()
        self.connection = self.call(device.connect)

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return call_from_thread(self.home, function, args, kwargs)

    def version(self) -> str:
        return str(self.call(self.device.execute, "show version"))

    @contextlib.contextmanager
    def inside(self, make: Callable[..., Any], **kwargs: Any) -> Iterator[Any]:
        entered = enter_from_thread(self.home, make, (), kwargs)
        try:
            yield entered.value
        except BaseException:
            if not entered.leave(*sys.exc_info()):
                raise
        else:
            entered.leave()


@pytest.fixture
def router(lab: LabThread) -> Iterator[Router]:
    lab.add("r1", protocols=("telnet",), max_vty=5)
    router = Router(aioconn.load(lab.testbed(), loop="own")["r1"])
    yield router
    router.call(router.device.manager.disconnect_all)
    assert not len(homes)


class Other:
    """Another thread that asks the device something."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.answered = threading.Event()
        self.begun = threading.Event()
        self.answer: Any = None
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self.begun.wait(ENOUGH)

    def _run(self) -> None:
        self.begun.set()
        try:
            self.answer = self._work()
        except BaseException as error:
            self.answer = error
        self.answered.set()

    def join(self) -> Any:
        self._thread.join(ENOUGH)
        assert self.answered.is_set()
        return self.answer


def waiting(router: Router) -> int:
    numbers = router.device.manager.statistics()
    return int(numbers["exclusive"]["waiting"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_exclusive_work_of_a_thread(router: Router):
    with router.inside(router.device.exclusive):
        assert "Version" in router.version()
        other = Other(router.version)
        until(lambda: waiting(router) == 1)
        assert "Version" in router.version()
        assert "Version" in "".join(iterate_from_thread(router.home, router.device.stream, ("show version",)))
        assert not other.answered.is_set()
    assert "Version" in other.join()
    assert "Version" in router.version()


def test_who_is_kept_out_hears_by_whom(router: Router):
    with router.inside(router.device.exclusive):
        other = Other(lambda: router.call(router.device.execute, "show version", timeout=0.1))
        assert isinstance(other.join(), DeviceBusy)


def test_a_transaction_of_a_thread(router: Router):
    with router.inside(router.connection.transaction) as session:
        router.call(session.execute, "show clock")
        other = Other(router.version)
        for _ in range(5):
            assert "Version" in router.version()
        assert not other.answered.wait(0.05)
    assert "Version" in other.join()


def test_a_session_of_a_pool(router: Router):
    pool = router.call(router.device.connect, alias="pool", pool_size=1)
    with router.inside(pool.acquire) as session:
        assert "Version" in str(router.call(session.execute, "show version"))
        other = Other(lambda: router.call(pool.execute, "show version"))
        assert not other.answered.wait(0.05)
    assert "Version" in str(other.join())
    with pytest.raises(UsageError, match="given back"):
        router.call(session.execute, "show version")


def test_an_error_in_the_block_gives_everything_back(router: Router):
    pool = router.call(router.device.connect, alias="pool", pool_size=1)
    for make in (router.device.exclusive, router.connection.transaction, pool.acquire):
        with pytest.raises(LookupError), router.inside(make):
            raise LookupError
        other = Other(router.version)
        assert "Version" in other.join()
    with router.inside(pool.acquire, timeout=ENOUGH):
        pass


def test_a_thread_that_forgets_its_block(router: Router):
    def forget() -> None:
        enter_from_thread(router.home, router.device.exclusive)

    forgetful = threading.Thread(target=forget)
    forgetful.start()
    forgetful.join(ENOUGH)
    assert "Version" in Other(router.version).join()
