# SPDX-License-Identifier: Apache-2.0
"""Children of every kind, which use the sessions of their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from aioconn.broker.client import RemoteEstate, estate_of
from aioconn.broker.frames import Target
from aioconn.errors import AioconnError
from tests.broker.children import work
from tests.broker.conftest import Shared
from tests.forking import ENOUGH, Child, in_child, links
from tests.lab_thread import LabThread

pytestmark = [
    pytest.mark.programs,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
]


@pytest.fixture
def pool(shared: Shared) -> Iterator[Target]:
    """Three sessions of a device for everybody."""
    estate = RemoteEstate(shared.address)
    target = shared.target("r1")
    estate.call(target, "connect", (), {"pool_size": 3})
    yield target
    estate.close()


class TestForked:
    def test_a_command(self, shared: Shared, pool: Target):
        address = shared.address

        def child() -> tuple[str, str]:
            output = estate_of(address).call(pool, "execute", ("show version",), {})
            return str(output), output.command

        text, command = in_child(child)
        assert "Version" in text
        assert command == "show version"
        assert shared.gone(), "the wire ended with the child"

    def test_eight_with_four_threads_each(self, shared: Shared, pool: Target):
        address = shared.address
        sessions = shared.lab["r1"].logins
        children = [Child(lambda child: work(address, pool, child.pid or os.getpid())) for _ in range(8)]
        assert [child.result() for child in children] == [36] * 8
        assert shared.lab["r1"].logins - sessions <= 3, "all used the sessions of the parent"
        assert shared.gone()

    def test_one_that_forks_again(self, shared: Shared, pool: Target):
        """In the middle of a block, with wires open: the third generation has wires of its own."""
        address = shared.address

        def grandchild() -> tuple[bool, bool]:
            estate = estate_of(address)
            try:
                estate.call(pool, "execute", ("show version",), {"timeout": 0.3})
                kept_out = False
            except AioconnError:
                kept_out = True  # by what its own parent does exclusively
            return kept_out, estate.route() is None

        def child() -> tuple[bool, bool, str]:
            estate = estate_of(address)
            with estate.enter(pool, "exclusive"):
                found = in_child(grandchild)
                answer = estate.call(pool, "execute", ("show version",), {"timeout": 5})
            estate.call(pool, "execute", ("show version",), {"timeout": 5})
            return *found, answer.command

        assert in_child(child) == (True, True, "show version")
        assert in_child(lambda: in_child(lambda: work(address, pool, "third"))) == 36
        assert shared.gone()

    def test_from_threads_while_others_call(self, shared: Shared, pool: Target):
        address = shared.address
        done = threading.Event()
        estate = RemoteEstate(address)

        def call() -> int:
            count = 0
            while not done.is_set():
                assert estate.call(pool, "execute", (f"show run | include {count}",)).command.endswith(
                    f" {count}"
                )
                count += 1
            return count

        def fork() -> list[str]:
            command = "show ip route"
            return [in_child(lambda: estate.call(pool, "execute", (command,)).command) for _ in range(5)]

        with ThreadPoolExecutor(6) as threads:
            callers = [threads.submit(call) for _ in range(3)]
            forkers = [threads.submit(fork) for _ in range(3)]
            try:
                assert [forker.result(ENOUGH) for forker in forkers] == [["show ip route"] * 5] * 3
            finally:
                done.set()
            assert all(caller.result(ENOUGH) for caller in callers)
        estate.close()

    def test_it_has_nothing_of_its_parents(self, shared: Shared, pool: Target):
        estate = RemoteEstate(shared.address)
        estate.call(pool, "execute", ("show version",))
        sockets = {link for link in links().values() if link.startswith("socket:")}
        epolls = sum("eventpoll" in link for link in links().values())

        def child() -> tuple[int, int]:
            seen = list(links().values())
            left = sum("eventpoll" in link for link in seen)
            return len(sockets.intersection(seen)), left

        left, epolls_left = in_child(child)
        # Of each loop thread the end by which others wake it is not ours to find; it does nothing else.
        assert left <= 2 * epolls
        assert epolls_left <= 1, "that of the lab's own loop"
        estate.close()

    @pytest.mark.parametrize("state", ["idle", "waiting", "inside"])
    def test_killed(self, shared: Shared, pool: Target, state: str):
        address = shared.address

        def child(child: Child) -> None:
            estate = estate_of(address)
            if state == "idle":
                estate.call(pool, "execute", ("show version",))
                child.tell()
                child.wait()
            with estate.enter(pool, "exclusive"):
                if state == "waiting":
                    child.tell()
                    estate.call(pool, "expect", ("never",), {"timeout": 30})
                child.tell()
                child.wait()

        with Child(child) as victim:
            victim.heard()
            victim.kill()
            estate = RemoteEstate(address)
            assert "Version" in estate.call(pool, "execute", ("show version",), {"timeout": 10})
            estate.close()
        assert shared.gone()


class Parent:
    """The program of `children.py`."""

    def __init__(self, lab: LabThread, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.broker.children", str(lab.file), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout

    def until(self, word: str, count: int) -> list[str]:
        """Lines, until so many begin with `word`."""
        lines: list[str] = []
        while sum(line.startswith(word) for line in lines) < count:
            line = self.output.readline()
            assert line, "".join(lines)
            lines.append(line)
        return lines

    def __enter__(self) -> Parent:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.output.read()  # its children have ended as well
        self.output.close()
        self.process.wait()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing(lab: LabThread, method: str):
    with Parent(lab, method, "work", "4") as parent:
        lines = [line.strip() for line in parent.until("well", 1)]
        assert sorted(lines) == ["well 0", *["worked 36"] * 4, *["works"] * 4]
        assert parent.output.read() == ""
    assert lab.wait_for(lambda: lab.sessions == 0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_parent_is_killed(lab: LabThread, method: str):
    """Every thread of every child hears it at once, and nobody finds the sessions again."""
    with Parent(lab, method, "outlive", "2") as parent:  # with two threads each, for four sessions
        parent.until("ready", 2)
        parent.process.kill()
        lines = parent.until("still gone", 4)
        assert sum(line.startswith("gone") for line in lines) == 4, lines
        assert not any("answered" in line or "Traceback" in line for line in lines), lines
        assert parent.output.read() == ""
    assert lab.wait_for(lambda: lab.sessions == 0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_interrupted_in_a_call(lab: LabThread, method: str):
    """Ctrl-C in a child cancels what it waits for; the session is in step, and serves on."""
    with Parent(lab, method, "interrupted", "1") as parent:
        *_, ready = parent.until("ready", 1)
        victim = int(ready.split()[1])
        assert lab.wait_for(lambda: lab.sessions >= 1)
        threading.Event().wait(0.3)
        os.kill(victim, signal.SIGINT)
        lines = parent.until("well", 1)
        assert [line.strip() for line in lines] == ["interrupted", "works", "well 0"]
    assert lab.wait_for(lambda: lab.sessions == 0)
