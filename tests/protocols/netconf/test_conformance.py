# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, of NETCONF's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

import aioconn
from aioconn.conformance import NUMBERS, Conformance, Subject
from aioconn.lab import Faults, Lab
from aioconn.lab.data import Edit, Step

pytestmark = pytest.mark.clock("jumping")

INTERFACES = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
PASSWORD = "s3cret-word"


def wanted(number: int) -> dict[str, Any]:
    return {
        "interfaces": {"@xmlns": INTERFACES, "interface": {"name": f"Loopback{number}", "description": None}}
    }


class TestNetconf(Conformance):
    in_order: ClassVar[bool] = True

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            served = await lab.add(
                "subject", protocols=("netconf",), password=PASSWORD, faults=Faults(hang_on="Loopback99")
            )
            for number in range(NUMBERS):
                path = (
                    Step("ietf-interfaces:interfaces"),
                    Step("interface", {"name": f"Loopback{number}"}),
                    Step("description"),
                )
                served.data.edit([Edit(operation="merge", path=path, value=f"number {number}.")])
            entry = lab.testbed()["devices"]["subject"]
            refused = {
                **entry,
                "credentials": {"default": {"username": "admin", "password": "wrong-password"}},
            }
            yield Subject(
                entry=entry,
                ask=lambda session, number: session.get_config(filter=wanted(number)),
                read=lambda answer: int(answer.partition("number ")[2].partition(".")[0]),
                hang=lambda session, timeout: session.get_config(filter=wanted(99), timeout=timeout),
                cut=served.cut,
                live=lambda: served.sessions,
                secret=PASSWORD,
                denied=refused,
            )

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()


async def test_the_secret_of_the_subject_is_the_one_that_is_used(lab: Lab) -> None:
    """A conformance that tests another password than that of the device would prove nothing."""
    await lab.add("r1", protocols=("netconf",), password=PASSWORD)
    async with aioconn.load(lab.testbed()) as testbed:
        await testbed["r1"].connect()
