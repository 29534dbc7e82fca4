# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, kept by REST over HTTP and HTTPS, with each kind of login."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import pytest

from aioconn.conformance import NUMBERS, Conformance, Subject
from aioconn.lab import Faults, Lab, authority
from tests.http2_front import Http2Front
from tests.socks_server import SocksServer

pytestmark = pytest.mark.clock("jumping")

PASSWORD = "Pa55-of-the-lab"
TOKEN: Mapping[str, Any] = {
    "login": "token",
    "login_path": "/api/token",
    "login_body": {"username": "{username}", "password": "{password}"},
    "logout_path": "/api/logout",
}


ECHO: Mapping[str, Any] = {
    "ask": lambda session, number: session.get(f"/api/echo/{number}"),
    "read": lambda answer: answer.json()["number"],
    "hang": lambda session, timeout: session.get("/api/never", timeout=timeout),
}
"""What a subject is asked."""


class Rest(Conformance):
    protocol: ClassVar[str] = "http"
    keys: ClassVar[Mapping[str, Any]] = {}

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            served = await lab.add(
                "r1", protocols=(self.protocol,), password=PASSWORD, faults=Faults(hang_on="never")
            )
            server: Any = served.servers[self.protocol]
            described = lab.testbed()["devices"]["r1"]
            entry = {**described, "connections": {"rest": {**described["connections"]["rest"], **self.keys}}}
            yield Subject(
                entry=entry,
                **ECHO,
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


class TestHttp(Rest):
    pass


class TestHttps(Rest):
    protocol = "https"


class TestToken(Rest):
    keys = TOKEN


class TestCookie(Rest):
    keys: ClassVar[Mapping[str, Any]] = {"login": "nxos"}


class TestHttp2(Conformance):
    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            served = await lab.add(
                "r1", protocols=("http",), password=PASSWORD, faults=Faults(hang_on="never")
            )
            async with Http2Front(served.ports["http"]).listening() as front:
                described = lab.testbed()["devices"]["r1"]
                path = {
                    **described["connections"]["rest"],
                    "scheme": "https",
                    "port": front.port,
                    "http2": True,
                    "fingerprint": authority.identity().fingerprint,
                }
                entry = {**described, "connections": {"rest": path}}
                yield Subject(
                    entry=entry,
                    **ECHO,
                    cut=front.cut,
                    live=lambda: len(front.connections),
                    secret=PASSWORD,
                    denied={
                        **entry,
                        "credentials": {"default": {"username": "admin", "password": "wrong-password"}},
                    },
                )

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()


class TestThroughSocks(Conformance):
    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            served = await lab.add(
                "r1", protocols=("https",), password="lab-password", faults=Faults(hang_on="never")
            )
            server: Any = served.servers["https"]
            async with SocksServer(login=("me", PASSWORD)).listening() as socks:
                described = lab.testbed()["devices"]["r1"]
                path = {**described["connections"]["rest"], "http_proxy": socks.url(login=f"me:{PASSWORD}")}
                denied = {**path, "http_proxy": socks.url(login="me:wrong-password")}
                yield Subject(
                    entry={**described, "connections": {"rest": path}},
                    **ECHO,
                    cut=served.cut,
                    live=lambda: server.sessions,
                    secret=PASSWORD,
                    denied={**described, "connections": {"rest": denied}},
                )

    @pytest.mark.clock("real")
    async def test_on_a_loop_of_its_own(self) -> None:
        await super().test_on_a_loop_of_its_own()


class Commands(Conformance):
    api: ClassVar[str]

    @contextlib.asynccontextmanager
    async def subject(self) -> AsyncIterator[Subject]:
        async with Lab() as lab:
            commands = {f"show number {number}": f"the number is {number}\n" for number in range(NUMBERS)}
            served = await lab.add(
                "r1",
                protocols=("http",),
                password=PASSWORD,
                commands=commands,
                faults=Faults(hang_on="never"),
            )
            server: Any = served.servers["http"]
            described = lab.testbed()["devices"]["r1"]
            entry = {
                **described,
                "connections": {"api": {**described["connections"]["rest"], "protocol": self.api}},
            }
            yield Subject(
                entry=entry,
                ask=lambda session, number: session.execute(f"show number {number}"),
                read=lambda answer: int(answer.rsplit(maxsplit=1)[-1]),
                hang=lambda session, timeout: session.execute("show never", timeout=timeout),
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


class TestEapi(Commands):
    api = "eapi"


class TestNxapi(Commands):
    api = "nxapi"
