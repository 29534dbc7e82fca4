# SPDX-License-Identifier: Apache-2.0
"""What other processes are told of a testbed, a device or a connection: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aioconn.broker.frames import Target
from aioconn.broker.values import ConnectionRef, DeviceRef
from aioconn.manager import ConnectionManager
from aioconn.pool import ConnectionPool
from aioconn.testbed.device import Device
from aioconn.testbed.testbed import Testbed


@dataclass(frozen=True, slots=True, kw_only=True)
class TestbedRef:
    """A testbed of a process."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    key: int
    name: str


__all__ = ["ConnectionRef", "DeviceRef", "Ref", "TestbedRef", "ref_of", "target_of"]

Ref = TestbedRef | DeviceRef | ConnectionRef


def ref_of(thing: Any, key: int) -> Ref:
    """Of a thing of the asynchronous API. `key` is the number of its testbed or device."""
    if isinstance(thing, Testbed):
        return TestbedRef(key=key, name=thing.name)
    if isinstance(thing, ConnectionManager):
        thing = thing.device
    if isinstance(thing, Device):
        return DeviceRef(
            key=key,
            name=thing.name,
            alias=thing.alias,
            os=thing.os,
            platform=thing.platform,
            type=thing.type,
        )
    pool = isinstance(thing, ConnectionPool)
    kind = thing.kind if pool else type(thing)
    return ConnectionRef(
        key=key,
        alias=thing.alias,
        device=thing.device,
        kind=kind.__name__,
        services=kind.services,
        streams=kind.streams,
        pool=pool,
    )


def target_of(ref: Ref) -> Target:
    """What is named to the process that owns it."""
    if isinstance(ref, TestbedRef):
        return Target("testbed", ref.key)
    if isinstance(ref, DeviceRef):
        return Target("device", ref.key)
    return Target("connection", ref.key, ref.alias)
