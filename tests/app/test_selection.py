# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from aioconn.app.selection import require_path, select
from aioconn.errors import UnknownDevice, UnknownPath
from aioconn.testbed.testbed import load

TESTBED = load(
    {
        "devices": {
            name: {
                "os": "iosxe",
                "alias": alias,
                "connections": {"cli": {"protocol": "ssh", "ip": "192.0.2.1"}},
            }
            for name, alias in (("core-1", "c1"), ("core-2", "c2"), ("leaf[1]", "l1"), ("Édge 1", "e1"))
        }
    }
)


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        ([], ["core-1", "core-2", "leaf[1]", "Édge 1"]),
        (["core-?"], ["core-1", "core-2"]),
        (["c2", "core-1"], ["core-1", "core-2"]),
        (["[cl]1"], ["core-1", "leaf[1]"]),
        (["leaf[1]"], ["leaf[1]"]),
        (["É*"], ["Édge 1"]),
        (["*", "core-1"], ["core-1", "core-2", "leaf[1]", "Édge 1"]),
    ],
)
def test_names_aliases_and_patterns(patterns: list[str], found: list[str]) -> None:
    assert [device.name for device in select(TESTBED.devices, patterns)] == found


def test_what_matches_nothing_is_named() -> None:
    with pytest.raises(UnknownDevice) as caught:
        select(TESTBED.devices, ["core-*", "Core-1", "spine-*"])
    assert caught.value.message == "no device matches 'Core-1', 'spine-*'"
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean 'core-1'?; ")


def test_a_path_that_some_have_will_do() -> None:
    devices = list(TESTBED.devices.values())
    require_path(devices, None)
    require_path(devices, "cli")
    with pytest.raises(UnknownPath, match="did you mean 'cli'"):
        require_path(devices, "clii")
