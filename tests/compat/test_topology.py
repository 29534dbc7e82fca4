# SPDX-License-Identifier: Apache-2.0
"""Devices of ours made from objects that look like pyATS's."""

from __future__ import annotations

import gc
import ipaddress
from typing import Any

import pytest

from aioconn.compat import topology
from aioconn.compat.arguments import translated
from aioconn.compat.topology import counterpart, description
from aioconn.credentials import Secret
from aioconn.errors import TestbedError


class Hidden:
    """As pyATS keeps what nobody is to see."""

    def __init__(self, plaintext: str) -> None:
        self.plaintext = plaintext


class Thing:
    """An object that can be referred to weakly and not hashed, as testbeds of pyATS."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, **keys: Any) -> None:
        self.__dict__.update(keys)


def testbed_of(**devices: dict[str, Any]) -> Any:
    testbed: Any = Thing(name="tb", devices={}, servers={})
    login = {"default": {"username": "admin", "password": Hidden("%ENV{NOT_MEANT}")}}
    for name, connections in devices.items():
        keys = {"os": "iosxe", "platform": None, "alias": name, "type": "router", "credentials": login}
        testbed.devices[name] = Thing(name=name, connections=connections, testbed=testbed, **keys)
    return testbed


def test_what_a_device_says() -> None:
    cli = {
        "protocol": "ssh",
        "ip": ipaddress.ip_address("192.0.2.1"),
        "port": 22,
        "class": object,
        "arguments": {"learn_hostname": True, "connection_timeout": 7},
    }
    r1 = testbed_of(r1={"cli": cli, "defaults": {"class": object, "via": "cli"}}).devices["r1"]
    said = description(r1)
    assert said["connections"] == {
        "cli": {"protocol": "ssh", "ip": "192.0.2.1", "port": 22, "arguments": cli["arguments"]},
        "defaults": {"via": "cli"},
    }
    assert said["os"] == "iosxe"
    assert "NOT_MEANT" not in repr(said)
    ours = counterpart(r1).device
    assert ours.paths["cli"].host == "192.0.2.1"
    assert ours.manager.instantiate(alias="a", via="cli").options.connect_timeout == 7
    # a password that looks like markup is a password
    assert ours.credentials.get().password == Secret("%ENV{NOT_MEANT}")


def test_logins_from_before_there_were_credentials() -> None:
    r1 = testbed_of(r1={"cli": {"protocol": "ssh", "ip": "192.0.2.1"}}).devices["r1"]
    r1.credentials = {}
    r1.tacacs = {"username": "legacy", "login_prompt": "login:"}
    r1.passwords = {"tacacs": "of old", "enable": "of enable"}
    assert "of old" not in repr(counterpart(r1)) + repr(description(r1))
    credentials = counterpart(r1).device.credentials
    assert [credentials.get().user, credentials.require_password()] == ["legacy", "of old"]
    assert credentials.enable_password() == "of enable"


def test_the_same_as_long_as_it_says_the_same() -> None:
    testbed = testbed_of(r1={"cli": {"protocol": "ssh", "ip": "192.0.2.1"}})
    first = counterpart(testbed.devices["r1"])
    assert counterpart(testbed.devices["r1"]) is first
    testbed.devices["r1"].connections["cli"]["ip"] = "192.0.2.9"
    second = counterpart(testbed.devices["r1"])
    assert second is not first
    assert second.device.paths["cli"].host == "192.0.2.9"
    assert counterpart(testbed.devices["r1"]) is second


def test_jump_hosts_are_shared() -> None:
    """Devices behind the same one belong together; others, and broken ones, are none of their business."""
    testbed = testbed_of(
        outer={"cli": {"protocol": "ssh", "ip": "192.0.2.1"}},
        inner={"cli": {"protocol": "ssh", "ip": "192.0.2.2", "proxy": "outer"}},
        r1={"cli": {"protocol": "ssh", "ip": "192.0.2.3", "proxy": "inner"}},
        r2={"cli": {"protocol": "ssh", "ip": "192.0.2.4", "proxy": "outer"}},
        r3={"cli": {"protocol": "ssh", "ip": "192.0.2.5"}},
        bad={"cli": {"protocol": "ssh", "ip": "192.0.2.6", "port": "no port"}},
    )
    found = {name: counterpart(testbed.devices[name]).device.testbed for name in ("r1", "r2", "r3")}
    assert found["r1"] is found["r2"]
    assert found["r3"] is not found["r1"]
    assert set(found["r1"] or ()) == {"outer", "inner", "r1", "r2"}
    assert counterpart(testbed.devices["outer"]).device.testbed is found["r1"]
    with pytest.raises(TestbedError, match="no port"):
        counterpart(testbed.devices["bad"])


def test_servers_as_jump_hosts_are_shared() -> None:
    testbed = testbed_of(
        r1={"cli": {"protocol": "ssh", "ip": "192.0.2.3", "proxy": "gate"}},
        r2={"cli": {"protocol": "ssh", "ip": "192.0.2.4", "proxy": "gate"}},
    )
    testbed.servers["gate"] = {"server": "gate", "address": "192.0.2.9"}
    first, second = (counterpart(testbed.devices[name]).device for name in ("r1", "r2"))
    assert first.testbed is second.testbed
    assert first.paths["cli"].proxy == ("gate",)


def test_a_broken_neighbour_is_left_out() -> None:
    testbed = testbed_of(
        outer={"cli": {"protocol": "ssh", "ip": "192.0.2.1"}},
        r1={"cli": {"protocol": "ssh", "ip": "192.0.2.2", "proxy": "outer"}},
        bad={"cli": {"protocol": "ssh", "ip": "192.0.2.6", "port": "no port", "proxy": "outer"}},
    )
    assert set(counterpart(testbed.devices["r1"]).device.testbed or ()) == {"outer", "r1"}


def test_aliases() -> None:
    """Those of pyATS may be what ours may not; two connections never share one."""
    one = counterpart(testbed_of(r1={"cli": {"protocol": "ssh", "ip": "192.0.2.1"}}).devices["r1"])
    a, b, c, d, e = (Thing() for _ in range(5))
    assert one.alias("pool-1", a) == "pool_1"
    assert one.alias("pool_1", b) == "pool_1_2"
    assert one.alias("pool-1", a) == "pool_1"
    assert one.alias("execute", c) == "pyats_execute"
    assert one.alias("1st", d) == "pyats_1st"
    del a
    gc.collect()
    assert one.alias("pool_1", e) == "pool_1"


def test_nothing_is_kept_of_a_testbed_that_is_gone() -> None:
    testbed = testbed_of(r1={"cli": {"protocol": "ssh", "ip": "192.0.2.1"}})
    before = len(topology._testbeds)
    counterpart(testbed.devices["r1"])
    assert len(topology._testbeds) == before + 1
    del testbed
    gc.collect()
    assert len(topology._testbeds) == before


def test_arguments_of_unicon(caplog: pytest.LogCaptureFixture) -> None:
    given = {"learn_hostname": True, "connection_timeout": 9, "goto_enable": False, "columns": 80}
    assert translated(given) == {"connect_timeout": 9, "enable": False, "columns": 80}
    assert translated({"init_exec_commands": [], "logfile": None}) == {"on_open": []}
    assert translated({"settings": {"EXEC_TIMEOUT": 90}, "connect_reply": None}) == {"timeout": 90}
    assert not caplog.records
    assert translated({"init_config_commands": ["no logging console"]}) == {}
    assert "init_config_commands" in caplog.text
