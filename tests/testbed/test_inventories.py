# SPDX-License-Identifier: Apache-2.0
"""Inventories of Nornir and Ansible: whose they are, and what they amount to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aioconn
from aioconn.errors import InvalidOption, TestbedError
from aioconn.lab import Lab
from aioconn.platforms.loader import platform_name
from aioconn.testbed.inventories.ansible.ranges import BadPattern, expand
from aioconn.testbed.inventories.platforms import SYSTEMS, system
from aioconn.testbed.inventories.recognition import format_of, read_path
from aioconn.testbed.inventories.writing import to_yaml
from aioconn.testbed.load import load_spec
from tests.inventory_files import described, load, seen, write

GOLDEN = Path(__file__).parent / "inventories"


# ---------------------------------------------------------------------------------- what an inventory amounts to


@pytest.fixture
def resolvable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORNIR_PASSWORD", "from the environment")
    monkeypatch.setenv("ENABLE", "en4ble")


CASES = {"nornir": "nornir", "ansible": "ansible/hosts.ini", "ansible_yaml": "ansible_yaml/lab.yml"}


@pytest.mark.parametrize("name", CASES)
def test_an_inventory_is_this_testbed(name: str, resolvable: None, tmp_path: Path) -> None:
    source = GOLDEN / CASES[name]
    tree = read_path(source).tree
    assert tree is not None
    content = to_yaml(tree)
    expected = GOLDEN / f"{name}.expected.yaml"
    assert content == expected.read_text(encoding="utf-8")
    if name == "ansible_yaml":  # it holds what no key decodes
        content = content.replace("%ENC{gAAAA}", "%ENV{ENABLE}")
        source = (
            write(tmp_path, {"lab.yml": source.read_text("utf-8").replace("%ENC{gAAAA}", "%ENV{ENABLE}")})
            / "lab.yml"
        )
    direct, written = load_spec(source), load_spec(content)
    assert list(direct.devices) == list(written.devices)
    for device in direct.devices:
        assert described(direct.devices[device]) == described(written.devices[device])
    assert not [warning for warning in written.warnings if "unknown key" in warning.message]


def test_places_are_those_of_the_inventory() -> None:
    spec = load_spec(GOLDEN / "nornir")
    assert spec.devices["r2"].origin == f"{GOLDEN}/nornir/hosts.yaml:9"
    spec = load_spec(GOLDEN / "ansible" / "hosts.ini")
    assert spec.devices["r02"].origin == f"{GOLDEN}/ansible/hosts.ini:5"


def test_every_name_of_a_system_is_known() -> None:
    for name, spellings in SYSTEMS.items():
        assert platform_name(name) is not None, name
        for spelling in spellings:
            assert system(spelling) == name
    assert system("cisco.IOS.ios") == "ios"
    assert system("cisco_xe_telnet") == "iosxe"
    assert system("something_else") == "something_else"


async def test_a_device_of_an_inventory_answers(lab: Lab, tmp_path: Path) -> None:
    device = await lab.add("r1")
    path = next(iter(load_spec(lab.testbed()).devices["r1"].connections.values()))
    assert device is not None
    write(
        tmp_path,
        {
            "hosts": f"[lab]\nr1 ansible_host={path.address} ansible_port={path.port_number}\n[lab:vars]\n"
            "ansible_connection=network_cli\nansible_network_os=cisco.ios.ios\nansible_user=admin\n"
            "ansible_password=admin\nansible_become_password=admin\nansible_host_key_checking=False\n"
        },
    )
    async with aioconn.load(tmp_path / "hosts") as testbed:
        await testbed["r1"].connect()
        assert "Cisco IOS" in await testbed["r1"].execute("show version")


# ---------------------------------------------------------------------------------- which of many values counts


def test_the_order_in_which_nornir_looks(tmp_path: Path) -> None:
    options = "connection_options: {netconf: {port: %s, hostname: %s}}"
    spec = load(
        tmp_path,
        {
            "hosts.yaml": "a: {groups: [one, two]}\nb: {groups: [two]}\nc: {data: {x: null}}\n"
            "d: {groups: [plain, two]}\n",
            "groups.yaml": f"one: {{groups: [deep], {options % (1, 'null')}}}\nplain: {{}}\n"
            f"deep: {{hostname: deep, {options % (2, 'deep')}}}\n"
            f"two: {{hostname: two, platform: eos, {options % (9, 'null')}}}\n",
            "defaults.yaml": f"hostname: default\ndata: {{x: 1}}\n{options % (3, 'default')}\n",
        },
        "hosts.yaml",
    )
    found = {
        name: [(path.name, path.host, path.port) for path in device.connections.values()]
        for name, device in spec.devices.items()
    }
    assert found == {
        "a": [("cli", "deep", None), ("netconf", "deep", 1)],
        "b": [("cli", "two", None), ("netconf", "default", 9)],
        "c": [("cli", "default", None), ("netconf", "default", 3)],
        "d": [("cli", "two", None), ("netconf", "default", 3)],  # the defaults win over the second group
    }
    assert [device.os for device in spec.devices.values()] == ["eos", "eos", None, "eos"]
    assert dict(spec.devices["c"].custom) == {"x": None}


def test_the_order_in_which_ansible_looks(tmp_path: Path) -> None:
    spec = load(
        tmp_path,
        {
            "hosts": """
