# SPDX-License-Identifier: Apache-2.0
"""Local programs on a pseudo terminal, through `command:`."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import psutil
import pytest

import aioconn
from aioconn.errors import CommandTimeout, ConnectError, HostUnreachable, SessionBroken
from tests.integration.conftest import Load
from tests.integration.servers import needs

pytestmark = pytest.mark.integration


def bash(**options: Any) -> dict[str, Any]:
    needs.program("bash", "bash")
    path = {"command": "bash --norc --noprofile", "arguments": options}
    return {"os": "linux", "connections": {"shell": path}}


async def test_bash(load: Load) -> None:
    r1 = load(r1=bash())["r1"]
    await r1.connect()
    for number in range(20):
        assert await r1.execute(f"echo {number}") == str(number)
    assert await r1.execute("stty size") == "1000 500"
    pid = int(await r1.execute("echo $$"))
    assert psutil.pid_exists(pid)
    await r1.disconnect()
    assert not psutil.pid_exists(pid)


async def test_much_output(load: Load) -> None:
    r1 = load(r1=bash())["r1"]
    await r1.connect()
    output = await r1.execute("seq 1 1000000", timeout=30)
    expected = "\n".join(map(str, range(1, 1000001)))
    assert hashlib.sha256(output.encode()).digest() == hashlib.sha256(expected.encode()).digest()


async def test_a_timeout_then_the_next(load: Load) -> None:
    r1 = load(r1=bash())["r1"]
    await r1.connect()
    with pytest.raises(CommandTimeout):
        await r1.execute("sleep 5", timeout=0.2)
    assert await r1.execute("echo next") == "next"


async def test_a_prompt_without_a_name(load: Load) -> None:
    r1 = load(r1=bash())["r1"]
    await r1.connect()
    assert await r1.execute("PS1='$ '; PS2='> '") == ""
    assert await r1.execute(["echo one", "cd /tmp", "pwd"]) == ["one", "", "/tmp"]


async def test_a_program_that_ends(load: Load, tmp_path: Path) -> None:
    r1 = load(r1=bash())["r1"]
    await r1.connect()
    with pytest.raises(SessionBroken):
        await r1.execute("exit 3")
    assert await r1.execute("echo again") == "again"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/no/such/program --at all", "No such file"),
        ("false", "ended"),
        ("echo go away", "go away"),
    ],
)
async def test_a_program_that_gives_no_session(load: Load, command: str, words: str) -> None:
    described = {"os": "linux", "connections": {"shell": {"command": command}}}
    with pytest.raises(ConnectError, match=words) as caught:
        await load(r1=described)["r1"].connect()
    if command.startswith("/"):
        assert isinstance(caught.value, HostUnreachable)


async def test_a_program_that_says_nothing(load: Load) -> None:
    described = {"os": "linux", "connections": {"shell": {"command": "sleep 60"}}}
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(ConnectError):
        await load(r1=described)["r1"].connect(timeout=1.5)
    assert loop.time() - started < 4


async def test_twenty_at_once(load: Load) -> None:
    testbed: aioconn.Testbed = load(**{f"h{number}": bash() for number in range(20)})
    results = await testbed.execute(["echo $$", "seq 1 1000"], timeout=30)
    results.raise_for_errors()
    assert len({outputs[0] for outputs in results.ok.values()}) == 20
    assert {outputs[1] for outputs in results.ok.values()} == {"\n".join(map(str, range(1, 1001)))}
