# SPDX-License-Identifier: Apache-2.0
"""How a command line is brought back. That no answer is ever wrong afterwards is shown by tests/desync."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import aioconn
from aioconn.errors import CommandTimeout, SessionBroken
from aioconn.events import Recovered
from aioconn.lab import Faults, Lab
from tests.desync.clock import JumpingLoop
from tests.desync.tap import TappedConnection

pytestmark = pytest.mark.clock("jumping")

ANSWERS = {"show first": "first 1\nfirst 2\n", "show second": "second 1\n"}


async def cut(connection: Any, command: str, at: int) -> None:
    """Cancel `command` when so many bytes of its answer have come; the others come when it has ended."""
    task = asyncio.ensure_future(connection.execute(command))
    connection.tap.to_us.arm(at, task.cancel, turns=3, delay=0.0)
    with pytest.raises(asyncio.CancelledError):
        await task


def words_to(connection: Any, *, eaten: bool = False) -> list[bytes]:
    """Collects what is written with a word in it. `eaten`: nothing but the first byte of the first arrives."""
    gate, words = connection.tap.to_device, list[bytes]()

    def put(data: bytes, onward: Any = gate.put) -> None:
        if b"!aio" in data:
            words.append(data)
        onward(data[:1] if eaten and words == [data] else data)

    gate.put = put
    return words


@pytest.mark.parametrize("echo", ["reader", "both"])
def test_where_a_word_proves_it_takes_no_silence(echo: str) -> None:
    """On a clock that only silences move on: a moment for the tty to stop what runs, and none for a plain reader."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        async with Lab() as lab:
            await lab.add(
                "r1",
                personality="arista_eos" if echo == "both" else "cisco_iosxe",
                echo=echo,
                commands=ANSWERS,
            )
            device = aioconn.load(lab.testbed())["r1"]
            connection: Any = await device.connect(cls=TappedConnection)
            took = []
            for at in range(1, 8):
                began = loop.time()
                await cut(connection, "show first", at)
                assert await device.execute("show second") == "second 1"
                took.append(loop.time() - began)
            await device.disconnect()
            return took

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        took = runner.run(main())
    assert max(took) <= (0.0 if echo == "reader" else 0.021)


def test_a_word_that_is_dropped_is_not_thought_about() -> None:
    """The device takes a second for each line that it runs: the next command is the only one."""

    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        async with Lab() as lab:
            served = await lab.add("r1", faults=Faults(latency=1.0), commands=ANSWERS)
            device = aioconn.load(lab.testbed())["r1"]
            connection: Any = await device.connect(cls=TappedConnection)
            took = []
            for at in (12, 14, 1, 29, 5):  # in the echo, behind it, in the answer
                served.faults = Faults(latency=1.0)
                await cut(connection, "show first", at)
                began = loop.time()
                assert await device.execute("show second") == "second 1"
                took.append(loop.time() - began)
            await device.disconnect()
            assert served.logins == 1
            return took

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        took = runner.run(main())
    assert took == pytest.approx([1.0] * len(took), abs=0.002)


async def test_a_word_that_is_kept_is_run(pair: Any) -> None:
    """Where an interrupt at the prompt does nothing it ends no line: that is learned, and the next word is entered."""
    device, served = await pair("telnet", interrupt="ignored", commands=ANSWERS)
    connection = await device.connect(cls=TappedConnection)
    shell, words = connection._line.shell, words_to(connection)
    assert shell.drops_lines
    for _ in range(2):
        await cut(connection, "show first", 12)
        assert await device.execute("show second") == "second 1"
        assert not shell.drops_lines
    assert [word[:1] + word[-1:] for word in words] == [b"\x03\x03", b"\x03\n"]
    assert served.logins == 1


@pytest.mark.parametrize("way", ["eaten", "slow"])
async def test_a_word_that_stays_away_leaves_no_line_behind(pair: Any, way: str) -> None:
    """What an interrupt has not ended is entered before the next word, which would stand behind it otherwise."""
    device, served = await pair("telnet", interrupt="ignored", commands=ANSWERS)
    connection = await device.connect(cls=TappedConnection)
    words = words_to(connection, eaten=way == "eaten")
    served.faults = Faults(latency=0.2)
    await cut(connection, "show first", 12)
    served.faults = Faults()
    assert await device.execute(["show second", "show first"]) == ["second 1", "first 1\nfirst 2"]
    assert [word[:1] + word[-1:] for word in words] == [b"\x03\x03", b"\n\n"]
    assert not connection._line.shell.drops_lines
    assert served.logins == 1


async def test_an_output_that_flows_on_is_waited_for(pair: Any) -> None:
    """A word behind it that has not been read yet needs no other one."""
    answers = ANSWERS | {"show long": "".join(f"long {number}\n" for number in range(1, 60))}
    device, served = await pair("telnet", interrupt="ignored", commands=answers)
    connection = await device.connect(cls=TappedConnection)
    words = words_to(connection)
    served.faults = Faults(lookalike="--", lookalike_every=1, lookalike_pause=0.005)
    await cut(connection, "show long", 30)
    assert await device.execute("show second") == "second 1\n--"
    assert len(words) == 1


