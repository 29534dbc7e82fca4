# SPDX-License-Identifier: Apache-2.0
"""Every way not to get a session, in one fan-out: each its own error, and nobody else is disturbed."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import aioconn
from aioconn import errors
from aioconn.lab import Faults, Lab

pytestmark = pytest.mark.clock("jumping")

DEADLINE = 3.0

EXPECTED = {
    "unknown-host": (errors.HostUnknown, "resolve"),
    "refused-port": (errors.HostUnreachable, "tcp"),
    "silent-ssh": (errors.ConnectTimeout, "kex"),
    "silent-telnet": (errors.ConnectTimeout, "login"),
    "wrong-password": (errors.AuthenticationFailed, "auth"),
    "wrong-telnet-password": (errors.AuthenticationFailed, "login"),
    "changed-key": (errors.HostKeyChanged, "kex"),
    "no-common-algorithm": (errors.KeyExchangeFailed, "kex"),
    # RFC 4253 section 4.2: any lines may come before the version, so it is waited for
    "no-ssh-server": (errors.ConnectTimeout, "kex"),
    "shell-refused": (errors.ShellRefused, "shell"),
    "no-prompt": (errors.PromptNotFound, "login"),
}


async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A server that talks of the weather and shows no prompt."""
    try:
        writer.write(b"Nice weather today, is it not, dear visitor\r\n")
        while await reader.read(100):
            writer.write(b"You do not say, dear visitor\r\n")
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def test_each_failure_is_told_apart_and_the_others_answer(lab: Lab) -> None:
    for name in ("good-ssh", "good-telnet", "wrong-password", "wrong-telnet-password", "silent-ssh"):
        await lab.add(name, protocols=("telnet" if "telnet" in name else "ssh",))
    for name in ("changed-key", "no-common-algorithm", "shell-refused"):
        await lab.add(name, protocols=("ssh",))
    await lab.add("silent-telnet", protocols=("telnet",), faults=Faults(half_open=True))
    lab["silent-ssh"].faults = Faults(half_open=True)
    for name in ("wrong-password", "wrong-telnet-password"):
        lab[name].faults = Faults(wrong_password=True)
    lab["shell-refused"].faults = Faults(vty_limit=0)
    talkative = await asyncio.start_server(chatter, "127.0.0.1", 0)
    port = talkative.sockets[0].getsockname()[1]

    whole = lab.testbed()
    devices: dict[str, Any] = whole["devices"]
    login = devices["good-ssh"]["credentials"]
    paths = {name: next(iter(device["connections"].values())) for name, device in devices.items()}
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDkvygvzIh6FXZKRXCYxsw4SnX22IZ+Lr+6yC4/p6Wjd"
    paths["changed-key"]["host_key"] = other
    paths["no-common-algorithm"]["kex"] = ["diffie-hellman-group1-sha1"]
    more = {
        "unknown-host": {"protocol": "ssh", "ip": "nosuchhost.invalid"},
        "refused-port": {"protocol": "ssh", "ip": "127.0.0.1", "port": 1},
        "no-ssh-server": {"protocol": "ssh", "ip": "127.0.0.1", "port": port},
        "no-prompt": {"protocol": "telnet", "ip": "127.0.0.1", "port": port},
    }
    for name, path in more.items():
        devices[name] = {"os": "iosxe", "credentials": login, "connections": {"cli": path}}

    started = time.monotonic()
    async with aioconn.load(whole) as testbed:
        results = {
            result.device: result
            async for result in aioconn.fan_out(testbed, "show version", timeout=DEADLINE)
        }
    assert time.monotonic() - started < DEADLINE + 3
    talkative.close()
    assert set(results) == set(devices)
    for name in ("good-ssh", "good-telnet"):
        assert "Version" in results[name].unwrap()
    told = {
        name: (type(result.error), getattr(result.error, "phase", None))
        for name, result in results.items()
        if not result.ok
    }
    assert told == EXPECTED
    for name, result in results.items():
        if not result.ok:
            assert isinstance(result.error, errors.AioconnError)
            assert result.error.device == name
            assert result.error.path
            assert str(result.error).count("\n") == 0
    assert lab["wrong-password"].logins == 0
