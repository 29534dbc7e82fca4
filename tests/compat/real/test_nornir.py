# SPDX-License-Identifier: Apache-2.0
"""Runs of Nornir on our lab."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aioconn.lab import ThreadedLab

pytestmark = [pytest.mark.compat, pytest.mark.timeout(150)]

HOSTS = 50
PAGE = Path(__file__).resolve().parents[3] / "docs" / "coming-from-nornir.md"


@pytest.fixture
def inventory(lab: ThreadedLab, tmp_path: Path) -> Path:
    """A folder with the files of Nornir: fifty hosts, and one whose password is wrong."""
    hosts: dict[str, Any] = {}
    for number in range(1, HOSTS + 1):
        served = lab.add(f"r{number}", protocols=("ssh",))
        hosts[f"r{number}"] = {"hostname": served.address, "port": served.ssh_port, "groups": ["routers"]}
    hosts["wrong"] = {**hosts["r1"], "password": "wrong"}
    options = {"aioconn": {"extras": {"columns": 132}}}
    login = {"username": "admin", "password": "admin", "platform": "cisco_ios", "connection_options": options}
    for name, content in (("hosts", hosts), ("groups", {"routers": login})):
        tmp_path.joinpath(f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return tmp_path


def test_fifty_hosts(lab: ThreadedLab, inventory: Path, run: Callable[..., Any]) -> None:
    report = run("fifty.py", inventory)
    failed = report.pop("failed")
    threads = report.pop("threads")
    assert report == {
        "hosts": HOSTS + 1,
        "versions": HOSTS,
        "dry": False,
        "changed": HOSTS,
        "lists": HOSTS,
    }
    assert list(failed) == ["wrong"]
    assert "AuthenticationFailed" in failed["wrong"]
    assert threads > 1
    for name, served in lab.devices.items():
        assert served.logins == 1, name
        assert served.sessions == 0
        assert "description by nornir" in served.config.render()


def test_the_script_of_the_page(lab: ThreadedLab, run: Callable[..., Any], tmp_path: Path) -> None:
    """With the group of the page; it has nothing to report."""
    text = PAGE.read_text(encoding="utf-8")
    (group,) = re.findall(r"```yaml\n# groups.yaml\n(.*?)```", text, re.DOTALL)
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    served = lab.add("r1", enable="secret")
    host = {"hostname": served.address, "port": served.ssh_port, "groups": ["routers"]}
    options = {"host_file": "hosts.yaml", "group_file": "groups.yaml"}
    config = {"inventory": {"plugin": "SimpleInventory", "options": options}}
    tmp_path.joinpath("groups.yaml").write_text(group, encoding="utf-8")
    tmp_path.joinpath("hosts.yaml").write_text(yaml.safe_dump({"r1": host}), encoding="utf-8")
    tmp_path.joinpath("config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    file = tmp_path / "script.py"
    file.write_text(f"{script}\nimport sys\nopen(sys.argv[1], 'w').write('true')\n", encoding="utf-8")
    assert run(file) is True
    assert [served.logins, served.sessions] == [1, 0]
    assert "description uplink" in served.config.render()
