# SPDX-License-Identifier: Apache-2.0
"""The services of every protocol for scripts, and for their child processes, over a lab's real servers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aioconn.errors import HttpError, RpcError, SnmpError
from aioconn.sync import (
    Device,
    GnmiConnection,
    NetconfConnection,
    NetconfPool,
    NetconfSession,
    RestconfConnection,
    RestConnection,
    SnmpConnection,
    Testbed,
)
from tests.forking import in_child
from tests.grpc_alive import grpc_alive as grpc_alive

EDIT = (
    '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"><interface><name>Loopback0</name>'
    "<description>{}</description></interface></interfaces>"
)


@pytest.fixture
def r1(testbed_of: Callable[..., Testbed]) -> Device:
    return testbed_of("r1", protocols=("http", "netconf", "snmp", "gnmi"))["r1"]


def ask(r1: Device, via: str) -> Any:
    """What the device is called, by each way."""
    connection = r1[via]
    match via:
        case "rest":
            return connection.get("/restconf/data/ietf-system:system").json()["ietf-system:system"][
                "hostname"
            ]
        case "restconf":
            return connection.get("ietf-system:system/hostname")["ietf-system:hostname"]
        case "netconf":
            return connection.get_config("running").partition("<hostname>")[2].partition("</hostname>")[0]
        case "snmp":
            return connection.get("sysName.0").value
        case _:
            return connection.get("/system/config/hostname")[0].value


WAYS = {
    "rest": RestConnection,
    "restconf": RestconfConnection,
    "netconf": NetconfConnection,
    "snmp": SnmpConnection,
    "gnmi": GnmiConnection,
}


@pytest.mark.parametrize("via", WAYS)
def test_in_the_script_and_in_its_child(r1: Device, via: str) -> None:
    connection = r1.connect(alias=via, via=via)
    assert type(connection) is WAYS[via]
    assert ask(r1, via) == "r1"
    assert in_child(lambda: ask(r1, via)) == "r1"
    assert in_child(lambda: type(r1[via]).__name__) == WAYS[via].__name__
    assert ask(r1, via) == "r1"


def test_streams(r1: Device) -> None:
    r1.connect(alias="snmp", via="snmp")
    names = [one.value for one in r1.snmp.walk("ifDescr")]
    assert "Loopback0" in names
    assert in_child(lambda: [one.value for one in r1.snmp.walk("ifDescr")]) == names


def test_a_reply_is_more_than_its_text_in_a_child_as_well(r1: Device) -> None:
    r1.connect(alias="netconf", via="netconf")

    def reply() -> list[Any]:
        found = r1.netconf.get_config("running")
        assert found.elapsed > 0
        return [type(found).__name__, found.data.tag, found.message_id.isdigit(), found.warnings, len(found)]

    here = reply()
    assert here[:2] == ["Reply", "{urn:ietf:params:xml:ns:netconf:base:1.0}data"]
    assert in_child(reply) == here


def test_what_goes_wrong_keeps_its_type_and_fields_on_the_way(r1: Device) -> None:
    for via in ("rest", "netconf", "snmp"):
        r1.connect(alias=via, via=via)

    def fail() -> list[Any]:
        found: list[Any] = []
        with pytest.raises(HttpError) as http:
            r1.rest.get("/nothing")
        found += [http.value.status, http.value.device, http.value.path]
        with pytest.raises(RpcError) as rpc:
            r1.netconf.rpc("<no-such-thing xmlns='urn:none'/>")
        found += [rpc.value.error_tag, [error["error_tag"] for error in rpc.value.errors]]
        with pytest.raises(SnmpError) as snmp:
            r1.snmp.set({"sysDescr.0": "another"})
        return [*found, snmp.value.status, snmp.value.oid]

    here = fail()
    assert here[:3] == [404, "r1", "rest"]
    assert here[3] == "operation-not-supported"
    assert in_child(fail) == here


def test_a_pool_of_netconf_sessions(r1: Device) -> None:
    pool = r1.connect(alias="pool", via="netconf", pool_size=2)
    assert type(pool) is NetconfPool
    assert "<hostname>r1</hostname>" in pool.get_config("running")
    with pool.acquire() as session:
        assert type(session) is NetconfSession
        assert "<hostname>r1</hostname>" in session.get_config("running")


def test_a_lock_for_a_block(r1: Device) -> None:
    netconf: NetconfConnection = r1.connect(alias="netconf", via="netconf")
    r1.connect(alias="other", via="netconf")
    target = "candidate" if ":candidate" in netconf.server_capabilities else "running"
    with netconf.locked(target) as session:
        assert session is netconf
        with pytest.raises(RpcError) as refused:
            r1.other.lock(target)
        assert refused.value.error_tag == "lock-denied"
        netconf.edit_config(EDIT.format("by a script"), target=target)
        if target == "candidate":
            netconf.commit()
    r1.other.lock(target)
    r1.other.unlock(target)
    assert "<description>by a script</description>" in netconf.get_config("running")
