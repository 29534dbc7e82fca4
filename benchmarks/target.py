# SPDX-License-Identifier: Apache-2.0
"""What is measured against: one simulated device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

USER, PASSWORD, HOST_NAME = "admin", "benchmark", "r1"
PROMPT = f"{HOST_NAME}#"
# The servers of pools take a random part of this, in seconds, to say the word that they were asked for.
DELAY = 0.002
WORDS = 500
# What agents of SNMP have: so many short texts below the root, and a number beside it.
SNMP_ROOT, SNMP_VARIABLES = "1.3.6.1.4.1.99999.1", 3000
SNMP_VARIABLE, SNMP_VALUE = "1.3.6.1.4.1.99999.2.0", 42
# How many interfaces the configuration of a NETCONF device has.
NETCONF_INTERFACES = 20
# How many leaves a message of a gNMI target has, and how many messages a subscription brings.
GNMI_LEAVES, GNMI_MESSAGES = 10, 2000
# Devices that are slow enough for a command to be cut: when they echo, and how many milliseconds they think at most.
ECHOES = {"reader": "echo as it reads", "typing": "echo at once"}
THINKING = (60, 400)
# Others think for so many milliseconds about each command.
STEADY = 60
# What Cisco platforms are told first, by every client in the words of its own.
OPENING = ("terminal length 0", "terminal width 512")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a device listens. `protocol` is ssh or telnet, or what a pool speaks: http, redis, postgres; or
    snmp or netconf. `jump` is the port of the jump host that it is behind, if it is behind one."""

    name: str
    protocol: str
    port: int
    host: str = "127.0.0.1"
    jump: int = 0


def bulk(size: int) -> str:
    """The command whose output is `size` bytes long, line ends included."""
    return f"show bulk {size}"


def wait(milliseconds: int) -> str:
    """The command about which a device thinks for so long."""
    return f"show wait {milliseconds}"


def slow_device(echo: str, thinking: int) -> str:
    """The server of devices that echo and think like that."""
    return f"lab, {echo}, {thinking} ms"


def steady_device(echo: str) -> str:
    """The server of devices that echo like that and think for always the same time."""
    return f"lab, {echo}, steady"


def word(number: int) -> str:
    """Something to be said: one of `WORDS` different ones."""
    return f"word-{number % WORDS}"


def lines_of(word: str) -> list[str]:
    """What slow devices answer to `show WORD`: several lines, which no other word has."""
    return [f"{word} line {number}" for number in range(1 + int(word.rpartition("-")[2]) % 7)]
