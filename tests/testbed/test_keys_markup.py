# SPDX-License-Identifier: Apache-2.0
"""Markup: what is put in its place while loading, and what is found out when it is needed."""

from __future__ import annotations

import getpass
import io
import itertools
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from aioconn.credentials import Secret
from aioconn.errors import MissingValue, TestbedError
from aioconn.options import build
from aioconn.testbed.encoding import encode
from aioconn.testbed.keyfile import KeyFile
from aioconn.testbed.load import load_spec
from aioconn.testbed.model import TestbedSpec
from aioconn.transport.ssh_options import SshOptions


def known(name: str, platform: str | None) -> str:
    return name


def load(text: str, **keywords: Any) -> TestbedSpec:
    return load_spec(text, platforms=known, **keywords)


def problems_of(text: str, **keywords: Any) -> list[str]:
    with pytest.raises(TestbedError) as caught:
        load(text, **keywords)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked on the terminal; the answers are s1, s2, ..."""
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return f"s{len(prompts)}"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", ask)
    return prompts


# ---------------------------------------------------------------------- references

REFERENCES = """\
testbed:
  name: lab
  passwords: {enable: 0123, line: "%{testbed.passwords.enable}", tacacs: "%{testbed.passwords.enable}"}
  custom:
    site: {city: Bern, nets: {a: 10.0.0.0/8, b: 192.0.2.0/24}}
    port: 2222
    flag: yes
devices:
  r1.lab:
    type: "%{self}"
    os: "%{devices.r2.os}"
    clean: {mgt_itf: {ipv4: {address: 10.0.0.9}}, lines: ["hostname %{self}", "ip %{self.connections.a.ip}/24"]}
    custom:
      whole: "%{testbed.custom.site}"
      city: "%{testbed.custom.site.city}"
      names: "%{testbed.custom.site.nets.keys()}"
      both: "%EXTEND_LIST{testbed.custom.site.nets.keys(), devices.r2.custom.list}"
      first: "%{devices.r2.custom.list.0}"
      far: "%{devices.r2.custom.far.city}"
      port: "%{testbed.custom.port}"
      flag: "%{testbed.custom.flag}"
      env: "%{devices.r2.custom.env}!"
      up: "%INTF{up}"
      text: "to %INTF{Gi2} by %{self.custom.up}"
    connections:
      a: {protocol: telnet, ip: 1.1.1.1, port: "%{testbed.custom.port}"}
      alt: {protocol: ssh, ip: "%{self.clean.mgt_itf.ipv4.address}", proxy: "%{devices.r2.alias}"}
  r2:
    alias: jump
    os: linux
    custom: {list: [x, "%{self}"], far: "%{testbed.custom.site}", env: "%ENV{AC_X, none}"}
    connections: {ssh: {ip: "%{devices.r1.lab.connections.a.ip}"}}
topology:
  r1.lab:
    interfaces:
      Gi1: {alias: up, link: l1, ipv4: "%{devices.r1.lab.connections.alt.ip}/24"}
      Gi2: {alias: "%{self}-2"}
