# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io

import pytest

from aioconn.app import progress
from aioconn.app.progress import Tally
from aioconn.app.terminal import Screen
from aioconn.app.wording import causes, count, names, seconds, sentence
from aioconn.errors import ConnectTimeout, HostKeyUnknown, Phase
from aioconn.events import Opening, ServiceFinished, ServiceStarted


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def drawn(tally: Tally, width: int = 90) -> list[str]:
    screen = Screen(io.StringIO(), width=width, record=True)
    screen.print(tally)
    return [line.rstrip() for line in screen.export_text().splitlines()]


def test_it_counts_names_the_slow_and_guesses_the_rest(clock: Clock) -> None:
    tally = Tally(4)
    for name in ("r1", "r2", "r3"):
        tally.begin(name)
    assert drawn(tally)[0].endswith("0/4  0 ok  3 running  0 ms")
    clock.now += 2
    tally.finish("r1", ok=True)
    tally.on_event(Opening(device="r2", phase=Phase.AUTH))
    tally.on_event(ServiceStarted(device="r3", service="execute", what="show version"))
    tally.on_event(ServiceFinished(device="r1", service="execute", what="late"))
    lines = drawn(tally)
    assert lines[0].endswith("1/4  1 ok  2 running  2.0 s, about 6 s left")
    assert sorted(lines[1:]) == [
        "  waiting for r2  2.0 s  connecting (auth)",
        "  waiting for r3  2.0 s  show version",
    ]
    tally.finish("r2", ok=False)
    tally.finish("r3", ok=True)
    assert drawn(tally)[0].endswith("3/4  2 ok  1 failed  0 running  2.0 s, about 1 s left")
    clock.now += 3  # nobody knows how long somebody takes who takes longer than the others
    assert drawn(tally)[0].endswith("3/4  2 ok  1 failed  0 running  5.0 s")
    tally.stop()
    clock.now += 60
    assert tally.elapsed == 5


@pytest.mark.parametrize("width", [20, 40, 60, 79, 200])
def test_it_never_wraps(clock: Clock, width: int) -> None:
    tally = Tally(3000)
    for number in range(10):
        tally.begin(f"a-device-with-a-long-name-{number}")
    clock.now += 5000
    tally.finish("x", ok=False)
    lines = drawn(tally, width)
    assert len(lines) == 1 + progress.SHOWN
    assert max(map(len, lines)) < width


def test_words() -> None:
    assert (count(1, "device"), count(0, "device")) == ("1 device", "0 devices")
    assert [seconds(value) for value in (0.0004, 0.0123, 0.25, 7.04, 83.2)] == [
        "0 ms", "12 ms", "0.2 s", "7.0 s", "1:23 min",
    ]  # fmt: skip
    assert names(["a", "b", "c"], 2) == "a, b and 1 more"


def test_an_error_in_one_line() -> None:
    error = ConnectTimeout(
        "no\nsession", device="r1", path="cli", phase=Phase.TCP, seen="a\x1b[1m", hint="try"
    )
    assert sentence(error) == "ConnectTimeout [tcp] no; session; seen: 'a\\x1b[1m' -> try"
    assert sentence(HostKeyUnknown("new key", device="r1")) == "HostKeyUnknown [kex] new key"
    assert sentence(ValueError()) == "ValueError"
    assert sentence(OSError("disk\nfull")) == "OSError: disk; full"


def test_many_failures_are_told_by_what_they_are() -> None:
    failed: dict[str, BaseException] = {f"r{number}": ConnectTimeout("late") for number in range(8)}
    assert causes(failed) == "r0, r1, r2, r3, r4, r5, r6, r7"
    failed = {"r9": HostKeyUnknown("who is that"), **failed}
    assert causes(failed) == "8 ConnectTimeout of r0, r1, r2 and 5 more; 1 HostKeyUnknown of r9"
