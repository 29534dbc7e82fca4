# SPDX-License-Identifier: Apache-2.0
"""What real systems say to a ping, a copy and a reload, and what their platforms make of it."""

from __future__ import annotations

import pytest

from aioconn.credentials import Credentials
from aioconn.platforms.loader import known_platforms, load_platform
from aioconn.platforms.template import filled, names_in
from aioconn.protocols.questions import Questions

PINGS = [
    (
        "iosxe",
        "Type escape sequence to abort.\nSending 5, 100-byte ICMP Echos to 10.1.1.2, timeout is 2 seconds:\n.!!!!\n"
        "Success rate is 80 percent (4/5), round-trip min/avg/max = 1/2/4 ms\n",
        {"rate": "80", "received": "4", "sent": "5", "minimum": "1", "average": "2", "maximum": "4"},
    ),
    ("iosxe", ".....\nSuccess rate is 0 percent (0/5)\n", {"rate": "0", "received": "0", "sent": "5"}),
    ("iosxr", "!!!\nSuccess rate is 100 percent (3/3), round-trip min/avg/max = 1/1/1 ms", {"sent": "3"}),
    ("asa", "?????\nSuccess rate is 0 percent (0/5)", {"rate": "0"}),
    (
        "asa",
        "!!!!!\nSuccess rate is 100 percent (5/5), round-trip min/avg/max = 1/1/10 ms",
        {"maximum": "10"},
    ),
    (
        "nxos",
        "PING 10.1.1.2 (10.1.1.2): 56 data bytes\n64 bytes from 10.1.1.2: icmp_seq=0 ttl=254 time=1.05 ms\n"
        "Request 1 timed out\n\n--- 10.1.1.2 ping statistics ---\n"
        "2 packets transmitted, 1 packets received, 50.00% packet loss\nround-trip min/avg/max = 1.05/1.05/1.05 ms\n",
        {"sent": "2", "received": "1", "loss": "50.00", "average": "1.05"},
    ),
    (
        "nxos",
        "--- 10.9.9.9 ping statistics ---\n5 packets transmitted, 0 packets received, 100.00% packet loss\n",
        {"received": "0", "loss": "100.00"},
    ),
    (
        "eos",
        "--- 10.1.1.2 ping statistics ---\n5 packets transmitted, 5 received, 0% packet loss, time 11ms\n"
        "rtt min/avg/max/mdev = 0.871/1.290/2.606/0.661 ms, ipg/ewma 2.926/1.918 ms\n",
        {"sent": "5", "loss": "0", "minimum": "0.871", "maximum": "2.606"},
    ),
    (
        "junos",
        "--- 10.1.1.2 ping statistics ---\n3 packets transmitted, 3 packets received, 0% packet loss\n"
        "round-trip min/avg/max/stddev = 0.041/0.054/0.072/0.013 ms\n",
        {"sent": "3", "average": "0.054"},
    ),
    (
        "linux",
        "4 packets transmitted, 0 received, +3 errors, 100% packet loss, time 3062ms\npipe 3\n",
        {"sent": "4", "received": "0", "loss": "100"},
    ),
    (
        "linux",
        "2 packets transmitted, 2 received, +1 duplicates, 0% packet loss, time 1001ms\n"
        "rtt min/avg/max/mdev = 0.031/0.036/0.042/0.005 ms",
        {"sent": "2", "maximum": "0.042"},
    ),
    (
        "linux",
        "2 packets transmitted, 2 packets received, 0% packet loss\nround-trip min/avg/max = 0.1/0.2/0.3 ms",
        {"average": "0.2"},
    ),
]


@pytest.mark.parametrize(("platform", "said", "wanted"), PINGS)
def test_what_a_ping_came_to(platform: str, said: str, wanted: dict[str, str]) -> None:
    ping = load_platform(platform).ping
    assert ping is not None
    found = ping.result.search(said)
    assert found is not None
    numbers = found.groupdict()
    assert {name: numbers[name] for name in wanted} == wanted
    if wanted.get("received") == "0" or wanted.get("rate") == "0":
        assert numbers["average"] is None


def test_a_ping_that_could_not_be_sent() -> None:
    for platform in known_platforms():
        if platform.ping is not None:
            assert (
                platform.ping.result.search("% Unrecognized host or address, or protocol not running.")
                is None
            )


