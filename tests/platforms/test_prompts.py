# SPDX-License-Identifier: Apache-2.0
"""Prompts that real devices show, and lines that look like them."""

from __future__ import annotations

import re

import pytest

from aioconn.platforms.loader import known_platforms, load_platform
from aioconn.platforms.model import Mode, Platform
from aioconn.wire.prompt import Prompts

# platform -> mode -> what the device shows; "above|prompt" where the line above tells the mode
PROMPTS: dict[str, dict[str, list[str]]] = {
    "cisco_iosxe": {
        "user": ["Router>", "sw-core-01>", "r1.example.net>"],
        "privileged": ["Router#", "cat9k-stby#", "RTR_1/2#", "a@b#"],
        "config": [
            "Router(config)#",
            "Router(config-if)#",
            "Router(config-router-af)#",
            "r1(config-subif)#",
            "r1(vlan)#",
            "r1(ca-trustpoint)#",
            "r1(dhcp-config)#",
            "r1(cfg-crypto-trans)#",
            "r1(config-ext-nacl)#",
            "r1(conf-ssh-pubkey)#",
        ],
        "tclsh": ["Router(tcl)#", "+>", "r1(tcl)>"],
        "guestshell": ["[guestshell@guestshell ~]$", "[guestshell@guestshell /etc]$"],
        "bash": ["[Router:/]$", "[r1_RP_0:~]$", "[Switch_1_RP_0:/etc]#"],
        "rommon": ["rommon 1 >", "rommon 12 >", "Router(boot)>"],
    },
    "cisco_iosxr": {
        "privileged": ["RP/0/RP0/CPU0:ios#", "RP/0/RSP1/CPU0:asr-9k.lab#", "RP/0/0/CPU0:xrv#", "xrd#"],
        "config": [
            "RP/0/RP0/CPU0:ios(config)#",
            "RP/0/RSP0/CPU0:r1(config-bgp-nbr-af)#",
            "RP/0/0/CPU0:r1(config-if)#",
        ],
        "admin": ["sysadmin-vm:0_RP0#", "RP/0/RSP0/CPU0:r1(admin)#"],
        "bash": ["[xr-vm_node0_RP0_CPU0:~]$", "[node0_RP0_CPU0:/harddisk:]$", "[ios:~]#"],
    },
    "cisco_nxos": {
        "user": ["n9k>", "n9k(maint-mode)>"],
        "privileged": ["n9k#", "switch-vdc2#", "n9k(maint-mode)#"],
        "config": ["n9k(config)#", "n9k(config-if-range)#", "n9k(config-s)#", "n9k(maint-mode)(config)#"],
        "tclsh": ["n9k-tcl#", "n9k(config-tcl)#", "n9k(maint-mode-tcl)#"],
        "bash": ["bash-4.4$", "bash-4.2#", "root@n9k#"],
        "guestshell": ["[admin@guestshell ~]$", "[root@guestshell ~]#"],
        "loader": ["loader>", "switch(boot)#"],
    },
    "cisco_asa": {
        "user": ["ciscoasa>", "asa1/pri/act>"],
        "privileged": ["ciscoasa#", "asa1/ctx1#", "asa1/pri/stby#"],
        "config": [
            "ciscoasa(config)#",
            "ciscoasa(config-if)#",
            "asa1/ctx1(config-network-object)#",
            "fw(cfg-cluster)#",
        ],
        "rommon": ["rommon #0>", "rommon 1 >"],
    },
    "arista_eos": {
        "user": ["localhost>", "leaf1(s1)>"],
        "privileged": ["leaf1#", "leaf1.dc1#", "spine(maint-mode)#"],
        "config": [
            "leaf1(config)#",
            "leaf1(config-if-Et1/1)#",
            "leaf1(config-s-change42)#",
            "leaf1(s1)(config-router-bgp)#",
        ],
        "bash": ["[admin@leaf1 ~]$", "[root@leaf1 flash]#", "bash-4.3#"],
        "aboot": ["Aboot#"],
    },
    "juniper_junos": {
        "cli": ["admin@mx1>", "root>", "{master:0}|root@qfx>", "{primary:node0}|lab@srx-1>", "user@mx1-re0>"],
        "config": [
            "[edit]|admin@mx1#",
            "{master}[edit interfaces ge-0/0/0 unit 0]|admin@mx1-re0#",
            "[edit]|root#",
        ],
        "shell": ["%", "$", "root@mx1%", "[vrf:none] admin@re0:~$", "root@mx1:~ %"],
        "root_shell": ["root@mx1:~ #", "root@mx1:/var/tmp #", "[vrf:none] root@re0:~#"],
    },
    "nokia_srl": {
        "running": [
            "--{ running }--[  ]--|A:srl1#",
            "--{ + running }--[ interface ethernet-1/1 ]--|A:admin@leaf1#",
            "--{ [FACTORY] running }--[  ]--|A:srl#",
            "--{ state }--[ system ]--|B:srl1#",
            "--{ show }--[  ]--|A:srl1#",
        ],
        "config": [
            "--{ candidate private private-admin }--[  ]--|A:srl1#",
            "--{ + candidate shared default }--[ system ]--|A:srl1#",
            "--{ * candidate private private-admin }--[ interface ethernet-1/1 ]--|A:admin@srl1#",
        ],
        "bash": ["[admin@srl1 ~]$", "admin@srl1:~$", "root@srl1:/#", "[root@srl1 /]#"],
    },
    "nokia_sros": {
        "cli": ["[/]|A:admin@pe1#", "[]|A:admin@pe1#", '[/show router "Base"]|B:oper@pe1.lab#'],
        "config": [
            "(pr)[/]|A:admin@pe1#",
            '*(ex)[/configure router "Base" bgp]|A:admin@pe1#',
            "!*(gl)[/configure]|A:admin@pe1#",
        ],
        "classic": ["A:pe1#", "*A:pe1#"],
        "classic_config": ["A:pe1>config#", "*A:pe1>config>router>bgp#", "*A:pe1>config>service>vpls$"],
    },
    "nokia_sros_classic": {
        "cli": ["A:pe1#", "*A:pe1#", "B:pe1.lab#", "A:pe1>show>router#"],
        "config": ["A:pe1>config#", "*A:pe1>config>router>bgp#", "*A:pe1>config>service>vpls$"],
    },
    "huawei_vrp": {
        "user": ["<HUAWEI>", "<AR-1.lab>", "HRP_M<USG6000>"],
        "config": [
            "[HUAWEI]",
            "[HUAWEI-GigabitEthernet0/0/1]",
            "[~CE1]",
            "[*CE1-bgp]",
            "[*CE1-10GE1/0/1.100]",
            "HRP_S[USG-policy-security]",
        ],
    },
    "mikrotik_routeros": {
        "cli": [
            "[admin@MikroTik] >",
            "[admin@gw-1] /ip/address>",
            "[admin@gw-1] /ip address>",
            "[admin@gw-1] ip route<SAFE>",
            "[ops.user@10.0.0.1] >",
        ],
    },
    "vyos": {
        "cli": ["vyos@vyos:~$", "admin@edge-1:/config$", "oper@vyos>"],
        "config": ["[edit]|vyos@vyos#", "[edit interfaces ethernet eth0]|vyos@vyos#"],
        "root_shell": ["root@vyos:~#", "root@vyos:/home/vyos#"],
    },
    "linux": {
        "shell": [
            "me@r1:~$",
            "[me@r1 ~]$",
            "root@r1:/etc#",
            "[root@r1 log]#",
            "/ #",
            "/etc/init.d #",
            "~ #",
            "$",
            "#",
            "bash-5.2$",
            "(venv) me@r1:~/src$",
            "r1%",
            "r1:~#",
            "root@bsd:~ #",
        ],
    },
    "frr": {
        "user": ["r1>"],
        "privileged": ["r1#", "edge.lab#"],
        "config": ["r1(config)#", "r1(config-if)#", "r1(config-router-af)#", "r1(config-route-map)#"],
    },
}

