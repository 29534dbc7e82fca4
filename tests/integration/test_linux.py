# SPDX-License-Identifier: Apache-2.0
"""A Linux shell behind OpenSSH: bash, with bracketed paste, window titles and a tty that echoes at once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import Any

import pytest

import aioconn
from aioconn.errors import CommandError, CommandRejected, CommandTimeout, SessionBroken
from aioconn.wire.echo import Discipline
from tests.integration.conftest import Load
from tests.integration.servers import openssh as ssh
from tests.integration.servers.openssh import OpenSsh
from tests.integration.servers.site import Site
from tests.integration.test_openssh import shell

pytestmark = pytest.mark.integration

LINES = "\n".join(f"line {number}" for number in range(1, 201))


@pytest.fixture
def host(load: Load, openssh: OpenSsh) -> aioconn.Device:
    """A device with bash, not connected yet."""
    server = openssh.server("password", ssh.PASSWORD)
    return load(host=shell(openssh, server.port))["host"]


async def works(device: aioconn.Device) -> None:
    """The session is in step: answers are exact, and belong to their commands."""
    assert await device.execute("seq -f 'line %g' 1 200") == LINES
    assert await device.execute(["echo one", "true", "echo two"]) == ["one", "", "two"]


@pytest.mark.parametrize("term", ["vt100", "xterm", "xterm-256color", "dumb"])
@pytest.mark.parametrize("confirm", ["prompt", "probe"])
async def test_exact_whatever_the_terminal(host: aioconn.Device, term: str, confirm: str) -> None:
    connection: Any = await host.connect(term=term, confirm=confirm)
    assert connection._line.shell.discipline is Discipline.BOTH
    await works(host)
    for number in range(30):
        assert await host.execute(f"echo number {number}") == f"number {number}"
    if term.startswith("xterm"):
        assert b"\x1b]0;" in (await host.execute("true")).raw  # there was a window title to see through


@pytest.mark.parametrize("confirm", ["prompt", "probe"])
async def test_output_without_a_final_newline(host: aioconn.Device, confirm: str) -> None:
    await host.connect(confirm=confirm)
    for text in ("no newline", "50%", "price in $", "root@elsewhere:~#", "a\nb", "x" * 400):
        quoted = text.replace("\n", "\\n").replace("%", "%%")
        await host.execute(f"printf '{quoted}' > sample")
        assert await host.execute("cat sample") == text
        await works(host)


async def test_what_is_kept_and_what_is_not(host: aioconn.Device) -> None:
    await host.connect()
    assert await host.execute("printf '  indented\\n\\n\\nafter blank lines  \\n'") == (
        "  indented\n\n\nafter blank lines  "
    )
    assert await host.execute("printf 'a\\tb\\n'") == "a\tb"
    assert await host.execute("printf '\\033[31mred\\033[0m\\n'") == "red"
    assert await host.execute("true") == ""


async def test_fifty_megabytes_arrive_whole(host: aioconn.Device) -> None:
    await host.connect()
    output = await host.execute("seq 1 6600000", timeout=50)
    assert len(output) > 50_000_000
    expected = await host.execute("seq 1 6600000 | sha256sum")
    assert hashlib.sha256(f"{output}\n".encode()).hexdigest() == expected.split()[0]
    await works(host)


@pytest.mark.parametrize("pause", ["0.05", "0.8"])
async def test_a_lookalike_with_a_pause(host: aioconn.Device, openssh: OpenSsh, pause: str) -> None:
    await host.connect()
    prompt = (await host.execute("echo")).raw.decode().rpartition("\n")[2].rpartition("\x07")[2]
    prompt = prompt.replace("\x1b[?2004h", "").strip()
    assert prompt.startswith(openssh.user.name)
    script = f"echo head; printf '%s ' '{prompt}'; sleep {pause}; echo tail"
    whole = f"head\n{prompt} tail"
    certain: Any = await host.connect(alias="certain", confirm="probe")
    for _ in range(2):
        assert await certain.execute(script) == whole
    # by default the answer may end at what looks like a prompt; the next one is whole and its own
    for _ in range(2):
        assert await host.execute(script) in (whole, "head")
        await works(host)


async def test_a_lookalike_of_another_device_is_no_prompt(host: aioconn.Device) -> None:
    await host.connect()
    script = "echo head; printf 'root@elsewhere:~# '; sleep 1; echo tail"
    assert await host.execute(script) == "head\nroot@elsewhere:~# tail"
    await works(host)


@pytest.mark.parametrize("confirm", ["prompt", "probe"])
async def test_a_timeout_leaves_the_next_command_exact(host: aioconn.Device, confirm: str) -> None:
    connection = await host.connect(confirm=confirm)
    loop = asyncio.get_running_loop()
    started = loop.time()
    with pytest.raises(CommandTimeout, match="sleep 5"):
        await host.execute("sleep 5", timeout=0.3)
    await works(host)
    assert loop.time() - started < 3
    assert host["default"] is connection
    assert await host.execute("pgrep -u $USER -r R,S,D -x sleep || true") == ""


async def test_a_timeout_in_a_program_that_reads(host: aioconn.Device) -> None:
    """What is sent behind the interrupt must not go to the program that it stops."""
    await host.connect()
    loop = asyncio.get_running_loop()
    for command in ("cat", "read -p 'Really? ' answer"):
        with pytest.raises(CommandTimeout):
            await host.execute(command, timeout=0.3)
        started = loop.time()
        await works(host)
        assert loop.time() - started < 0.5


async def test_a_program_that_ignores_the_interrupt_costs_its_session(host: aioconn.Device) -> None:
    await host.connect()
    with pytest.raises(CommandTimeout):
        await host.execute("trap '' INT; sleep 30", timeout=0.3)
    await works(host)
    # the program goes with its terminal
    assert await host.execute("pgrep -u $USER -r R,S,D -x sleep || true") == ""


@pytest.mark.parametrize("after", [0.01, 0.1, 0.5])
async def test_a_cancel_in_the_middle_of_an_output(host: aioconn.Device, after: float) -> None:
    await host.connect()
    task = asyncio.ensure_future(host.execute("seq 1 1000000000"))
    await asyncio.sleep(after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await works(host)


async def test_a_cancel_at_any_time(host: aioconn.Device) -> None:
    await host.connect()
    for step in range(40):
        task = asyncio.ensure_future(host.execute(f"echo head {step}; sleep 0.02; echo tail {step}"))
        await asyncio.sleep(step * 0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert await host.execute(f"echo answer {step}") == f"answer {step}"


async def test_questions_are_answered(host: aioconn.Device, site: Site, openssh: OpenSsh) -> None:
    await host.connect()
    other = site.accounts.user("other")
    secret = aioconn.Secret(other.password)
    said = await host.execute(f"su {other.name} -c 'id -un'", reply={"Password:": secret})
    assert said.splitlines() == ["Password:", other.name]
    await works(host)
    asked = "read -p 'Really? [y/n] ' answer; echo \"got $answer\""
    assert await host.execute(asked, reply={r"\[y/n\]": "y"}) == "Really? [y/n] y\ngot y"
    await works(host)


async def test_a_refused_secret_is_not_given_twice(
    host: aioconn.Device, site: Site, openssh: OpenSsh
) -> None:
    await host.connect()
    name = site.accounts.user("other").name
    wrong = aioconn.Secret("not-the-one")
    with pytest.raises(CommandError, match="asked again") as caught:
        await host.execute(f"su {name} -c true; su {name} -c true", reply={"Password:": wrong}, timeout=15)
    assert "not-the-one" not in str(caught.value)
    await works(host)
    # one refusal is an answer as any other
    said = await host.execute(f"su {name} -c true", reply={"Password:": wrong}, check=False)
    assert "su: Authentication failure" in said
    await works(host)


async def test_a_shell_in_a_shell(host: aioconn.Device, site: Site) -> None:
    other = site.accounts.user("other")
    await host.connect()
    await host.execute(f"su - {other.name}", reply={"Password:": aioconn.Secret(other.password)})
    assert await host.execute("id -un") == other.name
    await works(host)
    await host.execute("exit")
    assert await host.execute("id -un") != other.name
    await works(host)


async def test_the_prompt_may_change(host: aioconn.Device) -> None:
    await host.connect()
    assert await host.execute("cd /tmp") == ""
    assert await host.execute("pwd") == "/tmp"
    await host.execute("cd /usr/share/doc")
    await works(host)
    await host.execute("PS1='$ '")
    await works(host)
    await host.execute("PS1='(venv) \\u@\\h:\\w\\$ '")
    await works(host)


async def test_pieces_come_while_the_command_runs(host: aioconn.Device) -> None:
    await host.connect()
    loop = asyncio.get_running_loop()
    started = loop.time()
    times: list[float] = []
    pieces: list[str] = []
    async for piece in host.stream("for i in 1 2 3 4; do echo tick $i; sleep 0.3; done"):
        times.append(loop.time() - started)
        pieces.append(piece)
    assert "".join(pieces) == "tick 1\ntick 2\ntick 3\ntick 4"
    assert len(pieces) >= 3
    assert times[0] < 0.75
    await works(host)


async def test_leaving_a_stream_early(host: aioconn.Device) -> None:
    await host.connect()
    stream: Any = host.stream("seq 1 1000000000")
    async with contextlib.aclosing(stream):
        async for piece in stream:
            assert piece.startswith("1\n2\n")
            break
    await works(host)


async def test_bytes_that_are_no_text(host: aioconn.Device) -> None:
    await host.connect()
    assert await host.execute("printf 'caf\\351 \\303\\251\\n'") == "caf\ufffd é"
    assert await host.execute("echo žluťoučký kůň") == "žluťoučký kůň"
    latin: Any = await host.connect(alias="latin", encoding="latin-1")
    assert await latin.execute("printf 'caf\\351\\n'") == "café"
    whole = await host.execute("head -c 300000 /dev/urandom | tr -d '\\000-\\037\\177'", timeout=10)
    assert len(whole) > 100_000
    await works(host)


@pytest.mark.parametrize("columns", [80, 132])
@pytest.mark.parametrize("length", [60, 79, 80, 81, 200, 1500])
async def test_a_command_longer_than_the_line(host: aioconn.Device, columns: int, length: int) -> None:
    await host.connect(columns=columns)
    word = "".join(f"{number}," for number in range(length))[:length]
    for _ in range(2):
        assert await host.execute(f"echo {word}") == word
    await works(host)


async def test_jobs_in_the_background_do_not_disturb(host: aioconn.Device) -> None:
    await host.connect()
    await host.execute("(sleep 0.3; echo late message) &")
    await asyncio.sleep(0.5)
    await works(host)
    await host.execute("noise() { for i in 1 2 3 4 5 6; do sleep 0.05; echo noise $i; done; }")
    await host.execute("noise &")  # a function: what the shell says of its end is one line
    outputs = [await host.execute(f"sleep 0.02; echo answer {number}") for number in range(10)]
    for number, output in enumerate(outputs):
        own = [line for line in output.splitlines() if "noise" not in line and "Done" not in line]
        assert own == [f"answer {number}"]
    await asyncio.sleep(0.3)
    await host.execute("true")
    await works(host)


async def test_a_session_that_ends_itself(host: aioconn.Device) -> None:
    connection = await host.connect()
    with pytest.raises(SessionBroken):
        await host.execute("exit")
    assert not host.connected
    await works(host)
    assert host["default"] is connection
    with pytest.raises(SessionBroken):
        await host.execute("kill -9 $$")
    await works(host)


async def test_a_refused_command(host: aioconn.Device) -> None:
    await host.connect()
    with pytest.raises(CommandRejected, match="command not found"):
        await host.execute("nosuchcommand")
    output = await host.execute("nosuchcommand", check=False)
    assert output.failure is not None
    await works(host)


async def test_many_at_once_on_one_host(load: Load, openssh: OpenSsh) -> None:
    server = openssh.server("password", ssh.PASSWORD)
    testbed = load(**{f"h{number}": shell(openssh, server.port) for number in range(30)})
    results = await testbed.execute(["seq -f 'line %g' 1 200", "echo $PPID"], timeout=40)
    results.raise_for_errors()
    assert {outputs[0] for outputs in results.ok.values()} == {LINES}
    assert len({outputs[1] for outputs in results.ok.values()}) == 30
