# SPDX-License-Identifier: Apache-2.0
"""Scripts that end in all ways that there are, with sessions open."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aioconn.lab import Faults
from aioconn.lab.proxy import Proxy
from aioconn.lab.weather import Ending, Weather
from tests.lab_thread import LabThread

pytestmark = pytest.mark.programs

ROOT = Path(__file__).resolve().parents[2]

IN_ALL = 2.5
"""Seconds that closing may take."""

MACHINE = 3.0
"""Seconds that a busy machine may add to them."""

PATIENCE = 2.0
"""Seconds that an interrupted call may take to bring its session back."""

BEGINNING = """
import atexit, os, signal, sys, threading, time

before = []  # what was registered before the library was imported comes after what that does at the end
atexit.register(lambda: [function() for function in before])

from aioconn.sync import load

testbed = load(sys.argv[1])
r1 = testbed["r1"]
"""

CONNECTED = """
r1.connect(pool_size=2)
assert "Version" in r1.execute("show version")
"""


class Script:
    """A process that runs a script on the lab's testbed; it prints "ready" before it comes to its end."""

    def __init__(self, lab: LabThread, runtime: Path, *text: str, first: str = "") -> None:
        self.lab = lab
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment["PYTHONPATH"] = str(ROOT)
        environment["HOME"], environment["XDG_RUNTIME_DIR"] = str(lab.file.parent), str(runtime)
        script = lab.file.with_name("script.py")
        script.write_text(
            BEGINNING.replace("import atexit", f"{first}\nimport atexit")
            + "\n".join(map(textwrap.dedent, text))
        )
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", str(script), str(lab.file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.out = self.err = ""

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ready(self) -> None:
        line = self.line()
        assert line == "ready\n", line + "".join(self.process.communicate(timeout=20))

    def go_on(self) -> None:
        """Let it read a line."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ends(self, code: int, *, says: str = "", within: float = IN_ALL + MACHINE, seen: bool = True) -> None:
        """It ends by itself and in time, and says nothing but `says`; the devices see that it is gone."""
        try:
            self.out, self.err = self.process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.out, self.err = self.process.communicate()
            pytest.fail(f"it hangs: {self.err}")
        assert self.process.returncode == code, self.err
        last = self.err.rstrip().rpartition("\n")[2]
        assert last == says, self.err
        devices = self.lab.lab.devices.values()
        if seen:
            assert self.lab.wait_for(lambda: not any(device.connections for device in devices))
            assert not self.lab.sessions

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def run(lab: LabThread, runtime: Path) -> Iterator[Callable[..., Script]]:
    scripts: list[Script] = []

    def run(*text: str, first: str = "") -> Script:
        scripts.append(Script(lab, runtime, *text, first=first))
        return scripts[-1]

    yield run
    for script in scripts:
        script.close()


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
def test_the_last_line(lab: LabThread, run: Any, protocol: str) -> None:
    lab.add("r1", protocols=(protocol,))
    script = run(CONNECTED, "print('ready', flush=True)")
    script.ready()
    script.ends(0)


def test_a_goodbye_is_said(lab: LabThread, run: Any) -> None:
    """The devices see the end while the process still lives: nothing is left to the system."""
    lab.add("r1", protocols=("ssh",))
    lab.add("r2", protocols=("telnet",))
    script = run(
        CONNECTED,
        """
        import aioconn.sync.exit
        testbed["r2"].connect()

        def linger():
            print("ready", flush=True)
            sys.stdin.read()

        before.append(linger)
        """,
    )
    script.ready()
    assert lab.wait_for(lambda: not lab.sessions)
    assert script.process.poll() is None
    script.ends(0)


def test_a_goodbye_is_said_to_devices_that_nobody_has_asked_for(lab: LabThread, run: Any) -> None:
    lab.add_many([f"r{number}" for number in range(1, 7)], protocols=("telnet",))
    script = run(
        """
        testbed = load(sys.argv[1])
        del r1
        testbed.connect().raise_for_errors()

        def linger():
            print("ready", flush=True)
            sys.stdin.read()

        before.append(linger)
        """
    )
    script.ready()
    assert lab.wait_for(lambda: not lab.sessions)
    script.ends(0)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("sys.exit(3)", 3),
        ("threading.Thread(target=sys.exit, args=(4,)).start()", 0),
        ("raise SystemExit", 0),
    ],
)
def test_system_exit(lab: LabThread, run: Any, end: str, code: int) -> None:
    lab.add("r1", protocols=("telnet",))
    script = run(CONNECTED, "print('ready', flush=True)\n" + end)
    script.ready()
    script.ends(code)


def test_an_exception_that_nobody_catches(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("telnet",))
    script = run(CONNECTED, "print('ready', flush=True)\nraise RuntimeError('mine')")
    script.ready()
    script.ends(1, says="RuntimeError: mine")
    assert script.err.count("Traceback") == 1


@pytest.mark.parametrize("where", ["time.sleep(60)", "r1.execute('show clock', timeout=60)"])
def test_control_c(lab: LabThread, run: Any, where: str) -> None:
    lab.add("r1", protocols=("ssh",), faults=Faults(hang_on="show clock"))
    script = run(CONNECTED, "print('ready', flush=True)\n" + where)
    script.ready()
    if "clock" in where:
        assert lab.wait_for(lambda: lab.typed("show clock") > 0)
    script.interrupt()
    script.ends(-signal.SIGINT, says="KeyboardInterrupt", within=PATIENCE + IN_ALL + MACHINE)
    assert script.err.count("Traceback") == 1


def test_a_second_control_c_waits_for_nothing(lab: LabThread, run: Any) -> None:
    """Nothing arrives at the device any more, and the goodbye would take a minute."""
    lab.add("r1", protocols=("ssh",))
    with black_hole(lab) as swallow:
        script = run(
            CONNECTED,
            """
            from aioconn.sync import exit
            exit.POLITE = 60
            print("ready", flush=True)
            sys.stdin.readline()
            print("ends", flush=True)
            """,
        )
        script.ready()
        swallow()
        script.go_on()
        assert script.line() == "ends\n"
        time.sleep(0.5)
        assert script.process.poll() is None
        script.interrupt()
        script.ends(0, seen=False)


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
def test_a_device_that_has_vanished(lab: LabThread, run: Any, protocol: str) -> None:
    """Packets get lost in both directions, and neither side hears of an end."""
    lab.add("r1", protocols=(protocol,))
    lab.add("r2", protocols=("telnet",))
    with black_hole(lab) as swallow:
        script = run(
            CONNECTED,
            """
            testbed["r2"].connect()
            print("ready", flush=True)
            sys.stdin.readline()
            """,
        )
        script.ready()
        swallow()
        script.go_on()
        script.ends(0, seen=False)


def test_a_device_that_answers_nothing(lab: LabThread, run: Any) -> None:
    """A command hangs there when the script ends, and the terminal of the device reads no more."""
    device = lab.add("r1", protocols=("ssh",), faults=Faults(hang_on="show clock"), interrupt="ignored")
    script = run(
        CONNECTED,
        """
        def ask():
            try:
                r1.execute("show clock", timeout=60)
            except BaseException as error:
                print(type(error).__name__, flush=True)

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(2)]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        sys.stdin.readline()
        before.append(lambda: [thread.join(5) for thread in threads])
        """,
    )
    script.ready()
    assert lab.wait_for(lambda: lab.typed("show clock") == 2)
    script.go_on()
    script.ends(0)
    assert device.sessions == 0
    errors = script.out.split()
    assert len(errors) == 2
    assert set(errors) <= {"SessionClosed", "PoolClosed"}


def test_threads_that_wait_for_a_session_hear_of_the_end(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("telnet",))
    script = run(
        """
        r1.connect(pool_size=1)
        taken = threading.Event()

        def keep():
            with r1["default"].acquire():
                taken.set()
                time.sleep(60)

        threading.Thread(target=keep, daemon=True).start()
        taken.wait()

        def ask():
            try:
                r1.execute("show clock", timeout=60)
            except BaseException as error:
                print(type(error).__name__, flush=True)

        threads = [threading.Thread(target=ask, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        sys.stdin.readline()
        before.append(lambda: [thread.join(5) for thread in threads])
        """
    )
    script.ready()
    time.sleep(0.2)
    script.go_on()
    script.ends(0)
    assert script.out.split() == ["PoolClosed"] * 3


def test_other_threads_finish_first(lab: LabThread, run: Any) -> None:
    """The last line of the main script is not the end of what its threads do."""
    lab.add("r1", protocols=("telnet",))
    script = run(
        CONNECTED,
        """
        def work():
            for _ in range(5):
                time.sleep(0.05)
                assert "UTC" in r1.execute("show clock")
            print("done", flush=True)

        threading.Thread(target=work).start()
        print("ready", flush=True)
        """,
    )
    script.ready()
    script.ends(0)
    assert script.out == "done\n"


def test_a_login_under_way(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("telnet",), faults=Faults(silent=True))
    script = run(
        """
        threading.Thread(target=r1.connect, daemon=True).start()
        print("ready", flush=True)
        sys.stdin.readline()
        threading.excepthook = lambda told: None  # a thread that prints when all ends may keep Python from ending
        """
    )
    script.ready()
    assert lab.wait_for(lambda: lab.sessions == 1)
    script.go_on()
    script.ends(0)


@pytest.mark.parametrize("work", ["'show clock'", "lambda device: device.execute('show clock')"])
def test_a_fan_out_under_way(lab: LabThread, run: Any, work: str) -> None:
    """It is left in the middle by somebody who keeps it, and goes on when the end comes."""
    lab.add_many([f"d{number}" for number in range(12)], protocols=("telnet",))
    lab.add("r1", protocols=("telnet",))
    for number in range(1, 12):
        lab[f"d{number}"].faults = Faults(hang_on="show clock")
    script = run(
        f"""
        from aioconn.sync import fan_out
        devices = [device for name, device in testbed.devices.items() if name != "r1"]
        results = fan_out(devices, {work}, timeout=60, limit=4)
        assert next(results).device == "d0"
        print("ready", flush=True)
        """
    )
    script.ready()
    script.ends(0)
    assert sum(device.logins for device in lab.lab.devices.values()) <= 1 + 4


def test_a_forked_child_leaves_the_parents_sessions_alone(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("ssh",))
    lab.add("r2", protocols=("telnet",))
    script = run(
        CONNECTED,
        """
        testbed["r2"].connect()
        pid = os.fork()
        if not pid:
            from aioconn.sync import exit
            exit.POLITE = 60  # it would wait so long for what is the parent's
            sys.exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        for _ in range(3):
            assert "Version" in r1.execute("show version")
            assert "UTC" in testbed["r2"].execute("show clock")
        print("ready", flush=True)
        sys.stdin.readline()
        """,
    )
    script.ready()
    assert lab.sessions == 2
    assert lab.logins == 2
    script.go_on()
    script.ends(0)


@pytest.mark.parametrize("first", ["", "import multiprocessing.util"])
def test_other_processes_finish_first(lab: LabThread, run: Any, first: str) -> None:
    """Those that the script does not wait for, whichever of us was imported before the other."""
    lab.add("r1", protocols=("telnet",))
    script = run(
        CONNECTED,
        """
        import multiprocessing

        def work():
            for _ in range(5):
                time.sleep(0.05)
                assert "UTC" in r1.execute("show clock")
            print("done", flush=True)

        def wait():
            r1.execute("show clock")
            time.sleep(60)

        context = multiprocessing.get_context("fork")
        context.Process(target=work).start()
        context.Process(target=wait, daemon=True).start()
        print("ready", flush=True)
        """,
        first=first,
    )
    script.ready()
    script.ends(0)
    assert script.out == "done\n"


@pytest.mark.parametrize("how", ["Pool", "Manager", "ProcessPoolExecutor"])
@pytest.mark.parametrize(
    "first", ["", pytest.param("import multiprocessing.pool", marks=pytest.mark.processes)]
)
def test_processes_that_somebody_else_ends(lab: LabThread, run: Any, how: str, first: str) -> None:
    """A script leaves them open, and who made them has an order of its own for their end."""
    lab.add("r1", protocols=("telnet",))
    script = run(
        CONNECTED,
        f"""
        import multiprocessing, warnings
        from concurrent.futures import ProcessPoolExecutor

        warnings.filterwarnings("ignore", message="unclosed running multiprocessing pool")
        context = multiprocessing.get_context("fork")
        if {how!r} == "Pool":
            kept = context.Pool(3)
            assert len(kept.map(r1.execute, ["show clock"] * 6)) == 6
        elif {how!r} == "Manager":
            kept = context.Manager()
            kept.dict()["now"] = str(r1.execute("show clock"))
        else:
            kept = ProcessPoolExecutor(2, mp_context=context)
            assert len(list(kept.map(r1.execute, ["show clock"] * 6))) == 6
        print("ready", flush=True)
        """,
        first=first,
    )
    script.ready()
    script.ends(0)


def test_children_that_nobody_waits_for_hear_of_the_end(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("telnet",), faults=Faults(hang_on="show clock"))
    script = run(
        CONNECTED,
        """
        if not os.fork():
            try:
                r1.execute("show clock", timeout=60)
            except BaseException as error:
                print(type(error).__name__, flush=True)
            finally:
                os._exit(0)
        print("ready", flush=True)
        sys.stdin.readline()
        """,
    )
    script.ready()
    assert lab.wait_for(lambda: lab.typed("show clock") > 0)
    script.go_on()
    script.ends(0)
    assert script.out == "BrokerGone\n"


@pytest.mark.parametrize("how", ["fork", "Process"])
def test_a_child_closes_what_it_has_opened_itself(lab: LabThread, run: Any, how: str) -> None:
    lab.add("r1", protocols=("ssh",))
    lab.add("r2", protocols=("telnet",))
    script = run(
        CONNECTED,
        f"""
        import multiprocessing

        def child():
            own = load(sys.argv[1])
            own["r2"].connect()
            assert "UTC" in own["r2"].execute("show clock")

        if {how!r} == "fork":
            pid = os.fork()
            if not pid:
                child()
                sys.exit(7)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        else:
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.join()
            assert process.exitcode == 0
        assert "Version" in r1.execute("show version")
        print("ready", flush=True)
        sys.stdin.readline()
        """,
    )
    script.ready()
    assert lab.wait_for(lambda: lab.sessions == 1)
    script.go_on()
    script.ends(0)


def test_a_slow_name_server_does_not_hold_it(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("telnet",))
    script = run(
        CONNECTED,
        """
        import socket
        from aioconn.sync import device

        real = socket.getaddrinfo

        def getaddrinfo(host, *arguments, **options):
            if host == "slow.example":
                print("ready", flush=True)
                time.sleep(20)
            return real(host, *arguments, **options)

        socket.getaddrinfo = getaddrinfo

        def connect():
            try:
                device("telnet://admin@slow.example", os="iosxe", password="admin").connect()
            except BaseException as error:
                print(type(error).__name__, flush=True)

        threading.Thread(target=connect, daemon=True).start()
        sys.stdin.readline()
        """,
    )
    script.ready()
    script.go_on()
    script.ends(0)


def test_a_script_that_opens_nothing(lab: LabThread, run: Any) -> None:
    lab.add("r1", protocols=("telnet",))
    script = run("print('ready', flush=True)")
    script.ready()
    script.ends(0)


@contextmanager
def black_hole(lab: LabThread) -> Iterator[Callable[[], None]]:
    """All connections to r1 go through a proxy that swallows everything once the given function is called."""
    port = lab["r1"].ssh_port or lab["r1"].telnet_port or 0
    proxy = lab.call(started(Proxy("127.0.0.1", port)))
    lab.file.write_text(json.dumps(proxy.through(lab.testbed())))
    gone = Weather(end=Ending.BLACK_HOLE)

    def swallow() -> None:
        proxy.to_client = proxy.to_server = gone

    try:
        yield lambda: lab.call(plainly(swallow))
    finally:
        lab.call(proxy.close())


async def started(proxy: Proxy) -> Proxy:
    await proxy.start()
    return proxy


async def plainly(function: Callable[[], None]) -> None:
    function()
