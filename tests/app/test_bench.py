# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from aioconn.app import samples
from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.app.samples import WAITING, Stopwatch, percentile
from aioconn.errors import Phase
from aioconn.events import Closed, Opened, Opening
from aioconn.lab import Faults


def test_a_phase_lasts_until_the_next_and_may_come_again() -> None:
    watch = Stopwatch(10.0)
    for at, phase in ((11, Phase.TCP), (13, Phase.KEX), (14, Phase.TCP), (17, Phase.PROMPT)):
        watch.on_event(Opening(device="r1", at=at, phase=phase))
    watch.on_event(Closed(device="r1", at=18))
    watch.on_event(Opened(device="r1", path="mgmt", at=19, elapsed=9))
    watch.on_event(Opening(device="r1", at=30, phase=Phase.CLOSE))
    assert watch.took == {WAITING: 1, "tcp": 5, "kex": 1, "prompt": 2}
    assert list(watch.took) == [WAITING, "tcp", "kex", "prompt"]
    assert watch.path == "mgmt"


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [([], 50, None), ([3], 99, 3), ([1, 2, 3, 4], 50, 3), (range(1, 201), 99, 199)],
)
def test_percentiles(values: Any, percent: float, found: float | None) -> None:
    assert percentile(values, percent) == found


def test_what_is_measured_of_each_device(lab: Any, capsys: Any) -> None:
    lab.add("r1")
    lab.add("r2", protocols=["telnet"], personality="linux")
    assert main(["bench", "-t", str(lab.file), "--json", "--count", "3", "--rounds", "2"]) == Exit.OK
    found = capsys.readouterr()
    *devices, last = map(json.loads, found.out.splitlines())
    phases = {
        "r1": {WAITING, "tcp", "kex", "auth", "shell", "prompt"},
        "r2": {WAITING, "tcp", "login", "prompt"},
    }
    assert {one["device"] for one in devices} == set(phases)
    for one in devices:
        assert set(one["phases"]) == phases[one["device"]]
        assert sum(one["phases"].values()) <= one["connect"] + 1e-5
        assert (one["ok"], one["error"], one["second_error"], one["commands"]) == (True, None, None, 6)
        assert 0 < one["p50"] <= one["p99"]
        assert min(one["second"], one["close"]) > 0
    assert next(one["command"] for one in devices if one["device"] == "r1") == "!aioconn"
    assert last["fan_out"] | {"wall": 0, "cpu": 0} == {
        "devices": 2,
        "ok": 2,
        "limit": 100,
        "wall": 0,
        "cpu": 0,
    }
    assert found.err.startswith("4 devices: 4 ok in ")
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_lines_in_a_pipe(lab: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(samples, "SECOND_TIMEOUT", 0.3)
    lab.add("r1", commands={"show alpha": "one\n"}, max_vty=1)
    lab.add("r2", faults=Faults(wrong_password=True))
    code = main(["bench", "-t", str(lab.file), "--command", "show alpha", "--count", "1"])
    assert code == Exit.FAILED
    found = capsys.readouterr()
    first, last = found.out.splitlines()
    number = r"[\d.,]+"
    assert re.match(
        rf"r1: connect {number} ms \((?:waiting {number}, )?tcp {number}, kex .*\);"
        rf" 1 command p50 {number} ms, p99 {number} ms; second session refused: .*; close {number} ms$",
        first,
    )
    assert last.startswith("fan-out: 1 device, 1 ok, at most 100 at once, in ")
    assert "r2: AuthenticationFailed [auth] " in found.err
    assert "2 devices: 1 ok, 1 failed in " in found.err


def test_a_device_that_bears_one_session_is_not_asked_for_two(lab: Any, capsys: Any) -> None:
    lab.add("r1")
    connections = "    connections:\n"
    text = lab.file.read_text()
    lab.file.write_text(text.replace(connections, f"{connections}      defaults: {{max_sessions: 1}}\n", 1))
    assert main(["bench", "-t", str(lab.file), "--json", "--count", "1"]) == Exit.OK
    one = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (one["ok"], one["second"], one["second_error"]) == (True, None, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--via", "rest"], "the path 'rest' of r1 is no command line"),
        (["--via", "nowhere"], "no device has a path 'nowhere'"),
        (["--devices", "r9"], "no device matches 'r9'"),
        (["--count", "0"], "'0' is not a whole number above 0"),
        (["--command", " "], "an empty command"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is_touched(
    arguments: list[str], said: str, lab: Any, capsys: Any
) -> None:
    served = lab.add("r1", protocols=["ssh", "http"])
    assert main(["bench", "-t", str(lab.file), *arguments]) == Exit.USAGE
    found = capsys.readouterr()
    assert said in found.err
    assert not found.out
    assert served.sessions == 0


@pytest.mark.programs
def test_an_interrupt_shows_what_there_is(lab: Any, environment: dict[str, str]) -> None:
    lab.add("r1", faults=Faults(hang_on="show alpha"), commands={"show alpha": "one\n"})
    process = subprocess.Popen(
        [sys.executable, "-m", "aioconn", "bench", "-t", str(lab.file), "--command", "show alpha"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert lab.wait_for(lambda: lab.sessions == 1, timeout=20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == Exit.INTERRUPTED
    assert not out
    assert "1 device: 0 ok, 1 not finished" in err
    assert lab.wait_for(lambda: lab.sessions == 0)
