# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.testbed.keyfile import KeyFile
from aioconn.testbed.load import load_spec

Call = Callable[..., tuple[int, str, str]]
INVENTORY = """\
[routers]
r1 ansible_host=192.0.2.1
r2 ansible_host=192.0.2.2 ansible_password=other
[routers:vars]
ansible_connection=network_cli
ansible_network_os=ios
ansible_user=netops
ansible_password=hunter2
ansible_become_password=%ENV{ENABLE}
"""


@pytest.fixture
def convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Call:
    """`aioconn testbed convert ...` in a folder of its own, with an inventory in it."""
    monkeypatch.delenv("AIOCONN_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("hosts").write_text(INVENTORY, encoding="utf-8")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["testbed", "convert", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_an_inventory_is_written_as_a_testbed(convert: Call) -> None:
    code, said, complaint = convert("hosts")
    assert code == Exit.OK
    assert (
        said
        == """\
# Made from hosts by `aioconn testbed convert`.
testbed:
  name: hosts
  credentials:
    enable:
      password: "%ENV{ENABLE}"
devices:
  r1:
    os: ios
    credentials:
      default:
        username: netops
        password: hunter2
    connections:
      cli:
        protocol: ssh
        ip: 192.0.2.1
    custom:
      groups: [routers]
  r2:
    os: ios
    credentials:
      default:
        username: netops
        password: other
    connections:
      cli:
        protocol: ssh
        ip: 192.0.2.2
    custom:
      groups: [routers]
"""
    )
    assert complaint == (
        "warning: 2 passwords in plain text (hosts:8, hosts:3) -> --encode writes %ENC{...} instead;"
        " `aioconn secret key` makes the key\n"
    )


def test_a_file_with_passwords_is_for_its_owner(convert: Call) -> None:
    assert convert("hosts", "-o", "lab.yaml")[:2] == (Exit.OK, "")
    assert stat.S_IMODE(Path("lab.yaml").stat().st_mode) == 0o600
    assert load_spec("lab.yaml").devices["r2"].credentials.require_password() == "other"
    assert convert("hosts", "-o", "lab.yaml")[::2] == (
        Exit.USAGE,
        "warning: 2 passwords in plain text (hosts:8, hosts:3) -> --encode writes %ENC{...} instead;"
        " `aioconn secret key` makes the key\n"
        "aioconn: lab.yaml is there already -> name another file, or delete it\n",
    )
    assert convert("hosts", "-o", "none/lab.yaml")[2].endswith(
        "aioconn: none/lab.yaml cannot be written: No such file or directory\n"
    )


def test_passwords_are_encoded(convert: Call) -> None:
    assert convert("hosts", "--encode")[0] == Exit.USAGE  # there is no key
    KeyFile().create()
    code, _, complaint = convert("hosts", "--encode", "-o", "lab.yaml")
    assert (code, complaint) == (Exit.OK, "")
    written = Path("lab.yaml").read_text(encoding="utf-8")
    assert "hunter2" not in written
    assert written.count("%ENC{") == 2
    spec = load_spec("lab.yaml")
    assert [spec.devices[name].credentials.require_password() for name in ("r1", "r2")] == [
        "hunter2",
        "other",
    ]
    assert '"%ENV{ENABLE}"' in written


def test_what_is_no_inventory(convert: Call) -> None:
    Path("lab.yaml").write_text("devices: {r1: {}}\n", encoding="utf-8")
    assert convert("lab.yaml")[::2] == (
        Exit.USAGE,
        "aioconn: lab.yaml looks like no inventory of Nornir or Ansible -> --format says whose it is\n",
    )
    assert convert("none.yaml")[::2] == (Exit.USAGE, "aioconn: no such file: 'none.yaml'\n")
    assert convert("lab.yaml", "--format", "nornir")[0] == Exit.OK


def test_problems_of_an_inventory(convert: Call) -> None:
    Path("hosts").write_text("r1 ansible_port=99999\nr[2:1]\n", encoding="utf-8")
    code, said, complaint = convert("hosts")
    assert (code, said) == (Exit.USAGE, "")
    assert "hosts:2:1: ungrouped: 'r[2:1]' is no name of hosts" in complaint
    assert "hosts:1:17: devices.r1.connections.cli.port: port 99999 is out of range" in complaint


def test_an_inventory_is_checked(convert: Call, capsys: Any) -> None:
    assert main(["testbed", "check", "hosts"]) == Exit.OK
    said = capsys.readouterr().out
    assert "2 devices" in said
    Path("copy").write_text("[g]\nr1\n", encoding="utf-8")
    assert main(["testbed", "check", "copy"]) == Exit.USAGE
    assert main(["testbed", "check", "--format", "ansible", "copy"]) == Exit.OK


def test_excerpts_of_an_inventory_hide_passwords(convert: Call, capsys: Any) -> None:
    lines = (
        "r1 ansible_password=hunter2 ansible_become_pass='hunter2 x' ansible_port=99999",
        "r2 ansible_port=99999 api_key=hunter2",
        "r3 ansible_password = hunter2",
        "[g:vars]",
        "ansible_become_password = hunter2 {{ 9 }}",
    )
    Path("hosts").write_text("\n".join((*lines, "[g]", "r1", "")), encoding="utf-8")
    assert main(["testbed", "check", "hosts"]) == Exit.USAGE
    said = capsys.readouterr().out
    assert said.count("port 99999 is out of range") == 2
    assert "this is a template" in said
    assert "    3 | r3 ansible_password = ***\n" in said
    assert "r2 ansible_port=99999" in said
    assert "hunter2" not in said
