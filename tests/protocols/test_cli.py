# SPDX-License-Identifier: Apache-2.0
"""The command line against simulated devices over real SSH and telnet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

import aioconn
from aioconn.errors import (
    AuthenticationFailed,
    CommandRejected,
    CommandTimeout,
    ConnectTimeout,
    HostUnreachable,
    LimitReached,
    PromptNotFound,
    SessionBroken,
    SessionClosed,
    ShellRefused,
    UnknownMode,
    UsageError,
)
from aioconn.lab import Faults
from aioconn.wire.echo import Discipline

pytestmark = pytest.mark.clock("jumping")

PLATFORMS = ["cisco_iosxe", "cisco_iosxr", "cisco_nxos", "arista_eos", "juniper_junos", "linux"]
PROTOCOLS = ["ssh", "telnet"]
CLOCK = {"linux": "hostname"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_connects_and_executes_on_every_platform(pair: Any, platform: str, protocol: str) -> None:
    device, served = await pair(protocol, personality=platform)
    connection = await device.connect()
    assert connection.connected
    assert connection.mode == connection.platform.default_mode
    command = "uname -a" if platform == "linux" else "show version"
    output = await device.execute(command)
    assert output.command == command
    assert output.mode == connection.mode
    assert output.elapsed > 0
    assert command.encode() in output.raw
    assert len(output) > 20
    assert not output.startswith(command)
    assert served.host in (connection._line.shell.prompts.host or "")
    await device.disconnect()
    assert not connection.connected


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_same_output_again_and_again(pair: Any, protocol: str) -> None:
    device, _ = await pair(protocol)
    await device.connect()
    first = await device.execute("show version")
    for _ in range(20):
        assert await device.execute("show version") == first
    assert await device.execute(["show version", "show version"]) == [first, first]


@pytest.mark.parametrize("platform", [name for name in PLATFORMS if name != "linux"])
async def test_configure_changes_the_device_and_comes_back(pair: Any, platform: str) -> None:
    device, _ = await pair(personality=platform)
    connection = await device.connect()
    if platform == "juniper_junos":
        lines = ["set interfaces ge-0/0/0 description uplink-to-core"]
        show = "show configuration"
    else:
        lines = ["interface Loopback0", "description uplink-to-core"]
        show = "show running-config"
    output = await device.configure(lines)
    assert output.command == "\n".join(lines)
    assert connection.mode == connection.platform.default_mode
    assert "uplink-to-core" in await device.execute(show)


async def test_a_refused_line_names_itself_and_leaves_the_session_usable(pair: Any) -> None:
    device, _ = await pair()
    connection = await device.connect()
    with pytest.raises(CommandRejected) as caught:
        await device.execute("show bogus")
    assert "% Invalid input" in caught.value.output
    assert caught.value.line.startswith("% Invalid input")
    assert (caught.value.device, caught.value.path) == (device.name, connection.via)
    output = await device.execute("show bogus", check=False)
    assert output.failure is not None
    with pytest.raises(CommandRejected):
        await device.configure(["interface Loopback0", "bogus line"])
    assert connection.mode == "privileged"
    assert "Version" in await device.execute("show version")


async def test_enable_password(pair: Any) -> None:
    device, _ = await pair("telnet", enable="s3cret-enable")
    connection = await device.connect()
    assert connection.mode == "privileged"
    await connection.enter_mode("user")
    assert connection.mode == "user"
    await connection.enter_mode("config")
    assert connection.mode == "config"
    with pytest.raises(UnknownMode, match=r"known|mean"):
        await connection.enter_mode("confg")


async def test_wrong_enable_password_is_an_authentication_failure_and_is_tried_once(pair: Any) -> None:
    device, served = await pair("telnet", enable="right")
    served.enable = "changed"
    with pytest.raises(AuthenticationFailed) as caught:
        await device.connect()
    assert "right" not in str(caught.value)
    assert not device.connections


async def test_questions_are_answered(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    output = await device.execute(
        "copy running-config startup-config", reply={r"Destination filename \[startup-config\]\?": ""}
    )
    assert "[OK]" in output
    assert "Version" in await device.execute("show version")


async def test_an_unanswered_question_is_told(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    with pytest.raises(CommandTimeout) as caught:
        await device.execute("copy running-config startup-config", timeout=0.3)
    assert "Destination filename" in str(caught.value)
    assert "Version" in await device.execute("show version")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_paging_that_appears_anyway(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)
    await device.connect()
    whole = await device.execute("show ip route")
    served.faults = Faults(paging=5)
    assert await device.execute("show ip route") == whole


@pytest.mark.parametrize("confirm", ["prompt", "probe"])
@pytest.mark.parametrize("echo", ["reader", "typing", "both"])
async def test_lookalikes_inside_a_chunk_do_not_end_the_command(pair: Any, echo: str, confirm: str) -> None:
    device, served = await pair(echo=echo)
    await device.connect(confirm=confirm)
    whole = await device.execute("show version")
    served.faults = Faults(lookalike=True)
    output = await device.execute("show version")
    assert output.splitlines()[-1] == whole.splitlines()[-1]
    served.faults = Faults()
    assert await device.execute("show version") == whole


@pytest.mark.parametrize("echo", ["reader", "typing", "both"])
async def test_with_a_probe_a_lookalike_never_ends_the_command(pair: Any, echo: str) -> None:
    device, served = await pair(echo=echo)
    await device.connect(confirm="probe")
    whole = await device.execute("show version")
    served.faults = Faults(lookalike=True, lookalike_pause=0.3)
    output = await device.execute("show version")
    assert output.splitlines()[-1] == whole.splitlines()[-1]
    assert len(output.splitlines()) == len(whole.splitlines()) + 1
    served.faults = Faults()
    assert await device.execute("show version") == whole


@pytest.mark.parametrize(
    ("personality", "echo"), [("cisco_iosxe", "reader"), ("cisco_iosxe", "typing"), ("arista_eos", "both")]
)
async def test_leftovers_never_reach_the_next_result(pair: Any, personality: str, echo: str) -> None:
    device, served = await pair(personality=personality, echo=echo)
    await device.connect()
    clean = await device.execute("show ip interface brief")
    served.faults = Faults(lookalike=True, lookalike_pause=0.1)
    cut = await device.execute("show version")
    served.faults = Faults()
    assert await device.execute("show ip interface brief") == clean, cut


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("style", ["readline", "scroll"])
async def test_wrapped_echo(pair: Any, protocol: str, style: str) -> None:
    device, served = await pair(protocol)
    await device.connect()
    command = "show running-config | include " + "a-very-long-name-" * 8
    clean = await device.execute(command)
    served.faults = Faults(wrap=80, wrap_style=style)
    assert await device.execute(command) == clean


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_byte_at_a_time(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)
    await device.connect()
    whole = await device.execute("show ip interface brief")
    served.faults = Faults(byte_at_a_time=1, byte_interval=0)
    assert await device.execute("show ip interface brief") == whole


async def test_garbage_is_no_error(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    served.faults = Faults(garbage=2)
    assert "Version" in await device.execute("show version")
    served.faults = Faults()
    assert "Version" in await device.execute("show version")


@pytest.mark.parametrize("echo", ["reader", "typing", "both"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_after_a_timeout_the_next_answer_is_its_own(pair: Any, protocol: str, echo: str) -> None:
    device, served = await pair(protocol, echo=echo)
    connection = await device.connect()
    clean = await device.execute("show ip interface brief")
    served.faults = Faults(latency=0.4)
    with pytest.raises(CommandTimeout) as caught:
        await device.execute("show version", timeout=0.1)
    assert caught.value.maybe_executed
    served.faults = Faults()
    assert await device.execute("show ip interface brief") == clean
    assert served.logins == 1
    assert connection.connected


async def test_a_session_that_cannot_be_brought_back_is_replaced(pair: Any) -> None:
    device, served = await pair(interrupt="ignored")
    connection = await device.connect(close_timeout=0.2)
    served.faults = Faults(hang_on="show version")
    with pytest.raises(CommandTimeout):
        await device.execute("show version", timeout=0.1)
    served.faults = Faults()
    assert "GigabitEthernet" in await device.execute("show ip interface brief")
    assert served.logins == 2
    assert served.sessions == 1
    assert connection.connected


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_cancelled_at_every_turn_of_the_loop(pair: Any, protocol: str) -> None:
    """Cancel `execute` after k turns, for every k it can take: the next answer is always the right one."""
    device, served = await pair(protocol)
    await device.connect()
    clock = await device.execute("show ip interface brief")
    finished = 0
    for turns in range(400):
        task = asyncio.ensure_future(device.execute("show version"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            output = await task
        except asyncio.CancelledError:
            pass
        else:
            assert "Version" in output
            finished += 1
            if finished == 3:
                break
        assert await device.execute("show ip interface brief") == clock, turns
    assert finished == 3
    assert served.sessions == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_connect_cancelled_at_every_turn_leaves_nothing(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol)
    for turns in range(0, 400, 1 if protocol == "telnet" else 3):
        task = asyncio.ensure_future(device.connect())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
            break
        assert not device.connections
        assert device.manager.statistics()["sessions_used"] == 0
    await device.disconnect_all()
    async with asyncio.timeout(20):
        while served.sessions:
            await asyncio.sleep(0.01)


async def test_callers_are_served_in_order(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    served.faults = Faults(latency=0.01)
    commands = [f"show running-config | include line{number}" for number in range(8)]
    await asyncio.gather(*[device.execute(command) for command in commands])
    assert [entry.command for entry in served.log][-8:] == commands


async def test_the_wait_for_a_turn_counts_in_the_deadline(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    served.faults = Faults(latency=0.4)
    slow = asyncio.ensure_future(device.execute("show version"))
    await asyncio.sleep(0)
    with pytest.raises(CommandTimeout):
        await device.execute("show clock", timeout=0.1)
    assert "Version" in await slow


async def test_stream_gives_the_same_text_in_pieces(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    whole = await device.execute("show ip route")
    pieces = [piece async for piece in device.stream("show ip route")]
    assert "".join(pieces).strip("\n") == whole
    assert await device.execute("show ip route") == whole


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_nothing_is_lost_while_the_consumer_takes_his_time(pair: Any, protocol: str) -> None:
    lines = [f"line {number}" for number in range(12)]
    device, served = await pair(protocol, commands={"show word": "".join(f"{line}\n" for line in lines)})
    await device.connect()
    for size in (7, 20, 40):
        served.faults = Faults(byte_at_a_time=size, byte_interval=0.0002)
        for pause in (0.0, 0.001, 0.004):
            text = ""
            async for piece in device.stream("show word"):
                text += piece
                await asyncio.sleep(pause)
            assert text.splitlines() == lines


async def test_a_stream_left_early_is_brought_back_in_step(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    clean = await device.execute("show ip interface brief")
    served.faults = Faults(byte_at_a_time=40, byte_interval=0.002)
    async with contextlib.aclosing(device.stream("show ip route")) as pieces:
        async for piece in pieces:
            assert piece
            break
    served.faults = Faults()
    assert await device.execute("show ip interface brief") == clean


async def test_send_receive_expect(pair: Any) -> None:
    device, _ = await pair()
    connection = await device.connect()
    await connection.send("show clock")
    found = await connection.expect([r"never", r"(\d\d:\d\d)"])
    assert found.index == 1
    assert found.match[1] in found.text
    await connection.send("show version", newline=False)
    text = ""
    while "show version" not in text:
        text += await connection.receive(timeout=20)
    with pytest.raises(CommandTimeout):
        await connection.expect("nothing of the kind", timeout=0.1)
    assert "GigabitEthernet" in await device.execute("show ip interface brief")


async def test_parse(templates: None, pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    rows = await device.parse("show ip interface brief")
    assert rows
    assert {"interface", "ip_address"} <= set(rows[0])


async def test_a_command_is_one_line(pair: Any) -> None:
    device, _ = await pair()
    await device.connect()
    with pytest.raises(UsageError, match="one line"):
        await device.execute("show version\nshow clock")
    assert "Version" in await device.execute("show version")


async def test_lost_in_mid_command(pair: Any) -> None:
    device, served = await pair()
    await device.connect()
    served.faults = Faults(latency=5)
    task = asyncio.ensure_future(device.execute("show version"))
    await asyncio.sleep(0.05)
    served.kill_sessions()
    with pytest.raises(SessionBroken) as caught:
        await task
    assert caught.value.maybe_executed
    assert not device.connected
    served.faults = Faults()
    assert "Version" in await device.execute("show version")
    await device.disconnect()
    with pytest.raises(SessionClosed):
        await device.execute("show version")


# ---------------------------------------------------------------------- ways to fail


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_wrong_password_is_tried_once(pair: Any, protocol: str) -> None:
    device, served = await pair(protocol, faults=Faults(wrong_password=True))
    with pytest.raises(AuthenticationFailed) as caught:
        await device.connect()
    assert caught.value.phase in ("auth", "login")
    assert device.name in str(caught.value)
    assert served.logins == 0
    assert not device.connections


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_half_open(pair: Any, protocol: str) -> None:
    device, _ = await pair(protocol, faults=Faults(half_open=True))
    with pytest.raises(ConnectTimeout) as caught:
        await device.connect(timeout=0.3)
    assert caught.value.phase in ("kex", "login")


async def test_silent_after_login(pair: Any) -> None:
    device, _ = await pair(faults=Faults(silent=True))
    with pytest.raises((ConnectTimeout, PromptNotFound)) as caught:
        await device.connect(timeout=0.5)
    assert caught.value.phase == "prompt"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_line_free(pair: Any, protocol: str) -> None:
    """What the device refuses is learned, and waited for as long as the caller likes."""
    device, served = await pair(protocol, faults=Faults(vty_limit=1))
    await device.connect()
    with pytest.raises(LimitReached, match="the device refused more than 1"):
        await device.connect(alias="second", timeout=1.0)
    assert list(device.connections) == ["default"]
    assert "Version" in await device.execute("show version")
    assert device.manager.statistics()["learned_sessions"] == 1
    waiting = asyncio.ensure_future(device.connect(alias="second", timeout=20))
    await asyncio.sleep(0.02)
    await device.disconnect()
    assert (await waiting).connected
    assert served.logins == 2


async def test_a_device_that_hangs_up_with_its_last_prompt() -> None:
    """Whatever turn of the loop tells it, the connection does not count as live afterwards."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"r1#")
        data = b""
        while data.count(b"\n") < 2 and (piece := await reader.read(100)):
            data += piece.replace(b"\r\x00", b"\n")
        first, second = data.splitlines()[:2]
        writer.write(first + b"\r\nr1#" + second + b"\r\nr1#")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    device = aioconn.device(f"telnet://127.0.0.1:{port}", os="iosxe")
    for _ in range(5):
        with contextlib.suppress(ShellRefused):
            await device.connect(timeout=5)
        async with asyncio.timeout(20):
            while device.is_connected():
                await asyncio.sleep(0)
    await device.destroy_all()
    server.close()