# What is asked, as it stands on the line, and what is typed.
QUESTIONS = [
    ("iosxe", "copy", "Destination filename [startup-config]? ", b"\n"),
    ("iosxe", "copy", "Source filename [c8000v.bin]? ", b"\n"),
    ("iosxe", "copy", "Address or name of remote host [192.0.2.7]? ", b"\n"),
    ("iosxe", "copy", "Source username [admin]? ", b"me\n"),
    ("iosxe", "copy", "Do you want to over write? [confirm]", b"\n"),
    ("iosxe", "copy", "Erase flash: before copying? [confirm]", b"n\n"),
    ("iosxe", "copy", "Password: ", b"f1le\n"),
    ("iosxe", "reload", "System configuration has been modified. Save? [yes/no]: ", b"no\n"),
    ("iosxe", "reload", "Proceed with reload? [confirm]", b"\n"),
    ("iosxe", "reload", "Reload scheduled; do you wish to proceed with reload anyway[confirm]", b"\n"),
    ("nxos", "copy", "Enter vrf (If no input, current vrf 'default' is considered): ", b"\n"),
    ("nxos", "copy", "Enter username: ", b"me\n"),
    ("nxos", "copy", "admin@192.0.2.7's password: ", b"f1le\n"),
    ("nxos", "copy", "Do you want to overwrite (y/n)?[n] ", b"y\n"),
    ("nxos", "reload", "This command will reboot the system. (y/n)?  [n] ", b"y\n"),
    ("iosxr", "copy", "Destination file name (control-c to abort): [/running-config]?", b"\n"),
    ("iosxr", "copy", "Host name or IP address (control-c to abort): []?", b"\n"),
    ("iosxr", "copy", "The destination file already exists. Do you want to overwrite? [no]:", b"yes\n"),
    ("iosxr", "reload", "Proceed with reload? [confirm]", b"\n"),
    ("iosxr", "reload", "Standby card not present or not Ready for failover. Proceed? [confirm]", b"\n"),
    ("iosxr", "reload", "Reload hardware module ? [no,yes] ", b"yes\n"),
    ("eos", "reload", "System configuration has been modified. Save? [yes/no/cancel/diff]:", b"no\n"),
    ("eos", "reload", "Proceed with reload? [confirm]", b"\n"),
    ("junos", "reload", "Reboot the system ? [yes,no] (no) ", b"yes\n"),
    ("junos", "copy", "Password for admin@192.0.2.7: ", b"f1le\n"),
    ("linux", "copy", "cp: overwrite 'b'? ", b"y\n"),
    ("linux", "reload", "[sudo] password for me: ", b"\n"),
    ("asa", "reload", "System config has been modified. Save? [Y]es/[N]o/[S]ave all/[C]ancel: ", b"N\n"),
    ("asa", "reload", "Proceed with reload? [confirm] ", b"\n"),
]  # fmt: skip


@pytest.mark.parametrize(("platform", "operation", "asked", "typed"), QUESTIONS)
def test_what_is_asked_is_answered(platform: str, operation: str, asked: str, typed: bytes) -> None:
    described = load_platform(platform)
    questions = Questions(described, Credentials(), {"device": "r1", "path": "cli"})
    how = getattr(described, operation)
    answers = questions.answers(how.replies, username="me", file_server="f1le")
    question = questions.dialogue(None, answers).find(f"before it\r\n{asked}".encode(), 0)
    assert question is not None
    assert question.answer.send == typed


def test_commands_are_spelled_out() -> None:
    given = {"address": "10.1.1.2", "count": 3, "source": "a", "destination": "b", "vrf": None, "size": None}
    for platform in known_platforms():
        for how in (platform.ping, platform.copy, platform.reload):
            if how is not None:
                bare = filled(how.command, {**given, "source": None if how is platform.ping else "a"})
                assert not set(bare) & set("[]{}")
                assert bare == " ".join(bare.split())
                everything = dict.fromkeys(names_in(how.command), "x")
                assert names_in(filled(how.command, everything)) == []
        for mode in (platform.bash, platform.mode_name("enable"), platform.mode_name("disable")):
            assert mode is None or platform.route(platform.default_mode, mode) is not None