async def test_a_word_that_went_to_what_was_stopped_is_sent_again(pair: Any) -> None:
    device, served = await pair("telnet", commands=ANSWERS)
    connection = await device.connect(cls=TappedConnection)
    kept: list[bool] = []
    device.listeners.add(lambda event: kept.append(event.kept) if isinstance(event, Recovered) else None)
    words = words_to(connection, eaten=True)
    served.faults = Faults(latency=0.2)
    await cut(connection, "show first", 12)
    served.faults = Faults()
    assert await device.execute("show second") == "second 1"
    assert len(words) == 2
    assert kept == [True]


@pytest.mark.parametrize("interrupt", ["works", "ignored"])
async def test_a_question_is_no_prompt(pair: Any, interrupt: str) -> None:
    device, served = await pair(commands=ANSWERS, interrupt=interrupt)
    await device.connect()
    with pytest.raises(CommandTimeout):
        await device.execute("copy running-config startup-config", timeout=0.2)
    assert await device.execute(["show first", "show second"]) == ["first 1\nfirst 2", "second 1"]
    assert served.logins == 1


async def test_a_tty_below_the_line_editor_is_learned(pair: Any) -> None:
    """Nothing shows it at login: what is typed at a prompt is repeated once."""
    device, served = await pair("telnet", echo="both", interrupt="ignored", commands=ANSWERS)
    connection = await device.connect(cls=TappedConnection)
    shell: Any = connection._line.shell
    assert shell.discipline.name == "READER"
    served.faults = Faults(latency=0.05)
    await cut(connection, "show first", 12)
    assert await device.execute("show second") == "second 1"
    assert shell.discipline.name == "BOTH"
    assert await device.execute("show first") == "first 1\nfirst 2"


@pytest.mark.parametrize(
    ("personality", "lines", "step"),
    [
        ("cisco_iosxe", ["interface Loopback0", "mtu 1500"], 1),
        ("juniper_junos", ["set interfaces lo0 description cut"], 7),
    ],
)
async def test_a_configuration_that_ends_early_is_left(
    pair: Any, personality: str, lines: list[str], step: int
) -> None:
    """Cancelled at any byte of what the device says, the last of a line's prompt among them."""
    device, served = await pair("telnet", personality=personality, commands=ANSWERS)
    connection = await device.connect(cls=TappedConnection)
    at, task = 1, asyncio.ensure_future(asyncio.sleep(0))
    for at in range(1, 2000, step):
        task = asyncio.ensure_future(device.configure(lines))
        connection.tap.to_us.arm(at, task.cancel, turns=0, delay=0.0)
        with contextlib.suppress(asyncio.CancelledError):
            await task
        connection.tap.to_us.disarm()
        assert await device.execute("show second") == "second 1", at
        assert connection.mode == connection.platform.default_mode
        if not task.cancelled():
            break
    assert at > 50
    assert not task.cancelled()
    assert served.logins == 1


async def test_a_line_that_looks_like_the_prompt_of_another_mode_moves_nobody(pair: Any) -> None:
    device, served = await pair(commands=ANSWERS)
    connection = await device.connect()
    served.faults = Faults(lookalike="{host}>", lookalike_pause=0.1)
    assert await device.execute("show first") == "first 1"
    served.faults = Faults()
    await device.configure(["interface Loopback0", "mtu 1500"])
    assert connection.mode == "privileged"
    assert "disable" not in [entry.command for entry in served.log]
    assert await device.execute("show second") == "second 1"


@pytest.mark.parametrize(
    ("command", "way", "message"),
    [
        ("show first", "slow", "could not be brought back in step within 5 s after 'show first'"),
        ("write memory", "slow", "could not be brought back in step within 5 s after 'write memory'"),
        ("show first", "gone", "the session broke: the connection broke"),
    ],
)
async def test_who_listens_hears_why_a_session_was_given_up(
    pair: Any, command: str, way: str, message: str
) -> None:
    device, served = await pair("telnet", interrupt="ignored", commands=ANSWERS)
    connection = await device.connect()
    heard: list[Recovered] = []
    device.listeners.add(lambda event: heard.append(event) if isinstance(event, Recovered) else None)
    served.faults = Faults(hang_on=command)
    with pytest.raises(CommandTimeout):
        await connection.execute(command, timeout=1)
    if way == "gone":
        served.restart()
    while not heard:
        await asyncio.sleep(1)
    error = heard[0].error
    assert not heard[0].kept
    assert isinstance(error, SessionBroken)
    assert error.message == message
    assert error.maybe_executed
    assert (error.hint is not None) is (command == "write memory")
    served.faults = Faults()
    assert await device.execute("show second") == "second 1"