class Asker:
    """A telnet server that asks for name and password, and reads line by line, an empty one too."""

    def __init__(self, *, asks_again: bool = True, verdict: bytes | None = None) -> None:
        self.prompts = asyncio.Event()
        self.spoken_to = asyncio.Event()
        self.names: list[bytes] = []
        self.passwords: list[bytes] = []
        self._asks_again = asks_again  # for the name, if it is empty
        self._verdict = verdict  # said before it hangs up

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = asyncio.Queue[bytes]()
        listening = asyncio.ensure_future(self._listen(reader, lines))
        try:
            if await self._log_in(lines, writer):
                while line := await lines.get():
                    writer.write(line + b"\r\nr1#")
        finally:
            listening.cancel()
            writer.close()

    async def _listen(self, reader: asyncio.StreamReader, lines: asyncio.Queue[bytes]) -> None:
        data = b""
        with contextlib.suppress(ConnectionError):
            while piece := await reader.read(100):
                self.spoken_to.set()
                *whole, data = (data + piece).replace(b"\r\0", b"\n").replace(b"\r\n", b"\n").split(b"\n")
                for line in whole:
                    lines.put_nowait(line)
        lines.put_nowait(b"")

    async def _log_in(self, lines: asyncio.Queue[bytes], writer: asyncio.StreamWriter) -> bool:
        await self.prompts.wait()
        for _ in range(5):
            writer.write(b"\r\nUsername: ")
            name = await lines.get()
            if not name and self._asks_again:
                await asyncio.sleep(0.1)  # both questions in one piece would be harmless
                continue
            self.names.append(name)
            await asyncio.sleep(0.4)  # it looks the name up
            writer.write(name + b"\r\nPassword: ")
            self.passwords.append(await lines.get())
            if self._verdict is not None:
                writer.write(self._verdict)
                return False
            if (name, self.passwords[-1]) == (b"joe", b"word"):
                writer.write(b"\r\nr1#")
                return True
            writer.write(b"\r\n% Login invalid\r\n")
        return False


