# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import getpass
import io
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from aioconn.credentials import Secret
from aioconn.errors import InvalidOption, MissingValue
from aioconn.options import build
from aioconn.testbed.load import load_spec
from aioconn.testbed.markup import Deferred, DeferredList, DeferredMapping, Markup, hold, kinds
from aioconn.transport.ssh_options import SshOptions

LAB = """\
testbed:
  name: lab
  credentials:
    default: {username: "%ENV{LAB_USER, admin}", password: "%ENV{LAB_PASSWORD}"}
    enable: {password: "%ASK{enable password}"}
    later: {password: "%ENC{gAAAA}"}
  custom: {where: "rack %ENV{RACK}", list: ["%ENV{RACK}", 2]}
devices:
  r1:
    custom: {site: "%ENV{SITE}", plain: 5}
    connections:
      cli:
        protocol: ssh
        host: "%ENV{LAB_HOST}.lab"
        port: "%ENV{LAB_PORT}"
        keepalive: "%ENV{KEEP}"
        api_token: "%ENV{TOK}"
"""


class Forbidden(Mapping[str, str]):
    def __getitem__(self, name: str) -> str:
        raise AssertionError(f"looked up {name}")

    def __iter__(self) -> object:  # type: ignore[override]
        raise AssertionError("listed")

    def __len__(self) -> int:
        raise AssertionError("counted")

    def __contains__(self, name: object) -> bool:
        raise AssertionError(f"looked up {name}")


def test_nothing_is_resolved_or_asked_while_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object) -> str:
        raise AssertionError("asked")

    monkeypatch.setattr(getpass, "getpass", ask)
    monkeypatch.setattr(sys, "stdin", None)
    with monkeypatch.context() as patch:
        patch.setattr(os, "environ", Forbidden())
        spec = load_spec(LAB)
        repr(spec)
        assert "site" in spec.devices["r1"].custom
    assert [warning.key for warning in spec.warnings] == []


def test_values_are_resolved_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec(LAB)
    for name, value in {
        "LAB_PASSWORD": "pw",
        "LAB_HOST": "r1",
        "LAB_PORT": "2222",
        "RACK": "7",
        "SITE": "b",
    }.items():
        monkeypatch.setenv(name, value)
    device = spec.devices["r1"]
    assert device.credentials.require_password() == "pw"
    assert device.credentials.get().user == "admin"
    path = device.connections["cli"]
    assert (path.address, path.port_number, path.port) == ("r1.lab", 2222, None)
    assert dict(device.custom) == {"site": "b", "plain": 5}
    assert spec.custom["where"] == "rack 7"
    assert list(spec.custom["list"]) == ["7", 2]


def test_a_variable_that_is_not_set_is_named_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_PASSWORD", raising=False)
    with pytest.raises(MissingValue) as caught:
        load_spec(LAB).devices["r1"].credentials.require_password()
    assert str(caught.value) == (
        "<text>:4: testbed.credentials.default.password: the environment variable 'LAB_PASSWORD' is not set"
        " -> export LAB_PASSWORD=..., or write %ENV{LAB_PASSWORD, a default}"
    )
    assert caught.value.variable == "LAB_PASSWORD"  # type: ignore[attr-defined]


def test_a_port_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PORT", "70000")
    with pytest.raises(InvalidOption, match="'70000' is no port number"):
        load_spec(LAB).devices["r1"].connections["cli"].port_number  # noqa: B018


def test_options_with_markup_are_secrets_until_the_class_takes_them() -> None:
    options = load_spec(LAB).devices["r1"].connections["cli"].options
    assert isinstance(options["keepalive"], Secret)
    assert type(options["api_token"]) is Secret


def test_options_with_markup_become_what_the_class_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    path = load_spec(LAB).devices["r1"].connections["cli"]
    monkeypatch.setenv("KEEP", "2.5")
    assert build(SshOptions, path, {}, device="r1").keepalive == 2.5
    again = load_spec(LAB).devices["r1"].connections["cli"]
    monkeypatch.setenv("KEEP", "often")
    with pytest.raises(InvalidOption, match="keepalive") as caught:
        build(SshOptions, again, {}, device="r1")
    assert "often" not in str(caught.value)


def test_what_cannot_be_decoded_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIOCONN_KEY_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingValue) as caught:
        load_spec(LAB).credentials.require_password("later")
    assert str(caught.value).startswith("<text>:6: testbed.credentials.later.password: ")
    assert "gAAAA" not in str(caught.value)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_asked_once_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []

    def ask(prompt: str) -> str:
        prompts.append(prompt)
        return "s3cr3t"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", ask)
    spec = load_spec(LAB)
    assert spec.devices["r1"].credentials.enable_password() == "s3cr3t"
    assert spec.credentials.enable_password() == "s3cr3t"
    assert prompts == ["enable password: "]


def test_what_is_no_secret_is_asked_in_the_open(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdin", Terminal("r1\n"))
    monkeypatch.setattr(sys, "stderr", shown)
    assert Markup(text="%ASK{host}.lab", key="host").resolve() == "r1.lab"
    assert shown.getvalue() == "host: "
    with pytest.raises(MissingValue, match="not answered"):
        Markup(text="%ASK{host}", key="host").resolve()


def test_without_a_terminal_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("s3cr3t\n"))
    with pytest.raises(MissingValue, match=r"'enable password'.*there is no terminal"):
        load_spec(LAB).credentials.enable_password()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", []),
        ("100%", []),
        ("%41{x}", []),
        ("%ENV{X}", ["ENV"]),
        ("a%ENV{X}b%{y}", ["ENV", ""]),
        ("%ENV{", []),
        ("%env{X}", []),
        ("%ASK{}", ["ASK"]),
    ],
)
def test_kinds(text: str, found: list[str]) -> None:
    assert kinds(text) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("%ENV{AC_X}", "x y"),
        ("<%ENV{ AC_X }>", "<x y>"),
        ("%ENV{AC_NONE, a, b}", "a, b"),
        ("%ENV{AC_NONE,}", ""),
        ("%ENV{AC_X}%ENV{AC_NONE,-}", "x y-"),
    ],
)
def test_variables(monkeypatch: pytest.MonkeyPatch, text: str, value: str) -> None:
    monkeypatch.setenv("AC_X", "x y")
    monkeypatch.delenv("AC_NONE", raising=False)
    assert Markup(text=text, key="k").resolve() == value


def test_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AC_X", "x")
    plain = {"a": [1, {"b": 2}]}
    assert hold(plain) is plain
    held = hold({"a": [1, {"b": Deferred(Markup(text="%ENV{AC_X}", key="a"))}], "c": Secret("s3cr3t")})
    assert isinstance(held, DeferredMapping)
    assert isinstance(held["a"], DeferredList)
    assert held["a"][1]["b"] == "x"
    assert held["a"][1:][0]["b"] == "x"
    assert isinstance(held["c"], Secret)
    assert "x" not in repr(held["a"][1])
    assert len(held) == 2
    assert pickle.loads(pickle.dumps(held))["a"][1]["b"] == "x"  # noqa: S301 -- our own


def test_markup_does_not_show_its_text() -> None:
    assert "s3cr3t" not in repr(Markup(text="s3cr3t%ENV{X}", key="k"))
