# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncssh
import pytest
import yaml

from aioconn.errors import UsageError
from aioconn.lab import Lab
from aioconn.lab.device import LabDevice
from aioconn.lab.personality import names
from tests.lab.dialogue import SshShell, Telnet, ssh

PROMPTS = {
    "arista_eos": b"r1#",
    "cisco_iosxe": b"r1#",
    "cisco_iosxr": b"RP/0/RP0/CPU0:r1#",
    "cisco_nxos": b"r1# ",
    "frr": b"r1# ",
    "juniper_junos": b"admin@r1> ",
    "linux": b"admin@r1:~$ ",
}


@pytest.mark.parametrize("name", names())
async def test_both_protocols(name: str) -> None:
    prompt = PROMPTS[name]
    async with Lab() as lab:
        device = await lab.add("r1", personality=name, rows=0, login="password" if name == "frr" else "user")
        client = await Telnet.open(device)
        if name == "frr":
            await client.until(b"Password: ")
            client.writer.write(b"admin\r")
            await client.until(prompt)
        else:
            await client.until(b"ogin: " if name not in ("cisco_iosxe", "cisco_iosxr") else b"Username: ")
            client.writer.write(b"admin\r")
            await client.until(b"assword:")
            client.writer.write(b"admin\r")
            await client.until(prompt)
        command = "hostname" if name == "linux" else "show version"
        assert b"r1" in await client.say(command, prompt)
        async with ssh(device) as link:
            shell = await SshShell.open(link)
            await shell.until(prompt)
            assert b"r1" in await shell.say(command, prompt)
            assert device.sessions == 2
            shell.process.stdin.write(b"exit\r")
            await shell.process.wait_closed()
        client.writer.write(b"exit\r")
        await client.rest()
        await client.close()
        assert (device.peak_sessions, device.logins) == (2, 2)
        assert [entry.command for entry in device.log] == [command, command, "exit", "exit"]


async def test_a_testbed_in_pyats_form(tmp_path: Path) -> None:
    async with Lab() as lab:
        r1 = await lab.add("r1", enable="secret")
        await lab.add("h1", personality="linux", protocols=["ssh"])
        testbed = lab.testbed()
        assert testbed["devices"]["r1"] == {
            "os": "iosxe",
            "type": "router",
            "credentials": {
                "default": {"username": "admin", "password": "admin"},
                "enable": {"password": "secret"},
            },
            "connections": {
                "cli": {"protocol": "ssh", "ip": "127.0.0.1", "port": r1.ssh_port, "host_key": lab.host_key},
                "vty": {"protocol": "telnet", "ip": "127.0.0.1", "port": r1.telnet_port},
            },
        }
        assert list(testbed["devices"]["h1"]["connections"]) == ["cli"]
        assert yaml.safe_load(lab.write_testbed(tmp_path / "lab.yaml").read_text()) == testbed


async def test_the_host_key_is_the_one_in_the_testbed() -> None:
    async with Lab() as lab:
        for name in ("r1", "r2"):
            device = await lab.add(name)
            key = asyncssh.import_public_key(lab.host_key or "")
            async with ssh(device, known_hosts=([key], [], [])):
                pass


async def sessions_over_telnet(device: LabDevice) -> None:
    client = await Telnet.open(device)
    await client.login(device, b"r1#")
    await client.say("show privilege", b"15\r\nr1#")
    client.writer.write(b"exit\r")
    await client.rest()
    await client.close()


async def sessions_over_ssh(device: LabDevice) -> None:
    async with ssh(device) as link:
        shell = await SshShell.open(link)
        await shell.until(b"r1#")
        await shell.say("show privilege", b"15\r\nr1#")


@pytest.mark.parametrize("visit", [sessions_over_ssh, sessions_over_telnet])
async def test_two_hundred_at_once(visit: object) -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        start = time.monotonic()
        gate = asyncio.Semaphore(50)

        async def one() -> None:
            async with gate:
                await visit(device)  # type: ignore[operator]

        async with asyncio.timeout(5):
            await asyncio.gather(*(one() for _ in range(200)))
        assert time.monotonic() - start < 5
        assert device.logins == 200


async def test_leaving_cuts_sessions_and_frees_everything() -> None:
    before = asyncio.all_tasks()
    async with Lab() as lab:
        device = await lab.add("r1", shells_per_link=3)
        clients = [await Telnet.open(device) for _ in range(5)]
        for client in clients:
            await client.login(device, b"r1#")
        clients[0].writer.write(b"ping 192.0.2.1\r")
        clients[1].writer.write(b"show lab bytes 50000000\r")  # more than anybody reads here
        link = await ssh(device)
        await SshShell.open(link)
        greeting = await asyncio.open_connection("127.0.0.1", device.ssh_port)
        await greeting[0].read(1)  # in the middle of the key exchange
        assert device.sessions == 6
    assert device.sessions == 0
    assert not device.connections
    await link.wait_closed()
    for client in clients:
        await client.close()
    greeting[1].close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", device.telnet_port)
    assert asyncio.all_tasks() == before


async def test_leaving_by_a_cancel() -> None:
    ready: asyncio.Future[LabDevice] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        async with Lab() as lab:
            ready.set_result(await lab.add("r1"))
            await asyncio.sleep(60)

    task = asyncio.create_task(run())
    device = await ready
    client = await Telnet.open(device)
    await client.login(device, b"r1#")
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert device.sessions == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", device.ssh_port)
    await client.close()


async def test_kill_sessions() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        async with ssh(device) as link:
            await (await SshShell.open(link)).until(b"r1#")
            assert device.kill_sessions() == 2
            assert device.sessions == 0
            assert await client.rest() == b""
            await link.wait_closed()
        await client.close()


async def test_removing_a_device() -> None:
    async with Lab() as lab:
        device = await lab.add("r1")
        lab.remove("r1")
        assert "r1" not in lab.devices
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", device.telnet_port)
        await lab.add("r1")


async def test_wrong_calls() -> None:
    lab = Lab()
    with pytest.raises(UsageError, match="not running"):
        await lab.add("r1")
    async with lab:
        await lab.add("r1", protocols=["telnet"])
        assert lab.host_key is None
        with pytest.raises(UsageError, match="has a device 'r1' already"):
            await lab.add("r1")
        with pytest.raises(UsageError, match="did you mean 'telnet'"):
            await lab.add("r2", protocols=["telent"])


async def test_further_commands() -> None:
    async with Lab() as lab:
        device = await lab.add("r1", commands={"show weather": "sunny on {host}\n"})
        client = await Telnet.open(device)
        await client.login(device, b"r1#")
        assert await client.say("sh wea", b"r1#") == b"sh wea\r\nsunny on r1\r\nr1#"
        await client.close()