@contextlib.asynccontextmanager
async def asking(asker: Asker) -> AsyncIterator[aioconn.Device]:
    server = await asyncio.start_server(asker.serve, "127.0.0.1", 0)
    device = aioconn.device(f"telnet://joe:word@127.0.0.1:{server.sockets[0].getsockname()[1]}", os="iosxe")
    try:
        yield device
    finally:
        await device.destroy_all()
        server.close()


@pytest.mark.parametrize("asks_again", [True, False])
async def test_a_question_that_crosses_the_return(monkeypatch: pytest.MonkeyPatch, asks_again: bool) -> None:
    """Return was pressed to wake a console, and is read as an empty name."""
    monkeypatch.setattr("aioconn.wire.login.NUDGE", 0.1)
    asker = Asker(asks_again=asks_again)
    asker.prompts = asker.spoken_to
    async with asking(asker) as device:
        await device.connect(timeout=10)
        assert (asker.names[-1], asker.passwords[-1]) == (b"joe", b"word")
        assert b"joe" not in asker.passwords
        assert b"word" not in asker.names


async def test_a_server_that_is_slow_to_prompt() -> None:
    asker = Asker()
    asyncio.get_running_loop().call_later(2.5, asker.prompts.set)
    async with asking(asker) as device:
        await device.connect(timeout=10)
        assert (asker.names, asker.passwords) == ([b"joe"], [b"word"])


