# SPDX-License-Identifier: Apache-2.0
"""What every connection class promises, as tests: for those of this package, and for your own.

A class of tests in which pytest (with pytest-asyncio, `asyncio_mode = "auto"`) finds one test for each promise. All
that is yours is a server, and what to call:

    from aioconn.conformance import Conformance, Subject

    class TestGreeter(Conformance):
        @contextlib.asynccontextmanager
        async def subject(self):
            async with GreetingServer() as server:            # on loopback, in the running loop
                yield Subject(
                    entry={                                   # the device, as in a testbed
                        "connections": {"a": {"class": "mine.Greeter", "ip": "127.0.0.1", "port": server.port}},
                        "credentials": {"default": {"username": "me", "password": "s3cret-word"}},
                    },
                    ask=lambda session, number: session.greet(str(number)),
                    read=lambda answer: int(answer.removeprefix("hello ")),
                    hang=lambda session, timeout: session.greet("never", timeout=timeout),
                    cut=server.cut,
                    live=lambda: server.sessions,
                    secret="s3cret-word",
                )

Nothing in here needs pytest: `await TestGreeter().test_callers_are_never_mixed()` is a test as well. Each test waits at
most `PATIENCE` seconds for anything.
"""

from __future__ import annotations

from aioconn.conformance.kit import HANGS, MOMENTS, Conformance
from aioconn.conformance.patience import PATIENCE
from aioconn.conformance.showing import assert_keeps, assert_names
from aioconn.conformance.subject import NUMBERS, Subject

__all__ = [
    "HANGS",
    "MOMENTS",
    "NUMBERS",
    "PATIENCE",
    "Conformance",
    "Subject",
    "assert_keeps",
    "assert_names",
]
