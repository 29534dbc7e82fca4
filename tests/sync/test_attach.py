# SPDX-License-Identifier: Apache-2.0
"""Scripts that use the sessions of a daemon."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.broker.client import estate_of
from aioconn.errors import (
    AliasInUse,
    BrokerGone,
    CommandRejected,
    UnknownDevice,
    UsageError,
)
from aioconn.lab import Faults
from aioconn.sync import attach, fan_out
from aioconn.sync.served import Card, Claim, find, name_for, running
from tests.daemons import Daemons, Process
from tests.lab_thread import LabThread

pytestmark = pytest.mark.programs


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    with LabThread(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def ended(daemons: Daemons) -> Iterator[None]:
    """The wires of this process are closed, as a script's are by its end."""
    yield
    while cards:
        estate_of(cards.pop().address).close()


cards: list[Card] = []


def attached(name: str | None = None) -> Any:
    testbed = attach(name)
    cards.append(find(name))
    return testbed


@pytest.fixture
def daemon(lab: LabThread, daemons: Daemons) -> Process:
    for name in ("r1", "r2"):
        lab.add(name, protocols=["telnet"], commands={"show alpha": "one of {host}\n"})
    return daemons.serve("-t", lab.file)


def test_a_testbed_as_if_it_were_loaded(lab: LabThread, daemon: Process) -> None:
    with attached() as testbed:
        assert testbed.name == "lab"
        assert list(testbed.devices) == list(testbed) == ["r1", "r2"]
        r1 = testbed["r1"]
        assert (r1.name, r1.alias, r1.os, r1.connected) == ("r1", "r1", "iosxe", False)
        with pytest.raises(UnknownDevice, match="did you mean 'r1'"):
            testbed["r11"]
        r1.connect()
        assert r1.execute("show alpha") == "one of r1"
        with pytest.raises(CommandRejected) as caught:
            r1.execute("show nonsense")
        assert (caught.value.device, caught.value.command) == ("r1", "show nonsense")
        assert list(r1.connections) == ["default"]
        assert r1.default.via == "vty"
    assert lab["r1"].sessions == 1


def test_connecting_again_costs_nothing(lab: LabThread, daemon: Process) -> None:
    for _ in range(3):
        with attached() as testbed:
            first, again = testbed["r1"].connect(), testbed["r1"].connect()
            assert first == again
            assert testbed["r1"].connect(alias="pool", pool_size=2) == testbed["r1"].pool
            assert testbed["r1"].pool.execute("show alpha") == "one of r1"
            with pytest.raises(AliasInUse):
                testbed["r1"].connect(alias="pool", pool_size=3)
    assert lab["r1"].logins == 2


def test_leaving_closes_nothing_and_disconnecting_does(
    lab: LabThread, daemons: Daemons, daemon: Process
) -> None:
    with attached() as testbed, testbed["r1"] as r1:
        r1.execute("show alpha")
    assert lab["r1"].sessions == 1
    with attached() as testbed:
        assert testbed["r1"].connected
        testbed.disconnect()
        assert not testbed["r1"].connected
    assert lab.wait_for(lambda: lab["r1"].sessions == 0)


def test_work_on_all_devices(lab: LabThread, daemon: Process) -> None:
    with attached() as testbed:
        results = testbed.execute("show alpha")
        assert {name: str(result.value) for name, result in results.items()} == {
            "r1": "one of r1",
            "r2": "one of r2",
        }
        found = {result.device: str(result.value) for result in fan_out(testbed, "show alpha")}
        assert found == {"r1": "one of r1", "r2": "one of r2"}
        work = fan_out(testbed, lambda device: f"{device.name}: {device.execute('show alpha')}")
        assert sorted(str(result.value) for result in work) == ["r1: one of r1", "r2: one of r2"]
    assert lab.logins == 2