@pytest.mark.parametrize(
    ("verdict", "certain"),
    [
        (b"\r\n% Login invalid\r\n", True),
        (b"\r\nWelcome.\r\nLast login failed 3 days ago\r\n", False),
    ],
)
async def test_a_session_that_ends_in_the_middle_of_a_text(verdict: bytes, certain: bool) -> None:
    asker = Asker(verdict=verdict)
    asker.prompts.set()
    async with asking(asker) as device:
        with pytest.raises(AuthenticationFailed) as caught:
            await device.connect(timeout=10)
        assert caught.value.certain is certain
        assert asker.passwords == [b"word"]


async def test_a_session_that_just_ends_at_the_password_is_no_wrong_password() -> None:
    asker = Asker(verdict=b"")
    asker.prompts.set()
    async with asking(asker) as device:
        with pytest.raises(ShellRefused):
            await device.connect(timeout=20)


async def test_refused_port(pair: Any) -> None:
    device = aioconn.device("telnet://admin:admin@127.0.0.1:1", os="iosxe")
    with pytest.raises(HostUnreachable) as caught:
        await device.connect()
    assert caught.value.phase == "tcp"


@pytest.mark.parametrize("login", ["user", "password", "none"])
@pytest.mark.parametrize("console", [False, True])
async def test_telnet_logins(pair: Any, login: str, console: bool) -> None:
    device, _ = await pair("telnet", login=login, console=console)
    await device.connect()
    assert "Version" in await device.execute("show version")


