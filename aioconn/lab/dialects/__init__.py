# SPDX-License-Identifier: Apache-2.0
"""How the command lines of the families of operating systems behave; what they say is the personality's."""

from __future__ import annotations

import functools

from aioconn.errors import TestbedError, nearest
from aioconn.lab.dialects.base import Dialect
from aioconn.lab.dialects.cisco import Cisco
from aioconn.lab.dialects.iosxr import IosXr
from aioconn.lab.dialects.junos import Junos
from aioconn.lab.dialects.posix import Posix

DIALECTS: dict[str, type[Dialect]] = {"cisco": Cisco, "iosxr": IosXr, "junos": Junos, "posix": Posix}


@functools.cache
def load(name: str) -> Dialect:
    """The dialect of a name: `cisco`, `iosxr`, `junos` or `posix`."""
    if name not in DIALECTS:
        raise TestbedError(f"no dialect {name!r}", hint=nearest(name, DIALECTS))
    return DIALECTS[name]()
