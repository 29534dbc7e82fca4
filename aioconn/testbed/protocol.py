# SPDX-License-Identifier: Apache-2.0
"""The `protocol` of a connection, with what people put behind it: options of the `ssh` command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

KNOWN = ("ssh", "telnet", "http", "https", "eapi", "nxapi", "restconf", "netconf", "snmp", "gnmi")

# ssh_config(5) keyword, lowered -> our option; lists are comma-separated in both
_LISTS = {
    "kexalgorithms": "kex",
    "ciphers": "ciphers",
    "macs": "macs",
    "hostkeyalgorithms": "host_key_algorithms",
}
_SINGLES = {"serveraliveinterval": "keepalive", "identityfile": "private_key"}
_CHECKING = {"no": "ignore", "off": "ignore", "yes": "strict", "accept-new": "remember"}
_LENGTH_LIMIT = 10_000  # characters that are taken apart as a shell does
_WITH_VALUE = frozenset("BbcDEeFIiJLlmOoPpQRSWw")  # ssh(1): the letters that take an argument
_HARMLESS = frozenset("46qtTvAaXxYknN")  # say nothing that a session needs


@dataclass(slots=True)
class SshOptions:
    """What was understood of an `ssh` command's options; `ignored` is the rest, as written."""

    port: str | None = None
    user: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def split_protocol(text: str) -> tuple[str, str]:
    """`"SSH -p 22"` -> `("ssh", "-p 22")`."""
    first, _, rest = text.strip().partition(" ")
    return first.lower(), rest.strip()


def parse_ssh_options(text: str) -> SshOptions:
    """Options as given to ssh(1): `-o Keyword=value`, `-p 22`, `-c cipher`, `-m mac`."""
    found = SshOptions()
    try:
        words = iter(shlex.split(text) if len(text) <= _LENGTH_LIMIT else text.split())
    except ValueError:  # a quote that is never closed
        words = iter(text.split())
    for word in words:
        if len(word) < 2 or not word.startswith("-") or word.startswith("--"):
            found.ignored.append(word)
        else:
            _letter(word[1], word[2:], words, found)
    return found


def _letter(letter: str, value: str, words: Iterator[str], found: SshOptions) -> None:
    if letter == "C":
        found.options["compression"] = True
    elif letter not in _WITH_VALUE:
        if letter not in _HARMLESS:
            found.ignored.append(f"-{letter}{value}")
    else:
        value = value or next(words, "")
        if letter == "p":
            found.port = value
        elif letter == "o":
            _keyword(value, found)
        elif letter in "cm":
            found.options["ciphers" if letter == "c" else "macs"] = value.split(",")
        elif letter == "i":
            found.options["private_key"] = value
        elif letter == "l" and value:
            found.user = value
        else:
            found.ignored.append(f"-{letter} {value}".strip())


def _keyword(text: str, found: SshOptions) -> None:
    name, _, value = (text if "=" in text else text.replace(" ", "=", 1)).partition("=")
    name, value = name.strip().lower(), value.strip()
    if name == "port":
        found.port = value
    elif name == "user" and value:
        found.user = value
    elif name == "stricthostkeychecking" and value.lower() in _CHECKING:
        found.options["host_key_policy"] = _CHECKING[value.lower()]
    elif name == "userknownhostsfile" and value:
        if value != "/dev/null":  # which only says that nothing is to be remembered
            found.options["known_hosts"] = value
    elif name in _LISTS and value:
        found.options[_LISTS[name]] = value.split(",")
    elif name in _SINGLES and value:
        found.options[_SINGLES[name]] = value
    else:
        found.ignored.append(f"-o {text}".strip())
