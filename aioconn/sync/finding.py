# SPDX-License-Identifier: Apache-2.0
"""Which handle stands for what: one for each thing of this process, and for each that another process told of."""

from __future__ import annotations

import functools
import importlib
import os
import weakref
from typing import TYPE_CHECKING, Any

from aioconn.broker import estate
from aioconn.connection import BaseConnection
from aioconn.errors import UsageError
from aioconn.pool import ConnectionPool as AsyncPool
from aioconn.results import Result, Results
from aioconn.sync import exit as process_exit
from aioconn.sync.handle import Handle
from aioconn.sync.reach import Local
from aioconn.testbed.device import Device as AsyncDevice
from aioconn.testbed.testbed import Testbed as AsyncTestbed

if TYPE_CHECKING:
    from aioconn.broker.estate import Address
    from aioconn.sync.connection import Connection
    from aioconn.sync.devices import Device
    from aioconn.sync.pool import ConnectionPool
    from aioconn.sync.refs import Ref
    from aioconn.sync.testbed import Testbed


# A handle keeps what it stands for, so as long as there is one, the number is not given to another object.
_handles: weakref.WeakValueDictionary[Any, Handle] = weakref.WeakValueDictionary()


# ---------------------------------------------------------------------- of this process


def of_testbed(testbed: AsyncTestbed) -> Testbed:
    """The handle of a testbed of this process."""
    from aioconn.sync.testbed import Testbed

    if (known := _handles.get(id(testbed))) is not None:
        return known  # type: ignore[return-value]
    return _handles.setdefault(id(testbed), _made(Testbed, reach_of_testbed(testbed)))  # type: ignore[return-value]


def reach_of_testbed(testbed: AsyncTestbed) -> Local:
    """How to reach a testbed of this process."""
    shared = estate.here()
    for device in testbed.devices.values():  # the testbed connects also those that nobody has a handle of
        process_exit.watch(device)
    give = functools.partial(_give_of_testbed, testbed)
    return Local(testbed, None, shared, shared.enroll(testbed), give=give)


def of_device(device: AsyncDevice) -> Device:
    """The handle of a device of this process. It keeps the device's testbed, through which others are reached."""
    from aioconn.sync.devices import Device

    if (known := _handles.get(id(device))) is not None:
        return known  # type: ignore[return-value]
    return _handles.setdefault(id(device), _made(Device, reach_of(device)))  # type: ignore[return-value]


def reach_of(device: AsyncDevice) -> Local:
    """How to reach a device of this process."""
    shared = estate.here()
    process_exit.watch(device)
    give = functools.partial(give_of_device, device)
    return Local(device, device.manager, shared, shared.enroll(device), give=give, kept=device.testbed)


def of_connection(connection: Any, device: AsyncDevice) -> Connection | ConnectionPool[Any]:
    """The handle of a connection or pool of a device of this process."""
    from aioconn.sync.connection import connection_type
    from aioconn.sync.pool import pool_type

    if (known := _handles.get(id(connection))) is not None:
        return known  # type: ignore[return-value]
    shared = estate.here()
    give = functools.partial(give_of_device, device)
    reach = Local(
        connection,
        device.manager,
        shared,
        shared.enroll(device),
        connection.alias,
        give=give,
        kept=(device, device.testbed),
    )
    pool = isinstance(connection, AsyncPool)
    speaks: type[BaseConnection[Any]] = connection.kind if pool else type(connection)
    kind: type[Handle] = pool_type(speaks) if pool else connection_type(speaks)
    return _handles.setdefault(id(connection), _made(kind, reach))  # type: ignore[return-value]


def remember(handle: Handle) -> None:
    """That this one stands for what it was just made with."""
    _handles[id(handle.local)] = handle


def give_of_device(device: AsyncDevice, value: Any) -> Any:
    """What a call on a device of this process gave, with a handle in place of what lives at a home loop."""
    if isinstance(value, (BaseConnection, AsyncPool)):
        return of_connection(value, device)
    return value


def _give_of_testbed(testbed: AsyncTestbed, value: Any) -> Any:
    if isinstance(value, AsyncDevice):
        return of_device(value)
    if isinstance(value, Results):
        return Results(
            {name: _result(result, give_of_device, testbed[name]) for name, result in value.items()}
        )
    return value


def _result(result: Result[Any], give: Any, whose: Any) -> Result[Any]:
    given = give(whose, result.value)
    if given is result.value:
        return result
    return Result(device=result.device, value=given, error=result.error, elapsed=result.elapsed)


# ---------------------------------------------------------------------- of another process


def testbed_at(address: Address, key: int, name: str) -> Testbed:
    """The handle of a testbed of another process."""
    from aioconn.sync.refs import TestbedRef

    found: Testbed = at(address, TestbedRef(key=key, name=name))
    return found


def at(address: Address, ref: Ref) -> Any:
    """The handle of what a reference names; that of the thing itself if this is the process that owns it."""
    own = estate.here()
    if address.estate == own.id:
        return _own(own, ref)
    from aioconn.sync.remote import Remote

    reach = Remote(address, ref)
    place = reach.estate, reach.target
    kind = _type_of(ref)
    known = _handles.get(place)
    if known is None or type(known) is not kind:  # an alias may come to mean something else
        known = _handles[place] = _made(kind, reach)
    return known


def _own(own: estate.Estate, ref: Ref) -> Any:
    thing = own.find(ref.key)
    if thing is None:
        raise UsageError(
            f"what is number {ref.key} here no longer exists", hint="keep the testbed while others use it"
        )
    if isinstance(thing, AsyncTestbed):
        return of_testbed(thing)
    from aioconn.sync.refs import ConnectionRef

    if not isinstance(ref, ConnectionRef):
        return of_device(thing)
    return of_connection(thing.manager.get(ref.alias), thing)


def give_of_process(address: Address, value: Any) -> Any:
    """What a call on something of another process gave, with handles in place of references."""
    from aioconn.sync.refs import ConnectionRef, DeviceRef

    if isinstance(value, (ConnectionRef, DeviceRef)):
        return at(address, value)
    if isinstance(value, Results):
        return Results({name: _result(result, give_of_process, address) for name, result in value.items()})
    if isinstance(value, dict) and any(
        isinstance(item, (ConnectionRef, DeviceRef)) for item in value.values()
    ):
        return {key: give_of_process(address, item) for key, item in value.items()}
    return value


def _type_of(ref: Ref) -> type[Handle]:
    from aioconn.sync.connection import connection_type_of
    from aioconn.sync.devices import Device
    from aioconn.sync.pool import pool_type_of
    from aioconn.sync.refs import ConnectionRef, TestbedRef
    from aioconn.sync.testbed import Testbed

    if isinstance(ref, TestbedRef):
        return Testbed
    if not isinstance(ref, ConnectionRef):
        return Device
    return (pool_type_of if ref.pool else connection_type_of)(ref.kind, ref.services, ref.streams)


def _made(kind: type[Handle], reach: Any) -> Any:
    handle = kind.__new__(kind)
    handle.stand_for(reach)
    return handle


def _before_fork() -> None:
    """A child imports nothing: it would be slow, and another thread may be in the middle of the same import."""
    if _handles:
        for name in ("remote", "refs", "testbed", "devices", "manager", "connection", "pool", "redirected"):
            importlib.import_module(f"aioconn.sync.{name}")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork)
