# SPDX-License-Identifier: Apache-2.0
"""`aioconn serve`: how it begins, what it says, how it ends; and `aioconn run --attach`."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aioconn.app.daemon import Daemon
from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.app.serve import status_of
from aioconn.broker.client import estate_of
from aioconn.broker.estate import Estate
from aioconn.broker.frames import Target
from aioconn.errors import BrokerGone
from aioconn.lab import Faults
from aioconn.sync.served import Claim, find
from aioconn.testbed.testbed import load
from tests.daemons import CONNECT, LISTENS, Aioconn, Daemons
from tests.lab_thread import LabThread

pytestmark = pytest.mark.programs

WAIT = CONNECT + "    input()\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabThread]:
    with LabThread(tmp_path) as running:
        yield running


def add(lab: LabThread, *names: str, **options: Any) -> None:
    for name in names or ("r1",):
        lab.add(name, protocols=["telnet"], commands={"show alpha": "one of {host}\n"}, **options)


# ---------------------------------------------------------------------- what it is for


def test_one_login_for_all_scripts(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    daemons.serve("-t", lab.file)
    for _ in range(3):
        ran = daemons.script(CONNECT)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "one of r1\n", "")
    assert lab["r1"].logins == 1
    assert lab["r1"].sessions == 1


def test_a_killed_script_leaves_its_session_usable(lab: LabThread, daemons: Daemons) -> None:
    add(lab, faults=Faults(hang_on="show beta"))
    daemons.serve("-t", lab.file)
    script = daemons.start("-c", CONNECT + "    r1.execute('show beta', timeout=60)\n")
    assert daemons.line_of(script) == "one of r1\n"
    assert lab.wait_for(lambda: lab.typed("beta") == 1)
    daemons.end(script, signal.SIGKILL)
    ran = daemons.script(CONNECT)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "one of r1\n", "")
    assert lab["r1"].sessions == 1


def test_the_script_of_the_page(lab: LabThread, daemons: Daemons) -> None:
    lab.add("r1", protocols=["telnet"])
    daemons.serve("-t", lab.file)
    page = Path(__file__).parents[2] / "docs" / "serve.md"
    (script,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ran = daemons.script(script)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Cisco IOS" in ran.stdout
    assert lab["r1"].sessions == 1


# ---------------------------------------------------------------------- names


def test_a_name_is_taken_once(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab)
    first = daemons.serve("-t", lab.file)
    second = aioconn_here("serve", "-t", lab.file)
    assert (second.returncode, second.stdout) == (Exit.USAGE, "")
    assert f"a daemon 'lab' runs already, process {first.pid}, with {lab.file}" in second.stderr
    assert "--stop --name lab" in second.stderr
    assert daemons.script(CONNECT).stdout == "one of r1\n"
    daemons.serve("-t", lab.file, "--name", "other")
    assert daemons.files == [f"{name}.{it}" for name in ("lab", "other") for it in ("lock", "sock", "token")]


def test_what_a_dead_one_left_is_taken_over(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab)
    daemons.end(daemons.serve("-t", lab.file), signal.SIGKILL)
    assert daemons.files == ["lab.lock", "lab.sock", "lab.token"]
    assert aioconn_here("serve", "--status").returncode == Exit.FAILED
    assert daemons.script(CONNECT).returncode == 1
    daemons.serve("-t", lab.file)
    assert daemons.script(CONNECT).stdout == "one of r1\n"


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "4711-x", "a b", "x" * 49, "ä"])
def test_what_cannot_be_a_name(lab: LabThread, name: str, capsys: Any) -> None:
    add(lab)
    assert main(["serve", "-t", str(lab.file), f"--name={name}"]) == Exit.USAGE
    assert "cannot be the name of a daemon" in capsys.readouterr().err


def test_a_testbed_may_be_called_anything(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    other = lab.file.with_name("2. Stück.yaml")
    other.write_text(yaml.safe_dump({"devices": lab.testbed()["devices"]}))
    daemons.serve("-t", other)
    assert "_2._St_ck.token" in daemons.files
    assert daemons.script(CONNECT).stdout == "one of r1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a testbed: aioconn serve -t FILE"),
        (["-t", "missing.yaml"], "no such file"),
        (["--json", "-t", "x"], "--json belongs to --status"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: Any) -> None:
    assert main(["serve", *arguments]) == Exit.USAGE
    assert said in capsys.readouterr().err


# ---------------------------------------------------------------------- the end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_everything(
    lab: LabThread, daemons: Daemons, number: int, aioconn_here: Aioconn
) -> None:
    add(lab, "r1", "r2")
    daemon = daemons.serve("-t", lab.file)
    aioconn_here("run", "--attach", "show alpha")
    assert lab.sessions == 2
    _, err = daemons.end(daemon, number)
    assert daemon.returncode == Exit.OK
    assert "closing 2 sessions" in err
    assert "Traceback" not in err
    assert lab.wait_for(lambda: lab.sessions == 0)
    assert lab.typed("exit") + lab.typed("quit") + lab.typed("logout") >= 2
    assert daemons.files == []


def test_one_that_hangs_does_not_hold_the_end(lab: LabThread, daemons: Daemons) -> None:
    add(lab, faults=Faults(hang_on="show beta|exit|quit|logout"))
    daemon = daemons.serve("-t", lab.file)
    script = daemons.start("-c", CONNECT + "    r1.execute('show beta', timeout=60)\n")
    assert lab.wait_for(lambda: lab.typed("beta") == 1, 20)
    daemons.end(daemon)
    assert daemon.returncode == Exit.OK
    _, err = script.communicate(timeout=20)
    assert script.returncode == 1
    assert "BrokerGone" in err.splitlines()[-1]
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_it_ends_when_nobody_comes(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    daemon = daemons.serve("-t", lab.file, "--idle", "0.2")
    _, err = daemon.communicate(timeout=20)
    assert (daemon.returncode, err) == (Exit.OK, "nobody was attached for 0.2 s: closing 0 sessions\n")
    assert daemons.files == []


async def test_it_ends_when_the_last_one_has_left(
    lab: LabThread, daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(lab)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(daemons.runtime))
    testbed = load(lab.file, loop="shared")
    async with Daemon(testbed, Claim("lab"), idle=0.3, estate=Estate()) as daemon:
        await testbed["r1"].connect()
        script = estate_of(daemon.broker.address)
        await asyncio.to_thread(script.ask, Target("broker"), "statistics")
        ended = asyncio.create_task(daemon.ended())
        done, _ = await asyncio.wait({ended}, timeout=0.6)
        assert not done  # somebody is attached
        assert daemon.status().idle == 0
        left = time.monotonic()
        script.close()
        assert await asyncio.wait_for(ended, 20) == "nobody was attached for 0.3 s"
        assert time.monotonic() - left > 0.25
        assert lab.sessions == 1
    assert lab.wait_for(lambda: lab.sessions == 0)
    assert daemons.files == []


async def test_asking_for_the_status_is_no_use(
    lab: LabThread, daemons: Daemons, aioconn_here: Aioconn
) -> None:
    add(lab)
    async with Daemon(load(lab.file, loop="shared"), Claim("lab"), idle=0.5, estate=Estate()) as daemon:
        ended = asyncio.create_task(daemon.ended())
        deadline = time.monotonic() + 20
        seen = []
        while not ended.done() and time.monotonic() < deadline:
            with contextlib.suppress(BrokerGone):
                seen.append((await asyncio.to_thread(status_of, find("lab"))).idle)
        assert ended.done()
    assert len(seen) > 1
    assert seen == sorted(seen)


def test_stop(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab)
    daemon = daemons.serve("-t", lab.file)
    daemons.script(CONNECT)
    ran = aioconn_here("serve", "--stop")
    assert (ran.returncode, ran.stdout) == (Exit.OK, f"lab: process {daemon.pid} has ended\n")
    assert lab.wait_for(lambda: lab.sessions == 0)
    assert daemons.files == []
    ran = aioconn_here("serve", "--stop")
    assert (ran.returncode, ran.stdout, ran.stderr) == (Exit.FAILED, "", "aioconn: no daemon runs\n")


def test_stop_wants_to_know_which(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab)
    first, second = (daemons.serve("-t", lab.file, "--name", name) for name in ("one", "two"))
    ran = aioconn_here("serve", "--stop")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "2 daemons run -> name one of them: one, two" in ran.stderr
    assert aioconn_here("serve", "--stop", "--name", "three").returncode == Exit.FAILED
    assert aioconn_here("serve", "--stop", "--name", "two").returncode == Exit.OK
    assert (first.poll(), second.wait(5)) == (None, Exit.OK)


# ---------------------------------------------------------------------- what it says


def test_status(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab, "r1", "r2")
    daemon = daemons.serve("-t", lab.file)
    script = daemons.start("-c", WAIT, stdin=subprocess.PIPE)
    assert daemons.line_of(script) == "one of r1\n"
    value: dict[str, Any] = {}

    def nothing_is_under_way() -> (
        bool
    ):  # the script has its answer a moment before the daemon has ended the call
        value.update(json.loads(aioconn_here("serve", "--status", "--json").stdout))
        return not any(process["busy"] for process in value["processes"])

    assert lab.wait_for(nothing_is_under_way)
    assert set(value) == {
        "name", "pid", "testbed", "file", "socket", "started", "idle", "idle_limit",
        "devices", "connected", "sessions", "calls", "processes",
    }  # fmt: skip
    assert (value["name"], value["pid"], value["file"]) == ("lab", daemon.pid, str(lab.file))
    assert (value["devices"], value["connected"], value["sessions"]) == (2, 1, 1)
    assert [(process["pid"], process["busy"]) for process in value["processes"]] == [(script.pid, None)]
    text = aioconn_here("serve", "--status").stdout
    assert text.startswith(
        f"lab: process {daemon.pid} holds the sessions of 2 devices, at {daemons.private}/lab.sock"
    )
    assert "1 session on 1/2 devices" in text
    assert f"{script.pid}" in text
    script.communicate("\n")


def test_no_status(daemons: Daemons, aioconn_here: Aioconn) -> None:
    ran = aioconn_here("serve", "--status", "--json")
    assert (ran.returncode, ran.stdout, ran.stderr) == (Exit.FAILED, "", "aioconn: no daemon runs\n")


def test_lines_in_a_pipe(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    daemon = daemons.serve("-t", lab.file)
    script = daemons.start("-c", WAIT, stdin=subprocess.PIPE)
    assert daemons.line_of(script) == "one of r1\n"
    script.communicate("\n")
    out = daemons.line_of(daemon)
    while f"{script.pid}" not in out.splitlines()[-1] or "left" not in out.splitlines()[-1]:
        line = daemons.line_of(daemon)
        assert line, out
        out += line
    out += daemons.end(daemon)[0]
    assert re.search(rf"^\d\d:\d\d:\d\d process {script.pid} \(.*\) attached$", out, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d r1 via vty: connected in ", out, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d r1 via vty: closed$", out, re.MULTILINE)
    assert "\x1b" not in out


def test_nobody_has_to_read_the_lines(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    daemon = daemons.serve("-t", lab.file)
    assert daemon.stdout is not None
    daemon.stdout.close()
    for _ in range(2):
        assert daemons.script(CONNECT).stdout == "one of r1\n"
    daemon.terminate()
    assert daemon.wait(20) == Exit.OK


def test_on_a_terminal(lab: LabThread, daemons: Daemons) -> None:
    add(lab, faults=Faults(hang_on="show beta"))
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with os.fdopen(ours, "rb", buffering=0) as screen:
        daemon = daemons.start("-m", "aioconn", "serve", "-t", lab.file, **streams)
        os.close(theirs)
        drawn = read_until(
            screen, "0 processes, 0 busy, 0 calls so far; 0 sessions on 0/1 device; idle 0 s of 1800 s"
        )
        assert f"lab: process {daemon.pid} holds the sessions of 1 device, at " in drawn
        script = daemons.start("-c", CONNECT + "    r1.execute('show beta', timeout=60)\n")
        read_until(screen, "1 process, 1 busy", "1 session on 1/1 device", f"  {script.pid}  -c  ", "execute")
        daemon.send_signal(signal.SIGINT)
        drawn = read_until(screen, "Interrupt: closing 1 session")
        assert "\x1b[?25h" in drawn  # the cursor is back
        assert daemon.wait(20) == Exit.OK
    script.communicate(timeout=20)
    assert script.returncode == 1


CODES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_until(screen: Any, *texts: str) -> str:
    """What is drawn, until all the texts have been."""
    drawn = ""
    until = time.monotonic() + 20
    while not all(text in drawn for text in texts):
        assert time.monotonic() < until, drawn
        if select.select([screen], [], [], 1)[0]:
            drawn = CODES.sub("", drawn + screen.read(65536).decode())
    return drawn


# ---------------------------------------------------------------------- in the background


def test_in_the_background(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab)
    ran = daemons.aioconn("serve", "-t", lab.file, "--background")
    assert (ran.returncode, ran.stderr) == (Exit.OK, "")
    found = LISTENS.fullmatch(ran.stdout)
    assert found is not None
    pid = int(found["pid"])
    try:
        assert os.getsid(pid) == pid  # a terminal that is closed does not end it
        assert daemons.script(CONNECT).stdout == "one of r1\n"
        again = daemons.aioconn("serve", "-t", lab.file, "--background")
        assert (again.returncode, again.stdout) == (Exit.USAGE, "")
        assert f"a daemon 'lab' runs already, process {pid}" in again.stderr
    finally:
        assert aioconn_here("serve", "--stop").returncode == Exit.OK
    assert lab.wait_for(lambda: lab.sessions == 0)


def test_what_is_wrong_in_the_background_is_told(daemons: Daemons, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("devices: [r1]\n")
    ran = daemons.aioconn("serve", "-t", "bad.yaml", "--background")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "bad.yaml:1:" in ran.stderr
    daemons.private.mkdir(mode=0o755)
    daemons.private.chmod(0o755)
    (tmp_path / "good.yaml").write_text(
        "devices: {r1: {os: iosxe, connections: {cli: {protocol: ssh, ip: 192.0.2.1}}}}\n"
    )
    ran = daemons.aioconn("serve", "-t", "good.yaml", "--background")
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "others may look into the folder" in ran.stderr


# ---------------------------------------------------------------------- who may come in


STRANGER = """
import json, os, socket, sys
from aioconn.broker.frames import Inbox
from aioconn.broker.handshake import greet
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
card = json.loads(sys.argv[1])
with socket.socket(socket.AF_UNIX) as wire:
    wire.connect(card["path"])
    wire.settimeout(10)
    try:
        greet(wire, Inbox("client"), bytes.fromhex(card["token"]), None)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_another_user_stays_outside(lab: LabThread, daemons: Daemons, aioconn_here: Aioconn) -> None:
    add(lab)
    daemon = daemons.serve("-t", lab.file)
    card = (daemons.private / "lab.token").read_text()
    assert (daemons.private / "lab.token").stat().st_mode & 0o777 == 0o600
    daemons.runtime.chmod(0o755)
    ran = daemons.run("-c", STRANGER, card)
    assert "PermissionError" in ran.stderr
    # even if the folder were open
    daemons.private.chmod(0o755)
    (daemons.private / "lab.sock").chmod(0o666)
    ran = daemons.run("-c", STRANGER, card)
    assert ran.stdout in ("BrokerRefused\n", "BrokerGone\n"), ran.stderr
    daemons.private.chmod(0o700)
    said = json.loads(aioconn_here("serve", "--status", "--json").stdout)
    assert said["calls"] == 1  # the one that asked
    assert daemon.poll() is None


def test_a_wrong_token_stays_outside(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    daemons.serve("-t", lab.file)
    card = daemons.private / "lab.token"
    values = json.loads(card.read_text())
    good = card.read_text()
    card.write_text(json.dumps({**values, "token": "00" * 32}))
    ran = daemons.script(CONNECT)
    assert ran.returncode == 1
    assert "BrokerRefused" in ran.stderr.splitlines()[-1]
    card.write_text(good)
    card.chmod(0o644)  # anybody could have written, or read, it
    assert "no daemon runs" in daemons.script(CONNECT).stderr
    card.chmod(0o600)
    assert daemons.script(CONNECT).stdout == "one of r1\n"


def test_garbage_does_not_end_it(lab: LabThread, daemons: Daemons) -> None:
    add(lab)
    daemons.serve("-t", lab.file)
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 5000, b"\x00\x00\x00\x01\xc1"):
        with socket.socket(socket.AF_UNIX) as wire:
            wire.connect(str(daemons.private / "lab.sock"))
            wire.sendall(data)
            wire.shutdown(socket.SHUT_WR)
            wire.settimeout(10)
            try:
                while wire.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    assert daemons.script(CONNECT).stdout == "one of r1\n"
