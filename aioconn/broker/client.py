# SPDX-License-Identifier: Apache-2.0
"""What another process shares, for the threads of this one: they ask over wires of their own, and wait.

There is no thread and no loop here. A call takes an idle wire or opens one, so that any number of threads call at the
same time; a block or an iteration keeps its wire until it is over. While a thread is inside a block, all that it asks
goes over the wire of that block: at the other end everything of one wire has one context, so that it counts as inside.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from typing import Any

from aioconn.broker.blocks import (
    Opened,
    RemoteBlock,
    RemoteIteration,
    ask_on,
    converse,
    question,
    value_of,
)
from aioconn.broker.books import Address
from aioconn.broker.frames import Target
from aioconn.broker.wire import Stale, Wire
from aioconn.broker.wires import Wires
from aioconn.errors import BrokerGone
from aioconn.home.descriptors import in_child
from aioconn.home.leash import Leash
from aioconn.home.visit import refuse_in_a_loop

__all__ = ["RemoteBlock", "RemoteEstate", "RemoteIteration", "estate_of"]


class _Inside(threading.local):
    """The blocks that a thread is in, or was in, the outermost first."""

    def __init__(self) -> None:
        self.blocks: list[weakref.ref[Opened]] = []


class RemoteEstate:
    """The estate of another process. Thread-safe; a forked child has wires of its own.

    Whatever asks raises what the other side raised; `BrokerGone` when that process has ended or is silent;
    `BrokerRefused` when it does not let this one in; `LimitReached` when no wire came free; `CannotCross` before
    anything is sent; `UsageError` in a thread that runs an event loop. An exception that reaches the waiting thread, as
    Ctrl-C does, cancels what it asked for, and goes on when that has ended, or after `wire.PATIENCE` seconds.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._begin()
        _all.add(self)

    def _begin(self) -> None:
        self.wires = Wires(self.address)
        self._inside = _Inside()

    def __repr__(self) -> str:
        return (
            f"<RemoteEstate of process {self.address.pid}, {len(self.wires)} wires, {self.wires.idle} idle>"
        )

    def statistics(self) -> dict[str, int]:
        """Wires open now, idle ones, threads that wait for one; wires opened so far, and those found dead."""
        wires = self.wires
        return {
            "wires": len(wires),
            "idle": wires.idle,
            "waiting": wires.waiting,
            "opened": wires.opened,
            "replaced": wires.replaced,
        }

    def call(
        self, target: Target, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a coroutine method of what `target` names; give its result."""
        return self._ask(question("call", target, name, args, kwargs), target)

    def ask(
        self, target: Target, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Read a property, or call a plain method."""
        return self._ask(question("ask", target, name, args, kwargs), target)

    def iterate(
        self, target: Target, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> RemoteIteration:
        """Iterate over what a method gives. Nothing is asked before the first step."""
        return RemoteIteration(self, target, question("iterate", target, name, args, kwargs))

    def enter(
        self,
        target: Target,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        routed: bool = True,
    ) -> RemoteBlock:
        """Enter the context manager that a method gives, until `leave()`.

        `routed`: whatever this thread asks meanwhile is inside the block; else only what it asks of the block itself.
        """
        return RemoteBlock(self, target, question("enter", target, name, args, kwargs), routed=routed)

    def route(self) -> Wire | None:
        """The wire of the innermost block that this thread is in, over which goes all that it asks."""
        blocks = self._inside.blocks
        while blocks:
            block = blocks[-1]()
            # One that was lost with its wire is not left: what is asked inside it must not be done outside.
            if block is not None and not block.left:
                return block.wire
            blocks.pop()
        return None

    def bind(self, block: Opened) -> None:
        """From now on this thread is inside a block, or between two steps of an iteration."""
        self._inside.blocks.append(weakref.ref(block))

    def close(self, reason: BaseException | None = None, *, for_good: bool = False) -> None:
        """Shut all wires, from any thread: whoever waits for an answer gets `reason`, or `BrokerGone`, at once.

        The other side ends what was under way. The estate may be asked again, unless this is `for_good`.
        """
        if for_good:
            self.wires.closed = reason or BrokerGone(f"the wires to process {self.address.pid} are closed")
        self.wires.shut(reason)

    def _ask(self, asked: bytes, target: Target) -> Any:
        refuse_in_a_loop()
        if self._inside.blocks and (bound := self.route()) is not None:
            return value_of(converse(bound, asked))
        wires = self.wires
        wire = wires.take(target)
        try:
            leash = Leash.of_this_thread()
            try:
                answer = wire.ask(asked) if leash is None else ask_on(leash, wire, asked)
            except Stale:
                wire = wires.replace(wire, target)
                answer = wire.ask(asked) if leash is None else ask_on(leash, wire, asked)
        except Stale:
            raise wire.gone() from None
        except BaseException:
            wire.give_up()
            raise
        finally:
            wires.give(wire, target)
        return value_of(answer)


_all: weakref.WeakSet[RemoteEstate] = weakref.WeakSet()
_estates: dict[Address, RemoteEstate] = {}


def estate_of(address: Address) -> RemoteEstate:
    """The one for this address in this process."""
    return _estates.get(address) or _estates.setdefault(address, RemoteEstate(address))


def _begin_anew() -> None:
    """In a forked child: the wires of the parent are its own, and so are the blocks that its threads are in."""
    for estate in list(_all):
        estate._begin()


in_child(_begin_anew)