[low]
h who=host
i
[high]
i
j
[parent:children]
low
[all:vars]
who=all
[parent:vars]
who=parent
deeper=parent
equal=parent
[low:vars]
who=low
deeper=low
equal=low
later=low
[high:vars]
later=high
equal=high
ansible_group_priority=9
""",
            "group_vars/all.yml": "filed: all\ndeeper: all\n",
            "group_vars/parent/a.yml": "filed: a\n",
            "group_vars/parent/b.yml": "filed: b\n",
            "group_vars/parent/c.ini": "filed: not read\n",
            "group_vars/parent.yml": "filed: not read\n",
            "host_vars/j.yaml": "who: file\n",
            "host_vars/k.yaml": "who: nobody\n",
        },
    )
    found = {name: dict(device.custom) for name, device in spec.devices.items()}
    for values in found.values():
        del values["groups"]
    assert found == {
        "h": {"who": "host", "deeper": "all", "equal": "low", "later": "low", "filed": "b"},
        "i": {"who": "low", "deeper": "all", "equal": "low", "later": "low", "filed": "b"},
        "j": {"who": "file", "equal": "high", "later": "high", "filed": "all", "deeper": "all"},
    }


def test_a_folder_of_inventories(tmp_path: Path) -> None:
    files = {
        "inv/10-routers": "[routers]\nr1\n",
        "inv/20-more.yml": "routers: {hosts: {r2: {x: 1}}}\n",
        "inv/ignored.ini": "r3\n",
        "inv/.hidden": "r4\n",
        "inv/group_vars/routers": "site: a\n",
    }
    spec = load(tmp_path, files, "inv")
    assert {name: device.custom.get("site") for name, device in spec.devices.items()} == {
        "r1": "a",
        "r2": "a",
    }
    assert spec.name == "inv"


def test_the_values_of_an_ini_file(tmp_path: Path) -> None:
    written = {
        "a=1": 1, "a=1.5": 1.5, "a=True": True, "a=true": "true", "a=0123": "0123", "a=1e400": "1e400",
        "a='x y'": "x y", "a=\"it's\"": "it's", "a=x\\ y": "x y", "a=None": None, "a=": "",
        "a='[1, \"b\", (2, None)]'": [1, "b", [2, None]], "a=\"{'k': {'l': 1.5}}\"": {"k": {"l": 1.5}},
        "a=\"'7'\"": "7", "a=b'x'": "bx", "a=\"{1, 2}\"": "{1, 2}", "a=[1,": "[1,", "a=1_0": 10, "a=1e3": 1000.0,
        "a=1e16": 1e16, "a=x=y": "x=y",
        f"a={'[' * 300}": "[" * 300, f"a={'9' * 30}": "9" * 30, "a=-": "-",
    }  # fmt: skip
    spec = load(tmp_path, {"hosts": "".join(f"h{n} {line}\n" for n, line in enumerate(written))})
    for device, (line, value) in zip(spec.devices.values(), written.items(), strict=True):
        assert seen(device.custom)["a"] == value, line
    tree = read_path(tmp_path / "hosts").tree
    assert tree is not None
    again = load_spec(to_yaml(tree))
    assert [seen(device.custom) for device in again.devices.values()] == [
        seen(device.custom) for device in spec.devices.values()
    ]


RANGES = {
    "r1": ["r1"],
    "r1:2222": ["r1"],
    "r[1:3]": ["r1", "r2", "r3"],
    "r[01:03].lab": ["r01.lab", "r02.lab", "r03.lab"],
    "r[:2]": ["r0", "r1", "r2"],
    "r[8:10]": ["r8", "r9", "r10"],
    "r[1:6:2]-x": ["r1-x", "r3-x", "r5-x"],
    "[a:c]": ["a", "b", "c"],
    "[y:B]": ["y", "z", "A", "B"],
    "s[a:b][1:2]": ["sa1", "sa2", "sb1", "sb2"],
    "2001:db8::1": ["2001:db8::1"],
    "[2001:db8::1]:22": ["2001:db8::1"],
    "[2001:db8::1]": ["2001:db8::1"],
}
BAD_RANGES = {
    "r[1]": "a range is [first:last]",
    "r[1:]": "a range is [first:last]",
    "r[1:2:3:4]": "a range is [first:last]",
    "r[3:1]": "goes backwards",
    "r[b:a]": "goes backwards",
    "r[1:9:0]": "the step of a range",
    "r[1:9:-1]": "the step of a range",
    "r[01:3]": "have the same length",
    "r[a:3]": "between two numbers, or two letters",
    "r[1:3": "a bracket that is never closed",
    "r]": "a bracket that is never closed",
    "r[[1:2]]": "a bracket that is never closed",
    "r:": "is missing",
    "r[1:50001]": "more than 50,000 hosts",
    "r[1:999999999]": "more than 50,000 hosts",
    "r[1:9999999999999]": "between two numbers",
    "r[1:400][1:400][1:400][1:400][1:400]": "more than 50,000 hosts",
    "r" * 1001: "too long",
}


def test_ranges() -> None:
    for pattern, names in RANGES.items():
        assert expand(pattern)[0] == names, pattern
    assert [expand(one)[1] for one in ("r1:2222", "r[1:2]:23", "[::1]:24", "::1", "r1")] == [
        "2222",
        "23",
        "24",
        None,
        None,
    ]
    for pattern, said in BAD_RANGES.items():
        with pytest.raises(BadPattern) as caught:
            expand(pattern)
        assert said in str(caught.value), pattern


# ---------------------------------------------------------------------------------- whose file it is

RECOGNISED = {
    "nornir": (
        {"hosts.yaml": "r1: {hostname: a}\n"},
        {"hosts.yml": "r1: {}\n", "groups.yml": "x: {}\n"},
        {"hosts.yaml": "all: {groups: [x]}\n"},
    ),
    "ansible": (
        {"hosts": "r1\n"},
        {"hosts.ini": "r1\n"},
        {"inventory": "r1\n"},
        {"lab.yml": "all: {hosts: {r1: }}\n"},
        {"lab.yml": "routers: {hosts: {r1: {}}}\nempty:\n"},
        {"lab.yml": "all: {vars: {p: !vault x}, hosts: {r1: }}\n"},
        {"hosts.yaml": "all: {hosts: {r1: }}\n"},
        {"lab.yml": "plugin: nb_inventory\n"},
        {"production": "r1\n", "group_vars/all": ""},
    ),
    "testbed": (
        {"lab.yaml": "devices: {r1: {}}\n"},
        {"hosts.yaml": "devices: {r1: {}}\n"},
        {"lab.yaml": "r1: {hostname: a}\n"},
        {"lab.yaml": "all: {hosts: {r1: }, other: 1}\n"},
        {"lab.yaml": "a: {}\nb: {}\n"},
        {"lab.yaml": "[1"},
    ),
}


@pytest.mark.parametrize("format", RECOGNISED)
def test_whose_file_it_is(format: str, tmp_path: Path) -> None:
    for number, files in enumerate(RECOGNISED[format]):
        folder = write(tmp_path / str(number), files)
        assert format_of(folder / next(iter(files))) == format, files


def test_whose_folder_it_is(tmp_path: Path) -> None:
    folders: list[tuple[str, dict[str, str]]] = [
        ("nornir", {"hosts.yaml": "r1: {}\n", "groups.yaml": "", "defaults.yaml": ""}),
        ("ansible", {"hosts.yaml": "r1: {}\n", "group_vars/all": ""}),
        ("ansible", {"hosts.yaml": "all: {hosts: {r1: {}}}\n"}),
        ("ansible", {"hosts": "r1\n"}),
        ("testbed", {"lab.yaml": "r1: {}\n"}),
    ]
    for number, (format, files) in enumerate(folders):
        assert format_of(write(tmp_path / str(number), files)) == format, files


def test_the_format_may_be_said(tmp_path: Path) -> None:
    write(tmp_path, {"lab.yaml": "r1: {hostname: a}\n", "routers": "r1\n"})
    assert list(load_spec(tmp_path / "lab.yaml", format="nornir").devices) == ["r1"]
    assert list(aioconn.load(tmp_path / "routers", format="ansible").devices) == ["r1"]
    with pytest.raises(TestbedError, match="devices is missing"):
        load_spec(tmp_path / "lab.yaml", format="testbed")
    with pytest.raises(InvalidOption, match="there is no format 'ansibel' -> did you mean 'ansible'"):
        load_spec(tmp_path / "routers", format="ansibel")


WORDS = [
    "hostname", "port", "username", "password", "platform", "groups", "data", "connection_options",
    "extras", "netmiko", "netconf", "aioconn", "napalm", "secret", "optional_args", "key_file",
    "os", "credentials", "connections", "pool_size", "default", "protocol",
]  # fmt: skip
VARIABLES = [
    "all", "hosts", "children", "vars", "g", "h[1:2]", "h1", "ansible_host", "ansible_port",
    "ansible_user", "ansible_password", "ansible_connection", "ansible_network_os",
    "ansible_become_pass", "ansible_ssh_common_args", "ansible_group_priority", "x",
]  # fmt: skip
SCALARS = st.one_of(
    st.sampled_from(
        ["", "1", "true", "null", "0123", "1e3", "ios", "eos", "network_cli", "httpapi", "-J h1", "g", "h1"]
    ),
    st.integers(-3, 70000),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
    st.text(max_size=4),
)


def documents(words: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(words)
    values = st.recursive(
        SCALARS,
        lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(names, below, max_size=4)),
        max_leaves=25,
    )
    return st.dictionaries(names, st.dictionaries(names, values, max_size=5), min_size=1, max_size=3)


@given(
    st.one_of(documents(WORDS), documents(VARIABLES)),
    documents(WORDS),
    st.sampled_from(["nornir", "ansible"]),
)
def test_whatever_is_in_them_reads_the_same_after_converting(
    tmp_path_factory: pytest.TempPathFactory, hosts: dict[str, Any], groups: dict[str, Any], format: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "structured"
    write(folder, {"hosts.yaml": json.dumps(hosts), "groups.yaml": json.dumps(groups)})
    try:
        spec = load_spec(folder / "hosts.yaml", format=format)
    except TestbedError as error:
        assert all(problem.source for problem in error.problems)  # noqa: PT017
        return
    tree = read_path(folder / "hosts.yaml", format).tree
    assert tree is not None
    again = load_spec(to_yaml(tree))
    assert {name: described(device) for name, device in spec.devices.items()} == {
        name: described(device) for name, device in again.devices.items()
    }
