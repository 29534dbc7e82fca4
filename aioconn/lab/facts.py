# SPDX-License-Identifier: Apache-2.0
"""The facts in which simulated devices of one kind differ, computed from their names."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping

FIELD = re.compile(r"\{(\w+)(?::<(\d+))?\}")  # {name}, or {name:<15} padded to a column


def facts(name: str, seed: int) -> dict[str, str]:
    """Serial numbers, addresses and the like: the same for the same name and seed."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    first, second, third = digest[0], digest[1], 1 + digest[2] % 254
    serial = hashlib.sha1(digest, usedforsecurity=False).hexdigest().upper()
    mac = "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[3:6])
    dotted = mac.replace(":", "")
    return {
        "serial": "9" + serial[:10],
        "serial_module": "FOC" + serial[10:18],
        "mac": mac,
        "mac_cisco": f"{dotted[:4]}.{dotted[4:8]}.{dotted[8:]}",
        "loopback": f"10.255.{first}.{third}",
        "management": f"192.0.2.{third}",
        "link1": f"10.{first}.{second}.1",
        "link1_peer": f"10.{first}.{second}.2",
        "link1_net": f"10.{first}.{second}.0",
        "link2": f"172.{16 + first % 16}.{second}.1",
        "link2_net": f"172.{16 + first % 16}.{second}.0",
        "asn": str(64512 + digest[6]),
        "weeks": str(1 + digest[7] % 50),
        "days": str(digest[8] % 7),
        "hours": str(digest[9] % 24),
        "minutes": str(digest[10] % 60),
        "packets": str(int.from_bytes(digest[11:14], "big")),
        "octets": str(int.from_bytes(digest[11:15], "big")),
        "uuid": serial.lower()[:8],
    }


FORMS: Mapping[str, str] = {
    "": "%H:%M:%S.%f UTC %a %b %d %Y",
    "_short": "%b %d %H:%M:%S.%f",
    "_xr": "%a %b %d %H:%M:%S.%f UTC",
    "_date": "%a %b %d %H:%M:%S UTC %Y",
    "_iso": "%Y-%m-%d %H:%M:%S UTC",
    "_eos": "%a %b %d %H:%M:%S %Y",
}


def moment(form: str, seconds: float) -> str:
    """A time in UTC, with milliseconds for `%f`."""
    return time.strftime(form.replace("%f", f"{int(seconds * 1000) % 1000:03d}"), time.gmtime(seconds))


def moments(name: str, seconds: float) -> dict[str, str]:
    """A time as facts in all forms: `name`, `name_short`, `name_xr` and so on."""
    return {name + ending: moment(form, seconds) for ending, form in FORMS.items()}


def fill(text: str, values: Mapping[str, str]) -> str:
    """`text` with its `{names}` replaced. What is no fact stays as it is: configurations hold braces."""
    if "{" not in text:
        return text

    def value(found: re.Match[str]) -> str:
        name, column = found.groups()
        if (known := values.get(name)) is None:
            # `{clock}`, `{clock_xr}`: the time at which it is shown
            if not name.startswith("clock") or (form := FORMS.get(name[5:])) is None:
                return found.group()
            known = moment(form, time.time())
        return known.ljust(int(column)) if column else known

    return FIELD.sub(value, text)
