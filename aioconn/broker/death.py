# SPDX-License-Identifier: Apache-2.0
"""The ends of other processes, told at the moment.

The end of a wire says that a process has gone, but late if it had children: they may have a copy of the socket for as
long as they live. Where the system has pidfds (Linux), the process itself is watched, once however many wires it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from aioconn.home.descriptors import Kept, keep_number, making

Told = Callable[[], None]


class Deaths:
    """Watches processes on one loop, which is the only one that calls it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._watched: dict[int, tuple[int, Kept, list[Told]]] = {}  # pid -> pidfd

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, pid: int, told: Told) -> None:
        """Call `told` when the process ends. Raises ProcessLookupError if it has ended.

        Nothing happens where the system cannot tell, or has no descriptor left: then the end of the wire has to do.
        """
        if (watched := self._watched.get(pid)) is not None:
            watched[2].append(told)
            return
        if pid <= 0 or not hasattr(os, "pidfd_open"):
            return
        try:
            with making:
                number = os.pidfd_open(pid)
                kept = keep_number(number)
        except ProcessLookupError:
            raise
        except OSError:
            return
        self._watched[pid] = number, kept, [told]
        self._loop.add_reader(number, self._ended, pid)

    def unwatch(self, pid: int, told: Told) -> None:
        """Not to be told any more. Does nothing if nobody was."""
        watched = self._watched.get(pid)
        if watched is not None:
            with contextlib.suppress(ValueError):
                watched[2].remove(told)
            if not watched[2]:
                self._forget(pid)

    def close(self) -> None:
        for pid in list(self._watched):
            self._forget(pid)

    def _ended(self, pid: int) -> None:
        for told in self._forget(pid):
            told()

    def _forget(self, pid: int) -> list[Told]:
        number, kept, whom = self._watched.pop(pid)
        self._loop.remove_reader(number)
        os.close(number)
        kept.drop()
        return whom