CISCO_LIKE = (
    "Switch#(config)",
    " description foo#bar baz",
    "Building configuration...",
    "% Invalid input",
    "Router# show version",
    "interface GigabitEthernet0/0/0",
    "!",
    "^",
    "Password:",
    "Username:",
    "--More--",
    "<cr>",
    "r1(config-if)",
    "[OK]",
    "Last: (never)",
)
LOOK_ALIKES: dict[str, tuple[str, ...]] = {
    "cisco_iosxe": (
        *CISCO_LIKE,
        "Total: 50%",
        "a > b",
        "Router(config",
        "Destination filename [startup-config]?",
    ),
    "cisco_iosxr": (*CISCO_LIKE, "Tue Nov 21 04:54:00.123 UTC", "RP/0/RP0/CPU0:r1", "[cancel]:"),
    "cisco_nxos": (*CISCO_LIKE, "[########] 100%", "[####                ]  20%"),
    "cisco_asa": (*CISCO_LIKE, "<--- More --->", "[Y]es, [N]o, [A]sk later:"),
    "arista_eos": (*CISCO_LIKE, "! Preserving static routes"),
    "juniper_junos": (
        "[edit]",
        "{master:0}",
        "set system host-name r1",
        "## Last changed: today",
        "a > b",
        "50%",
        "x y#",
    ),
    "nokia_srl": ("--{ running }--[  ]--", "A:srl1", "Commit failed", "srl1#", "E:srl1#"),
    "nokia_sros": ("[/]", "(ex)[/configure]", "# TiMOS-B", 'echo "System"', "pe1#", "A:admin@pe1>"),
    "nokia_sros_classic": ("#-----------", "exit", "A:admin@pe1#", "pe1#"),
    "huawei_vrp": (
        "[V200R009C00SPC500]",
        "#",
        "sysname HUAWEI",
        "<a b>",
        "Error: Wrong parameter",
        "[Y/N]:",
        "[a b]",
    ),
    "mikrotik_routeros": (
        "Flags: X - disabled",
        "[admin@MikroTik]",
        "-- [Q quit|D dump|down]",
        "[admin] >",
        "a>",
    ),
    "vyos": ("[edit]", "vyos@vyos", "set interfaces", "price: 5$", "Welcome to VyOS", "vyos#"),
    "linux": ("total 48", "me@r1:", "Password:", "a $ b", "5 files, 3 $"),
    "frr": (*CISCO_LIKE, "r1(config)# interface lo", "Hello, this is FRRouting (version 8.4.4)."),
}


