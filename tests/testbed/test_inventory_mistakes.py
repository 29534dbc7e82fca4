# SPDX-License-Identifier: Apache-2.0
"""Inventories that are wrong, and such as are meant to do harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import TestbedError
from aioconn.testbed.inventories.host import weight
from aioconn.testbed.load import load_spec
from aioconn.testbed.source import read_text
from tests.inventory_files import load, problems_of

INI = "[g]\nr1\n"
MISTAKES: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "nornir: groups that are not there": (
        {"hosts.yaml": "r1: {groups: [kore]}\nr2: {groups: core}\n", "groups.yaml": "core: {}\n"},
        (
            "hosts.yaml:1:14: r1.groups: no group is called 'kore' -> did you mean 'core'?",
            "hosts.yaml:2:14: r2.groups: expected a list of groups, found 'core' -> write groups: [NAME]",
        ),
    ),
    "nornir: groups in a circle": (
        {"hosts.yaml": "r1: {groups: [a]}\n", "groups.yaml": "a: {groups: [b]}\nb:\n  groups: [a]\n"},
        ("groups.yaml:3:11: b.groups: groups go in a circle: a -> b -> a",),
    ),
    "nornir: wrong kinds": (
        {
            "hosts.yaml": "r1: {hostname: [a], port: 70000, data: [1], conection_options: {}}\nr2: 7\n"
            "r3: {connection_options: {netconf: 830, gnmi: {extras: [x]}}}\n"
        },
        (
            "hosts.yaml:1:40: r1.data: expected a mapping, found a list",
            "hosts.yaml:1:16: r1.hostname: expected a text, found a list",
            "hosts.yaml:2:5: r2: expected a mapping that describes a host, found '7'",
            "hosts.yaml:3:36: r3.connection_options.netconf: expected a mapping that describes a connection"
            " (hostname, port, extras, ...), found '830'",
            "hosts.yaml:3:56: r3.connection_options.gnmi.extras: expected a mapping, found a list",
            "hosts.yaml:1:27: devices.r1.connections.cli.port: port 70000 is out of range -> a"
            " port is a number from 1 to 65535",
            "hosts.yaml:1:45: r1.conection_options: warning: unknown key -> did you mean"
            " 'connection_options'?",
        ),
    ),
    "nornir: no hosts": (
        {"hosts.yaml": "---\n"},
        ("hosts.yaml:1:1: there is no host in it -> write NAME: {hostname: ...}",),
    ),
    "nornir: a list": (
        {"hosts.yaml": "- r1\n"},
        ("hosts.yaml:1:1: a file of hosts is a mapping, this is something else",),
    ),
    "ini: every line that is wrong": (
        {
            "hosts": "r1 port 22\nr2 x='1\n[no good]\nr[2:1]\n[g:variables]\nx=1\n[g:vars]\nx\n[g:children]\na b\n"
            "[nobody:vars]\nx=1\n[h:children]\ng\nghost\n[g]\nr3 key=a#b\n"
        },
        (
            "hosts:1:4: ungrouped: expected name=value behind the name of a host -> no blanks around =;"
            " quote a value with blanks",
            "hosts:1:9: ungrouped: expected name=value behind the name of a host -> no blanks around =;"
            " quote a value with blanks",
            "hosts:2:1: ungrouped: a quote that is never closed",
            "hosts:3:1: ungrouped: this is no section -> write [GROUP], [GROUP:vars] or"
            " [GROUP:children], without blanks",
            "hosts:4:1: ungrouped: 'r[2:1]' is no name of hosts: the range [2:1] goes backwards",
            "hosts:5:1: g:variables: a section of a kind that is not known: 'variables' -> did"
            " you mean 'vars'?",
            "hosts:8:1: g:vars: expected name=value",
            "hosts:10:1: g:children: expected the name of a group -> each on a line of its own",
            "hosts:11:1: g: variables of a group that there is not: 'nobody' -> known: all,"
            " ghost, h, ungrouped",
            "hosts:15:1: ghost: there is no group 'ghost' -> known: all, g, h, nobody, ungrouped",
            "hosts:17:9: g: warning: the rest of this word is taken as a comment -> quote the"
            " value if # is a part of it",
        ),
    ),
    "ini: groups in a circle": (
        {"hosts": "[a:children]\nb\n[b:children]\nc\n[c:children]\na\n[c]\nr1\n"},
        ("hosts:6:1: c: groups go in a circle: a -> b -> c -> a",),
    ),
    "ini: that is YAML": (
        {"hosts.ini": "---\nall:\n"},
        ("hosts.ini:1:1: ungrouped: this looks like YAML -> call the file NAME.yml",),
    ),
    "yaml: groups": (
        {
            "lab.yml": "all:\n  children:\n    a: {hosts: {r1: 7}, var: {x: 1}}\n"
            "    b: {hosts: [r2], children: {c: [1]}}\n"
            "  hosts: {r9: }\n"
        },
        (
            "lab.yml:3:21: all.children.a.hosts.r1: expected a mapping that describes a host"
            " (name: value), found '7'",
            "lab.yml:4:16: all.children.b.hosts: expected a mapping, found a list",
            "lab.yml:4:36: all.children.b.children.c: expected a mapping that describes a group,"
            " found a list",
            "lab.yml:3:25: all.children.a.var: warning: not read: a group has hosts, vars and children"
            " -> did you mean 'vars'?",
        ),
    ),
    "plugins": (
        {"lab.yml": "plugin: netbox.netbox.nb_inventory\nvalidate_certs: true\n"},
        (
            "lab.yml:1:1: plugin: the inventory plugin 'netbox.netbox.nb_inventory' is not run here -> load what"
            " `ansible-inventory -i FILE --list --yaml` prints",
        ),
    ),
    "scripts": (
        {"inventory": "#!/bin/sh\necho '{}'\n"},
        (
            "inventory:1: an executable inventory is not run here -> load what"
            " `ansible-inventory -i FILE --list --yaml` prints",
        ),
    ),
    "vault": (
        {
            "hosts": f"{INI}r2 other=$ANSIBLE_VAULT;1.1;AES256\n",
            "group_vars/g.yml": "ansible_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n"
            "token: [!vault '$ANSIBLE_VAULT;1.1']\n",
            "group_vars/all.yml": "$ANSIBLE_VAULT;1.1;AES256\n616263\n",
        },
        (
            "group_vars/all.yml:1: the whole file is encrypted by ansible-vault, which is not decoded here"
            " -> write its secrets as %ENC{} (`aioconn secret encode`) or %ENV{}",
            "group_vars/g.yml:1:19: ansible_password: this value is encrypted by ansible-vault,"
            " which is not decoded here"
            " -> write %ENC{} (`aioconn secret encode`) or %ENV{NAME}",
            "group_vars/g.yml:4:9: token: warning: encrypted by ansible-vault, which is not"
            " decoded here: left out",
            "hosts:3:10: other: warning: encrypted by ansible-vault, which is not decoded here: left out",
        ),
    ),
    "templates": (
        {
            "lab.yml": "all:\n  vars:\n    ansible_user: \"{{ lookup('env', 'LAB_USER') }}\"\n"
            "    ansible_host: '{{ inventory_hostname }}.lab'\n    motd: [hello, '{% if x %}']\n"
            "    ansible_port: [22]\n  hosts: {r1: , r2: }\n"
        },
        (
            "lab.yml:4:19: ansible_host: this is a template, and templates are not filled in here"
            " -> write the value itself, or %ENV{NAME}",
            "lab.yml:6:19: ansible_port: expected a text",
            "lab.yml:3:19: ansible_user: this is a template, and templates are not filled in here"
            " -> write %ENV{LAB_USER}",
            "lab.yml:5:19: motd: warning: a template: kept as it is written, and not filled in",
        ),
    ),
    "ways that are none": (
        {
            "hosts": '[w]\nw1\nw2\n[w:vars]\nansible_connection=winrm\n[x]\nx1 ansible_ssh_common_args="-o \'a"\n'
        },
        (
            "hosts:7:28: ansible_ssh_common_args: not the arguments of a command",
            "hosts:5:20: ansible_connection: warning: 'winrm' is none of aioconn's ways: these"
            " hosts get no connection",
        ),
    ),
    "a value that a testbed refuses": (
        {"hosts": "r1 ansible_port=ssh\n"},
        ("hosts:1:17: devices.r1.connections.cli.port: expected a port number from 1 to 65535, found 'ssh'",),
    ),
    "broken YAML": (
        {"hosts": INI, "host_vars/r1.yml": "a: [1\n"},
        ("host_vars/r1.yml:1:4: a[1]: a bracket that is never closed, or a comma is missing",),
    ),
    "no mapping": (
        {"hosts": INI, "host_vars/r1.yml": "- a\n"},
        ("host_vars/r1.yml:1:1: a file of variables is a mapping, this is something else",),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tmp_path: Path) -> None:
    files, expected = MISTAKES[name]
    found = sorted(problems_of(tmp_path, files))
    assert len(found) == len(expected), "\n".join(found)
    for line, wanted in zip(found, sorted(expected), strict=True):
        assert line.startswith(wanted), "\n".join(found)


# ---------------------------------------------------------------------------------- hostile files


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "hosts")
    (tmp_path / "inventory").write_bytes(b"r1\n\xff\n")
    (tmp_path / "dir.ini").mkdir()
    for name, said in {
        "hosts": "hosts: this is not a file",
        "inventory": "inventory:2: this is not UTF-8 text -> save the file as UTF-8",
        "dir.ini": "this is a directory, not a testbed file",
        "none.ini": "none.ini: cannot be read: No such file or directory",
        "none": "no such file",
        "a\0b.ini": "not a file name",
    }.items():
        with pytest.raises(TestbedError) as caught:
            load_spec(tmp_path / name)
        assert said in str(caught.value), name
    with pytest.raises(TestbedError, match="there is no inventory in this folder"):
        load_spec(tmp_path / "dir.ini", format="ansible")
    with pytest.raises(TestbedError, match=r"hosts\.yaml: cannot be read"):
        load_spec(tmp_path / "dir.ini", format="nornir")


HOSTILE = {
    "alias bomb": (
        "hosts.yaml",
        "a: &a {x: 1}\n"
        + "".join(
            f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "aliases expand to more than",
    ),
    "deep YAML": (
        "lab.yml",
        "all: {vars: {x: " + "[" * 300 + "\n",
        "levels deep|missing|never closed|not valid",
    ),
    "a huge range": ("hosts", "r[1:99999][1:99999]\n", "more than 50,000 hosts"),
    "many huge ranges": (
        "hosts",
        "".join(f"r{n}-[1:40000]\n" for n in range(5)),
        "hosts:2:1: ungrouped: .* there are more than 50,000 hosts",
    ),
    "a long line": ("hosts", "r1 " + "a" * 200_000, "a line of more than 100,000 characters"),
    "a deep chain of groups in a circle": (
        "hosts",
        "".join(f"[g{n}:children]\ng{n + 1}\n" for n in range(3000)) + "[g3000:children]\ng0\n[g5]\nr1\n",
        "groups go in a circle: g0 -> g1",
    ),
    "a deep literal": ("hosts", f"r1 port={'(' * 5000}\n", None),
    "many mistakes": ("hosts", "r[\n" * 20_000, "more than 10,000 problems"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str, tmp_path: Path) -> None:
    file, content, said = HOSTILE[name]
    if said is None:
        assert list(load(tmp_path, {file: content}).devices) == ["r1"]
        return
    with pytest.raises(TestbedError, match=said):
        load(tmp_path, {file: content})


def test_a_deep_chain_of_groups(tmp_path: Path) -> None:
    chain = "".join(f"[g{n}:children]\ng{n + 1}\n[g{n}:vars]\nx={n}\n" for n in range(2000))
    spec = load(tmp_path, {"hosts": f"{chain}[g2000]\nr1\n"})
    assert spec.devices["r1"].custom["x"] == 1999


def test_what_all_hosts_inherit_is_limited(tmp_path: Path) -> None:
    data = ", ".join(map(str, range(2000)))
    hosts = "".join(f"h{n}: {{groups: [g]}}\n" for n in range(1100))
    with pytest.raises(
        TestbedError, match=r"together are 2,2\d\d,\d\d\d values: more than 2,000,000 are not read"
    ):
        load(tmp_path, {"hosts.yaml": hosts, "groups.yaml": f"g: {{data: {{x: [{data}]}}}}\n"})


def test_the_weight_of_what_is_shared() -> None:
    tree = read_text("a: &a [1, 2]\nb: [*a, *a, {c: *a}]\n").tree
    assert tree is not None
    assert weight(tree) == 1 + 3 + (1 + 3 + 3 + (1 + 3))  # each time that it is used


LETTERS = st.text(st.sampled_from("[]:=#;'\"\\ \n\tarx019{}%$!&*-,.")), st.text()


@given(st.one_of(*LETTERS), st.sampled_from(["hosts", "lab.yml", "hosts.yaml"]))
def test_whatever_stands_there(tmp_path_factory: pytest.TempPathFactory, content: str, name: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "whatever"
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(content, encoding="utf-8", errors="surrogatepass")
    try:
        spec = load_spec(path, format="nornir" if name == "hosts.yaml" else "ansible")
    except TestbedError as error:
        found = len(error.problems)
    else:
        found = len(spec.devices)
    assert found
