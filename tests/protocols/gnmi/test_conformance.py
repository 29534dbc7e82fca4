# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, kept by gNMI, with TLS and without."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

from aioconn.conformance import Conformance, Subject
from aioconn.lab import Faults
from tests.lab_thread import LabThread

PASSWORD = "Pa55-of-the-lab"


async def ask(session: Any, number: int) -> Any:
    return await session.get(f"/interfaces/interface[name=Loopback{number}]/config/name")


class Target(Conformance):
    in_order = False
    protocol: ClassVar[str]

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        # in a loop of its own: gRPC's server keeps a task for each next call, which the tests would count
        with tempfile.TemporaryDirectory() as folder, LabThread(Path(folder)) as lab:
            served = lab.add(
                "r1", protocols=(self.protocol,), password=PASSWORD, faults=Faults(hang_on="never")
            )
            for number in range(20):
                served.configure((f"interface Loopback{number}",), "description a number")

            async def cut() -> None:
                served.cut()

            entry = lab.testbed()["devices"]["r1"]
            yield Subject(
                entry=entry,
                ask=ask,
                read=lambda answer: int(answer[0].value.removeprefix("Loopback")),
                hang=lambda session, timeout: session.get("/system/never", timeout=timeout),
                cut=lambda: lab.call(cut()),
                live=lambda: served.sessions,
                secret=PASSWORD,
                denied={
                    **entry,
                    "credentials": {"default": {"username": "admin", "password": "wrong-password"}},
                },
            )


class TestInsecure(Target):
    protocol = "gnmi"


class TestTls(Target):
    protocol = "gnmis"
