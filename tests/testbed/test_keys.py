# SPDX-License-Identifier: Apache-2.0
"""Each key that pyATS and unicon document: what becomes of it here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import aioconn
from aioconn import options
from aioconn.credentials import Secret
from aioconn.errors import TestbedError, UnknownDevice
from aioconn.path import Path as WayTo
from aioconn.path import Ways, port_of
from aioconn.protocols.cli_options import CliOptions
from aioconn.testbed import keys
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import DeviceSpec, TestbedSpec


def known(name: str, platform: str | None) -> str:
    return name


def load(text: str) -> TestbedSpec:
    return load_spec(text, platforms=known)


def device(connections: str, credentials: str = "", more: str = "js: {}") -> DeviceSpec:
    text = f"devices:\n  r1: {{connections: {{{connections}}}, credentials: {{{credentials}}}}}\n  {more}\n"
    return load(text).devices["r1"]


def path(keys: str, credentials: str = "") -> WayTo:
    return device(f"cli: {{{keys}}}", credentials).connections["cli"]


def warnings_of(text: str) -> list[str]:
    return [f"{warning.key}: {warning.message}" for warning in load(text).warnings]


def cli_warnings(keys: str) -> list[str]:
    prefix = "devices.r1.connections."
    return [
        found.removeprefix(prefix)
        for found in warnings_of(f"devices:\n  r1: {{connections: {{{keys}}}}}\n  js: {{}}\n")
    ]


# ---------------------------------------------------------------------- the whole, in the words of the schema

WHOLE = """\
testbed:
  name: lab
  alias: the lab
  class: my.Testbed
  credentials:
    default: {username: admin, password: 0123, answer: 42}
  servers:
    tftp:
      server: tftp-1
      type: linux
      address: [192.0.2.9, "%ENV{AC_TFTP}"]
      path: /tftpboot
      credentials:
        sftp: {username: sftp, password: s}
      custom: {note: x}
      rack: 7
    ntp: {server: 192.0.2.10, username: n, password: 07}
  network: {mask: 255.255.255.0}
  custom: {owner: netops}
devices:
  r1:
    alias: uut
    class: my.Device
    type: router
    region: emea
    role: core
    os: iosxe
    series: cat9k
    platform: c9300
    model: c9300-24
    chassis_type: stack
    version: 17.10
    power: {outlet: 3}
    management: {interface: Gi0, vrf: Mgmt-intf}
    os_flavor: 1.10
    hardware: {sup: [1, 2]}
    peripherals:
      terminal_server: {ts1: [{line: 35, speed: 9600}]}
      power_cycler: [{type: apc, connection_type: snmpv3, outlets: [20]}]
    credentials:
      enable: {password: en}
    connections:
      defaults: {class: unicon.Unicon, alias: cli, via: vty, log_stdout: false}
      vty: {protocol: ssh, ip: 198.51.100.1, port: 22, tag: mgmt}
    clean: {images: [a.bin]}
    custom: {rack: 12}
topology:
  segments:
    s1: {alias: lan}
  links:
    l1: {alias: uplink, class: my.Link, cost: 10}
  uut:
    interfaces:
      Gi1: {type: ethernet, alias: up, link: uplink, ipv4: 10.0.0.1/30, class: my.Interface, speed: 1000}
      Lo0: {type: loopback, ipv6: ["2001:db8::1/128", "2001:db8::2/128"]}
  r2:
    interfaces:
      Gi1: {type: ethernet, alias: down, link: l1}
