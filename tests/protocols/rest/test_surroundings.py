# SPDX-License-Identifier: Apache-2.0
"""REST through an HTTP proxy, without its libraries, from the testbeds of others, from other processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import multiprocessing.resource_tracker
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import aioconn
import aioconn.sync
from aioconn.broker import estate
from aioconn.errors import HostUnreachable, InvalidOption
from aioconn.lab import Lab
from tests.lab_thread import LabThread
from tests.relay import Relay, both_ways

ROOT = Path(__file__).resolve().parents[3]


class Proxy(Relay):
    """Passes on whole URLs, and tunnels by CONNECT; `asked` are the first lines of what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.refuses = False

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, rest = head.partition(b"\r\n")
        self.asked.append(first.decode())
        method, url, _ = first.decode().split()
        if self.refuses:
            writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        place = url.removeprefix("http://").partition("/")
        host, _, port = place[0].partition(":")
        back, there = await asyncio.open_connection(host, int(port))
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Yes\r\n\r\n")
            else:  # the requests that follow bear whole URLs: devices take them (RFC 9112, section 3.2.2)
                there.write(f"{method} /{place[2]} HTTP/1.1\r\n".encode() + rest)
            await both_ways(reader, writer, back, there)
        finally:
            there.close()


async def test_through_an_http_proxy(lab: Lab) -> None:
    async with Proxy().listening() as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        for protocol, begins in (("http", "GET http://127.0.0.1:"), ("https", "CONNECT 127.0.0.1:")):
            await lab.add(protocol, protocols=(protocol,))
            device = through(lab, protocol, url)
            rest: Any = await device.connect(via="rest")
            assert proxy.asked[-1].startswith(begins)
            assert (await rest.get("/api/echo/1")).json() == {"number": 1}
            await device.destroy_all()
        proxy.refuses = True
        with pytest.raises(HostUnreachable, match="the proxy refuses: 403") as caught:
            await through(lab, "https", url.replace("//", "//me:s3cret@")).connect(via="rest")
        assert "s3cret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__cause__}"
    with pytest.raises(InvalidOption, match="http_proxy"):
        await through(lab, "http", "https://127.0.0.1:1").connect(via="rest")


def through(lab: Lab, name: str, proxy: str) -> aioconn.Device:
    entry = lab.testbed()["devices"][name]
    entry["connections"]["rest"].update(http_proxy=proxy, probe_method="GET")
    return aioconn.Device(name, **entry)


@pytest.mark.parametrize(
    ("library", "path", "extra"),
    [
        ("aiohttp", {"protocol": "https"}, "rest"),
        ("lxml", {"protocol": "restconf"}, "rest"),
        ("h2", {"protocol": "https", "http2": True}, "http2"),
        ("python_socks", {"protocol": "http", "http_proxy": "socks5://127.0.0.1:1"}, "socks"),
    ],
)
def test_what_is_missing_is_said_with_its_remedy(library: str, path: dict[str, Any], extra: str) -> None:
    script = f"""
import asyncio, sys
import aioconn
assert not {{"aiohttp", "h2", "lxml", "python_socks"}} & set(sys.modules), "imported without need"
sys.modules[{library!r}] = None
device = aioconn.Device("r1", connections={{"a": {{"ip": "192.0.2.1", **{path!r}}}}})
try:
    asyncio.run(device.connect())
except aioconn.errors.MissingDependency as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert f"pip install 'aioconn[{extra}]'" in done.stdout


async def test_the_testbed_of_a_pyats_script(lab: Lab) -> None:
    served = await lab.add("r1", protocols=("http",))
    path = {
        "class": "rest.connector.Rest",
        "ip": "127.0.0.1",
        "port": served.ports["http"],
        "protocol": "http",
        "credentials": {"rest": {"username": "admin", "password": "admin"}},
    }
    device = aioconn.Device("r1", os="nxos", connections={"rest": path})
    await device.connect(alias="rest", via="rest")
    assert (await device["rest"].get("/api/facts", timeout=30)).ok
    await device.destroy_all()


def ask(session: Any, number: int) -> Any:
    return session.get(f"/api/echo/{number}")


@pytest.fixture(scope="module", autouse=True)
def servants() -> None:
    """What multiprocessing starts once and keeps."""
    multiprocessing.resource_tracker.ensure_running()


@pytest.fixture
def sharing() -> Iterator[None]:
    """Whatever is pickled, or carried through a fork, is shared from then on."""
    yield
    estate.here().stop()


# Since Python 3.12 a process with threads is warned of forking.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.usefixtures("sharing")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_processes_share_sessions(tmp_path: Path, method: str) -> None:
    with LabThread(tmp_path) as lab:
        device = lab.add("r1", protocols=("https",))
        server: Any = device.servers["https"]
        with aioconn.sync.load(lab.file) as testbed:
            pool: Any = testbed["r1"].connect(via="rest", pool_size=2)
            with multiprocessing.get_context(method).Pool(2) as workers:
                answers = workers.starmap(ask, [(pool, number) for number in range(8)])
            assert [answer.json()["number"] for answer in answers] == list(range(8))
            assert pool.get("/api/echo/9").json() == {"number": 9}
            assert server.sessions <= 2
        assert lab.wait_for(lambda: not server.sessions, timeout=20)
