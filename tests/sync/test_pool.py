# SPDX-License-Identifier: Apache-2.0
"""Pools without a loop."""

from __future__ import annotations

import contextlib
import contextvars
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aioconn.errors import (
    Deadlock,
    NotOfThisPool,
    PoolClosed,
    PoolTimeout,
    ReleasedTwice,
    UsageError,
    UsedAfterRelease,
)
from aioconn.lab import Faults
from aioconn.sync import CliPool, CliSession, Device, Testbed
from tests.lab_thread import LabThread

ENOUGH = 20.0


@pytest.fixture
def r1(testbed_of: Callable[..., Testbed]) -> Device:
    return testbed_of("r1")["r1"]


@pytest.fixture
def pool(r1: Device) -> CliPool:
    pool = r1.connect(alias="pool", pool_size=2, pool_timeout=ENOUGH)
    assert type(pool) is CliPool
    return pool


def test_it_is_used_like_one_connection(lab: LabThread, pool: CliPool) -> None:
    with ThreadPoolExecutor(6) as threads:
        outputs = list(threads.map(pool.execute, ["show version"] * 30))
    assert all("Version" in output for output in outputs)
    assert lab.wait_for(lambda: lab["r1"].sessions == 2)  # the second may be on its way still
    assert lab["r1"].logins == 2
    pool.configure(["interface Loopback0", "description uplink"])
    assert "".join(pool.stream("show version")) == outputs[0]
    assert (pool.size, pool.connected, pool.device, pool.alias) == (2, True, "r1", "pool")
    assert pool.statistics()["idle"] == 2
    assert repr(pool) == "<CliConnection pool r1.pool via cli 2/2: 2 idle>"
    pool.resize(1)
    assert lab.wait_for(lambda: pool.statistics()["open"] == 1)
    pool.drain(1)
    with pytest.raises(PoolClosed):
        pool.execute("show clock")
    with pool:
        assert "UTC" in pool.execute("show clock")
    assert not pool.connected


def test_a_session_for_a_block(lab: LabThread, pool: CliPool) -> None:
    with pool.acquire() as session:
        assert isinstance(session, CliSession)
        assert session.pool is pool
        session.enter_mode("config")
        assert session.mode == "config"
        assert pool.statistics()["busy"] == 1
        assert "".join(session.stream("do show version"))
        with pool.transaction() as other:
            assert other != session
            assert "UTC" in other.execute("show clock")
    assert session.released
    assert lab.wait_for(lambda: pool.statistics()["idle"] == 2)
    with pytest.raises(UsedAfterRelease):
        session.execute("show clock")
    assert pool.execute("show clock").mode == "privileged"


def test_a_session_without_a_block(pool: CliPool) -> None:
    session = pool.acquire()
    assert "UTC" in session.execute("show clock")
    pool.release(session)
    with pytest.raises(ReleasedTwice):
        pool.release(session)
    session = pool.acquire(timeout=ENOUGH)
    session.release()
    assert session.released
    with pytest.raises(ReleasedTwice):
        session.release()
    wrong: Any = "session"
    with pytest.raises(NotOfThisPool):
        pool.release(wrong)
    with pool.acquire() as session:
        session.release()  # before its time
        assert "UTC" in pool.execute("show clock")


def test_a_session_of_another_pool(pool: CliPool, lab: LabThread, testbed_of: Callable[..., Testbed]) -> None:
    other = testbed_of("r2")["r2"].connect(pool_size=1)
    with other.acquire() as session:
        with pytest.raises(NotOfThisPool):
            pool.release(session)
        assert "UTC" in session.execute("show clock")


def test_a_session_given_to_another_thread(pool: CliPool, lab: LabThread) -> None:
    session = pool.acquire()

    def work() -> None:
        session.execute("show clock")
        session.release()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert session.released
    assert lab.wait_for(lambda: pool.statistics()["busy"] == 0)


