# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, kept by SNMP in both versions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aioconn.conformance import NUMBERS, Conformance, Subject
from aioconn.credentials import Secret
from aioconn.lab import Lab
from aioconn.lab.snmp import SnmpFaults, serve
from aioconn.protocols.snmp.usm import User

SOCKETS = Path("/proc/net/udp")
NUMBER = "enterprises.99999.1"
SILENT = "enterprises.99999.2"
SECRET = "S3cret-of-the-lab"

pytestmark = pytest.mark.skipif(not SOCKETS.exists(), reason="the sockets of this system cannot be counted")


def sockets_to(port: int) -> int:
    """UDP sockets that are connected to a port of loopback: all that there is of a session."""
    peer = f" 0100007F:{port:04X} "
    return sum(line.split(":", 1)[1].find(peer) > 0 for line in SOCKETS.read_text().splitlines()[1:])


class Snmp(Conformance):
    in_order = False

    def path(self, secret: str) -> dict[str, Any]:
        raise NotImplementedError

    denied = False

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            device = await lab.add("r1", protocols=())
            user = User(
                name="reader",
                auth="sha256",
                auth_password=Secret(SECRET),
                priv="aes",
                priv_password=Secret("of-privacy"),
            )
            agent = await serve(lab, device, communities={SECRET: True}, users=[user])
            agent.mib.extra.update({f"{NUMBER}.{number}": number for number in range(NUMBERS)})
            agent.faults = SnmpFaults(silent_on=SILENT)

            def entry(secret: str) -> dict[str, Any]:
                where = {"protocol": "snmp", "ip": "127.0.0.1", "port": agent.port}
                return {"connections": {"snmp": {**where, **self.path(secret)}}}

            try:
                yield Subject(
                    entry=entry(SECRET),
                    ask=lambda session, number: session.get(f"{NUMBER}.{number}"),
                    read=lambda answer: answer.value,
                    hang=lambda session, timeout: session.get(f"{SILENT}.1", timeout=timeout),
                    cut=agent.cut,
                    live=lambda: sockets_to(agent.port),
                    secret=SECRET,
                    denied=entry("wrong-password") if self.denied else None,
                )
            finally:
                await agent.close()


class TestVersion2c(Snmp):
    def path(self, secret: str) -> dict[str, Any]:
        return {"community": secret}


class TestVersion3(Snmp):
    denied = True

    def path(self, secret: str) -> dict[str, Any]:
        return {
            "user": "reader",
            "auth": "sha256",
            "auth_password": secret,
            "priv": "aes",
            "priv_password": "of-privacy",
        }