def test_threads(lab: LabThread, daemon: Process) -> None:
    with attached() as testbed:
        r1 = testbed["r1"]
        r1.connect(pool_size=3)
        said: list[str] = []
        threads = [
            threading.Thread(target=lambda: said.append(str(r1.execute("show alpha")))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert said == ["one of r1"] * 8
    assert 1 <= lab["r1"].logins <= 3


CHILDREN = """
import multiprocessing
from aioconn.sync import attach

if __name__ == "__main__":
    with attach() as testbed:
        testbed["r1"].connect()
        for how in ("fork", "spawn"):
            with multiprocessing.get_context(how).Pool(2) as workers:
                print(set(map(str, workers.map(testbed["r1"].execute, ["show alpha"] * 4))))
"""


def test_children_of_a_script(lab: LabThread, daemons: Daemons, daemon: Process) -> None:
    ran = daemons.script(CHILDREN)
    assert (ran.stdout, ran.stderr) == ("{'one of r1'}\n" * 2, "")
    assert lab["r1"].logins == 1


def test_two_scripts_wait_for_each_other(lab: LabThread, daemons: Daemons, daemon: Process) -> None:
    with attached() as testbed:
        testbed["r1"].connect()
        with testbed["r1"].exclusive():
            other = daemons.start(
                "-c",
                "from aioconn.sync import attach\n"
                "with attach() as testbed:\n"
                "    print('begins', flush=True)\n"
                "    print(testbed['r1'].execute('show alpha'), flush=True)\n",
            )
            assert daemons.line_of(other) == "begins\n"
            seen = lab.typed("alpha")
            assert testbed["r1"].execute("show alpha") == "one of r1"
            time.sleep(0.2)
            assert lab.typed("alpha") == seen + 1  # the other one waits
        out, err = other.communicate(timeout=30)
        assert (out, err) == ("one of r1\n", "")


def test_the_daemon_is_killed(lab: LabThread, daemons: Daemons, daemon: Process) -> None:
    lab["r1"].faults = Faults(hang_on="show beta")
    with attached() as testbed:
        testbed["r1"].connect()
        killer = threading.Timer(0.5, daemon.send_signal, [signal.SIGKILL])
        killer.start()
        with pytest.raises(BrokerGone) as caught:
            testbed["r1"].execute("show beta", timeout=60)
        killer.join()
        assert caught.value.hint
        assert str(daemon.pid) in str(caught.value)
        with pytest.raises(BrokerGone):
            testbed["r1"].execute("show alpha")
    with pytest.raises(UsageError, match="no daemon runs"):
        attach()


def test_which_one(lab: LabThread, daemons: Daemons, daemon: Process) -> None:
    daemons.serve("-t", lab.file, "--name", "other")
    with pytest.raises(UsageError, match="2 daemons run -> name one of them: lab, other"):
        attach()
    with pytest.raises(UsageError, match="no daemon 'othr' runs -> did you mean 'other'"):
        attach("othr")
    assert attached("other").name == "lab"
    assert attached("other") != attached("lab")
    daemons.end(daemon)
    assert attached() == attached("other")


# ---------------------------------------------------------------------- names and cards


def card(**values: Any) -> Card:
    known = {
        "name": "lab", "path": "/x/lab.sock", "token": b"\x01" * 32, "estate": "4711-00", "key": 1, "pid": 4711,
        "testbed": "lab", "source": "lab.yaml",
    }  # fmt: skip
    return Card(**{**known, **values})


def test_a_card_comes_back() -> None:
    assert Card.load(card().dump()) == card()
    assert "01010101" not in repr(card())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b"\xff\xfe",
        card().dump()[:-1],
        card().dump().replace(b"4711,", b'"4711",'),
        card().dump().replace(b'"key": 1', b'"key": true'),
        card().dump().replace(b"0101", b"zz01"),
    ],
)
def test_what_is_no_card(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of whatever kind
        Card.load(data)


@pytest.mark.parametrize(
    ("testbed", "name"),
    [("lab", "lab"), ("my lab/2", "my_lab_2"), ("2nd", "_2nd"), ("", "testbed"), ("x" * 80, "x" * 47)],
)
def test_names(testbed: str, name: str) -> None:
    assert name_for(testbed) == name


def test_a_name_comes_free(daemons: Daemons) -> None:
    first, second = Claim("lab"), Claim("lab")
    first.take()
    with pytest.raises(UsageError, match="a daemon 'lab' runs already"):
        second.take()
    first.publish(card())
    with pytest.raises(UsageError, match=r"runs already, process 4711, with lab\.yaml"):
        second.take()
    assert running() == []  # nobody listens
    first.release()
    first.release()
    for ending in ("token", "sock"):
        (daemons.private / f"lab.{ending}").write_text("of one that is dead")
    second.take()
    assert daemons.files == ["lab.lock"]
    second.release()
    assert daemons.files == []
