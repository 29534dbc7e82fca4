# SPDX-License-Identifier: Apache-2.0
"""Connections as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from aioconn.path import Path
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import DeviceSpec
from aioconn.testbed.protocol import parse_ssh_options


def device(**connections: Any) -> DeviceSpec:
    return load_spec({"devices": {"r1": {"connections": connections}, "jump": {"alias": "j"}}}).devices["r1"]


def path(**keys: Any) -> Path:
    return device(cli=keys).connections["cli"]


def read(keys: str) -> Path:
    return (
        load_spec(f"devices: {{r1: {{connections: {{cli: {{{keys}}}}}}}}}").devices["r1"].connections["cli"]
    )


@pytest.mark.parametrize(
    ("written", "protocol", "port", "options"),
    [
        ("ssh", "ssh", None, {}),
        (" SSH ", "ssh", None, {}),
        ("ssh -p 50225", "ssh", 50225, {}),
        (
            "ssh -oKexAlgorithms=+diffie-hellman-group1-sha1,diffie-hellman-group14-sha1 -p 50225",
            "ssh",
            50225,
            {"kex": ["+diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1"]},
        ),
        (
            "ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o 'Ciphers aes128-cbc' -m"
            " hmac-sha1 -C",
            "ssh",
            None,
            {
                "host_key_policy": "ignore",
                "ciphers": ["aes128-cbc"],
                "macs": ["hmac-sha1"],
                "compression": True,
            },
        ),
        ("telnet", "telnet", None, {}),
    ],
)
def test_protocol(written: str, protocol: str, port: int | None, options: dict[str, Any]) -> None:
    found = path(protocol=written, ip="h")
    assert (found.protocol, found.port, found.options) == (protocol, port, options)


def test_ssh_options_key_and_own_keys_win() -> None:
    found = path(
        ip="h", port=2200, ssh_options="-p 22 -o HostKeyAlgorithms=+ssh-rsa", host_key_algorithms="ssh-rsa"
    )
    assert (found.port, found.options) == (2200, {"host_key_algorithms": "ssh-rsa"})


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("-J jump", ["-J jump"]),
        ("host", ["host"]),
        ("-o", ["-o"]),
        ("-p", []),
        ("-4 -q -A", []),
        ("'", ["'"]),
        ("-o LogLevel=ERROR", ["-o LogLevel=ERROR"]),
        ("-o StrictHostKeyChecking=maybe", ["-o StrictHostKeyChecking=maybe"]),
    ],
)
def test_ssh_options_that_are_not_understood(text: str, ignored: list[str]) -> None:
    assert parse_ssh_options(text).ignored == ignored


@pytest.mark.parametrize(
    ("keys", "protocol"),
    [
        ({"ip": "h"}, "ssh"),
        ({"host": "h", "port": 23}, "ssh"),
        ({"command": "mock"}, None),
        ({"ip": "h", "class": "rest.connector.Rest"}, None),
        ({"class": "mine.Connection"}, None),
        ({"url": "https://h/", "protocol": "https"}, "https"),
    ],
)
def test_protocol_that_is_not_given(keys: dict[str, Any], protocol: str | None) -> None:
    assert path(**keys).protocol == protocol


@pytest.mark.parametrize(
    ("keys", "host"),
    [
        ("ip: 10.0.0.1", "10.0.0.1"),
        ("host: ' r1.lab '", "r1.lab"),
        ("ip: '2001:db8::1'", "2001:db8::1"),
        ("ip: [10.0.0.1, 10.0.0.2]", "10.0.0.1"),
        ("ip: , host: r1", "r1"),
        ("ip: '', host: r1", "r1"),
        ("ip: 10.0.0.1, host: r1", "10.0.0.1"),
    ],
)
def test_host(keys: str, host: str) -> None:
    assert read(keys).host == host


@pytest.mark.parametrize("port", ["22", "'22'", "' 22 '", "-p 22", "'-p22'", "022"])
def test_port(port: str) -> None:
    assert read(f"ip: h, port: {port}").port == 22


@pytest.mark.parametrize(
    ("proxy", "hops"),
    [
        ("jump", ("jump",)),
        ("j", ("jump",)),
        (["jump"], ("jump",)),
        ([{"device": "j"}], ("jump",)),
        (None, ()),
    ],
)
def test_proxy(proxy: Any, hops: tuple[str, ...]) -> None:
    assert path(ip="h", proxy=proxy).proxy == hops


def test_a_circle_with_a_way_out_is_none() -> None:
    spec = load_spec(
        "devices:\n"
        "  a: {connections: {cli: {ip: h, proxy: b}}}\n"
        "  b: {connections: {cli: {ip: h, proxy: a}, direct: {ip: h}}}\n"
    )
    assert spec.devices["a"].connections["cli"].proxy == ("b",)


def test_command() -> None:
    assert path(command="telnet 'my host' 23").command == ("telnet", "my host", "23")


def test_what_stands_among_the_connections_without_being_one() -> None:
    r1 = device(
        defaults={"class": "unicon.Unicon", "alias": "cli", "via": "ssh", "fallback": ["vty"]},
        service_attributes={"a": 1},
        clean={"protocol": "ssh", "ip": "h"},
        ssh={"ip": "h"},
        vty={"ip": "h"},
    )
    assert list(r1.connections) == ["clean", "ssh", "vty"]
    assert (r1.defaults.class_name, r1.defaults.alias, r1.defaults.via) == (
        "unicon.Unicon",
        "cli",
        ("ssh", "vty"),
    )
    assert r1.extra == {"connections": {"service_attributes": {"a": 1}}}


def test_options_arguments_and_settings() -> None:
    found = read(
        "ip: h, class: unicon.Unicon, timeout: 1.5, legacy: yes, known_hosts: 'no', host_key: [SHA256:x],"
        " arguments: {init_exec_commands: [], learn_hostname: true}, settings: {EXEC_TIMEOUT: 120},"
        " whatever: {a: 0123}"
    )
    own = {
        "timeout": 1.5,  # which wins over EXEC_TIMEOUT
        "legacy": True,
        "known_hosts": "no",
        "host_key": ["SHA256:x"],
        "whatever": {"a": "0123"},
    }
    assert found.class_name == "unicon.Unicon"
    assert found.options == {**own, "on_open": []}
    assert found.extra == {**own, "arguments": {"init_exec_commands": [], "learn_hostname": True}}
    assert found.arguments == {}
    assert found.settings == {"EXEC_TIMEOUT": 120}
