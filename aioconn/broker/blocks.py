# SPDX-License-Identifier: Apache-2.0
"""What a thread has open in another process: blocks and iterations, each a numbered thing on a wire.

The first one keeps the wire that it took until nothing is open on it any more. Threads that share a wire take turns.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from aioconn.broker.books import Address
from aioconn.broker.frames import (
    Call,
    CallKind,
    Cancelled,
    End,
    Failure,
    Frame,
    Item,
    Next,
    Target,
    Unreadable,
    Value,
    encode,
)
from aioconn.broker.wire import Stale, Step, Wire
from aioconn.broker.wires import Wires
from aioconn.errors import BrokerGone, LimitReached, SessionClosed, UsedAfterRelease
from aioconn.home.leash import Leash
from aioconn.home.visit import refuse_in_a_loop

TURN = 600.0
"""Seconds to wait while other threads ask on the same wire."""


def question(
    kind: CallKind, target: Target, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
) -> bytes:
    """The frame that asks. Raises `CannotCross`."""
    return encode(Call(kind, target, name, args, dict(kwargs) if kwargs else {}))


def value_of(answer: Frame) -> Any:
    """What an answer gives. Raises what the other side raised."""
    if type(answer) is Value:
        return answer.value
    raise _failure_of(answer)


def _failure_of(answer: Frame) -> BaseException:
    if isinstance(answer, Failure | Unreadable):
        return answer.error
    if isinstance(answer, Cancelled):
        return SessionClosed("the call was cancelled in the process that holds the session")
    return BrokerGone(f"{type(answer).__name__} is no answer to what was asked")


def converse(wire: Wire, asked: bytes, number: int = 0) -> Frame:
    """Ask on a wire that is shared, in turn. `number` is the thing that a late answer would open, or go on with."""
    _take_turn(wire)
    try:
        return _ask(wire, asked, number)
    except Stale:
        raise wire.gone() from None
    finally:
        wire.lock.release()


def ask_on(leash: Leash, wire: Wire, asked: bytes) -> Frame:
    """Ask in a thread that is on a leash: cutting that shuts the wire, at once."""
    with leash.calling(lambda: wire.shut(leash.reason)):
        return wire.ask(asked)


def _ask(wire: Wire, asked: bytes, number: int) -> Frame:
    leash = Leash.of_this_thread()
    try:
        wire.tidy()
        return wire.ask(asked) if leash is None else ask_on(leash, wire, asked)
    except Stale:
        raise
    except BaseException:
        wire.give_up(number)
        raise


def _take_turn(wire: Wire) -> None:
    _refuse_left_behind(wire)
    if not wire.lock.acquire(timeout=TURN):
        raise LimitReached(f"other threads asked on the same session for {TURN:g} s")


def _refuse_left_behind(wire: Wire) -> None:
    if wire.left_behind:
        raise SessionClosed(
            "it was begun in the process that this one was forked from, and belongs to that one",
            hint="enter a block, or begin an iteration, in the process that uses it",
        )


class Source(Protocol):
    """What things on a wire need of the estate that they are asked of."""

    address: Address
    wires: Wires

    def route(self) -> Wire | None: ...

    def bind(self, block: Any, /) -> None: ...


class Opened:
    """A thing on a wire, from the answer that opened it until it is left."""

    __slots__ = ("__weakref__", "_estate", "_question", "_target", "_wire", "number")

    def __init__(self, estate: Source, target: Target, asked: bytes, wire: Wire | None) -> None:
        self._estate = estate
        self._target = target
        self._question = asked
        self._wire = wire
        self.number = 0  # until it is open

    @property
    def wire(self) -> Wire:
        assert self._wire is not None
        return self._wire

    @property
    def left(self) -> bool:
        """Whether it was left, or never opened. What was lost with its process was not left."""
        return self._wire is None or self.number not in self._wire.open_things

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return not self.left and self.wire.step is not Step.OVER and not self.wire.left_behind

    def _begin(self) -> Frame:
        """Ask for it to be opened: on the wire that the thread is bound to, or on one that it keeps then."""
        refuse_in_a_loop()
        wire = self._wire = self._wire or self._estate.route()
        if wire is not None:
            _take_turn(wire)
            try:
                return self._open_on(wire)
            except Stale:
                raise wire.gone() from None
            finally:
                wire.lock.release()
        wires = self._estate.wires
        wire = self._wire = wires.take(self._target)
        try:
            try:
                return self._open_on(wire)
            except Stale:
                wire = self._wire = wires.replace(wire, self._target)
                return self._open_on(wire)
        except Stale:
            raise wire.gone() from None
        finally:
            wire.pinned = self.number > 0
            if not wire.pinned:
                self._wire = None
                wires.give(wire, self._target)

    def _open_on(self, wire: Wire) -> Frame:
        wire.tidy()
        wire.numbered += 1
        number = wire.numbered
        answer = _ask(wire, self._question, number)
        if isinstance(answer, Value | Item):
            wire.open_things.add(number)
            self.number = number
        return answer

    def _converse(self, asked: bytes, number: int = 0) -> Frame:
        refuse_in_a_loop()
        wire = self.wire
        _take_turn(wire)
        try:
            self._refuse_left()
            return converse(wire, asked, number)
        finally:
            wire.lock.release()

    def _refuse_left(self) -> None:
        if self.left:
            raise UsedAfterRelease(
                "it was given back, or left, before", hint="take another one, or enter it again"
            )

    def _leave(self) -> Frame | None:
        """Leave it; None if there is nothing to be left any more. What was lost with its process is as good as left."""
        wire = self._wire
        if wire is None or wire.left_behind:
            return None
        _take_turn(wire)
        try:
            if self.left:
                return None
            return wire.leave(self.number)
        except (Stale, BrokerGone):
            return None
        except BaseException:
            wire.give_up()
            raise
        finally:
            self._forget(wire)
            wire.lock.release()

    def _forget(self, wire: Wire) -> None:
        """It is over at the other end. The last one gives the wire back."""
        wire.open_things.discard(self.number)
        if wire.open_things and wire.open_things.issubset(wire.forgotten):
            wire.shut()  # which ends those that nobody has any more
        if wire.pinned and (wire.step is Step.OVER or not wire.open_things):
            wire.pinned = False
            self._estate.wires.give(wire, self._target)

    def __del__(self) -> None:
        """It was forgotten. Nothing is waited for, and no lock taken: this runs in the middle of anything."""
        wire = self._wire
        if wire is None or self.number not in wire.open_things or wire.left_behind:
            return
        if wire.open_things.issubset((self.number, *wire.forgotten)):
            wire.shut()  # which leaves it
        else:
            wire.forgotten.append(self.number)


class RemoteIteration(Opened, Iterator[Any]):
    """An iteration over what a method gives in another process, where a step is taken for each step here.

    One that is not followed to its end is to be closed; one that is forgotten is. An exception that interrupts a step
    ends it. As a context manager it is closed at the end. What its thread asks between two steps goes over its wire, as
    from inside a block.
    """

    __slots__ = ("_finished", "_turns")

    def __init__(self, estate: Source, target: Target, asked: bytes, wire: Wire | None = None) -> None:
        super().__init__(estate, target, asked, wire)
        self._finished = False
        self._turns = threading.RLock()  # of threads that share it

    def __next__(self) -> Any:
        refuse_in_a_loop()
        if self._wire is not None:
            _refuse_left_behind(self._wire)
        with self._turns:
            if self._finished:
                raise StopIteration
            try:
                answer = self._step()
            except BaseException:
                self._finished = True
                self._leave()
                raise
            if type(answer) is Item:
                return answer.value
            self._finished = True
            if isinstance(answer, Unreadable):
                self.close()
            elif self._wire is not None and self.number:
                with self._wire.lock:
                    self._forget(self._wire)
            if type(answer) is End:
                raise StopIteration
            raise _failure_of(answer)

    def _step(self) -> Frame:
        if not self.number:
            answer = self._begin()
            if not self.left:
                self._estate.bind(self)
            return answer
        return self._converse(encode(Next(self.number)), self.number)

    def close(self) -> None:
        """End it, and wait for that. May be repeated."""
        self._finished = True
        answer = self._leave()
        if isinstance(answer, Failure) and not isinstance(answer.error, UsedAfterRelease):
            raise answer.error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "over" if self._finished else "open" if self.number else "not begun"
        return f"<RemoteIteration in process {self._estate.address.pid}, {state}>"


class RemoteBlock(Opened):
    """A block that was entered in another process: until `leave()`, or the end of `with`. `value` is what it gave."""

    __slots__ = ("value",)

    def __init__(
        self,
        estate: Source,
        target: Target,
        asked: bytes,
        wire: Wire | None = None,
        *,
        routed: bool = True,
    ) -> None:
        super().__init__(estate, target, asked, wire)
        self.value = value_of(self._begin())
        if routed:
            estate.bind(self)

    def call(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Call a coroutine method of what was entered."""
        return value_of(self._converse(question("call", self._itself, name, args, kwargs)))

    def ask(self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Read a property of what was entered, or call a plain method."""
        return value_of(self._converse(question("ask", self._itself, name, args, kwargs)))

    def iterate(
        self, name: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> RemoteIteration:
        """Iterate over what a method of it gives. Nothing is asked before the first step."""
        asked = question("iterate", self._itself, name, args, kwargs)
        return RemoteIteration(self._estate, self._itself, asked, self.wire)

    def enter(
        self,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        routed: bool = True,
    ) -> RemoteBlock:
        """Enter a block of what was entered."""
        asked = question("enter", self._itself, name, args, kwargs)
        return RemoteBlock(self._estate, self._itself, asked, self.wire, routed=routed)

    @property
    def _itself(self) -> Target:
        self._refuse_left()
        return Target("entered", self.number)

    def leave(self) -> None:
        """Leave it, from any thread and in any order; raises what leaving raises there. May be repeated.

        Does nothing where the other process has gone, nor in a child of the process that entered it.
        """
        answer = self._leave()
        if isinstance(answer, Failure):
            raise answer.error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def __repr__(self) -> str:
        state = "open" if self.open else "left" if self.left else "gone"
        return f"<RemoteBlock {self.number} in process {self._estate.address.pid}, {state}>"
