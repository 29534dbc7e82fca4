# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import re
import time

import asyncssh
import pytest

from aioconn.lab import Faults, Lab
from aioconn.lab.shell import Fate
from tests.lab.dialogue import Dialogue, SshShell, Telnet, ssh

LEVEL = "Current privilege level is 15\n"


def test_latency_and_jitter() -> None:
    dialogue = Dialogue(faults=Faults(latency=0.5, jitter=0.2))
    dialogue.say("show privilege", "show privilege")
    assert len(dialogue.waits) == 2
    assert len(set(dialogue.waits)) == 2
    assert all(0.5 <= wait <= 0.7 for wait in dialogue.waits)


def test_jitter_repeats_itself_with_its_seed() -> None:
    def waits(seed: int) -> list[float]:
        dialogue = Dialogue(faults=Faults(jitter=1.0), seed=seed)
        dialogue.say("show privilege", "show privilege")
        return dialogue.waits

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)


def test_byte_at_a_time() -> None:
    dialogue = Dialogue()
    dialogue.device.faults = Faults(byte_at_a_time=3, byte_interval=0.01)
    dialogue.shell.receive(b"show privilege\r")
    pieces = []
    while (step := dialogue.shell.pull()) is not None:
        pieces.append(step)
    data = [piece for piece in pieces if isinstance(piece, bytes)]
    assert b"".join(data) == b"show privilege\r\n" + LEVEL.replace("\n", "\r\n").encode() + b"r1#"
    assert all(len(piece) <= 3 for piece in data)
    assert [piece for piece in pieces if isinstance(piece, float)] == [0.01] * (len(data) - 1)


@pytest.mark.parametrize(("text", "seen"), [(True, "r1#"), ("{host}(config)#", "r1(config)#"), ("x>", "x>")])
def test_lookalike(text: str | bool, seen: str) -> None:
    dialogue = Dialogue(faults=Faults(lookalike=text, lookalike_pause=0.7))
    dialogue.shell.receive(b"show clock\r")
    out = b""
    while not isinstance(step := dialogue.shell.pull(), float):
        assert step is not None
        out += step
    assert step == 0.7
    assert out.endswith(b"\r\n" + seen.encode())
    assert dialogue.pull() == b"\r\nr1#"


def test_lookalikes_again_and_again() -> None:
    dialogue = Dialogue(faults=Faults(lookalike="x#", lookalike_every=10))
    assert dialogue.say("show lab lines 100").count("\nx#\n") == 10


def test_wrap_as_readline_does() -> None:
    dialogue = Dialogue("linux", faults=Faults(wrap=40, wrap_style="readline"))
    start = len(b"\x1b[?2004h\x1b]0;admin@r1: ~\x07admin@r1:~$ ")
    line = b"echo " + b"x" * 60
    out = dialogue.type(line)
    assert out.count(b" \r") == (start + len(line)) // 40
    assert out.replace(b" \r", b"") == line
    assert b"x" * 60 in dialogue.type(b"\r")


def test_wrap_as_ios_does() -> None:
    dialogue = Dialogue(faults=Faults(wrap=40))
    line = b"show ip interface brief | include " + b"y" * 60
    out = dialogue.type(line)
    assert b"\b" in out
    assert b"$" in out
    row, column = bytearray(b"r1#"), 3
    for byte in out:  # what stands on the terminal in the end
        if byte == 8:
            column -= 1
        else:
            row[column : column + 1] = bytes((byte,))
            column += 1
        assert 3 <= column < 40
    assert row[:column].decode().startswith("r1#$")
    assert line.endswith(bytes(row[4:column]))
    assert row[column:].strip() == b""
    assert dialogue.type(b"\r") == b"\r\nr1#"
    assert dialogue.device.log[-1].command == line.decode()


def test_paging_that_cannot_be_switched_off() -> None:
    dialogue = Dialogue(faults=Faults(paging=10))
    assert dialogue.say("terminal length 0", "show version").endswith(" --More-- ")


def test_reset_after() -> None:
    dialogue = Dialogue(faults=Faults(reset_after=1000))
    out = dialogue.greeting + dialogue.type(b"show version\r")
    assert len(out) == 1000
    assert dialogue.shell.fate is Fate.RESET


def test_garbage() -> None:
    dialogue = Dialogue(faults=Faults(garbage=1))
    out = dialogue.type(b"show version\r")
    with pytest.raises(UnicodeDecodeError):
        out.decode()
    assert out.endswith(b"r1#")
    assert out == Dialogue(faults=Faults(garbage=1)).type(b"show version\r")


def test_syslog_inside_outputs() -> None:
    out = Dialogue(faults=Faults(syslog_every=10)).say("show lab lines 30")
    assert len(re.findall(r"\n\*.*%LINEPROTO-5-UPDOWN", out)) == 3


def test_another_hostname() -> None:
    dialogue = Dialogue()
    dialogue.device.faults = Faults(hostname="other")
    assert dialogue.say("show privilege").endswith("\nother#")


