# SPDX-License-Identifier: Apache-2.0
"""The command line of a simulated device for APIs that run commands: one command in, its output back."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aioconn.lab.dialects import load
from aioconn.lab.shell import Fate, Shell

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice


class Refused(Exception):
    """The device does not take a command; the text is its answer."""


class Headless:
    """A command line of one request, in privileged mode, without pager."""

    def __init__(self, device: LabDevice) -> None:
        self._device = device
        self._shell = shell = Shell(device, device.next_identity(), load, user=device.username)
        shell.logged_in = True
        shell.output.rows = 0
        shell.mode = device.personality.enabled

    async def run(self, command: str) -> str:
        """What the command prints. Raises Refused. A command that hangs does so until it is cancelled."""
        shell = self._shell
        echo = self._device.echo
        shell.receive(command.encode() + b"\r")
        said = bytearray()
        while shell.fate is Fate.OPEN and (step := shell.pull()) is not None:
            if isinstance(step, bytes):
                said += step
            elif step == math.inf:
                await asyncio.get_running_loop().create_future()
            else:
                await asyncio.sleep(step)
        text = said.decode("utf-8", "replace").replace("\r\n", "\n")
        if echo != "none":
            text = text.partition("\n")[2]
        prompt = shell.dialect.prompt(shell).replace("\r\n", "\n")
        text = text.removesuffix(prompt).removesuffix("\n" + prompt.lstrip("\n"))
        refused = next((line for line in text.splitlines() if line.lstrip().startswith("%")), None)
        if refused is not None:
            raise Refused(text.strip())
        return text