def modes_of(platform: Platform, shown: str, host: str = "") -> list[str]:
    """All modes whose prompt this is, told apart by the line above where the prompts are the same."""
    host = host or platform.host
    above, _, line = shown.rpartition("|")
    found = [mode for mode in platform.modes.values() if matches(mode.prompt, line, host)]
    if len(found) > 1:
        found = [mode for mode in found if mode.leader is not None and matches(mode.leader, above)]
    return [mode.name for mode in found if is_led(mode, above)]


def is_led(mode: Mode, above: str) -> bool:
    return not above or (mode.leader is not None and matches(mode.leader, above))


def matches(pattern: str, line: str, host: str = "") -> bool:
    return re.search(f"^(?:{pattern.replace('{host}', host)})$", line) is not None


CASES = [
    (name, mode, shown)
    for name, modes in PROMPTS.items()
    for mode, prompts in modes.items()
    for shown in prompts
]


@pytest.mark.parametrize(("name", "mode", "shown"), CASES)
def test_prompt_belongs_to_exactly_one_mode(name: str, mode: str, shown: str) -> None:
    assert modes_of(load_platform(name), shown) == [mode]


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in LOOK_ALIKES.items() for line in lines]
)
def test_look_alike_belongs_to_no_mode(name: str, line: str) -> None:
    platform = load_platform(name)
    assert [mode.name for mode in platform.modes.values() if matches(mode.prompt, line, platform.host)] == []


def test_tables_are_complete() -> None:
    assert {platform.name: set(platform.modes) for platform in known_platforms()} == {
        name: set(modes) for name, modes in PROMPTS.items()
    }
    assert set(LOOK_ALIKES) == set(PROMPTS)


LEARNED = [
    ("cisco_iosxe", "r1", "r1(config-if)#", "r2(config-if)#"),
    ("cisco_iosxr", "r1", "RP/0/RP1/CPU0:r1#", "RP/0/RP1/CPU0:r2#"),
    ("juniper_junos", "mx1", "{master}|admin@mx1>", "{master}|admin@mx2>"),
    ("nokia_sros", "pe1", "[/]|A:admin@pe1#", "[/]|A:admin@pe2#"),
    ("nokia_srl", "srl1", "--{ running }--[  ]--|A:admin@srl1#", "--{ running }--[  ]--|A:admin@srl2#"),
    ("huawei_vrp", "ne1", "[*ne1-bgp]", "[*ne2-bgp]"),
    ("mikrotik_routeros", "gw", "[admin@gw] /ip/address>", "[admin@gw2] /ip/address>"),
    ("vyos", "edge", "vyos@edge:~$", "vyos@core:~$"),
    ("linux", "r1", "me@r1:/tmp$", "me@r2:/tmp$"),
    ("arista_eos", "leaf1", "leaf1(config-s-x)#", "leaf2(config-s-x)#"),
]


@pytest.mark.parametrize(("name", "host", "own", "foreign"), LEARNED)
def test_learned_name_tells_this_device_from_another(name: str, host: str, own: str, foreign: str) -> None:
    platform = load_platform(name)
    assert len(modes_of(platform, own, re.escape(host))) == 1
    assert modes_of(platform, foreign, re.escape(host)) == []


def test_the_name_is_told_apart_from_what_stands_around_it() -> None:
    for name, host, own, _ in LEARNED:
        if (
            name == "huawei_vrp"
        ):  # nothing tells a name from the view behind it, so it is best learned in <...>
            own = "<ne1>"
        line = own.rpartition("|")[2]
        platform = load_platform(name)
        found = [
            match["host"]
            for mode in platform.modes.values()
            if (
                match := re.search(
                    f"^(?:{mode.prompt.replace('{host}', f'(?P<host>{platform.host})')})$", line
                )
            )
        ]
        assert set(found) == {host}, name


@pytest.mark.parametrize("name", PROMPTS)
def test_a_name_makes_the_same_of_a_line_however_it_was_learned(name: str) -> None:
    platform = load_platform(name)
    for shown in (shown for prompts in PROMPTS[name].values() for shown in prompts):
        data = shown.replace("|", "\r\n").encode()
        anybody = Prompts(platform)
        if (first := anybody.at_end(data)) is None or not first.host:
            continue
        for host in (first.host, "other"):
            for later in (data, b"x\r\n" + data, b"x " + data):
                assert anybody.learned(host).at_end(later) == Prompts(platform, host).at_end(later)
