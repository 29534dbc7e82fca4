# SPDX-License-Identifier: Apache-2.0
"""Lines by which real devices refuse a command, and ordinary lines that must not count as one."""

from __future__ import annotations

import re

import pytest

from aioconn.platforms.loader import known_platforms, load_platform

REFUSALS: dict[str, tuple[str, ...]] = {
    "cisco_iosxe": (
        "% Invalid input detected at '^' marker.",
        "% Incomplete command.",
        '% Ambiguous command:  "sh i"',
        "% Unknown command or computer name, or unable to find computer address",
        "Command authorization failed.",
        "% Bad mask /33 for address 10.0.0.1",
        "% Error in authentication.",
        "% Access denied",
        "% Bad passwords",
        "%Error opening tftp://192.0.2.1/x (Timed out)",
        "% 10.0.0.0 overlaps with GigabitEthernet1",
        "% No password set",
        "Command rejected: An interface whose trunk encapsulation is Auto can not be configured.",
    ),
    "cisco_iosxr": (
        "% Invalid input detected at '^' marker.",
        "% Incomplete command.",
        "% This command is not authorized",
        "% Failed to commit one or more configuration items during a pseudo-atomic operation.",
        "!!% Invalid argument: the subnet is in use",
    ),
    "cisco_nxos": (
        "% Invalid command at '^' marker.",
        "% Incomplete command at '^' marker.",
        "% Permission denied for the role",
        "ERROR: VLAN 5000 is not in the range",
        "Syntax error while parsing 'show foo'",
        "% Invalid parameter detected at '^' marker.",
    ),
    "cisco_asa": (
        "ERROR: % Invalid input detected at '^' marker.",
        "ERROR: % Incomplete command",
        "Command authorization failed",
        "ERROR: This interface name is already in use",
        "Invalid password",
    ),
    "arista_eos": (
        "% Invalid input",
        "% Incomplete command",
        "% Ambiguous command",
        "% Unavailable command (not supported on this hardware platform)",
        "% Authorization denied for command 'configure'",
        "% Cannot commit session 'x': checkpoint not found",
    ),
    "juniper_junos": (
        "syntax error, expecting <command>.",
        "unknown command.",
        "error: configuration check-out failed",
        "error: permission denied: configure",
        "missing argument.",
        "'in' is ambiguous.",
        "syntax error.",
        "invalid numeric value: 'x'",
        "load complete (1 errors)",
        "missing mandatory argument: 'file'",
    ),
    "nokia_srl": (
        "Parsing error: Unknown token 'foo'. Options are ['show', 'info']",
        "Error: Commit failed",
    ),
    "nokia_sros": (
        "MINOR: MGMT_CORE #2201: Unknown element - 'foo'",
        "MINOR: CLI #2005: Syntax error",
        "Error: Bad command.",
    ),
    "nokia_sros_classic": (
        "Error: Bad command.",
        "MINOR: CLI Invalid parameter.",
        "Error: Missing parameter",
    ),
    "huawei_vrp": (
        "Error: Unrecognized command found at '^' position.",
        "Error:Incomplete command found at '^' position.",
        "Error: Wrong parameter found at '^' position.",
    ),
    "mikrotik_routeros": (
        "bad command name foo (line 1 column 1)",
        "syntax error (line 1 column 4)",
        "expected end of command (line 1 column 9)",
        "no such item",
        "input does not match any value of interface",
        "failure: already have such address",
        "not enough permissions (9)",
        "invalid value for argument address",
        "value of mtu out of range (0..65535)",
    ),
    "vyos": (
        "Invalid command: [foo]",
        "Ambiguous command: [s]",
        "Set failed",
        "Commit failed",
        "Configuration path: [foo] is not valid",
        "[[interfaces ethernet eth9]] failed",
        "Cannot exit: configuration modified.",
    ),
    "linux": (
        "-bash: foo: command not found",
        "sh: 1: foo: not found",
        "bash: /etc/shadow: Permission denied",
        "/bin/sh: foo: not found",
    ),
    "frr": (
        "% Unknown command: show nonsense",
        "% [ZEBRA] Unknown command: show nonsense",
        "% Command incomplete.",
        "% Ambiguous command.",
        "VTY configuration is locked by other VTY",
        "% Malformed address",
        "% Can't find ospf",
    ),
}

