# SPDX-License-Identifier: Apache-2.0
"""What a process shares, and what becomes of that when it is forked."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn.broker import estate as estates
from aioconn.broker.estate import Address, Estate, here
from aioconn.broker.frames import Target
from aioconn.broker.server import Broker
from aioconn.errors import BrokerGone, UsageError
from tests.broker.caller import Wire
from tests.broker.conftest import Shared
from tests.forking import Child, in_child
from tests.lab_thread import LabThread

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PATIENCE = 20.0
"""Seconds after which a child hangs."""


@pytest.fixture
def runtime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where brokers listen that are not told where."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    for path in (folder / "aioconn", folder):
        with contextlib.suppress(FileNotFoundError):
            path.rmdir()  # which it cannot, if a socket was left in it


def device(name: str = "r1") -> aioconn.Device:
    return aioconn.Device(name, connections={"cli": {"protocol": "telnet", "ip": "192.0.2.1"}})


# ---------------------------------------------------------------------- numbers and addresses


def test_a_thing_has_one_number_for_as_long_as_it_lives() -> None:
    estate = Estate()
    assert estate.empty
    one, other = device("r1"), device("r2")
    key = estate.enroll(one)
    assert estate.enroll(other) != key == estate.enroll(one)
    assert estate.find(key) is one
    assert not estate.empty
    del one
    gc.collect()
    assert estate.find(key) is None
    assert estate.enroll(device("r3")) != key
    assert estate.find(0) is None


def test_an_address_is_plain_data_and_keeps_its_secret() -> None:
    address = Address(path="/run/x.sock", token=b"very secret", estate="12-ab")
    assert pickle.loads(pickle.dumps(address)) == address  # noqa: S301
    assert "secret" not in repr(address)
    assert address.pid == 12


def test_the_first_who_asks_starts_the_broker(runtime: Path) -> None:
    estate = Estate()
    assert estate.broker is None
    addresses: list[Address] = []
    askers = [threading.Thread(target=lambda: addresses.append(estate.address())) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len(addresses) == 8
    assert set(addresses) == {estate.address()}
    assert addresses[0].pid == os.getpid()
    estate.stop()
    again = estate.address()
    assert again != addresses[0]
    assert again.estate == addresses[0].estate
    estate.stop()


def test_an_estate_whose_broker_cannot_start_says_why(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    estate = Estate()
    with pytest.raises(UsageError, match="others may look"):
        estate.serve(directory=tmp_path)
    assert estate.broker is None


# ---------------------------------------------------------------------- forks


def test_a_child_reaches_what_its_parent_shares(lab: LabThread, runtime: Path) -> None:
    shared = Shared(lab, runtime)
    estate, target = shared.estate, shared.target("r1")
    assert estate.broker is None

    def work() -> Any:
        with Wire(estate.address(), target) as wire:
            wire.call("connect")
            return estate.local, wire.call("execute", "show clock").command

    child = Child(lambda _: work())
    assert estate.broker is not None  # begun for the child, before it was there
    assert child.result() == (False, "show clock")
    assert estate.local
    assert shared.connect("r1").call("execute", "show clock")
    shared.stop()


def test_a_child_has_an_estate_of_its_own(shared: Shared) -> None:
    parents = here()

    def work() -> Any:
        mine = here()
        key = mine.enroll(device())
        return mine is not parents, mine.local, parents.local, mine.pid == os.getpid(), key

    assert in_child(work) == (True, True, False, True, 1)
    assert here() is parents


def test_a_child_takes_nothing_away(shared: Shared) -> None:
    """Not by what it is told to do with what it inherits, nor by forgetting it, nor by its end."""
    wire = shared.connect("r1")
    estate, path, testbed = shared.estate, shared.address.path, shared.testbed["r1"]

    def work() -> Any:
        broker = estate.broker
        assert broker is not None
        with pytest.raises(UsageError, match="belongs to process"):
            estate.enroll(testbed)
        estate.stop()
        broker.stop()
        estate.broker = None
        with pytest.raises(UsageError, match="belongs to process"):
            estate.serve()
        del broker
        gc.collect()
        return os.path.exists(path), len(estate.address().token)

    assert in_child(work) == (True, 32)
    assert wire.call("execute", "show clock")
    assert shared.connect("r2").call("execute", "show clock")


_EXITS = """
import os, sys
import aioconn
from aioconn.broker.estate import here
device = aioconn.Device("r1", connections={"cli": {"protocol": "telnet", "ip": "192.0.2.1"}})
here().enroll(device)
path = here().address().path
child = os.fork()
if not child:
    sys.exit()
