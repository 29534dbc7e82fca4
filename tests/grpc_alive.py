# SPDX-License-Identifier: Apache-2.0
"""gRPC's own thread and descriptors, which go up to 0.2 s after its last object: kept through the tests that use it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from aioconn.protocols.gnmi.library import grpc


@pytest.fixture(scope="module", autouse=True)
def grpc_alive() -> Iterator[None]:
    """Connections and calls that a test leaves behind have descriptors and tasks besides, and are found."""

    async def begin() -> Any:
        return grpc.aio.insecure_channel("ipv4:127.0.0.1:1")

    loop = asyncio.new_event_loop()
    channel = loop.run_until_complete(begin())
    yield
    loop.run_until_complete(channel.close())
    loop.close()