"""


def test_references(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load(REFERENCES)
    r1, r2 = spec.devices.values()
    assert spec.warnings == ()
    assert (r1.type, r1.os) == ("r1.lab", "linux")
    a, alt = r1.connections.values()
    assert (a.port, alt.host, alt.proxy) == (2222, "10.0.0.9", ("r2",))
    assert r2.connections["ssh"].host == "1.1.1.1"
    assert r1.extra["clean"]["lines"] == ["hostname r1.lab", "ip 1.1.1.1/24"]
    site = {"city": "Bern", "nets": {"a": "10.0.0.0/8", "b": "192.0.2.0/24"}}
    monkeypatch.setenv("AC_X", "x")
    assert dict(r1.custom) == {
        "whole": site,
        "city": "Bern",
        "names": ["a", "b"],
        "both": ["a", "b", "x", "r2"],
        "first": "x",
        "far": "Bern",
        "port": 2222,
        "flag": True,
        "env": "x!",
        "up": "Gi1",
        "text": "to Gi2 by Gi1",
    }
    assert spec.credentials.require_password("line") == spec.credentials.require_password() == "0123"
    assert r1.interfaces["up"].ipv4 == "10.0.0.9/24"
    assert r1.interfaces["r1.lab-2"].name == "Gi2"


def test_references_in_what_devices_share() -> None:
    """An anchor is one value in the file, and means each device by `self`."""
    spec = load(
        "x: &x {me: '%{self}', deep: [{too: 'a-%{self}'}]}\n"
        "devices:\n  r1: {custom: *x}\n  r2: {custom: {<<: *x, more: 1}}\n  r3: {custom: '%{devices.r2.custom}'}\n"
    )
    r1, r2, r3 = spec.devices.values()
    assert r1.custom == {"me": "r1", "deep": [{"too": "a-r1"}]}
    assert r2.custom == r3.custom == {"me": "r2", "deep": [{"too": "a-r2"}], "more": 1}


def test_references_in_a_mapping_of_python_values() -> None:
    secret = Secret("s3cr3t")
    custom = {
        "a": secret,
        "b": "%{self.custom.a}",
        "c": "<%{self.custom.a}>",
        "n": 5,
        "m": "%{self.custom.n}",
    }
    found = load_spec({"devices": {"r1": {"custom": custom}}}).devices["r1"].custom
    assert (found["b"], found["c"], found["m"]) == (secret, "<s3cr3t>", 5)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("%{self.custom.a}", "this refers to itself, in a circle"),
        ("%{self.custom}", "this refers to itself, in a circle"),
        ("x %{self.custom.a}", "this refers to itself, in a circle"),
        ("%{self.custom.b}", "this refers to itself, in a circle"),
        ("%{self.nope}", "%{self.nope} refers to nothing: there is no 'nope'"),
        ("%{devices.r1.os.x}", "%{devices.r1.os.x} refers to nothing: there is no 'x'"),
        ("%{}", "%{} refers to nothing: there is no ''"),
        ("%{self.os.keys()}", "%{self.os.keys()}: there are no keys, for it is no mapping"),
        ("x%{devices.r1}", "%{devices.r1} is no single value, and cannot be a part of a text"),
        ("x%INCLUDE{f}", "%INCLUDE{} cannot be a part of a text"),
        ("%{a" + ".b" * 60 + "}", "a reference of more steps than any testbed has levels"),
        ("%INCLUDE{/nowhere/f.yaml}", "no such file: '/nowhere/f.yaml'"),
    ],
)
def test_references_to_nothing(value: str, message: str) -> None:
    text = f"devices:\n  r1:\n    os: x\n    custom: {{a: '{value}', b: '%{{self.custom.a}}'}}\n"
    assert problems_of(text)[0] == f"devices.r1.custom.a: {message}"


def test_references_where_there_is_no_device() -> None:
    text = "testbed: {name: '%{self}', custom: {x: '%INTF{a}'}}\ndevices: {r1: {}}\n"
    assert problems_of(text) == [
        "testbed.name: %{self}: `self` is the device that it stands in, and here is none",
        "testbed.custom.x: %INTF{} means an interface of the device that it stands in, and here is none",
    ]


def test_a_password_that_looks_like_a_reference_is_not_shown() -> None:
    text = "devices: {r1: {credentials: {default: {password: 's3cr3t%{s3cr3t}'}}}}\n"
    assert problems_of(text) == ["devices.r1.credentials.default.password: a markup that stands for nothing"]


def test_an_interface_without_the_alias_leaves_the_markup_as_it_is() -> None:
    spec = load("devices: {r1: {custom: {x: 'a %INTF{up}'}}}\n")
    assert spec.devices["r1"].custom == {"x": "a %INTF{up}"}
    assert [warning.key for warning in spec.warnings] == ["devices.r1.custom.x"]


def test_chains_of_references_end() -> None:
    chain = "".join(f"    a{n}: '%{{testbed.custom.a{n + 1}}}'\n" for n in range(60))
    assert load(f"testbed:\n  custom:\n{chain}    a60: end\ndevices: {{r1: {{}}}}\n").custom["a0"] == "end"
    chain = "".join(f"    a{n}: '%{{testbed.custom.a{n + 1}}}'\n" for n in range(3000))
    text = f"testbed:\n  custom:\n{chain}    a3000: end\ndevices: {{r1: {{}}}}\n"
    assert any("nested more than" in problem for problem in problems_of(text))


# ---------------------------------------------------------------------- other files


def test_include(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "interfaces.yaml").write_text(
        "interfaces: {Gi1: {alias: up, link: '%{self}-l1'}}\n"
    )
    (tmp_path / "parts" / "cli.yaml").write_text("{ip: 10.0.0.1, port: '%INCLUDE{port.yaml}'}\n")
    (tmp_path / "parts" / "port.yaml").write_text("2222\n")
    (tmp_path / "parts" / "list.yaml").write_text("[a, '%{self}']\n")
    (tmp_path / "lab.yaml").write_text(
        "devices:\n  r1:\n    connections: {cli: '%INCLUDE{parts/cli.yaml}'}\n"
        "    custom: {list: '%INCLUDE{parts/list.yaml}', up: '%INTF{up}'}\n"
        "topology: {r1: '%INCLUDE{parts/interfaces.yaml}'}\n"
    )
    spec = load_spec(tmp_path / "lab.yaml")
    r1 = spec.devices["r1"]
    cli = r1.connections["cli"]
    assert (cli.host, cli.port, cli.origin) == ("10.0.0.1", 2222, f"{tmp_path}/parts/cli.yaml:1")
    assert r1.custom["list"] == ["a", "r1"]
    assert r1.interfaces["up"].link == "r1-l1"
    (tmp_path / "parts" / "cli.yaml").write_text("{ip: '%INCLUDE{cli.yaml}'}\n")
    with pytest.raises(TestbedError, match="is included by what it includes"):
        load_spec(tmp_path / "lab.yaml")
    (tmp_path / "parts" / "cli.yaml").write_text("ip: [\n")
    with pytest.raises(TestbedError, match=r"cli\.yaml:2:1: ip\[0\]: something is missing"):
        load_spec(tmp_path / "lab.yaml")


def test_lists_that_are_made_longer(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(
        "devices: {r1: {}}\ntestbed: {custom: {sections: [a, b], other: [x]}}\n"
    )
    (tmp_path / "lab.yaml").write_text(
        "extends: base.yaml\n"
        "testbed:\n  custom: {'%EXTEND_LIST{sections}': [c], other: [y], '%EXTEND_LIST{new}': [z]}\n"
    )
    assert load_spec(tmp_path / "lab.yaml").custom == {
        "sections": ["a", "b", "c"],
        "other": ["y"],
        "new": ["z"],
    }


def test_chains_of_extends(tmp_path: Path) -> None:
    """The last of a list is the ground, each before it is laid over it, and the file over all."""
    for name, extends in {"a": "extends: [b, c]\n", "b": "extends: d\n", "c": "", "d": ""}.items():
        file = tmp_path / name
        file.write_text(
            f"{extends}testbed: {{custom: {{{name}: 1, who: {name}, not_a: {name}}}}}\ndevices: {{r1: {{}}}}\n"
        )
    (tmp_path / "a").write_text("extends: [b, c]\ntestbed: {custom: {a: '%{testbed.custom.who}'}}\n")
    assert load_spec(tmp_path / "a").custom == {"c": 1, "who": "b", "not_a": "b", "d": 1, "b": 1, "a": "b"}


# ---------------------------------------------------------------------- asked once


def test_what_is_referred_to_is_asked_once(asked: list[str]) -> None:
    spec = load(
        "testbed:\n"
        "  passwords: {enable: '%ASK{the password}', line: '%{testbed.passwords.enable}'}\n"
        "  credentials: {all: {password: &p '%ASK{another}'}, same: {password: *p}}\n"
        "devices: {r1: {custom: {x: 'it is %{testbed.passwords.enable}'}}}\n"
    )
    pickle.dumps(spec)
    assert asked == []
    found = spec.credentials
    assert [found.require_password(name) for name in ("line", "enable", "same", "all")] == [
        "s1",
        "s1",
        "s2",
        "s2",
    ]
    assert spec.devices["r1"].custom["x"] == "it is s1"
    assert asked == ["the password: ", "another: "]
    again: TestbedSpec = pickle.loads(pickle.dumps(spec))  # noqa: S301 -- our own
    assert again.credentials.require_password("line") == "s1"


def test_threads_that_need_the_same_answer_wait_for_it(asked: list[str]) -> None:
    secrets = [
        load("testbed: {credentials: {default: {password: '%ASK{}'}}}\ndevices: {r1: {}}\n")
        .credentials.get()
        .password
    ]
    answers: list[str] = []
    threads = [threading.Thread(target=lambda: answers.append(secrets[0].reveal())) for _ in range(8)]  # type: ignore[union-attr]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert answers == ["s1"] * 8
    assert asked == ["testbed.credentials.default.password: "]


# ---------------------------------------------------------------------- %CLI{}


@pytest.mark.parametrize(
    ("markup", "arguments", "value", "text"),
    [
        ("%CLI{site}", "--site bern", "bern", "bern"),
        ("%CLI{site}", "-site bern", "bern", "bern"),
        ("%CLI{site}", "--site=bern", "bern", "bern"),
        ("%CLI{site}", "--other x", "", ""),
        ("%CLI{site}", "--site", True, "True"),
        ("%CLI{site}", "--site --other x", True, "True"),
        ("%CLI{devices}", "--devices R1 R2 --x", ["R1", "R2"], "R1 R2"),
        ("%CLI{retries}", "--retries 3", 3, "3"),
        ("%CLI{retries}", "--retries -3", -3, "-3"),
        ("%CLI{wait}", "--wait 1.5", 1.5, "1.5"),
        ("%CLI{pin}", "--pin 0123", "0123", "0123"),
        ("%CLI{flag, default=12}", "", 12, "12"),
        ("%CLI{flag, default=12}", "--flag 13", 13, "13"),
        ("%CLI{flag, default=[1,x]}", "", [1, "x"], "1 x"),
        ("%CLI{flag, default=[1]}", "", [1], "1"),
        ("%CLI{}", "-- x", "", ""),
    ],
)
def test_the_command_line(
    monkeypatch: pytest.MonkeyPatch, markup: str, arguments: str, value: Any, text: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["script", *arguments.split()])
    spec = load(
        f"devices: {{r1: {{type: '%CLI{{x}}', custom: {{whole: '{markup}', part: '<{markup}>'}}}}}}\n"
    )
    assert spec.devices["r1"].custom["whole"] == value
    assert spec.devices["r1"].custom["part"] == f"<{text}>"


def test_the_command_line_where_it_gives_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["script", "--os", "nxos", "--keepalive", "7"])
    r1 = load(
        "devices: {r1: {os: '%CLI{os}', connections: {cli: {ip: h, keepalive: '%CLI{keepalive}'}}}}\n"
    ).devices["r1"]
    assert r1.os == "nxos"
    assert build(SshOptions, r1.connections["cli"], {}, device="r1").keepalive == 7.0


# ---------------------------------------------------------------------- %CALLABLE{}

_calls = itertools.count(1)


def counted(*words: str) -> str:
    return f"{next(_calls)}{'/'.join(words)}"


def described(address: str = "192.0.2.1") -> dict[str, Any]:
    return {
        "os": "iosxe",
        "connections": {"cli": {"protocol": "ssh", "ip": address}},
        "custom": {"me": "%{self}"},
    }


def failing() -> str:
    raise ValueError("no")


HERE = __name__


def test_functions_are_called_when_they_are_allowed() -> None:
    before = next(_calls)
    spec = load(
        f"devices:\n  r1: {{type: '%CALLABLE{{{HERE}.counted}}', custom: {{x: '%CALLABLE{{{HERE}.counted(a, b)}}',"
        f" y: 'is %{{self.custom.x}}', all: '%CALLABLE{{{HERE}.described}}'}}}}\n"
        f"  r2: '%CALLABLE{{{HERE}.described(2.2.2.2)}}'\n",
        callables=[HERE],
    )
    r1, r2 = spec.devices.values()
    assert r1.type == f"{before + 1}"  # it gives a shape: called while loading
    assert (r2.os, r2.connections["cli"].host, r2.custom) == ("iosxe", "2.2.2.2", {"me": "r2"})
    assert next(_calls) == before + 2  # the others are not
    assert (r1.custom["x"], r1.custom["y"], r1.custom["x"]) == (
        f"{before + 3}a/b",
        f"is {before + 3}a/b",
        f"{before + 3}a/b",
    )
    assert r1.custom["all"]["os"] == "iosxe"


@pytest.mark.parametrize(
    ("callables", "allowed"),
    [
        ((), False),
        (False, False),
        (True, True),
        ([f"{HERE}.counted"], True),
        ([HERE], True),
        (HERE, True),
        ([HERE.partition(".")[0]], True),
        ([f"{HERE}.count"], False),
        (["os"], False),
    ],
)
def test_which_functions_are_allowed(callables: Any, allowed: bool) -> None:
    text = f"devices: {{r1: {{custom: {{x: '%CALLABLE{{{HERE}.counted}}'}}}}}}\n"
    custom = load(text, callables=callables).devices["r1"].custom
    if allowed:
        assert custom["x"]
    else:
        with pytest.raises(MissingValue, match=r"runs Python code.*is not allowed to"):
            custom["x"]


@pytest.mark.parametrize("device", ["{os: '%CALLABLE{os.getcwd}'}", "'%CALLABLE{os.getcwd}'"])
def test_functions_that_are_not_allowed_to_give_a_shape(device: str) -> None:
    (problem,) = problems_of(f"devices: {{r1: {device}}}\n")
    assert problem.endswith(": %CALLABLE{} runs Python code, and 'os.getcwd' is not allowed to")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "takes package.module.function"),
        ("no.such.module", "no.such.module failed: ModuleNotFoundError"),
        ("os.nothing", "os.nothing failed: AttributeError"),
        (f"{HERE}.failing", "failing failed: ValueError: no"),
        ("a b", "takes package.module.function"),
    ],
)
def test_functions_that_fail(name: str, message: str) -> None:
    spec = load(f"devices: {{r1: {{custom: {{x: '%CALLABLE{{{name}}}'}}}}}}\n", callables=True)
    with pytest.raises(MissingValue) as caught:
        spec.devices["r1"].custom["x"]
    assert str(caught.value).startswith("<text>:1: devices.r1.custom.x: ")
    assert message in str(caught.value)


# ---------------------------------------------------------------------- %ENC{}


def test_encoded_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AIOCONN_KEY_FILE", str(tmp_path / "key"))
    KeyFile().create()
    inside = encode("s3cr3t", KeyFile().keys()[0])
    spec = load(
        f"testbed: {{credentials: {{default: {{username: '%ENC{{{inside}}}', password: '%ENC{{{inside}}}'}}}},"
        f" custom: {{x: 'is %ENC{{{inside}}}'}}}}\ndevices: {{r1: {{}}}}\n"
    )
    credential = spec.credentials.get()
    assert (credential.user, spec.credentials.require_password()) == ("s3cr3t", "s3cr3t")
    assert spec.custom["x"] == "is s3cr3t"
    assert "s3cr3t" not in repr(spec)
    text = f"devices: {{r1: {{os: '%ENC{{{inside}}}'}}}}\n"
    assert problems_of(text) == ["devices.r1.os: %ENC{} is not supported here"]
