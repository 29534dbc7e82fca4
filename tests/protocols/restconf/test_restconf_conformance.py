# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, kept by RESTCONF."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from aioconn.conformance import Conformance, Subject
from aioconn.lab import Lab

pytestmark = pytest.mark.clock("jumping")

PASSWORD = "Pa55-of-the-lab"


class TestRestconf(Conformance):
    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            served = await lab.add("r1", protocols=("https",), password=PASSWORD)
            server: Any = served.servers["https"]
            described = lab.testbed()["devices"]["r1"]
            entry = {**described, "connections": {"restconf": described["connections"]["restconf"]}}
            yield Subject(
                entry=entry,
                ask=lambda session, number: session.rpc("aioconn-lab:echo", {"number": number}),
                read=lambda answer: answer["number"],
                hang=lambda session, timeout: session.rpc(
                    "aioconn-lab:wait", {"milliseconds": 60_000}, timeout=timeout
                ),
                cut=served.cut,
                live=lambda: server.sessions,
                secret=PASSWORD,
                denied={
                    **entry,
                    "credentials": {"default": {"username": "admin", "password": "wrong-password"}},
                },
            )

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()
