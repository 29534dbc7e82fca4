# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio

import asyncssh
import pytest

from aioconn.lab import Lab
from aioconn.lab.player import Player
from tests.lab.dialogue import SshShell, ssh


@pytest.mark.parametrize("method", ["password", "keyboard-interactive", "publickey"])
async def test_ways_to_log_in(method: str) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with Lab() as lab:
        device = await lab.add("r1", ssh_auth=[method], authorized_key=key.export_public_key().decode())
        keys = [key] if method == "publickey" else None
        async with ssh(device, client_keys=keys) as link:
            await (await SshShell.open(link)).until(b"r1#")


async def test_wrong_key_and_wrong_user() -> None:
    key, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    async with Lab() as lab:
        device = await lab.add("r1", authorized_key=key.export_public_key().decode(), ssh_auth=["publickey"])
        with pytest.raises(asyncssh.PermissionDenied):
            await ssh(device, client_keys=[other])
        with pytest.raises(asyncssh.PermissionDenied):
            await ssh(device, client_keys=[key], username="root")


async def test_a_second_shell_is_refused_where_the_system_has_one() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        async with ssh(device) as link:
            await (await SshShell.open(link)).until(b"r1#")
            with pytest.raises(asyncssh.ChannelOpenError):
                await SshShell.open(link)
        assert device.refusals == 1


async def test_many_shells_on_one_link() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", personality="arista_eos")
        async with ssh(device) as link:
            shells = [await SshShell.open(link) for _ in range(5)]
            for shell in shells:
                await shell.until(b"r1#")
            assert device.sessions == 5
            shells[0].process.stdin.write(b"exit\r")
            await shells[0].process.wait_closed()
            await shells[1].say("show clock", b"r1#")
            assert device.sessions == 4


async def test_exit_ends_the_stream_with_a_status() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", personality="linux")
        async with ssh(device) as link:
            shell = await SshShell.open(link)
            await shell.until(b"$ ")
            shell.process.stdin.write(b"exit 3\r")
            result = await shell.process.wait()
            assert result.exit_status == 3
            assert result.stdout is not None
            assert bytes(result.stdout).endswith(b"logout\r\n")  # type: ignore[arg-type]


async def test_a_single_command() -> None:
    async with Lab() as lab:
        linux = await lab.add("h1", personality="linux")
        async with ssh(linux) as link:
            assert (await link.run("hostname; echo two")).stdout == "h1\ntwo\n"
            assert (await link.run("false")).exit_status == 1
        router = await lab.add("r1")
        async with ssh(router) as link:
            answer = await link.run("show privilege")
            assert answer.stdout == "Current privilege level is 15\r\n"
        assert linux.sessions == router.sessions == 0


async def test_the_interrupt_signal_and_the_window() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        async with ssh(device) as link:
            shell = await SshShell.open(link)
            await shell.until(b"r1#")
            shell.process.change_terminal_size(132, 50)
            shell.process.stdin.write(b"ping 192.0.2.1\r")
            await shell.until(b"!")
            shell.process.send_signal("INT")
            assert b"Success rate is" in await shell.until(b"r1#")
            (player,) = device.players
            assert isinstance(player, Player)
            assert player.shell.width == 132


async def test_a_reader_that_stops_is_waited_for() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        async with ssh(device) as link:
            shell = await SshShell.open(link)
            await shell.until(b"r1#")
            await shell.say("terminal length 0", b"r1#")
            shell.process.stdin.write(b"show lab bytes 8000000\r")
            await asyncio.sleep(0.05)
            size = 0
            tail = b""
            while not tail.endswith(b"r1#"):
                data = bytes(await shell.process.stdout.read(1 << 16))
                size += len(data)
                tail = (tail + data)[-8:]
            assert size >= 8_000_000


async def test_what_is_reached_for_a_link_that_has_gone_is_closed() -> None:
    async with Lab() as lab:
        jump = await lab.add("jump", personality="linux", forwards=True)
        behind = await lab.add("r1")
        for turns in range(0, 40, 2):
            link = await ssh(jump)
            opening = asyncio.ensure_future(link.open_connection("127.0.0.1", behind.ssh_port))
            for _ in range(turns):
                await asyncio.sleep(0)
            jump.cut()
            await asyncio.wait({opening})
            assert opening.exception() is None or isinstance(opening.exception(), (asyncssh.Error, OSError))
            link.abort()
            await link.wait_closed()
