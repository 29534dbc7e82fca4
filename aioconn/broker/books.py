# SPDX-License-Identifier: Apache-2.0
"""What a process shares with others, by number, and the address where they ask for it."""

from __future__ import annotations

import os
import secrets
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aioconn.errors import UsageError
from aioconn.home.locks import Lock

if TYPE_CHECKING:
    from aioconn.testbed.device import Device
    from aioconn.testbed.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the estate of a process is asked for: plain data, for whoever may have it.

    Whoever knows the token, and runs as the same user, may use what the process shares.
    """

    path: str
    token: bytes = field(repr=False)
    estate: str

    @property
    def pid(self) -> int:
        """The process that the estate belongs to."""
        return int(self.estate.partition("-")[0])


class Books:
    """The numbers of testbeds and devices. Thread-safe; holds nothing alive."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.id = f"{self.pid}-{secrets.token_hex(8)}"
        self.local = True
        """Whether this process is the one that shares it; False in a forked child."""
        self.enrolled = 0
        """How many have been given a number, gone ones among them."""
        self._writing = Lock()
        self._keys: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()
        self._things: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()

    def enroll(self, thing: Testbed | Device) -> int:
        """The number of a testbed or device for other processes; the same one each time.

        Raises `UsageError` in a child.
        """
        self._refuse_elsewhere()
        key = self._keys.get(thing)
        if key is None:
            with self._writing:
                key = self._keys.get(thing)
                if key is None:
                    key = self.enrolled = self.enrolled + 1
                    self._things[key] = thing
                    self._keys[thing] = key
        return key

    def find(self, key: int) -> Testbed | Device | None:
        """What has this number, if it is still there."""
        found: Testbed | Device | None = self._things.get(key)
        return found

    @property
    def empty(self) -> bool:
        """Whether nothing that was enrolled is alive."""
        return not len(self._things)

    def _refuse_elsewhere(self) -> None:
        if not self.local:
            raise UsageError(f"the estate {self.id} belongs to process {self.pid}", hint="use here()")
