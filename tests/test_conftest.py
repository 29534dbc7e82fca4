# SPDX-License-Identifier: Apache-2.0
"""The audit sees each kind of thing that a test can leave behind, and nothing where there is nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.programs

CONFTEST = Path(__file__).with_name("conftest.py")
CONFIG = CONFTEST.parents[1] / "pyproject.toml"

CASES = {
    "leaves a pipe": """
        def test_it():
            os.pipe()
    """,
    "leaves a descriptor under a number that was taken before": """
        opened = os.open("/dev/null", os.O_RDONLY)

        def test_it():
            os.close(opened)
            assert os.open("/dev/zero", os.O_RDONLY) == opened
    """,
    "leaves a socket to the garbage collector": """
        def test_it():
            socket.socket()
    """,
    "leaves a thread": """
        def test_it():
            threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
    """,
    "leaves a task": """
        async def test_it():
            globals()["task"] = asyncio.create_task(asyncio.sleep(60))
    """,
    "leaves a task of a fixture": """
        @pytest.fixture
        async def busy():
            globals()["task"] = asyncio.create_task(asyncio.sleep(60))

        async def test_it(busy):
            pass
    """,
    "loses a task's exception": """
        async def fail():
            raise ValueError

        async def test_it():
            task = asyncio.create_task(fail())
            await asyncio.sleep(0)
    """,
    "loses a task's exception in a cycle": """
        async def fail(cycle):
            raise ValueError

        async def test_it():
            cycle = []
            cycle.append(asyncio.create_task(fail(cycle)))
            await asyncio.sleep(0)
    """,
    "lets a callback fail": """
        async def test_it():
            asyncio.get_running_loop().call_soon(int, "x")
            await asyncio.sleep(0)
    """,
    "lets a callback fail in the loop of a thread": """
        async def fail():
            asyncio.get_running_loop().call_soon(int, "x")
            await asyncio.sleep(0)

        def test_it():
            thread = threading.Thread(target=asyncio.run, args=(fail(),))
            thread.start()
            thread.join()
    """,
    "forgets to await": """
        async def test_it():
            asyncio.sleep(0)
    """,
    "leaves a transport open": """
        async def test_it():
            server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
            globals()["server"] = server
    """,
}

CLEAN = """
    async def test_server():
        async def echo(reader, writer):
            writer.write(await reader.read(10))
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()
        server.close()

    async def test_thread():
        await asyncio.to_thread(time.sleep, 0)

    async def test_cancelled_and_not_waited_for():
        asyncio.create_task(asyncio.sleep(60)).cancel()

    async def test_provoked(audit):
        asyncio.get_running_loop().call_soon(int, "x")
        await asyncio.sleep(0)
        assert "invalid literal" in audit.seen.pop()

    def test_thread_that_is_about_to_end():
        threading.Thread(target=time.sleep, args=(0.05,)).start()

    @given(st.binary())
    async def test_hypothesis(data):
        await asyncio.sleep(0)
"""

HEADER = """
import asyncio, os, pytest, socket, threading, time
from hypothesis import given, strategies as st
"""


def write(path: Path, text: str) -> None:
    lines = text.strip("\n").splitlines()
    margin = len(lines[0]) - len(lines[0].lstrip())
    path.write_text(HEADER + "\n".join(line[margin:] for line in lines) + "\n")


def run_pytest(folder: Path) -> str:
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(CONFIG),
        "--rootdir",
        str(folder),
        "-p",
        "no:cacheprovider",
    ]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))
    }
    done = subprocess.run(
        [*command, str(folder)], capture_output=True, text=True, env=environment, cwd=folder, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def caught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Each case, run as a test file of its own in one pytest: what was said about it in the summary."""
    folder = tmp_path_factory.mktemp("leaky")
    for number, text in enumerate(CASES.values()):
        write(folder / f"test_{number}.py", text)
    report = run_pytest(folder)
    found = re.findall(r"^(?:ERROR|FAILED) \S*test_(\d+)\.py(.*)$", report, re.MULTILINE)
    names = list(CASES)
    return {names[int(number)]: said for number, said in found}


@pytest.mark.parametrize("case", CASES)
def test_audit_catches_a_test_that(case: str, caught: dict[str, str]) -> None:
    assert case in caught


def test_audit_lets_clean_tests_pass(tmp_path: Path) -> None:
    write(tmp_path / "test_clean.py", CLEAN)
    report = run_pytest(tmp_path)
    assert re.search(r"=+ 6 passed in ", report), report
