# SPDX-License-Identifier: Apache-2.0
"""The floor of calls from threads: what asyncio itself has for them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.clients.calls import Carry, CarryingClient, Work


class Threadsafe(CarryingClient):
    name = "threadsafe"
    floor = True

    @contextmanager
    def loop(self) -> Iterator[Carry]:
        with loop_in_thread() as loop:

            def carry(work: Work) -> str:
                return asyncio.run_coroutine_threadsafe(work(), loop).result()

            yield carry


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
