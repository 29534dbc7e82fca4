# SPDX-License-Identifier: Apache-2.0
"""What a ping shows, as the systems that took it over from Unix write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aioconn.lab.program import Interrupted, Program

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

INTERVAL = 0.2  # seconds between two echoes
ENDLESS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The lines of one system: `{target}`, `{sequence}`, `{time}`, `{sent}`, `{received}`, `{loss}`, `{total}`."""

    heading: str
    reply: str
    first: int
    silence: str = ""
    statistics: str
    times: str


FORMS = {
    "linux": Form(
        heading="PING {target} ({target}) 56(84) bytes of data.\n",
        reply="64 bytes from {target}: icmp_seq={sequence} ttl=64 time=0.04{digit} ms\n",
        first=1,
        statistics="{sent} packets transmitted, {received} received, {loss}% packet loss, time {total}ms\n",
        times="rtt min/avg/max/mdev = 0.040/0.044/0.049/0.003 ms\n",
    ),
    "eos": Form(
        heading="PING {target} ({target}) 72(100) bytes of data.\n",
        reply="80 bytes from {target}: icmp_seq={sequence} ttl=64 time=0.03{digit} ms\n",
        first=1,
        statistics="{sent} packets transmitted, {received} received, {loss}% packet loss, time {total}ms\n",
        times="rtt min/avg/max/mdev = 0.030/0.034/0.039/0.003 ms, ipg/ewma 0.022/0.021 ms\n",
    ),
    "nxos": Form(
        heading="PING {target} ({target}): 56 data bytes\n",
        reply="64 bytes from {target}: icmp_seq={sequence} ttl=254 time=0.61{digit} ms\n",
        first=0,
        silence="Request {sequence} timed out\n",
        statistics="{sent} packets transmitted, {received} packets received, {loss}.00% packet loss\n",
        times="round-trip min/avg/max = 0.61/0.614/0.619 ms\n",
    ),
    "junos": Form(
        heading="PING {target} ({target}): 56 data bytes\n",
        reply="64 bytes from {target}: icmp_seq={sequence} ttl=64 time=0.61{digit} ms\n",
        first=0,
        statistics="{sent} packets transmitted, {received} packets received, {loss}% packet loss\n",
        times="round-trip min/avg/max/stddev = 0.610/0.614/0.619/0.003 ms\n",
    ),
}


def target_of(words: Sequence[str]) -> str:
    """The address among the words of a ping: the first that stands behind no keyword."""
    rest = list(words)
    while len(rest) > 2 and rest[0] == "vrf":
        del rest[:2]
    return rest[0]


def count_of(words: Sequence[str], default: int) -> int:
    """How many echoes are asked for."""
    for keyword in ("count", "repeat", "-c"):
        if keyword in words[:-1]:
            return int(words[words.index(keyword) + 1])
    return default


def echoes(device: LabDevice, form: str, target: str, count: int) -> Program:
    """A ping from the first line to the last; the interrupt key ends it with what there is."""
    lines = FORMS[form]
    answers = device.reaches(target)
    yield lines.heading.replace("{target}", target)
    sent = 0
    try:
        while sent < count:
            line = lines.reply if answers else lines.silence
            filled = line.replace("{target}", target).replace("{digit}", str((sent + lines.first) % 10))
            text = filled.replace("{sequence}", str(sent + lines.first))
            sent += 1
            if text:
                yield text
            if sent < count:
                yield INTERVAL
    except Interrupted:
        pass
    received = sent if answers else 0
    statistics = (
        lines.statistics.replace("{sent}", str(sent))
        .replace("{received}", str(received))
        .replace("{loss}", "0" if answers else "100")
        .replace("{total}", str(sent * 200))
    )
    yield f"\n--- {target} ping statistics ---\n{statistics}"
    if received:
        yield lines.times
