# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, kept by the command line over SSH and telnet."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import ClassVar

import pytest

from aioconn.conformance import NUMBERS, Conformance, Subject
from aioconn.lab import Faults, Lab

pytestmark = pytest.mark.clock("jumping")

PASSWORD = "Pa55-of-the-lab"
COMMANDS = {f"show number {number}": f"the number is {number}\n" for number in range(NUMBERS)}


class CommandLine(Conformance):
    protocol: ClassVar[str]

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            served = await lab.add(
                "r1",
                protocols=(self.protocol,),
                password=PASSWORD,
                commands=COMMANDS,
                faults=Faults(hang_on="never"),
            )
            entry = lab.testbed()["devices"]["r1"]
            yield Subject(
                entry=entry,
                ask=lambda session, number: session.execute(f"show number {number}"),
                read=lambda answer: int(answer.rsplit(maxsplit=1)[-1]),
                hang=lambda session, timeout: session.execute("show never", timeout=timeout),
                cut=served.cut,
                live=lambda: served.sessions,
                secret=PASSWORD,
                denied={
                    **entry,
                    "credentials": {"default": {"username": "admin", "password": "wrong-password"}},
                },
            )

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()


class TestSsh(CommandLine):
    protocol = "ssh"


class TestTelnet(CommandLine):
    protocol = "telnet"
