# SPDX-License-Identifier: Apache-2.0
"""The servers, started when the first test asks for them, and the look at what a test left behind on them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
from tests.integration.servers import consoles as console_server
from tests.integration.servers import frr as frr_server
from tests.integration.servers import openssh as openssh_server
from tests.integration.servers import telnetd as telnet_server
from tests.integration.servers.consoles import Consoles
from tests.integration.servers.frr import Frr
from tests.integration.servers.openssh import OpenSsh
from tests.integration.servers.site import Site
from tests.integration.servers.telnetd import Telnetd

Load = Callable[..., aioconn.Testbed]


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    site = Site()
    try:
        yield site
    finally:
        site.close()


@pytest.fixture(scope="session")
def frr(site: Site) -> Frr:
    return frr_server.start(site)


@pytest.fixture(scope="session")
def openssh(site: Site) -> OpenSsh:
    return openssh_server.start(site)


@pytest.fixture(scope="session")
def telnetd(site: Site) -> Telnetd:
    return telnet_server.start(site)


@pytest.fixture(scope="session")
def consoles(site: Site, frr: Frr) -> Consoles:
    return console_server.start(site, frr)


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Host keys are remembered for one test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(autouse=True)
def nobody_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Around the test's own fixtures: whoever still has a session on a server when they are gone fails it."""
    site = request.getfixturevalue("site") if "site" in request.fixturenames else None
    yield
    if site is None:
        return
    if left := site.wait_idle():
        pytest.fail("the test leaves sessions behind:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
async def load() -> AsyncIterator[Load]:
    """`load(r1={...}, r2={...}, credentials={...})`: a testbed of these devices, closed after the test."""
    testbeds: list[aioconn.Testbed] = []

    def make(**devices: dict[str, Any]) -> aioconn.Testbed:
        testbeds.append(aioconn.load({"testbed": {"name": "real"}, "devices": devices}))
        return testbeds[-1]

    yield make
    for testbed in testbeds:
        (await testbed.disconnect()).raise_for_errors()
