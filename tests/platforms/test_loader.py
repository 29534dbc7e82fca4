# SPDX-License-Identifier: Apache-2.0
"""Names, paths and mappings."""

from __future__ import annotations

from pathlib import Path

import pytest

from aioconn.errors import TestbedError, UnknownPlatform
from aioconn.platforms.loader import known_platforms, load_platform, platform_name

SPELLINGS = {
    "cisco_iosxe": [
        "iosxe",
        "IOS-XE",
        "ios xe",
        "ios",
        "IOS",
        "cisco_ios",
        "cisco_xe",
        "cisco_ios_telnet",
        "cisco.ios.ios",
        "cat9k",
    ],
    "cisco_iosxr": ["iosxr", "IOS-XR", "ios-xr", "cisco_xr", "cisco.iosxr.iosxr", "xrd"],
    "cisco_nxos": ["nxos", "NX-OS", "NXOS", "nx_os", "nxos_ssh", "cisco_nxos_ssh", "Cisco NX-OS", "n9k"],
    "cisco_asa": ["asa", "ASA", "cisco_asa_ssh"],
    "arista_eos": ["eos", "EOS", "arista_eos_telnet", "arista.eos.eos"],
    "juniper_junos": [
        "junos",
        "JunOS",
        "Junos",
        "juniper",
        "juniper_junos_telnet",
        "junipernetworks.junos.junos",
    ],
    "nokia_srl": ["srl", "srlinux", "SR Linux", "nokia_srlinux", "nokia.srlinux.srlinux"],
    "nokia_sros": ["sros", "SR-OS", "SROS", "nokia.sros.md"],
    "nokia_sros_classic": ["nokia_sros_classic", "alcatel_sros", "nokia.sros.classic"],
    "huawei_vrp": ["vrp", "VRP", "huawei", "hvrp", "huawei_vrpv8", "huawei_telnet"],
    "mikrotik_routeros": ["routeros", "RouterOS", "mikrotik", "ros", "community.routeros.routeros"],
    "vyos": ["vyos", "VyOS", "vyos_vyos", "vyatta_vyos", "vyos.vyos.vyos"],
    "linux": ["linux", "Linux", "linux_ssh", "ubuntu"],
    "frr": ["frr", "FRR", "frrouting", "vtysh"],
}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [(spelling, name) for name, spellings in SPELLINGS.items() for spelling in spellings],
)
def test_spellings(spelling: str, name: str) -> None:
    assert platform_name(spelling) == name
    assert load_platform(spelling).name == name


def test_every_name_and_alias_means_one_platform() -> None:
    assert {platform.name for platform in known_platforms()} == set(SPELLINGS)
    for platform in known_platforms():
        assert load_platform(platform.name) is load_platform(platform.name)
        for alias in platform.aliases:
            assert platform_name(alias) == platform.name


@pytest.mark.parametrize(
    ("os", "platform", "name"),
    [
        ("sros", "classic", "nokia_sros_classic"),
        ("sros", "md", "nokia_sros"),
        ("nxos", "n9k", "cisco_nxos"),
        ("", "n9k", "cisco_nxos"),
        ("unheard", "cat9k", "cisco_iosxe"),
        ("iosxe", "unheard", "cisco_iosxe"),
        ("iosxe", None, "cisco_iosxe"),
        ("unheard", "of", None),
        ("", "", None),
        ("", None, None),
    ],
)
def test_os_and_platform_of_a_testbed(os: str, platform: str | None, name: str | None) -> None:
    assert platform_name(os, platform) == name


def test_unknown_name_says_the_nearest() -> None:
    with pytest.raises(UnknownPlatform) as caught:
        load_platform("arista_eso")
    assert str(caught.value) == (
        "there is no platform 'arista_eso' -> did you mean 'arista_eos'? (a path ends in .yaml)"
    )


OWN = """\
name: acme_os
default_mode: cli
modes:
  cli: {prompt: '{host}>'}
"""


def test_file_by_path_or_text_with_a_separator_or_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme.yml").write_text(OWN)
    (tmp_path / "acme").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    for source in (tmp_path / "acme.yml", Path("acme"), "acme.yml", "./acme", str(tmp_path / "acme")):
        platform = load_platform(source)
        assert (platform.name, platform.source) == ("acme_os", str(source))


def test_mapping() -> None:
    platform = load_platform(
        {
            "name": "acme_os",
            "default_mode": "cli",
            "modes": {"cli": {"prompt": "{host}>"}},
            "echo": False,
            "on_open": ["a"],
        }
    )
    assert (platform.echo, platform.on_open, platform.title) == (False, ("a",), "acme_os")


def test_mapping_that_contains_itself() -> None:
    data: dict[str, object] = {"name": "x"}
    data["modes"] = data
    with pytest.raises(TestbedError, match="does it contain itself"):
        load_platform(data)


@pytest.mark.parametrize("path", ["no/such/file.yaml", "nul\0.yaml"])
def test_file_that_cannot_be_read(path: str) -> None:
    with pytest.raises(TestbedError, match="cannot read this file"):
        load_platform(path)


def test_directory_is_no_platform(tmp_path: Path) -> None:
    with pytest.raises(TestbedError, match="cannot read this file"):
        load_platform(tmp_path)


def test_windows_editors_byte_order_mark_and_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + OWN.replace("\n", "\r\n").encode())
    assert load_platform(file).name == "acme_os"
    file.write_bytes(OWN.encode() + b"title: caf\xe9\n")
    with pytest.raises(TestbedError, match=r"acme\.yaml:5: this is not UTF-8 text"):
        load_platform(file)
