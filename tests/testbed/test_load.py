# SPDX-License-Identifier: Apache-2.0
"""Files as people write them: what is read out of each."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from aioconn.credentials import Secret
from aioconn.errors import TestbedError
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import DeviceSpec, TestbedSpec

DOCUMENT = Path(__file__).parents[2] / "docs" / "testbed.md"


def device(body: str, **keywords: str) -> DeviceSpec:
    return load_spec("devices:\n  r1:\n" + body, **keywords).devices["r1"]  # type: ignore[arg-type]


def known(name: str, platform: str | None) -> str:
    return name


def example() -> str:
    match = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert match
    return match[1]


def test_the_documented_example(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec(example(), platforms=known)
    assert spec.warnings == ()
    assert (spec.name, list(spec.devices), spec.custom) == ("lab", ["jump", "r1", "r2"], {"owner": "netops"})
    r1 = spec.devices["r1"]
    assert (r1.alias, r1.os, r1.platform, r1.type) == ("uut", "iosxe", "c8000v", "router")
    assert r1.defaults.via == ("mgmt", "console")
    assert (r1.defaults.max_sessions, r1.defaults.logins_per_minute) == (4, 10)
    assert (r1.defaults.pool_size, r1.defaults.pool_timeout) == (3, 10.0)
    mgmt, console, rest = r1.connections.values()
    assert (mgmt.protocol, mgmt.host, mgmt.port, mgmt.proxy) == ("ssh", "198.51.100.11", 22, ("jump",))
    assert mgmt.options == {"legacy": True}
    assert (console.address, console.port) == ("console.lab", 2011)
    assert rest.credentials["default"].password == Secret("0123")
    monkeypatch.setenv("LAB_PASSWORD", "pw")
    assert spec.devices["jump"].credentials.require_password() == "pw"
    assert r1.credentials.get().key == "~/.ssh/lab_ed25519"
    assert spec.devices["r2"].connections["a"].command == (
        "mock_device_cli",
        "--os",
        "nxos",
        "--state",
        "execute",
    )
    assert [end.device for end in spec.topology.on_link("uplink")] == ["r1", "r2"]
    assert spec.topology.neighbours("r1") == ("r2",)
    assert r1.interfaces["GigabitEthernet1"].ipv4 == "10.0.0.1/30"


def test_where_a_testbed_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "my_lab.yaml"
    file.write_text("devices:\n  r1:\n    connections:\n      cli: {ip: 10.0.0.1}\n")
    for source in (file, str(file)):
        spec = load_spec(source)
        assert (spec.name, spec.source) == ("my_lab", str(file))
        assert spec.devices["r1"].origin == f"{file}:3"
        assert spec.devices["r1"].connections["cli"].origin == f"{file}:4"
    assert load_spec(file, name="given").name == "given"
    assert load_spec("devices: {r1: {}}").name == "testbed"
    assert load_spec({"testbed": {"name": "m"}, "devices": {"r1": None}}).name == "m"


def test_a_mapping_of_python_values() -> None:
    secret = Secret("s3cr3t")
    spec = load_spec(
        {
            "devices": {
                "r1": {
                    "os": "iosxe",
                    "credentials": {"default": {"username": 7, "password": secret}},
                    "connections": {
                        "cli": {"host": secret, "port": 22, "timeout": 1.5, "command": ["a b", "c"]}
                    },
                    "custom": {"text": "5", "number": 5, "none": None},
                }
            }
        }
    )
    r1 = spec.devices["r1"]
    assert r1.credentials.get().user == "7"
    assert r1.credentials.get().password is secret
    path = r1.connections["cli"]
    assert (path.host, path.port, path.options) == (secret, 22, {"timeout": 1.5})
    assert path.command == ("a b", "c")
    assert r1.custom == {"text": "5", "number": 5, "none": None}


def test_crlf_and_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_bytes(b"\xef\xbb\xbfdevices:\r\n  my router:\r\n    os: ios-xr\r\n")
    assert load_spec(file).devices["my router"].os == "ios-xr"


def test_names_that_differ_in_case_only() -> None:
    assert list(load_spec("devices: {R1: {alias: r1x}, r1: {alias: R1x}}").devices) == ["R1", "r1"]


def test_an_alias_that_is_the_own_name() -> None:
    assert load_spec("devices: {r1: {alias: r1}}").devices["r1"].alias == "r1"


def test_a_device_may_be_empty() -> None:
    spec = load_spec("devices:\n  r1:\n  r2: {connections: , credentials: , os: }\n")
    assert [(d.os, dict(d.connections)) for d in spec.devices.values()] == [(None, {}), (None, {})]


@pytest.mark.parametrize(
    "password", ["0123", "1e3", "yes", "null", "~", "12:30", "'%x'", "'%41{x}'", "'a b '", '"#x"']
)
def test_passwords_stay_as_written(password: str) -> None:
    found = device(f"    credentials: {{default: {{password: {password}}}}}\n").credentials.require_password()
    assert found == password.strip("'\"")


def test_an_empty_password_is_one_and_a_missing_one_is_none() -> None:
    spec = load_spec(
        "devices:\n  r1: {credentials: {default: {password: ''}}}\n  r2:"
        " {credentials: {default: {password: }}}\n"
    )
    assert spec.devices["r1"].credentials.require_password() == ""
    assert spec.devices["r2"].credentials.get().password is None


def test_the_fall_back_of_credentials() -> None:
    spec = load_spec(
        "testbed:\n  credentials: {default: {username: t}, enable: {password: te}}\n"
        "devices:\n"
        "  r1:\n"
        "    credentials: {default: {username: d, password: dp, enable_password: de}}\n"
        "    connections: {cli: {ip: h, credentials: {default: {username: c}}}}\n"
        "  r2: {}\n"
    )
    r1, r2 = spec.devices.values()
    assert (r1.credentials.get().user, r2.credentials.get().user) == ("d", "t")
    assert r1.credentials.enable_password() == "de"  # the credential's own comes first, as in unicon
    assert r2.credentials.enable_password() == "te"
    assert r1.connections["cli"].credentials["default"].user == "c"
    assert r1.credentials.get().extra == {"enable_password": Secret("de")}


def test_tacacs_and_passwords() -> None:
    spec = load_spec(
        "testbed:\n  tacacs: {username: admin, login_prompt: 'login:'}\n"
        "  passwords: {tacacs: 0123, enable: en, line: li}\n"
        "devices:\n  r1: {}\n  r2: {credentials: {default: {username: own}}}\n"
    )
    credentials = spec.devices["r1"].credentials
    assert (credentials.get().user, credentials.require_password()) == ("admin", "0123")
    assert (credentials.enable_password(), credentials.require_password("line")) == ("en", "li")
    assert spec.devices["r2"].credentials.get().user == "own"


def test_unknown_texts_of_a_credential_are_secret() -> None:
    extra = (
        device("    credentials: {snmp: {community: public, level: 3, more: {token: t}}}\n")
        .credentials.get("snmp")
        .extra
    )
    assert extra["community"] == Secret("public")
    assert extra["level"] == Secret("3")
    assert extra["more"] == {"token": Secret("t")}


def test_secrets_do_not_show() -> None:
    spec = load_spec(
        "testbed:\n  credentials: {default: {username: u, password: s3cr3t-1, passphrase: s3cr3t-2}}\n"
        "  custom: {x: s3cr3t-3}\n  servers: {tftp: {password: s3cr3t-4}}\n"
        "devices:\n  r1:\n    custom: {y: s3cr3t-5}\n    series: s\n    note: s3cr3t-6\n    connections:\n"
        "      cli:\n"
        "        ip: h\n        password: s3cr3t-7\n        arguments:"
        " {auth_token: s3cr3t-8, deep: [{secret: s3cr3t-9}]}\n"
    )
    assert "s3cr3t" not in repr(spec)
    assert spec.servers["tftp"].credentials.require_password() == "s3cr3t-4"
    arguments = spec.devices["r1"].connections["cli"].arguments
    assert arguments["deep"] == [{"secret": Secret("s3cr3t-9")}]


def test_other_keys_are_kept() -> None:
    spec = load_spec(
        "testbed: {name: x, network: {n: [1]}, custom: {a: 0x10}, note: hi}\nmine: {b: off}\n"
        "devices:\n  r1: {series: c9300, version: 17.10, power: {port: 3},"
        " peripherals: {terminal_server: {}}}\n"
    )
    assert spec.extra == {"mine": {"b": False}, "note": "hi"}
    assert (spec.custom, spec.network) == ({"a": 16}, {"n": [1]})
    assert spec.devices["r1"].extra == {"series": "c9300", "version": "17.10", "power": {"port": 3}}
    assert spec.devices["r1"].peripherals == {"terminal_server": {}}


def test_extends(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "deep.yaml").write_text("testbed: {custom: {deep: 1, who: deep}}\n")
    (tmp_path / "parts" / "base.yaml").write_text(
        "extends: deep.yaml\ntestbed:\n  credentials: {default: {username: base, password: pw}}\n  custom:"
        " {who: base}\n"
        "devices:\n  r1:\n    os: iosxe\n    connections:\n      cli: {protocol: ssh, ip: 10.0.0.1}\n"
    )
    (tmp_path / "more.yaml").write_text("devices:\n  r1: {os: nxos, type: switch}\n  r2: {}\n")
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        "extends: [more.yaml, parts/base.yaml]\ndevices:\n  r1:\n    connections: {cli: {port: 2222}}\n"
    )
    spec = load_spec(lab)
    r1 = spec.devices["r1"]
    path = r1.connections["cli"]
    assert (r1.os, r1.type, path.protocol, path.host, path.port) == (
        "nxos",
        "switch",
        "ssh",
        "10.0.0.1",
        2222,
    )
    assert list(spec.devices) == [
        "r1",
        "r2",
    ]  # the first of several wins over the second: the last is the ground
    assert spec.custom == {"deep": 1, "who": "base"}
    assert spec.credentials.get().user == "base"
    assert "extends" not in spec.extra


def test_a_file_may_live_from_what_it_extends_alone(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("devices: {r1: {}}\n")
    (tmp_path / "lab.yaml").write_text("extends: base.yaml\n")
    assert list(load_spec(tmp_path / "lab.yaml").devices) == ["r1"]


def test_variables_in_keys_that_shape_the_testbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AC_OS", "nxos")
    assert device("    os: '%ENV{AC_OS}'\n    platform: '%ENV{AC_NONE, n9k}'\n").platform == "n9k"
    assert device("    os: '%ENV{AC_OS}'\n").os == "nxos"


def test_whether_an_os_is_known_is_asked_once_each() -> None:
    asked: list[str] = []

    def lookup(name: str, platform: str | None) -> str | None:
        asked.append(f"{name}/{platform}")
        return None if name == "what" else name

    text = "devices: {a: {os: what}, b: {os: what}, c: {os: nxos, platform: n9k}, d: {platform: x}}"
    spec = load_spec(text, platforms=lookup)
    assert asked == ["what/None", "nxos/n9k"]
    assert [warning.key for warning in spec.warnings] == ["devices.a.os", "devices.b.os"]


def test_the_platforms_that_come_with_aioconn() -> None:
    spec = load_spec(
        "devices: {a: {os: NX-OS}, b: {os: iosxe, platform: c8k}, c: {os: iosxee}, d: {os: what}}"
    )
    assert [warning.key for warning in spec.warnings] == ["devices.c.os", "devices.d.os"]
    assert spec.warnings[0].hint


def test_topology() -> None:
    spec: TestbedSpec = load_spec(
        "devices: {r1: {alias: uut}, r2: {interfaces: {Lo0: {ipv4: 10.9.9.9/32}}}, r3: {}}\n"
        "topology:\n"
        "  links: {l1: {alias: core, color: red}}\n"
        "  uut:\n    interfaces:\n      Gi1:"
        " {link: core, alias: up, ipv6: ['2001:db8::1/64', '2001:db8::2/64'], vrf: m}\n"
        "      Gi2: {link: lan, type: ethernet}\n"
        "  r2: {interfaces: {Gi1: {link: l1}, Gi2: }}\n"
        "  r3: {interfaces: {Gi9: {link: lan}}}\n"
    )
    assert spec.warnings == ()
    topology = spec.topology
    gi1 = topology.interfaces["r1"]["Gi1"]
    assert (gi1.link, gi1.alias, gi1.ipv6, gi1.device) == ("l1", "up", "2001:db8::1/64", "r1")
    assert gi1.extra == {"ipv6": ["2001:db8::1/64", "2001:db8::2/64"], "vrf": "m"}
    assert [end.device for end in topology.on_link("core")] == ["r2", "r1"]
    assert topology.on_link("l1") == topology.on_link("core")
    assert [link.name for link in topology.links_of("r1")] == ["l1", "lan"]
    assert topology.links["l1"].extra == {"color": "red"}
    assert topology.neighbours("r1") == ("r2", "r3")
    assert list(spec.devices["r2"].interfaces) == ["Lo0", "Gi1", "Gi2"]
    assert (topology.on_link("none"), topology.links_of("none")) == ((), ())


def test_three_thousand_devices_load_in_about_a_second() -> None:
    text = "devices:\n" + "".join(
        f"  r{n}:\n    os: iosxe\n    type: router\n    credentials:\n      default:\n        username:"
        f" admin\n"
        f"        password: pw{n}\n    connections:\n      defaults:\n        class: unicon.Unicon\n     "
        f" cli:\n"
        f"        protocol: ssh\n        ip: 10.0.{n // 256}.{n % 256}\n        port: 22\n"
        for n in range(3000)
    )
    start = time.process_time()
    spec = load_spec(text, platforms=known)
    assert len(spec.devices) == 3000
    assert time.process_time() - start < 3  # 0.4 s on an idle machine; a slow one may be loaded


def test_errors_and_warnings_are_told_apart() -> None:
    with pytest.raises(TestbedError) as caught:
        load_spec("devices:\n  r1: {credential: {}, os: [x]}\n")
    first, second = str(caught.value).splitlines()
    assert "warning" not in first
    assert ": warning: unknown key" in second
