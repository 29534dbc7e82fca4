# SPDX-License-Identifier: Apache-2.0
"""How a handle reaches what belongs to another process: that one is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aioconn.broker.client import RemoteBlock, RemoteEstate, estate_of
from aioconn.errors import CannotCross, ReleasedTwice, UsageError
from aioconn.sync.finding import give_of_process
from aioconn.sync.reach import NO_KEYS, PLAIN, Entered, Iteration, Lending
from aioconn.sync.refs import ConnectionRef, DeviceRef, Ref, TestbedRef, target_of

if TYPE_CHECKING:
    from aioconn.broker.estate import Address
    from aioconn.broker.frames import Target
    from aioconn.results import Result
    from aioconn.sync.devices import Device
    from aioconn.sync.testbed import Testbed

# What a reference says by itself.
_KNOWN = {
    TestbedRef: ("name",),
    DeviceRef: ("name", "alias", "os", "platform", "type"),
    ConnectionRef: ("device", "alias"),
}


def fan_out(
    devices: Sequence[Device], work: Any, **options: Any
) -> Generator[Result[Any], None, None] | None:
    """The fan-out of the process that owns the testbed of all these devices; None if there is no such testbed."""
    testbed = devices[0].of_testbed_elsewhere
    if testbed is None or any(device.of_testbed_elsewhere is not testbed for device in devices):
        return None
    return _results(testbed, [device.name for device in devices], work, options)


def _results(
    testbed: Testbed, names: list[str], work: Any, options: Mapping[str, Any]
) -> Generator[Result[Any], None, None]:
    results = testbed.elsewhere("fan_out", (names, work), options)
    try:
        yield from results
    finally:
        results.close()


class Remote:
    """Something of the process at `address`."""

    __slots__ = ("_estate", "address", "ref", "target")

    def __init__(self, address: Address, ref: Ref) -> None:
        self.address = address
        self.ref = ref
        self.target: Target = target_of(ref)
        self._estate: RemoteEstate = estate_of(address)

    @property
    def local(self) -> None:
        return None

    @property
    def estate(self) -> str:
        return self.address.estate

    def words(self) -> str:
        ref = self.ref
        if isinstance(ref, TestbedRef):
            what = f"Testbed {ref.name}"
        elif isinstance(ref, DeviceRef):
            what = f"Device {ref.name} {ref.os or 'os unknown'}"
        else:
            what = f"{ref.kind}{' pool' if ref.pool else ''} {ref.device}.{ref.alias}"
        return f"{what} of process {self.address.pid}"

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        value = self._estate.call(self.target, name, args, kwargs)
        return value if type(value) in PLAIN else give_of_process(self.address, value)

    def ask(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        if name in _KNOWN[type(self.ref)]:
            return getattr(self.ref, name)
        value = self._estate.ask(self.target, name, args, kwargs)
        return value if type(value) in PLAIN else give_of_process(self.address, value)

    def iterate(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS
    ) -> Iteration[Any]:
        return self._estate.iterate(self.target, name, args, kwargs)

    def enter(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Entered:
        return _Block(self._estate.enter(self.target, name, args, kwargs))

    def acquire(self, timeout: float | None) -> Lending:
        block = self._estate.enter(self.target, "acquire", (), {"timeout": timeout}, routed=False)
        return Borrowed(block, self)

    def bind(self, block: RemoteBlock) -> None:
        """From now on, and until the block is left, what this thread asks is inside it."""
        self._estate.bind(block)

    def own(self, name: str) -> Any:
        raise UsageError(
            f"{name!r} of {self.words()} is to be had in that process alone",
            hint="ask for it there, and hand over what is needed",
        )


class Borrowed:
    """A session that a pool of another process has lent to this one."""

    __slots__ = ("_block", "_pool")

    def __init__(self, block: RemoteBlock, pool: Remote) -> None:
        self._block = block
        self._pool = pool

    @property
    def local(self) -> None:
        return None

    @property
    def estate(self) -> str:
        return self._pool.estate

    @property
    def address(self) -> Address:
        raise CannotCross(
            f"{self.words()} is lent to this process",
            hint="hand over its device or pool, and acquire() there",
        )

    @property
    def target(self) -> Target:
        return self._pool.target

    @property
    def ref(self) -> Any:
        return self._pool.ref

    def words(self) -> str:
        return f"a session of {self._pool.words()}"

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        return self._block.call(name, args, kwargs)

    def ask(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Any:
        return self._block.ask(name, args, kwargs)

    def iterate(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS
    ) -> Iteration[Any]:
        return self._block.iterate(name, args, kwargs)

    def enter(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] = NO_KEYS) -> Entered:
        """Only "inside": the calls of this thread count as the holder's, as long as that lasts."""
        self._pool.bind(self._block)
        return _Block(self._block)

    def acquire(self, timeout: float | None) -> Lending:
        raise UsageError("a session is no pool")

    @property
    def released(self) -> bool:
        """Whether it was given back."""
        return self._block.left

    def release(self) -> None:
        if self._block.left:
            raise ReleasedTwice(f"{self.words()} was given back before")
        self._block.leave()

    def own(self, name: str) -> Any:
        return self._pool.own(name)


class _Block:
    """A block of another process."""

    __slots__ = ("_block", "value")

    def __init__(self, block: RemoteBlock) -> None:
        self._block = block
        self.value = None

    def leave(self, *_: Any) -> None:
        self._block.leave()
