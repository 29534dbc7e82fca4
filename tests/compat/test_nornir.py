# SPDX-License-Identifier: Apache-2.0
"""The plugin for Nornir, as Nornir calls it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from aioconn.compat.nornir import AioconnPlugin
from aioconn.errors import AuthenticationFailed, InvalidOption, UsageError
from aioconn.lab import ThreadedLab


@pytest.fixture
def lab() -> Iterator[ThreadedLab]:
    with ThreadedLab() as lab:
        yield lab


def opened(lab: ThreadedLab, name: str, *, password: str = "admin", **extras: Any) -> AioconnPlugin:
    served = lab[name]
    plugin = AioconnPlugin()
    port = served.telnet_port if extras.get("protocol") == "telnet" else served.ssh_port
    plugin.open(served.address, "admin", password, port, "cisco_ios", extras, None)
    return plugin


def test_nornir_finds_it() -> None:
    (point,) = [one for one in entry_points(group="nornir.plugins.connections") if one.name == "aioconn"]
    assert point.load() is AioconnPlugin


def test_a_host(lab: ThreadedLab) -> None:
    served = lab.add("r1", password="%ENV{A_PASSWORD}", enable="secret")
    plugin = opened(lab, "r1", password="%ENV{A_PASSWORD}", enable_password="secret", columns=132)
    device = plugin.connection
    assert device.execute("show version").mode == "privileged"
    assert device.default.options.columns == 132
    plugin.close()
    plugin.close()
    assert not device.connected
    with pytest.raises(UsageError, match="not open"):
        _ = plugin.connection
    assert served.logins == 1


def test_a_pool_by_telnet(lab: ThreadedLab) -> None:
    lab.add("r1", protocols=("telnet",))
    plugin = opened(lab, "r1", protocol="telnet", pool_size=2)
    assert plugin.connection.default.size == 2
    assert "Version" in plugin.connection.execute("show version")
    plugin.close()


def test_paths_of_its_own(lab: ThreadedLab) -> None:
    """What the extras say of connections counts, and not the host's port."""
    served = lab.add("r1", personality="arista_eos")
    paths = {"there": {"protocol": "ssh", "host": served.address, "port": served.ssh_port}}
    plugin = AioconnPlugin()
    plugin.open("192.0.2.1", "admin", "admin", 1, None, {"os": "eos", "connections": paths})
    assert plugin.connection.default.via == "there"
    plugin.close()


def test_what_fails(lab: ThreadedLab) -> None:
    lab.add("r1")
    with pytest.raises(AuthenticationFailed):
        opened(lab, "r1", password="wrong")
    with pytest.raises(InvalidOption, match="columns"):
        opened(lab, "r1", colums=132)
    with pytest.raises(UsageError, match="hostname"):
        AioconnPlugin().open(None, "admin", "admin", 22, "ios")


def test_no_nornir_is_needed_to_import_it() -> None:
    source = Path(AioconnPlugin.open.__code__.co_filename).read_text(encoding="utf-8")
    top = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in top if "nornir" in line]