def test_a_session_is_in_one_block_at_a_time(pool: CliPool) -> None:
    with pool.acquire() as session, pytest.raises(UsageError, match="another block"), session:
        pass
    assert session.released


def test_a_forgotten_session_comes_back(pool: CliPool, lab: LabThread) -> None:
    kept = [pool.acquire()]
    with pytest.warns(ResourceWarning, match=r"taken at test_pool.py:\d+ in test_a_forgotten"):
        kept.clear()
    assert lab.wait_for(lambda: pool.statistics()["busy"] == 0)


def test_who_holds_what(pool: CliPool) -> None:
    """Another thread could give back what is held for no block: it is waited for."""
    held = [pool.acquire(), pool.acquire()]
    with pytest.raises(PoolTimeout) as late:
        pool.acquire(timeout=0.05)
    assert str(late.value).count("held by thread MainThread for") == 2
    assert "taken at test_pool.py:" in str(late.value)
    for session in held:
        session.release()


def test_a_thread_that_would_wait_for_itself(pool: CliPool) -> None:
    with pool.acquire() as one, pool.acquire():
        assert "UTC" in one.execute("show clock")
        with pytest.raises(
            Deadlock, match=r"thread MainThread waits at test_pool.py:\d+.*took .* test_pool.py:\d+"
        ):
            pool.acquire()
        with pytest.raises(Deadlock), contextlib.closing(pool.stream("show clock")) as pieces:
            next(iter(pieces))
        with ThreadPoolExecutor(1) as other, pytest.raises(PoolTimeout):
            other.submit(pool.acquire, timeout=0.05).result(ENOUGH)
    assert "UTC" in pool.execute("show clock")
    with pool.acquire(), ThreadPoolExecutor(1) as other:
        session = other.submit(pool.acquire).result(ENOUGH)
        with pytest.raises(PoolTimeout):
            pool.acquire(timeout=0.05)
        session.release()


def test_a_thread_that_merely_has_the_context_of_the_holder_waits(pool: CliPool, lab: LabThread) -> None:
    with ThreadPoolExecutor(1) as other:
        with pool.acquire(), pool.acquire():
            late = other.submit(contextvars.copy_context().run, pool.acquire)
            assert lab.wait_for(lambda: pool.statistics()["waiting"] == 1)
        late.result(ENOUGH).release()


def test_who_holds_a_session_passes_exclusive_work_that_waits(
    r1: Device, pool: CliPool, lab: LabThread
) -> None:
    """It waits for him, so he must not wait for it."""
    outcome: list[str] = []

    def alone() -> None:
        with r1.exclusive(timeout=ENOUGH):
            outcome.append("alone")

    thread = threading.Thread(target=alone)
    with pool.acquire() as session:
        thread.start()
        assert lab.wait_for(lambda: r1.manager.statistics()["exclusive"]["waiting"] == 1)
        assert "UTC" in session.execute("show clock")
        assert "UTC" in pool.execute("show clock", timeout=ENOUGH)  # with another session, and inside as well
        assert not outcome
    thread.join(ENOUGH)
    assert outcome == ["alone"]


def test_an_interrupted_wait_takes_nothing(pool: CliPool, lab: LabThread) -> None:
    held = [pool.acquire(), pool.acquire()]

    def interrupt() -> None:
        assert lab.wait_for(lambda: pool.statistics()["waiting"] == 1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        pool.acquire()
    thread.join()
    for session in held:
        session.release()
    assert pool.statistics()["waiting"] == 0
    assert lab.wait_for(lambda: pool.statistics()["idle"] == 2)


@pytest.mark.usefixtures("short_backoff")
def test_a_session_that_dies_is_replaced(pool: CliPool, lab: LabThread) -> None:
    lab["r1"].faults = Faults(reset_after=10)
    with pytest.raises(Exception, match="r1"):
        pool.execute("show version")
    lab["r1"].faults = Faults()
    assert "Version" in pool.execute("show version")
