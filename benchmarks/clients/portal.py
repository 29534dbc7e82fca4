# SPDX-License-Identifier: Apache-2.0
"""anyio's BlockingPortal, on asyncio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clients.calls import Carry, CarryingClient, Work


class Portal(CarryingClient):
    name = "portal"
    packages = ("anyio",)

    @contextmanager
    def loop(self) -> Iterator[Carry]:
        from anyio.from_thread import start_blocking_portal

        with start_blocking_portal("asyncio") as portal:

            def carry(work: Work) -> str:
                return portal.call(work)

            yield carry