"""


def test_a_testbed_with_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load(WHOLE.replace("topology:", "  r2: {}\ntopology:"))
    assert [warning.key for warning in spec.warnings] == [
        "testbed.class",
        "devices.r1.class",
        "topology.links.l1.class",
        "topology.uut.interfaces.Gi1.class",
    ]
    assert (spec.name, spec.alias, spec.extra["class"]) == ("lab", "the lab", "my.Testbed")
    assert (spec.network, spec.custom) == ({"mask": "255.255.255.0"}, {"owner": "netops"})
    assert spec.credentials.get().extra == {"answer": Secret("42")}

    tftp = spec.servers["tftp"]
    assert (tftp.server, tftp.type, tftp.path, tftp.custom, tftp.extra) == (
        "tftp-1",
        "linux",
        "/tftpboot",
        {"note": "x"},
        {"rack": 7},
    )
    monkeypatch.setenv("AC_TFTP", "192.0.2.11")
    assert [one if isinstance(one, str) else one.reveal() for one in tftp.address] == [
        "192.0.2.9",
        "192.0.2.11",
    ]
    assert tftp.credentials.get("sftp").user == "sftp"
    assert tftp.credentials.get("scp").user == "admin"  # the testbed's
    ntp = spec.servers["ntp"].credentials
    assert (ntp.get().user, ntp.require_password()) == ("n", "07")
    assert spec.gateways == {}

    r1 = spec.devices["r1"]
    assert (r1.alias, r1.type, r1.os, r1.platform) == ("uut", "router", "iosxe", "c9300")
    assert r1.extra == {
        "class": "my.Device",
        "region": "emea",
        "role": "core",
        "series": "cat9k",
        "model": "c9300-24",
        "chassis_type": "stack",
        "version": "17.10",
        "power": {"outlet": 3},
        "management": {"interface": "Gi0", "vrf": "Mgmt-intf"},
        "os_flavor": "1.10",
        "hardware": {"sup": [1, 2]},
        "clean": {"images": ["a.bin"]},
    }
    assert r1.peripherals["terminal_server"] == {"ts1": [{"line": 35, "speed": 9600}]}
    assert r1.custom == {"rack": 12}
    assert (r1.defaults.class_name, r1.defaults.alias, r1.defaults.via) == ("unicon.Unicon", "cli", ("vty",))
    assert r1.connections["vty"].extra == {"tag": "mgmt"}
    assert r1.credentials.get("ssh", "vty").password == Secret("0123")


def test_interfaces_links_and_devices_by_alias() -> None:
    testbed = aioconn.Testbed(load(WHOLE.replace("topology:", "  r2: {}\ntopology:")))
    r1, r2 = testbed["uut"], testbed.devices["r2"]
    assert r1 is testbed.devices["r1"] is testbed.devices["uut"]
    assert "uut" in testbed.devices
    assert testbed.devices.get("nobody") is None
    assert list(testbed.devices) == ["r1", "r2"]
    up = r1.interfaces["up"]
    assert up is r1.interfaces["Gi1"]
    assert ("up" in r1.interfaces, "down" in r1.interfaces, r1.interfaces.get("down")) == (True, False, None)
    with pytest.raises(KeyError):
        r1.interfaces["down"]
    assert (up.link, up.ipv4, up.extra) == ("l1", "10.0.0.1/30", {"class": "my.Interface", "speed": 1000})
    topology = testbed.topology
    assert topology.links["uplink"] is topology.links["l1"]
    assert topology.links["l1"].extra == {"class": "my.Link", "cost": 10}
    assert topology.links["lan"].name == "s1"
    assert topology.interface("r1", "up") is up
    assert topology.interface("r9", "up") is None
    assert topology.far_ends(up) == (r2.interfaces["down"],)
    assert topology.far_ends(r1.interfaces["Lo0"]) == ()
    assert r1.interfaces["Lo0"].extra["ipv6"] == ["2001:db8::1/128", "2001:db8::2/128"]
    assert r1.links == r1.find_links("r2") == r2.find_links("uut") == (topology.links["l1"],)
    with pytest.raises(UnknownDevice):
        r1.find_links("r3")
    assert aioconn.Device("alone", connections={}).links == ()


def test_the_page_about_testbeds() -> None:
    page = (Path(__file__).parents[2] / "docs" / "testbed.md").read_text(encoding="utf-8")
    example = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0]
    topology, functions = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    testbed = aioconn.load(example)
    names: dict[str, Any] = {"testbed": testbed}
    exec(topology, names)  # noqa: S102  our own page
    assert names["uplink"].name == "GigabitEthernet1"
    assert names["r1"].links == testbed["r1"].find_links("r2") != ()
    assert "callables=[" in functions
    # every key that is read is on the page, in the row of its place
    rows = {
        row[0].strip(): set(re.findall(r"`(\w+)`", row[1]))
        for row in re.findall(r"\n\| (.*?) \| (.*) \|", page)
    }
    tables = {
        "top": keys.TOP,
        "`testbed`": keys.TESTBED,
        "a server": keys.SERVER,
        "a device": keys.DEVICE,
        "`connections.defaults`": keys.DEFAULTS,
        "a connection": keys.CONNECTION,
        "a credential": keys.CREDENTIAL,
    }
    for place, table in tables.items():
        known_there = set(table) - {"class"} if place != "`connections.defaults`" else set(table)
        missing = known_there - rows[place]
        assert missing <= {"tacacs", "passwords"}, (place, missing)


@pytest.mark.parametrize(
    ("file", "name"),
    [("lab.yaml", "lab"), ("CONFIG.lab.yaml", "lab"), ("CONFIG.lab", "lab"), ("my.lab.yml", "my.lab")],
)
def test_the_name_of_a_testbed_is_that_of_its_file(tmp_path: Any, file: str, name: str) -> None:
    (tmp_path / file).write_text("devices: {r1: {}}\n")
    assert load_spec(tmp_path / file).name == name


# ---------------------------------------------------------------------- ways to a device


@pytest.mark.parametrize(
    ("written", "hops", "command"),
    [
        ("proxy: js", ("js",), ()),
        ("proxy: [js, r2]", ("js", "r2"), ()),
        ("proxy: {device: js}", ("js",), ()),
        ("proxy: [{device: js}, r2]", ("js", "r2"), ()),
        ("proxy: {device: js, command: ncs_cli -C}", ("js",), ("ncs_cli", "-C")),
        ("proxy: {device: js, command: [ncs_cli -C]}", ("js",), ("ncs_cli", "-C")),
        ("proxy: js, command: ncs_cli -u 'a b'", ("js",), ("ncs_cli", "-u", "a b")),
        ("ip: h, sshtunnel: {host: js, tunnel_ip: 127.0.0.1, tunnel_port: 20001}", ("js",), ()),
        ("ip: h, sshtunnel: js", ("js",), ()),
        ("ip: h, proxy: '%ENV{AC_HOP, r2}'", ("r2",), ()),
    ],
)
def test_hops(written: str, hops: tuple[str, ...], command: tuple[str, ...]) -> None:
    if "ip:" not in written and not command:
        written += ", ip: h"
    text = f"devices:\n  r1: {{connections: {{cli: {{{written}}}}}}}\n  jump: {{alias: js}}\n  r2: {{}}\n"
    found = load(text).devices["r1"].connections["cli"]
    assert (found.proxy, found.command) == (tuple("jump" if hop == "js" else hop for hop in hops), command)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("ip: h, proxy: {command: x}", "a proxy needs the name of a device"),
        ("ip: h, proxy: [[js]]", "expected the name of a device, found a list"),
        ("ip: h, sshtunnel: {tunnel_port: 1}", "a tunnel needs the name of a device or server"),
        ("ip: h, sshtunnel: {host: nobody}", "no device is called 'nobody'"),
        ("ip: h, proxy: [" + "js, " * 33 + "]", "more than 32 hops: this is no way to a device"),
        (
            "proxy: {device: js, command: [enable, telnet x]}",
            "of several commands only one can be run on a proxy",
        ),
        ("command: " + "x" * 10_001, "more than 10,000 characters: this is no command"),
        ("ip: [h, {a: b}]", "expected an address or a host name, found a mapping"),
        ("ip: h, port: 0000070000", "port 0000070000 is out of range"),
    ],
)
def test_ways_that_are_none(written: str, message: str) -> None:
    with pytest.raises(TestbedError) as caught:
        path(written)
    assert caught.value.problems[0].message == message


def test_a_server_as_a_jump_host() -> None:
    spec = load(
        "testbed:\n"
        "  credentials: {default: {username: t, password: t}}\n"
        "  servers:\n"
        "    js:\n"
        "      address: [192.0.2.1, 192.0.2.2]\n"
        "      credentials: {ssh: {username: hop, password: hp}}\n"
        "      custom: {port: 2222, ssh_options: -o StrictHostKeyChecking=no -l root}\n"
        "    bare: {server: jump.lab, port: 22022}\n"
        "devices:\n"
        "  r1: {connections: {a: {ip: h, sshtunnel: {host: js}}, b: {ip: h, proxy: [bare, r2]}}}\n"
        "  r2: {connections: {a: {ip: h}}}\n"
    )
    assert spec.warnings == ()
    assert list(spec.gateways) == ["bare", "js"]
    js = spec.gateways["js"]
    way = js.connections["ssh"]
    assert (way.host, way.port, way.user) == ("192.0.2.1", 2222, "root")
    assert [other.host for other in way.others] == ["192.0.2.2"]
    assert way.options == {"host_key_policy": "ignore"}
    assert js.credentials.login("ssh", "ssh").user == "hop"
    bare = spec.gateways["bare"].connections["ssh"]
    assert (bare.host, bare.port) == ("jump.lab", 22022)
    assert spec.gateways["bare"].credentials.login("ssh", "ssh").user == "t"
    with pytest.raises(TestbedError, match="has no address"):
        load(
            "testbed: {servers: {js: {}}}\ndevices: {r1: {connections: {a: {ip: h, sshtunnel: {host: js}}}}}\n"
        )


# ---------------------------------------------------------------------- who logs in

LOGINS = "default: {username: d, password: dp}, a: {username: a, password: ap}, b: {password: bp}"


@pytest.mark.parametrize(
    ("written", "users", "user_of_ssh"),
    [
        ("ip: h", ["d"], "d"),
        ("ip: h, login_creds: a", ["a"], "a"),
        ("ip: h, login_creds: [a, default]", ["a", "d"], "a"),
        ("ip: h, credentials: {a: {username: own}}, login_creds: a", ["own"], "own"),
        ("ip: h, credentials: {a: {username: own}, login_creds: [a, default]}", ["own", "d"], "own"),
        ("ip: h, login_creds: b, ssh_options: -l me", ["me"], "me"),
        ("ip: h, protocol: ssh -o User=me, login_creds: [a, b]", ["a", "me"], "a"),
        ("ip: h, credentials: {ssh: {username: s}}", ["s"], "s"),
    ],
)
def test_who_logs_in(written: str, users: list[str], user_of_ssh: str) -> None:
    r1 = device(f"cli: {{{written}}}", LOGINS)
    cli = r1.connections["cli"]
    credentials = r1.credentials.under(cli.credentials).logging_in(cli.login, cli.user)
    assert [login.user for login in credentials.logins("ssh", "cli")] == users
    assert credentials.login("ssh", "cli").user == user_of_ssh


@pytest.mark.parametrize(
    ("credentials", "login", "password"),
    [
        ("default: {password: d}", (), "d"),
        ("default: {password: d}, enable: {password: e}", (), "e"),
        ("default: {password: d, enable_password: de}, enable: {password: e}", (), "de"),
        ("default: {password: d}, a: {password: a}", ("a",), "a"),
        ("default: {password: d}, a: {password: a}, enable: {password: e}", ("a",), "e"),
        ("default: {enable_password: de}, a: {enable_password: ae}", ("a",), "ae"),
        ("default: {}, ts: {enable_password: te}, a: {enable_password: ae}", ("ts", "a"), "ae"),
        ("default: {}", (), None),
    ],
)
def test_the_password_that_opens_privileged_mode(
    credentials: str, login: tuple[str, ...], password: str | None
) -> None:
    found = device("cli: {ip: h}", credentials).credentials.logging_in(login)
    assert found.enable_password() == password


def test_other_ways_of_a_path() -> None:
    r1 = device(
        "defaults: {fallback_credentials: [a, b]}, one: {ip: [h1, h2, h1], fallback_credentials: b, proxy: js},"
        " two: {ip: h, login_creds: a}",
        LOGINS,
    )
    one, two = r1.connections.values()
    assert [(way.host, way.login, way.proxy) for way in (one, *one.others)] == [
        ("h1", (), ("js",)),
        ("h1", ("b",), ("js",)),
        ("h2", (), ("js",)),
        ("h2", ("b",), ("js",)),
    ]
    assert [(way.host, way.login) for way in (two, *two.others)] == [
        ("h", ("a",)),
        ("h", ("a",)),
        ("h", ("b",)),
    ]


def test_which_way_comes_next() -> None:
    cli = path("ip: [h1, h2], fallback_credentials: [a, b]", LOGINS)
    refused = aioconn.errors.AuthenticationFailed("no")
    gone = aioconn.errors.HostUnreachable("no")

    def walk(*errors: BaseException) -> list[tuple[Any, tuple[str, ...]]]:
        ways = Ways(cli)
        ways.begin()
        found = [(ways.current.host, ways.current.login)]
        for error in errors:
            found.append((ways.current.host, ways.current.login) if ways.follow(error) else (None, ()))
        return found

    assert walk(refused, refused, refused) == [("h1", ()), ("h1", ("a",)), ("h1", ("b",)), (None, ())]
    assert walk(gone, refused, gone) == [("h1", ()), ("h2", ()), ("h2", ("a",)), (None, ())]
    assert walk(TimeoutError()) == [("h1", ()), ("h2", ())]
    assert walk(aioconn.errors.ShellRefused("no")) == [("h1", ()), (None, ())]
    ways = Ways(cli)
    ways.begin()
    assert ways.share(100.0, 130.0) == 115.0
    assert ways.share(100.0, None) is None
    assert ways.follow(gone)
    assert ways.share(100.0, 130.0) is None  # the last address may take all the time
    ways.begin()  # anew, from the one that was used last
    assert (ways.current.host, ways.share(100.0, 130.0)) == ("h2", 115.0)


def test_names_of_credentials_that_are_not_there() -> None:
    cli = "connections: {cli: {ip: h, login_creds: [aa, default]}}"
    text = f"devices: {{r1: {{credentials: {{{LOGINS}}}, {cli}}}}}\n"
    (warning,) = load(text).warnings
    assert warning.key == "devices.r1.connections.cli.login_creds"
    assert warning.message == "no credential is called 'aa': default is used"


@pytest.mark.parametrize(
    ("text", "port"),
    [("22", 22), ("0022", 22), ("65535", 65535), ("65536", None), ("0", None), ("", None), ("-1", None), ("²²", None),
     ("00000002211111", None), ("9" * 5000, None)],
)  # fmt: skip
def test_ports(text: str, port: int | None) -> None:
    assert port_of(text) == port


# ---------------------------------------------------------------------- unicon's arguments and settings


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("arguments: {connection_timeout: 120}", {"connect_timeout": 120.0}),
        ("arguments: {init_exec_commands: [term len 0], init_config_commands: []}", {"on_open": ("term len 0",)}),
        ("arguments: {mit: true}", {"enable": False, "on_open": ()}),
        ("arguments: {goto_enable: false, learn_hostname: true}", {"enable": False}),
        ("arguments: {connection_timeout: 120, term: xterm}", {"connect_timeout": 120.0, "term": "xterm"}),
        ("connection_timeout: 7, learn_hostname: true", {"connect_timeout": 7.0}),
        ("connection_timeout: 7, connect_timeout: 9", {"connect_timeout": 9.0}),
        ("settings: {EXEC_TIMEOUT: 120, CONFIG_TIMEOUT: 120}", {"timeout": 120.0}),
        ("settings: {EXEC_TIMEOUT: 120, timeout: 3}", {"timeout": 3.0}),
        ("settings: {TERM: dumb, ERROR_PATTERN: [], ANY_WAIT_SEC: 0}", {"term": "dumb", "check": False}),
        ("service_attributes: {execute: {timeout: 77}}", {"timeout": 77.0}),
        ("log_stdout: false, prompt_recovery: true, debug: true", {}),
    ],
)  # fmt: skip
def test_words_of_unicon(written: str, found: dict[str, Any]) -> None:
    cli = path(f"ip: h, {written}")
    built = options.build(CliOptions, cli, {}, device="r1")
    plain = CliOptions()
    names = CliOptions.__dataclass_fields__
    assert {
        name: getattr(built, name) for name in names if getattr(built, name) != getattr(plain, name)
    } == found
    assert cli_warnings(f"cli: {{ip: h, {written}}}") == []


@pytest.mark.parametrize(
    ("written", "where", "what"),
    [
        ("arguments: {learn_os: true}", "arguments.learn_os", "the device must say which `os` it has"),
        ("arguments: {init_config_commands: [x]}", "arguments.init_config_commands", "connecting configures nothing"),
        ("init_config_commands: [x]", "init_config_commands", "connecting configures nothing"),
        ("prompts: {login: 'USER:'}", "prompts", "the questions of a login are those of the platform"),
        ("settings: {LOGIN_PROMPT: x}", "settings.LOGIN_PROMPT", "the questions of a login are"),
        ("settings: {ERROR_PATTERN: [x]}", "settings.ERROR_PATTERN", "what counts as a refusal is said by"),
        ("settings: {CONFIG_TIMEOUT: 9}", "settings.CONFIG_TIMEOUT", "one timeout, EXEC_TIMEOUT, holds for all"),
        ("service_attributes: {ping: {timeout: 5}}", "service_attributes", "the attributes of 'ping'"),
        ("arguments: {cred_action: {ts: {post: 'send(x)'}}}", "arguments.cred_action", "after a login Return"),
        ("proxy: [{device: js, command: x}]", "proxy[0].command", "the connection goes through the proxy's own"),
    ],
)  # fmt: skip
def test_words_of_unicon_that_are_missed(written: str, where: str, what: str) -> None:
    (warning,) = cli_warnings(f"cli: {{ip: h, {written}}}")
    assert warning.startswith(f"cli.{where}: not used: {what}")


def test_arguments_are_kept_as_they_are_written() -> None:
    found = path("ip: h, arguments: {mit: true, term: x}, settings: {EXEC_TIMEOUT: 5, A: 1}")
    assert found.arguments == {"term": "x"}
    assert found.extra == {"arguments": {"mit": True}}
    assert found.settings == {"EXEC_TIMEOUT": 5, "A": 1}


def test_defaults() -> None:
    r1 = device(
        "a: {ip: h}, b: {ip: h}, c: {ip: h},"
        " defaults: {connections: [a, b], fallback: [c, x], arguments: {connection_timeout: 5, check: false},"
        " connections_arguments: {learn_hostname: true, connection_timeout: 9}, debug: true}"
    )
    assert r1.defaults.via == ("a", "b", "c")
    assert r1.defaults.arguments == {"connect_timeout": 9, "check": False}
    assert cli_warnings("a: {ip: h}, b: {ip: h}, defaults: {connections: [a, b], debug: true, vai: a}") == [
        "defaults.connections: one session at a time: connect() opens the first of these that answers",
        "defaults.vai: unknown key, not used",
    ]
    assert cli_warnings("a: {ip: h}, defaults: {via: [a, b]}") == [
        "defaults.via: names no connection of this device: 'b'"
    ]


@pytest.mark.parametrize("name", ["credentials", "service_attributes", "clean"])
def test_what_stands_among_the_connections_and_is_none(name: str) -> None:
    r1 = device(f"{name}: {{default: {{password: s3cr3t}}}}, cli: {{ip: h}}")
    assert list(r1.connections) == ["cli"]
    assert name in r1.extra["connections"]
    assert "s3cr3t" not in repr(r1)


def test_credentials_of_testbed_device_and_connection() -> None:
    spec = load(
        "testbed:\n  tacacs: {username: ta}\n  passwords: {tacacs: tp, enable: te, line: tl}\n"
        "devices:\n"
        "  r1:\n    credentials: {default: {username: d}}\n"
        "    connections: {cli: {ip: h, passwords: {enable: ce}}}\n"
        "  r2: {tacacs: {username: da}, passwords: {tacacs: dp}}\n"
        "  r3: {credentials: {other: {username: o}}}\n"
    )
    r1, r2, r3 = spec.devices.values()
    cli = r1.credentials.under(r1.connections["cli"].credentials)
    assert (cli.get().user, cli.enable_password(), cli.require_password("line")) == ("d", "ce", "tl")
    assert (
        r2.credentials.get().user,
        r2.credentials.require_password(),
        r2.credentials.enable_password(),
    ) == (
        "da",
        "dp",
        "te",
    )
    assert (r3.credentials.get("nobody").user, r3.credentials.get("other").user) == ("ta", "o")


def test_the_older_form_counts_where_there_is_no_credential() -> None:
    spec = load(
        "testbed:\n  credentials: {default: {username: base, password: base}}\n"
        "  tacacs: {username: ta}\n  passwords: {tacacs: tp, enable: te}\n"
        "devices:\n"
        "  r1: {tacacs: {username: own}, passwords: {linux: x}}\n"
        "  r2: {credentials: {default: {username: d}}, passwords: {enable: de}}\n"
    )
    r1, r2 = spec.devices.values()
    assert (r1.credentials.get().user, r1.credentials.require_password()) == ("base", "base")
    assert (r1.credentials.get("linux").user, r1.credentials.require_password("linux")) == ("own", "x")
    assert (r1.credentials.enable_password(), r2.credentials.enable_password()) == ("te", "de")
    assert r2.credentials.get().user == "d"
    spec = load(
        "testbed:\n  tacacs: {username: ta}\n  passwords: {tacacs: tp}\n"
        "devices:\n  r1: {tacacs: {username: own}}\n  r2: {passwords: {tacacs: op}}\n  r3: {}\n"
    )
    logins = [device.credentials for device in spec.devices.values()]
    assert [(login.get().user, login.require_password()) for login in logins] == [
        ("own", "tp"),
        ("ta", "op"),
        ("ta", "tp"),
    ]


def test_every_key_has_a_sentence() -> None:
    tables = [
        keys.TOP,
        keys.TESTBED,
        keys.SERVER,
        keys.DEVICE,
        keys.DEFAULTS,
        keys.CONNECTION,
        keys.HOP,
        keys.TUNNEL,
    ]
    for name, key in [item for table in tables for item in table.items()]:
        assert key.about.endswith(".") or ":" in key.about, name