ORDINARY: dict[str, tuple[str, ...]] = {
    "cisco_iosxe": (
        "%LINK-3-UPDOWN: Interface GigabitEthernet1, changed state to up",
        "%SYS-5-CONFIG_I: Configured from console by vty0",
        "% BGP not active",
        "% Subnet not in table",
        "Building configuration...",
        "     0 input errors, 0 CRC, 0 frame",
        "Enter configuration commands, one per line.  End with CNTL/Z.",
        "                 ^",
        "Error counters",
        "%Warning: vlan 5 is used",
        " description % Invalid on purpose",
        "Last configuration change at 10:00:00 UTC",
        "% Generating 2048 bit RSA keys, keys will be non-exportable...",
    ),
    "cisco_iosxr": (
        "Tue Nov 21 04:54:00.123 UTC",
        "% No such configuration item(s)",
        "RP/0/RP0/CPU0:Nov 21 : ifmgr[1]: %PKT_INFRA-LINK-3-UPDOWN : x",
    ),
    "cisco_nxos": (
        "2026 Nov 21 n9k %ETHPORT-5-IF_UP: Interface Ethernet1/1 is up",
        "Copy complete, now saving to disk (please wait)...",
        "  0 input error  0 short frame",
    ),
    "cisco_asa": ("WARNING: this may take a while", "Cryptochecksum: 12345678", "0 input errors, 0 CRC"),
    "arista_eos": (
        "! Preserving static routes. Use 'no ip routing delete-static-routes' to clear them.",
        "% Internet: 8 routes",
        "Copy completed successfully.",
    ),
    "juniper_junos": (
        "warning: statement not found",
        "commit complete",
        "configuration check succeeds",
        "    Input errors:",
        "load complete",
        "Nov 21 04:54:00 mx1 mgd[1]: error: something",
        "The configuration has been changed but not committed",
    ),
    "nokia_srl": ("All changes have been committed. Starting new transaction.", "    in-error-packets 0"),
    "nokia_sros": (
        "INFO: CLI #2074: Exiting private configuration mode",
        "Errors                     0",
        "No error",
    ),
    "nokia_sros_classic": ("INFO: CLI #2074: x", "Errors : 0"),
    "huawei_vrp": (
        "Info: The configuration takes effect.",
        "Warning: The current configuration will be written.",
        "    Total Error:  0",
        "Input error: 0",
    ),
    "mikrotik_routeros": ("  name: gw", "Flags: D - DYNAMIC", " 0   error-log  memory", "rx-error: 0"),
    "vyos": ("No configuration changes to commit", "Warning: there are unsaved changes", "   errors: 0"),
    "linux": ("# bash: the shell", "not found", "0 errors found", "Permissions are fine"),
    "frr": (
        "Building Configuration...",
        "% BGP instance not found",
        "Note: this version of vtysh never writes vtysh.conf",
        "  Link ups:       0    last: (never)",
    ),
}
# FRR says so of an unknown VRF or instance, to show commands as well
REFUSALS["frr"] = (*REFUSALS["frr"], "% BGP instance not found")
ORDINARY["frr"] = tuple(line for line in ORDINARY["frr"] if "instance" not in line)


def refused(name: str, line: str) -> bool:
    platform = load_platform(name)
    found = platform.failure_in(f"first line\r\n{line}\r\nlast line")
    assert found == platform.failure_in(f" {line}")
    return found is not None


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in REFUSALS.items() for line in lines]
)
def test_refusal_is_seen(name: str, line: str) -> None:
    assert refused(name, line)


@pytest.mark.parametrize(
    ("name", "line"), [(name, line) for name, lines in ORDINARY.items() for line in lines]
)
def test_ordinary_line_is_no_refusal(name: str, line: str) -> None:
    assert not refused(name, line)


def test_tables_are_complete() -> None:
    assert {platform.name for platform in known_platforms()} == set(REFUSALS) == set(ORDINARY)


PAGERS = {
    "cisco_iosxe": " --More-- ",
    "cisco_iosxr": " --More-- ",
    "cisco_nxos": "--More--",
    "cisco_asa": "<--- More --->",
    "arista_eos": " --More-- ",
    "juniper_junos": "---(more 43%)---",
    "nokia_srl": "--More--",
    "nokia_sros": "Press Q to quit, Enter to print next line or any other key to print next page.",
    "nokia_sros_classic": "Press any key to continue (Q to quit)",
    "huawei_vrp": "  ---- More ----",
    "mikrotik_routeros": "-- [Q quit|D dump|down]",
    "vyos": ":",
    "linux": "--More--(12%)",
    "frr": " --More-- ",
}


@pytest.mark.parametrize(("name", "shown"), PAGERS.items())
def test_pager_is_seen_at_the_end_of_a_line_only(name: str, shown: str) -> None:
    pager = load_platform(name).pager
    assert pager is not None
    assert re.search(pager.pattern, shown.rstrip())
    assert not re.search(pager.pattern, f"{shown.rstrip()} and more text")
    assert not re.search(pager.pattern, "interface lo")
    assert (pager.more, pager.quit) == (" ", "q")


UNINTERRUPTIBLE = [
    (
        "cisco_iosxe",
        (
            "wr",
            "write memory",
            "copy running-config startup-config",
            "reload",
            "install add file x",
            "wr mem",
        ),
        ("write terminal", "show install summary", "show copy", "ping 192.0.2.1"),
    ),
    (
        "juniper_junos",
        ("commit", "request system reboot", "run request system software add x"),
        ("show system commit",),
    ),
    ("nokia_sros", ("commit", "admin save", "/admin reboot now"), ("show version", "info")),
    ("huawei_vrp", ("save", "reboot"), ("display saved-configuration",)),
    ("mikrotik_routeros", ("/system reboot", "/system/package/update/install"), ("/ip address print",)),
    ("vyos", ("commit", "save", "add system image x"), ("show system image",)),
    ("frr", ("write", "write memory", "copy running-config startup-config"), ("write terminal", "show run")),
]


@pytest.mark.parametrize(("name", "never", "may"), UNINTERRUPTIBLE)
def test_commands_that_are_never_interrupted(name: str, never: tuple[str, ...], may: tuple[str, ...]) -> None:
    patterns = load_platform(name).uninterruptible
    assert [line for line in never if not any(re.search(pattern, line) for pattern in patterns)] == []
    assert [line for line in may if any(re.search(pattern, line) for pattern in patterns)] == []