async def test_a_shell_too_many_on_a_link_is_told_so() -> None:
    async with Lab() as lab:
        for kept in (1, 2):
            device = await lab.add(f"r{kept}", faults=Faults(vty_refusal="text"), shells_per_link=kept)
            async with ssh(device) as link:
                shells = [await SshShell.open(link) for _ in range(kept)]
                for shell in shells:
                    await shell.until(b"#")
                surplus = await SshShell.open(link)
                assert b"All lines are in use" in await surplus.process.stdout.read()
                await surplus.process.wait_closed()
                assert device.refusals == 1
                assert device.sessions == kept
                shells[0].process.stdin.write(b"show privilege\r")
                assert b"15" in await shells[0].until(b"15")


@pytest.mark.parametrize("reset", [True, False])
async def test_a_reset_of_ssh_is_one(reset: bool) -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        assert device.ssh_port is not None
        ends: list[Exception | None] = []

        class Witness(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                ends.append(exc)

        loop = asyncio.get_running_loop()
        await loop.create_connection(Witness, "127.0.0.1", device.ssh_port)
        async with asyncio.timeout(5):
            while not device.connections:
                await asyncio.sleep(0)
            for link in list(device.connections):
                link.finish(reset=reset)
            while not ends:
                await asyncio.sleep(0)
        assert isinstance(ends[0], ConnectionResetError) is reset


async def test_latency_is_felt() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(latency=0.1))
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        start = time.monotonic()
        await client.say("show privilege", b"15\r\nr1#")
        assert 0.09 <= time.monotonic() - start < 1
        await client.close()


async def test_wrong_password() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(wrong_password=True))
        client = await Telnet.open(device)
        await client.until(b"Username: ")
        for _ in range(3):
            await client.say("admin", b"Password: ")
            client.writer.write(b"admin\r")
        assert (await client.rest()).endswith(b"% Login invalid\r\n\r\n")
        await client.close()
        with pytest.raises(asyncssh.PermissionDenied):
            await ssh(device)
        assert device.logins == 0


async def test_vty_limit() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(vty_limit=1), shells_per_link=5)
        first = await Telnet.open(device)
        await first.login(device, b"r1#")
        second = await Telnet.open(device)
        assert b"All lines are in use" in await second.rest()
        async with ssh(device) as link:
            with pytest.raises(asyncssh.ChannelOpenError):
                await SshShell.open(link)
            device.faults = Faults(vty_limit=1, vty_refusal="text")
            shell = await SshShell.open(link)
            assert b"All lines are in use" in await shell.process.stdout.read()
            device.faults = Faults()
            assert (await (await SshShell.open(link)).until(b"#")).endswith(b"r1#")
        await first.close()
        await second.close()


@pytest.mark.parametrize("port", ["ssh_port", "telnet_port"])
async def test_half_open(port: str) -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(half_open=True))
        reader, writer = await asyncio.open_connection("127.0.0.1", getattr(device, port))
        writer.write(b"anybody?\r\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        assert device.sessions == 0
        writer.close()


async def test_silent() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(silent=True))
        client = await Telnet.open(device)
        await client.until(b"Username: ")
        await client.say("admin", b"Password: ")
        client.writer.write(b"admin\rshow version\r")
        assert await client.until(b"\n") == b"\r\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.reader.read(1)
        await client.close()


@pytest.mark.parametrize("protocol", ["ssh", "telnet"])
async def test_reset_is_a_reset(protocol: str) -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        if protocol == "telnet":
            client = await Telnet.open(device)
            await client.login(device, b"r1#")
            device.faults = Faults(reset_after=500)
            client.writer.write(b"show version\r")
            with pytest.raises(ConnectionResetError):
                await client.until(b"never")
            await client.close()
        else:
            async with ssh(device) as link:
                shell = await SshShell.open(link)
                await shell.until(b"r1#")
                device.faults = Faults(reset_after=500)
                shell.process.stdin.write(b"show version\r")
                await link.wait_closed()
        assert device.sessions == 0


async def test_slow_login() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(slow_login=0.1))
        start = time.monotonic()
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        await client.close()
        middle = time.monotonic()
        async with ssh(device):
            pass
        assert middle - start >= 0.09
        assert time.monotonic() - middle >= 0.09


async def test_logins_per_minute() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(logins_per_minute=2))
        async with ssh(device):
            pass
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        with pytest.raises(asyncssh.PermissionDenied):
            await ssh(device)
        other = await Telnet.open(device)
        await other.until(b": ")
        other.writer.write(b"admin\radmin\r")
        assert b"Login rate exceeded" in await other.rest()
        assert device.refusals >= 2
        await client.close()
        await other.close()


async def test_unsolicited_log_lines() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(syslog_interval=0.02))
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        for _ in range(3):
            assert b"%LINEPROTO-5-UPDOWN" in await client.until(b"to up\r\n")
        await client.close()


async def test_banner() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", faults=Faults(banner="*** keep out of {host} #\n"))
        client = await Telnet.open(device)
        assert b"*** keep out of r1 #\r\n" in await client.until(b"Username: ")
        await client.close()
        banners: list[str] = []

        class Client(asyncssh.SSHClient):
            def auth_banner_received(self, msg: str, lang: str) -> None:
                banners.append(msg)

        async with ssh(device, client_factory=Client):
            pass
        assert banners == ["*** keep out of r1 #\n"]