async def test_a_banner_that_looks_like_a_prompt(pair: Any) -> None:
    for protocol in PROTOCOLS:
        device, _ = await pair(protocol, faults=Faults(banner="maintenance\r\nrouter#\r\nhost>\r\n"))
        await device.connect()
        assert "Version" in await device.execute("show version")


@pytest.mark.parametrize("echo", ["reader", "typing", "both", "none"])
async def test_the_echo_discipline_is_learned(pair: Any, echo: str) -> None:
    device, _ = await pair(echo=echo)
    connection = await device.connect()
    expected = {
        "reader": {Discipline.READER},
        "typing": {Discipline.TYPING},
        "both": {Discipline.READER, Discipline.BOTH},
        "none": {Discipline.NONE},
    }[echo]
    assert connection._line.shell.discipline in expected
    assert "Version" in await device.execute("show version")
    assert "GigabitEthernet" in await device.execute("show ip interface brief")


async def test_a_new_host_name_is_learned(pair: Any) -> None:
    device, _ = await pair()
    connection = await device.connect()
    await device.configure(["hostname another-name"])
    assert connection._line.shell.prompts.host == "another-name"
    assert "Version" in await device.execute("show version")


async def test_secrets_are_redacted(pair: Any) -> None:
    device, _ = await pair(password="very-secret-word")
    events: list[str] = []
    device.listeners.add(lambda event: events.append(repr(event)))
    connection = await device.connect()
    with pytest.raises(CommandRejected) as caught:
        await device.execute("show very-secret-word")
    everything = f"{caught.value} {caught.value.__dict__} {events} {connection!r} {device!r} {device.spec!r}"
    assert "very-secret-word" not in everything
