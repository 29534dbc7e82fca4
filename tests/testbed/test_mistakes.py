# SPDX-License-Identifier: Apache-2.0
"""Each mistake that people make in a testbed: where it is reported, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aioconn.errors import Problem, TestbedError, UnknownPlatform
from aioconn.testbed.load import load_spec

HEAD = "devices:\n  r1:\n"
CLI = HEAD + "    connections:\n      cli:\n"


def platforms(name: str, platform: str | None) -> str:
    if name not in ("iosxe", "nxos"):
        raise UnknownPlatform("unknown", hint="did you mean 'iosxe'?")
    return name


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        return load_spec(text, platforms=platforms).warnings
    except TestbedError as error:
        return tuple(error.problems)


ERRORS = {
    # name: (text, the whole line of the first problem)
    "tab": (
        "devices:\n\tr1: {}\n",
        "<text>:2:1: devices: a tab in the indentation -> YAML takes spaces only",
    ),
    "tab after spaces": (
        "devices:\n  r1:\n  \tos: iosxe\n",
        "<text>:3:3: devices.r1: a tab in the indentation -> YAML takes spaces only",
    ),
    "second colon": (
        CLI + "        ip: 10.0.0.1 port: 22\n",
        "<text>:5:26: devices.r1.connections.cli:"
        " a `:` that cannot be here: a second one, or the line above has none, or wrong"
        " indentation",
    ),
    "no colon": (
        HEAD + "    os: iosxe\n    type\n",
        "<text>:4:5: devices.r1: no colon after this key -> write `key: value`",
    ),
    "no colon in the line above": (
        HEAD + "    os\n    type: router\n",
        "<text>:4:9: devices:"
        " a `:` that cannot be here: a second one, or the line above has none, or wrong"
        " indentation",
    ),
    "open bracket": (
        CLI + "        proxy: [r2, r3\n        ip: 10.0.0.1\n",
        "<text>:5:16: devices.r1.connections.cli.proxy[2]: a bracket that is never closed, or a comma is"
        " missing",
    ),
    "open quote": (
        HEAD + "    type: 'router\n    os: iosxe\n",
        "<text>:3:11: devices.r1.type: a quote that is never closed",
    ),
    "at sign": (
        "testbed:\n  credentials:\n    default:\n      password: @home\n",
        "<text>:4:17: testbed.credentials.default.password: a value cannot start with this character"
        " -> put the value in quotes",
    ),
    "indentation": (
        "devices:\n    r1: {}\n  r2: {}\n",
        "<text>:3:3: wrong indentation, or text after a closing quote -> align it with its siblings",
    ),
    "asterisk": (
        "testbed:\n  credentials:\n    default:\n      password: *cret\n",
        "<text>:4:17: testbed.credentials.default.password: an alias (*name) to an anchor (&name) that is"
        " not there"
        " -> quote a text that starts with *",
    ),
    "ampersand": (
        "testbed:\n  credentials:\n    default:\n      password: &cret\ndevices: {r1: {}}\n",
        "<text>:4:17: testbed.credentials.default.password: this is an anchor (&name) with nothing behind it"
        " -> quote a text that starts with &",
    ),
    "exclamation mark": (
        "testbed:\n  credentials:\n    default:\n      password: !cret\ndevices: {r1: {}}\n",
        "<text>:4:17: testbed.credentials.default.password: a tag (!name) that means nothing here"
        " -> quote a text that starts with !",
    ),
    "template": (
        HEAD + "    os: {{ os }}\n",
        "<text>:3:10: devices.r1.os: a key must be a text"
        " -> quote the value if it starts with { or [ (templates are not filled in)",
    ),
    "alias into itself": (
        HEAD + "    custom: &c\n      me: *c\n",
        "<text>:4:11: devices.r1.custom.me: an alias to something that it is itself a part of",
    ),
    "merge of a text": (
        HEAD + "    <<: iosxe\n",
        "<text>:3:9: devices.r1.<<: << takes a mapping or a list of mappings",
    ),
    "second document": (
        "devices: {r1: {}}\n---\ndevices: {r2: {}}\n",
        "<text>:2:1: a second document begins here -> a testbed is one document: drop the --- line",
    ),
    "control character": (
        "devices:\n  r1\x07: {}\n",
        "<text>:2:5: a character that YAML does not allow: is this a binary file?",
    ),
    "nothing": ("# to do\n", "<text>: there is nothing in it -> a testbed needs at least `devices:`"),
    "list": ("- r1\n- r2\n", "<text>:1:1: a testbed is a mapping with the key devices, this is a list"),
    "prose": (
        "hello\nworld\n",
        "<text>:1:1: a testbed is a mapping with the key devices, this is a single text",
    ),
    "no devices": (
        "device:\n  r1: {}\n",
        "<text>:1:1: devices: the key devices is missing -> did you mean 'devices'?",
    ),
    "empty devices": (
        "devices:\n",
        "<text>:1:1: devices: there is no device in it -> write devices: {NAME: {os: ..., connections: ...}}",
    ),
    "list of devices": (
        "devices:\n  - name: r1\n",
        "<text>:2:3: devices: expected a mapping from names to devices, found a list"
        " -> write NAME: instead of - name: NAME",
    ),
    "device is a text": (
        "devices:\n  r1: iosxe\n",
        "<text>:2:7: devices.r1: expected a mapping that describes a device, found 'iosxe'",
    ),
    "connections are a list": (
        HEAD + "    connections:\n      - ssh\n",
        "<text>:4:7: devices.r1.connections: expected a mapping, found a list",
    ),
    "connection is a text": (
        HEAD + "    connections:\n      cli: ssh\n",
        "<text>:4:12: devices.r1.connections.cli: expected a mapping that describes a connection, found 'ssh'"
        " -> write cli: {protocol: ssh, ip: ...}",
    ),
    "no host": (
        CLI + "        protocol: ssh\n",
        "<text>:5:9: devices.r1.connections.cli: neither ip nor host nor command: there is no way to connect"
        " -> add ip: or host:",
    ),
    "host by another name": (
        CLI + "        protocol: ssh\n        address: 10.0.0.1\n",
        "<text>:5:9: devices.r1.connections.cli: neither ip nor host nor command: there is no way to connect"
        " -> write ip instead of address",
    ),
    "host is a mapping": (
        CLI + "        ip: {a: b}\n",
        "<text>:5:9: devices.r1.connections.cli.ip: expected an address or a host name, found a mapping",
    ),
    "port out of range": (
        CLI + "        ip: 10.0.0.1\n        port: 70000\n",
        "<text>:6:15: devices.r1.connections.cli.port: port 70000 is out of range"
        " -> a port is a number from 1 to 65535",
    ),
    "port is a word": (
        CLI + "        ip: 10.0.0.1\n        port: ssh\n",
        "<text>:6:15: devices.r1.connections.cli.port: expected a port number from 1 to 65535, found 'ssh'",
    ),
    "port is a list": (
        CLI + "        ip: 10.0.0.1\n        port: [22]\n",
        "<text>:6:15: devices.r1.connections.cli.port: expected a port number, found a list",
    ),
    "port in the protocol": (
        CLI + "        ip: 10.0.0.1\n        protocol: ssh -p 99999\n",
        "<text>:6:19: devices.r1.connections.cli.protocol: port 99999 is out of range"
        " -> a port is a number from 1 to 65535",
    ),
    "command line": (
        CLI + "        command: mock --state 'login\n",
        "<text>:5:18: devices.r1.connections.cli.command: not a command line: no closing quotation",
    ),
    "os is a list": (HEAD + "    os: [iosxe]\n", "<text>:3:9: devices.r1.os: expected a text, found a list"),
    "via": (
        HEAD + "    connections:\n      defaults: {via: clii}\n      cli: {ip: 10.0.0.1}\n",
        "<text>:4:23: devices.r1.connections.defaults.via: names no connection of this device: 'clii'"
        " -> did you mean 'cli'?",
    ),
    "limit": (
        HEAD + "    connections:\n      defaults: {max_sessions: 0}\n",
        "<text>:4:32: devices.r1.connections.defaults.max_sessions: expected a whole number of at least 1,"
        " found '0'",
    ),
    "seconds": (
        HEAD + "    connections:\n      defaults: {pool_timeout: soon}\n",
        "<text>:4:32: devices.r1.connections.defaults.pool_timeout: expected a number of seconds above 0,"
        " found 'soon'",
    ),
    "unknown proxy": (
        "devices:\n  jump: {connections: {cli: {ip: 10.0.0.9}}}\n  r1:\n    connections:\n      cli:\n"
        "        ip: 10.0.0.1\n        proxy: jmup\n",
        "<text>:7:16: devices.r1.connections.cli.proxy: no device is called 'jmup' -> did you mean 'jump'?",
    ),
    "own proxy": (
        CLI + "        ip: 10.0.0.1\n        proxy: r1\n",
        "<text>:6:16: devices.r1.connections.cli.proxy: the device is its own proxy",
    ),
    "proxy circle": (
        "devices:\n"
        "  a: {connections: {cli: {ip: h, proxy: b}}}\n"
        "  b: {connections: {cli: {ip: h, proxy: c}}}\n"
        "  c: {connections: {cli: {ip: h, proxy: b}}}\n",
        "<text>:3:41: devices.b.connections.cli.proxy: proxies go in a circle: b -> c -> b"
        " -> one of them needs a connection without proxy",
    ),
    "proxy without a name": (
        CLI + "        ip: 10.0.0.1\n        proxy:\n          - command: ssh\n",
        "<text>:7:13: devices.r1.connections.cli.proxy[0]: a proxy needs the name of a device -> write -"
        " device: NAME",
    ),
    "alias twice": (
        "devices:\n  r1: {alias: uut}\n  r2: {alias: uut}\n",
        "<text>:3:15: devices.r2.alias: device 'r1' already has 'uut' as its alias -> choose another alias",
    ),
    "alias is a name": (
        "devices:\n  r1: {}\n  r2: {alias: r1}\n",
        "<text>:3:15: devices.r2.alias: device 'r1' already has 'r1' as its name -> choose another alias",
    ),
    "credentials are a list": (
        HEAD + "    credentials: [admin, cisco]\n",
        "<text>:3:18: devices.r1.credentials: expected a mapping, found a list",
    ),
    "credential is a text": (
        HEAD + "    credentials:\n      default: cisco\n",
        "<text>:4:16: devices.r1.credentials.default:"
        " expected a mapping that describes a credential (username, password), found a text",
    ),
    "password in braces": (
        "testbed:\n  credentials:\n    default: {password: {cret: }}\ndevices: {r1: {}}\n",
        "<text>:3:15: testbed.credentials.default.password: expected a text, found a mapping -> put it in"
        " quotes",
    ),
    "variable that shapes the testbed": (
        HEAD + "    os: '%ENV{AIOCONN_UNSET_OS}'\n",
        "<text>:3:9: devices.r1.os: the environment variable 'AIOCONN_UNSET_OS' is not set"
        " -> export AIOCONN_UNSET_OS=..., or write %ENV{AIOCONN_UNSET_OS, a default}",
    ),
    "question that shapes the testbed": (
        HEAD + "    os: '%ASK{which?}'\n",
        "<text>:3:9: devices.r1.os: %ASK{} is not supported here -> write the value itself, or %ENV{NAME}",
    ),
    "testbed is a text": (
        "testbed: lab\ndevices: {r1: {}}\n",
        "<text>:1:10: testbed: expected a mapping, found 'lab'",
    ),
    "name with a dot": (
        "devices:\n  r1.lab: {os: []}\n",
        "<text>:2:16: devices.'r1.lab'.os: expected a text, found a list",
    ),
    "extends nothing": (
        "extends: /nowhere/base.yaml\ndevices: {r1: {}}\n",
        "<text>:1:10: extends: no such file: '/nowhere/base.yaml'",
    ),
}

WARNINGS = {
    "key twice": (
        "devices:\n  r1: {}\n  r1: {}\n",
        "<text>:3:3: devices.r1: warning: this key stands twice, first in line 2; the last one counts",
    ),
    "unknown os": (
        HEAD + "    os: iosex\n",
        "<text>:3:9: devices.r1.os: warning: no platform is called 'iosex' -> did you mean 'iosxe'?",
    ),
    "unknown protocol": (
        CLI + "        protocol: shh\n        ip: 10.0.0.1\n",
        "<text>:5:19: devices.r1.connections.cli.protocol: warning: unknown protocol 'shh' -> did you mean"
        " 'ssh'?",
    ),
    "no protocol, port 23": (
        CLI + "        ip: 10.0.0.1\n        port: 23\n",
        "<text>:5:9: devices.r1.connections.cli: warning: no protocol: taken as ssh"
        " -> write protocol: telnet if you mean it",
    ),
    "dash p": (
        CLI + "        ip: 10.0.0.1\n        port: -p 22\n",
        "<text>:6:15: devices.r1.connections.cli.port: warning: a port is a number; read as 22 -> write"
        " port: 22",
    ),
    "ssh options": (
        CLI + "        protocol: ssh -J jump -l me\n        ip: 10.0.0.1\n",
        "<text>:5:19: devices.r1.connections.cli.protocol: warning: not understood and left out: -J jump"
        " -l me",
    ),
    "connection key": (
        CLI + "        ip: 10.0.0.1\n        porxy: jump\n",
        "<text>:6:9: devices.r1.connections.cli.porxy: warning: unknown key -> did you mean 'proxy'?",
    ),
    "defaults key": (
        HEAD + "    connections:\n      defaults:\n        max_session: 3\n",
        "<text>:5:9: devices.r1.connections.defaults.max_session: warning: unknown key, not used"
        " -> did you mean 'max_sessions'?",
    ),
    "device key": (
        HEAD + "    credential: {}\n",
        "<text>:3:5: devices.r1.credential: warning: unknown key -> did you mean 'credentials'?",
    ),
    "credential key": (
        HEAD + "    credentials: {default: {pasword: s3cr3t}}\n",
        "<text>:3:29: devices.r1.credentials.default.pasword: warning: unknown key -> did you mean"
        " 'password'?",
    ),
    "credentials among connections": (
        HEAD + "    connections:\n      credentials: {default: {password: s3cr3t}}\n",
        "<text>:4:7: devices.r1.connections.credentials: warning: credentials among the connections are"
        " not used"
        " -> move them one level up",
    ),
    "credentials at the top": (
        "credentials: {default: {password: s3cr3t}}\ndevices: {r1: {}}\n",
        "<text>:1:1: credentials: warning: not used here -> move them to testbed.credentials",
    ),
    "topology": (
        "devices: {r1: {}}\ntopology:\n  r2: {interfaces: {}}\n",
        "<text>:3:3: topology.r2: warning: no device is called 'r2' -> add it to devices, or take it out"
        " here",
    ),
    "proxy command": (
        "devices:\n  r1:\n    connections:\n      cli:\n        ip: 10.0.0.1\n        proxy:\n"
        "          - device: jump\n            command: ssh 10.0.0.1\n  jump:"
        " {connections: {cli: {ip: 10.0.0.9}}}\n",
        "<text>:8:22: devices.r1.connections.cli.proxy[0].command: warning:"
        " not used: the connection goes through the proxy's own SSH link",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    text, expected = ERRORS[name]
    with pytest.raises(TestbedError) as caught:
        load_spec(text, platforms=platforms)
    assert str(caught.value.problems[0]) == expected
    assert not caught.value.problems[0].warning
    assert "cret" not in str(caught.value).replace("secret", "")


@pytest.mark.parametrize("name", WARNINGS)
def test_warning(name: str) -> None:
    text, expected = WARNINGS[name]
    spec = load_spec(text, platforms=platforms)
    assert [str(warning) for warning in spec.warnings] == [expected]
    assert "s3cr3t" not in repr(spec)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(
        "devices:\n"
        "  r1:\n"
        "    os: iosex\n"
        "    connections:\n"
        "      defaults: {via: nothing}\n"
        "      cli: {ip: 10.0.0.1, port: 0}\n"
        "  r2: text\n"
        "  r3:\n"
        "    credentials: {default: cisco}\n"
        "    connections:\n"
        "      cli: {protocol: ssh}\n"
    )
    with pytest.raises(TestbedError) as caught:
        load_spec(file, platforms=platforms)
    assert [(problem.line, problem.key, problem.warning) for problem in caught.value.problems] == [
        (6, "devices.r1.connections.cli.port", False),
        (5, "devices.r1.connections.defaults.via", False),
        (7, "devices.r2", False),
        (11, "devices.r3.connections.cli", False),
        (9, "devices.r3.credentials.default", False),
        (3, "devices.r1.os", True),
    ]
    assert {problem.source for problem in caught.value.problems} == {str(file)}


def missing(folder: Path) -> Path:
    return folder / "none.yaml"


def directory(folder: Path) -> Path:
    return folder


def latin(folder: Path) -> Path:
    (folder / "latin.yaml").write_bytes(b"devices:\n  r1:\n    type: Z\xfcrich\n")
    return folder / "latin.yaml"


def empty(folder: Path) -> Path:
    (folder / "empty.yaml").touch()
    return folder / "empty.yaml"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "no such file: '{}'"),
        (directory, "{}: this is a directory, not a testbed file"),
        (latin, "{}:3: this is not UTF-8 text -> save the file as UTF-8"),
        (empty, "{}: there is nothing in it -> a testbed needs at least `devices:`"),
    ],
)
def test_file_that_cannot_be_read(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path)
    for source in (path, str(path)):
        with pytest.raises(TestbedError) as caught:
            load_spec(source)
        assert str(caught.value) == message.format(path)


def test_name_that_is_no_file_name() -> None:
    for name in ("a\0b", "x" * 5000, "\ud800"):
        with pytest.raises(TestbedError, match="cannot read"):
            load_spec(name)


def test_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "huge.yaml"
    with file.open("wb") as sparse:
        sparse.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(TestbedError, match="more than 64 MiB"):
        load_spec(file)


def test_mapping_problems_have_a_key_path() -> None:
    with pytest.raises(TestbedError) as caught:
        load_spec({"devices": {"r1": {"connections": {"cli": {"host": "h", "port": 70000}}}}})
    assert str(caught.value) == (
        "devices.r1.connections.cli.port: port 70000 is out of range -> a port is a number from 1 to 65535"
    )


def test_problem_of_an_extended_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("devices:\n  r1:\n    os: [x]\n")
    (tmp_path / "lab.yaml").write_text("extends: base.yaml\ndevices:\n  r1: {type: router}\n")
    assert [str(p) for p in problems_of_file(tmp_path / "lab.yaml")] == [
        f"{tmp_path / 'base.yaml'}:3:9: devices.r1.os: expected a text, found a list"
    ]


def test_extends_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("extends: b.yaml\ndevices: {r1: {}}\n")
    (tmp_path / "b.yaml").write_text("extends: a.yaml\n")
    (problem,) = problems_of_file(tmp_path / "a.yaml")
    assert problem.message.endswith("is extended by what it extends")
    assert (problem.source, problem.line) == (str(tmp_path / "b.yaml"), 1)


def problems_of_file(path: Path) -> tuple[Problem, ...]:
    with pytest.raises(TestbedError) as caught:
        load_spec(path)
    return tuple(caught.value.problems)
