# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from typing import Any

import pytest

from aioconn.app.exits import Exit
from aioconn.app.main import main
from aioconn.platforms.loader import known_platforms


def test_columns_in_a_pipe(capsys: Any) -> None:
    assert main(["platforms"]) == Exit.OK
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == [platform.name for platform in known_platforms()]
    iosxe = next(row for row in rows if row[0] == "cisco_iosxe")
    assert "iosxe" in iosxe[2].split(",")
    assert "privileged" in iosxe[3].split(",")


def test_json(capsys: Any) -> None:
    assert main(["platforms", "--json"]) == Exit.OK
    values = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(values) == len(known_platforms())
    for value in values:
        assert value["default_mode"] in value["modes"]
        for mode in value["modes"].values():
            re.compile(mode["prompt"].replace("{host}", "r1"))
            assert set(mode["steps"]) <= set(value["modes"])


@pytest.mark.parametrize("name", ["cisco_nxos", "NX-OS", "n9k"])
def test_one_by_any_name(name: str, capsys: Any) -> None:
    assert main(["platforms", name]) == Exit.OK
    said = capsys.readouterr().out
    assert said.startswith("cisco_nxos  Cisco NX-OS")
    assert "terminal length 0" in said
    assert "config: configure terminal" in said


@pytest.mark.parametrize("platform", [platform.name for platform in known_platforms()])
def test_every_platform_has_its_page(platform: str, capsys: Any) -> None:
    assert main(["platforms", platform]) == Exit.OK
    assert capsys.readouterr().out.startswith(platform)


def test_an_unknown_one(capsys: Any) -> None:
    assert main(["platforms", "arista_oes"]) == Exit.USAGE
    assert "did you mean 'arista_eos'?" in capsys.readouterr().err
