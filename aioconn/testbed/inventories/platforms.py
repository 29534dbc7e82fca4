# SPDX-License-Identifier: Apache-2.0
"""What other tools call an operating system, in the words of a testbed.

Names are those of netmiko's device types, scrapli's and NAPALM's drivers, and the last part of Ansible's
`ansible_network_os` (`cisco.ios.ios`). What is not here is handed on as it is written.
"""

from __future__ import annotations

SYSTEMS = {
    "ios": ("ios", "cisco_ios", "cisco_viptela"),
    "iosxe": ("iosxe", "cisco_iosxe", "cisco_xe"),
    "iosxr": ("iosxr", "cisco_iosxr", "cisco_xr", "iosxr_netconf"),
    "nxos": ("nxos", "nxos_ssh", "cisco_nxos"),
    "asa": ("asa", "cisco_asa"),
    "eos": ("eos", "arista_eos"),
    "junos": ("junos", "juniper", "juniper_junos", "juniper_screenos"),
    "sros": ("sros", "nokia_sros", "alcatel_sros", "md"),
    "srlinux": ("srl", "srlinux", "nokia_srl", "nokia_srlinux"),
    "hvrp": ("ce", "vrp", "huawei", "huawei_vrp", "huawei_vrpv8", "huawei_smartax"),
    "routeros": ("routeros", "mikrotik_routeros", "mikrotik_switchos"),
    "vyos": ("vyos", "vyos_vyos", "vyatta_vyos"),
    "frr": ("frr",),
    "linux": ("linux", "linux_ssh", "ubuntu", "debian"),
}
_NAMES = {spelling: name for name, spellings in SYSTEMS.items() for spelling in spellings}
_CARRIERS = ("_telnet", "_ssh", "_serial")


def system(spelling: str) -> str:
    """The `os` of a testbed for another tool's platform: `cisco_xe` -> `iosxe`, `cisco.nxos.nxos` -> `nxos`."""
    word = spelling.strip()
    lowered = word.lower()
    for name in (lowered, *(lowered.removesuffix(end) for end in _CARRIERS), lowered.rpartition(".")[2]):
        if name in _NAMES:
            return _NAMES[name]
    return word


def is_telnet(spelling: str) -> bool:
    """Whether a platform's name says that it is reached by telnet: netmiko's `cisco_ios_telnet`."""
    return spelling.strip().lower().endswith("_telnet")