os.waitpid(child, 0)
print(os.path.exists(path))
print(path)
"""


def test_a_child_that_exits_leaves_the_socket_to_its_parent(runtime: Path) -> None:
    """Who removes it when it exits itself."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _EXITS],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    there, path = run.stdout.split()
    assert there == "True"
    assert not os.path.exists(path)
    assert not run.stderr


def test_a_child_of_a_child(shared: Shared) -> None:
    estate, target = shared.estate, shared.target("r1")

    def deeper() -> Any:
        with Wire(estate.address(), target) as wire:
            return wire.ask("name"), here().pid == os.getpid()

    assert in_child(lambda: in_child(deeper)) == ("r1", True)


def test_a_child_keeps_no_wire_of_others_open(shared: Shared) -> None:
    """It would if it had copies of the sockets."""
    wire = shared.connect("r1")
    child = Child(lambda child: child.wait())
    shared.estate.stop()
    assert wire.ends()
    child.go()
    child.result()


def test_nothing_is_started_for_nothing(runtime: Path) -> None:
    empty, forgotten = Estate(), Estate()
    forgotten.enroll(device())
    gc.collect()
    before = threading.active_count()
    said = in_child(lambda: str(_error(empty.address)))
    assert "does not listen" in said
    assert "share the testbed before" in said
    assert empty.broker is None
    assert forgotten.broker is None
    assert threading.active_count() == before


def test_what_was_stopped_stays_so_until_there_is_something_else_to_share(runtime: Path) -> None:
    estate, kept = Estate(), device()
    estate.enroll(kept)
    estate.stop()
    assert "does not listen" in in_child(lambda: str(_error(estate.address)))
    assert estate.broker is None
    another = device()
    target = Target("device", estate.enroll(another))

    def ask() -> Any:
        with Wire(estate.address(), target) as wire:
            return wire.ask("name")

    assert in_child(ask) == another.name
    assert estate.broker is not None
    estate.stop()


def test_a_fork_survives_a_broker_that_cannot_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder.chmod(0o700)
    (folder / "aioconn").mkdir()
    (folder / "aioconn").chmod(0o755)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    estate, kept = Estate(), device()
    estate.enroll(kept)
    said = in_child(lambda: str(_error(estate.address)))
    assert "others may look into" in said
    assert "cannot use the sessions" in caplog.text
    caplog.clear()
    (folder / "aioconn").rmdir()
    folder.rmdir()


def test_a_fork_in_the_middle_of_starting(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for long, and neither side is left with a lock that nobody holds."""
    monkeypatch.setattr(estates, "FORK_PATIENCE", 0.05)
    begun, go_on = threading.Event(), threading.Event()
    start = Broker.start

    estate, kept = Estate(), device()

    def slowly(self: Broker) -> None:
        if self.estate is estate:
            begun.set()
            go_on.wait(PATIENCE)
        start(self)

    monkeypatch.setattr(Broker, "start", slowly)
    target = Target("device", estate.enroll(kept))
    starter = threading.Thread(target=estate.address)
    starter.start()
    assert begun.wait(PATIENCE)
    started = time.monotonic()
    child = Child(lambda _: (str(_error(estate.address)), here().enroll(device())))
    assert time.monotonic() - started < PATIENCE
    said, key = child.result()
    assert "does not listen" in said
    assert key == 1
    go_on.set()
    starter.join(PATIENCE)
    monkeypatch.undo()
    with Wire(estate.address(), target) as wire:
        assert wire.ask("name") == "r1"
    estate.stop()


def test_forks_from_several_threads_while_wires_work(shared: Shared) -> None:
    estate, target = shared.estate, shared.target("r1")
    wire = shared.connect("r1")
    stop = threading.Event()
    wrong: list[object] = []

    def work() -> None:
        while not stop.is_set():
            if wire.call("execute", "show clock").command != "show clock":
                wrong.append("answer")

    def ask() -> Any:
        with Wire(estate.address(), target) as mine:
            return mine.ask("name")

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(10):
        if (said := in_child(ask)) != "r1":
            wrong.append(said)
    stop.set()
    worker.join(PATIENCE)
    assert not wrong
    assert wire.call("execute", "show clock")


def _error(function: Callable[[], object]) -> BaseException:
    with pytest.raises(BrokerGone) as caught:
        function()
    return caught.value
