# SPDX-License-Identifier: Apache-2.0
"""Services called with words: what the words mean, how a value is shown, and all of it over a lab's protocols."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.calls import rendered, takes_commands, understand
from aioconn.app.exits import Exit
from aioconn.connection import BaseConnection, pipelined, service, streaming
from aioconn.errors import UsageError
from aioconn.protocols.cli import CliConnection
from aioconn.request import BaseOptions

pytestmark = pytest.mark.programs


class Words(BaseConnection[BaseOptions]):
    async def _open(self) -> None: ...

    async def _close(self) -> None: ...

    @service
    async def get_part(self, path: str, *, depth: int | None = None, deep: bool = False) -> None: ...

    @service
    async def put(self, path: str, json: Any = None, *, timeout: float | None = None) -> None: ...

    @pipelined
    async def ask(self, oids: str | Sequence[str], *, share: float = 1.0) -> None: ...

    @service
    async def change(self, values: Mapping[str, Any]) -> None: ...

    @streaming
    async def walk(self, root: str = "top") -> None: ...


@pytest.mark.parametrize(
    ("words", "service", "args", "kwargs"),
    [
        (["get-part", "/a"], "get_part", ("/a",), {}),
        (["get_part", "/a", "depth=3"], "get_part", ("/a",), {"depth": 3}),
        (["get-part", "/a?b=c"], "get_part", ("/a?b=c",), {}),
        (["get-part", "path=/a", "deep=yes"], "get_part", (), {"path": "/a", "deep": True}),
        (["get-part", '{"a": 1}'], "get_part", ('{"a": 1}',), {}),
        (["put", "/a", '{"b": [1]}'], "put", ("/a", {"b": [1]}), {}),
        (["put", "/a", "text"], "put", ("/a", "text"), {}),
        (["put", "/a", "timeout=5"], "put", ("/a", "timeout=5"), {}),  # that is --timeout
        (["ask", "one"], "ask", ("one",), {}),
        (["ask", "one", "two", "three", "share=0.5"], "ask", (["one", "two", "three"],), {"share": 0.5}),
        (["change", '{"a": 1}'], "change", ({"a": 1},), {}),
        (["walk"], "walk", (), {}),
    ],
)
def test_what_words_mean(words: list[str], service: str, args: tuple[Any, ...], kwargs: Any) -> None:
    call = understand(Words, words)
    assert (call.service, call.args, call.kwargs) == (service, args, kwargs)
    assert call.streams is (service == "walk")
    assert call.text == " ".join(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["get-prat", "/a"], "no service 'get-prat' -> did you mean 'get-part'"),
        (["get-part"], "get-part: missing a required argument: 'path' -> write get-part PATH"),
        (["get-part", "/a", "/b"], "get-part takes at most 1 arguments, '/b' is too many"),
        (["get-part", "/a", "depth=deep"], "depth: 'deep' is not an integer"),
        (["change", "{a}"], "values: not JSON"),
        (["put", "/a", "@/nowhere/at/all"], "cannot read '/nowhere/at/all': No such file"),
    ],
)
def test_words_that_mean_nothing(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        understand(Words, words)
    assert message in str(caught.value)


def test_what_a_file_holds(tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"b": 1}')
    assert understand(Words, ["put", "/a", f"@{body}"]).args == ("/a", {"b": 1})


def test_a_command_line_takes_whole_lines() -> None:
    assert takes_commands(CliConnection)
    assert not takes_commands(Words)


@dataclass(frozen=True)
class Plain:
    name: str
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Shown:
    text: str

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("as it is", "as it is"),
        (b"bytes \xff", "bytes \N{REPLACEMENT CHARACTER}"),
        (["a", "b"], "a\nb"),
        ([Shown("a = 1"), Shown("b = 2")], "a = 1\nb = 2"),
        (Shown('{"a":1}'), '{\n  "a": 1\n}'),
        (Shown("[not json"), "[not json"),
        ({"a": [1, "é"]}, '{\n  "a": [\n    1,\n    "é"\n  ]\n}'),
        (Plain("x", (1,)), '{\n  "name": "x",\n  "parts": [\n    1\n  ]\n}'),
        ([{"a": 1}], '[\n  {\n    "a": 1\n  }\n]'),
        (True, "true"),
        (3, "3"),
    ],
)
def test_how_a_value_is_shown(value: Any, text: str) -> None:
    assert rendered(value) == text


@pytest.mark.parametrize(
    ("via", "words", "expected"),
    [
        ("rest", ["get", "/api/facts"], '"version": "17.9.4a"'),
        ("restconf", ["get", "ietf-system:system"], '"hostname": "r1"'),
        ("netconf", ["get-config", "running"], "<hostname>r1</hostname>"),
        ("snmp", ["get", "sysName.0", "sysDescr.0"], "r1: sysName.0 = OctetString: 'r1'"),
        ("snmp", ["walk", "ifDescr"], "ifDescr.1 = OctetString: "),
        ("gnmi", ["get", "/system/config/hostname"], 'r1: /system/config/hostname = "r1"'),
    ],
)
def test_over_each_protocol(lab: Any, command: Any, via: str, words: list[str], expected: str) -> None:
    lab.add("r1", protocols=["ssh", "http" if via.startswith("rest") else via])
    ran = command("run", "-t", lab.file, "--via", via, *words)
    assert ran.returncode == Exit.OK, ran.stderr
    assert expected in ran.stdout
    assert ran.stderr.startswith("1 device: 1 ok in ")


def test_for_programs(lab: Any, command: Any) -> None:
    lab.add("r1", protocols=["ssh", "gnmi"])
    ran = command("run", "-t", lab.file, "--via", "gnmi", "get", "/system/config/hostname", "--json")
    assert ran.returncode == Exit.OK, ran.stderr
    (output,) = json.loads(ran.stdout)["outputs"]
    assert output["command"] == "get /system/config/hostname"
    assert output["output"] == '/system/config/hostname = "r1"'


def test_a_service_that_there_is_not_is_said_before_anything_is_touched(lab: Any, command: Any) -> None:
    device = lab.add("r1", protocols=["ssh", "netconf"])
    ran = command("run", "-t", lab.file, "--via", "netconf", "get-confg", "running")
    assert ran.returncode == Exit.USAGE
    assert (
        ran.stderr == "aioconn: NetconfConnection has no service 'get-confg' -> did you mean 'get-config'?\n"
    )
    assert device.logins == 0


def test_what_the_device_refuses(lab: Any, command: Any) -> None:
    lab.add("r1", protocols=["ssh", "http"])
    ran = command("run", "-t", lab.file, "--via", "rest", "get", "/nothing")
    assert ran.returncode == Exit.FAILED
    assert ran.stdout == ""
    assert "r1: HttpError [command] GET" in ran.stderr
    assert "404 Not Found" in ran.stderr
