# SPDX-License-Identifier: Apache-2.0
"""Calls from threads, from children and after cuts are counted right, and those that fail are not taken for quick."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.clients.base import Client
from benchmarks.clients.children import Begin, ChildrenClient
from benchmarks.clients.cuts import CutClient, CutSession, CutShort
from benchmarks.meter import Meter
from benchmarks.target import HOST_NAME, Target, lines_of
from benchmarks.workloads.base import Case
from benchmarks.workloads.children import Children
from benchmarks.workloads.desync import Desync
from benchmarks.workloads.facade import repeat
from benchmarks.workloads.syncfanout import SyncFanOut


def test_every_thread_calls() -> None:
    callers: set[int] = set()
    met = threading.Event()

    def call() -> str:
        callers.add(threading.get_ident())
        if len(callers) == 3:
            met.set()
        met.wait(5)
        return "xy"

    took, least = repeat(call, 3, 0.05, Meter())
    assert len(callers) == 3
    assert list(took) == sorted(took)
    assert least == 2


def test_a_call_that_fails_is_no_measurement() -> None:
    def call() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        repeat(call, 2, 0.05, Meter())


class Relatives(ChildrenClient):
    """Children that answer themselves: as they are told, with too little, or not at all."""

    name = "relatives"
    offers = frozenset({"answers"})

    def __init__(self, less: int = 0, error: Exception | None = None) -> None:
        self.less, self.error = less, error

    @contextmanager
    def answers(self, size: int) -> Iterator[Begin]:
        parent = os.getpid()

        def call() -> str:
            assert os.getpid() != parent
            if self.error is not None:
                raise self.error
            return "x" * (size - self.less)

        yield lambda: call


CHILDREN = Case(title="", needs="answers", amounts={"children": 2, "bytes": 64, "milliseconds": 20})


def test_every_child_calls() -> None:
    found = Children().run(Relatives(), CHILDREN, [])
    assert 0 < found["p50"] <= found["p99"]
    assert found["rate"] > 0
    assert not multiprocessing.active_children()


def test_children_that_lose_bytes_are_not_measured() -> None:
    with pytest.raises(RuntimeError, match="63 bytes of an answer, at least 64"):
        Children().run(Relatives(less=1), CHILDREN, [])


def test_a_child_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="a child failed: KeyError: 'gone'"):
        Children().run(Relatives(error=KeyError("gone")), CHILDREN, [])
    assert not multiprocessing.active_children()


class Behind(CutClient):
    """From its first cut on, each answer is that of the command before; or none at all."""

    name = "behind"
    offers = frozenset({"timeouts"})

    def __init__(self, *, silent: bool = False) -> None:
        self.silent = silent
        self.opened = 0

    def cut_session(self, needs: str, target: Target) -> CutSession:
        self.opened += 1
        return Late(self.silent)


class Late(CutSession):
    def __init__(self, silent: bool) -> None:
        self.silent = silent
        self.before = ""

    def ask(self, command: str, limit: float | None) -> str:
        before, self.before = self.before, command.split()[1]
        if limit is not None:
            raise CutShort
        if self.silent:
            raise TimeoutError
        return "\n".join(lines_of(before))

    def close(self) -> None: ...


CUTS = Case(title="", needs="timeouts", amounts={"cuts": 20, "thinking": 60})
TARGETS = [Target(name=HOST_NAME, protocol="ssh", port=1)] * 2


def test_answers_of_the_command_before_are_wrong() -> None:
    found = Desync().run(Behind(), CUTS, TARGETS)
    assert found == {"wrong": 200, "errors": 0, "lost": 0, "cuts": 20}


def test_sessions_that_do_not_answer_are_opened_again() -> None:
    client = Behind(silent=True)
    found = Desync().run(client, CUTS, TARGETS)
    assert found == {"wrong": 0, "errors": 200, "lost": 100, "cuts": 20}
    assert client.opened == 2 + 20


def test_a_workload_may_choose_its_floor() -> None:
    class One(Client):
        name = "aioconn"

    class Other(Client):
        name = "other"
        floor = True

    assert SyncFanOut().has_floor(One())
    assert not SyncFanOut().has_floor(Other())
    assert Desync().has_floor(Other())
