# SPDX-License-Identifier: Apache-2.0
"""What a process shares with others: its testbeds and devices, by number, and the address where they ask for them.

A forked child has an estate of its own, which is empty; those of its parent are still there, and say where the parent
can be reached. So whatever refers to an estate keeps its meaning through a fork, and through pickling as an `Address`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from aioconn.broker.books import Address, Books
from aioconn.errors import BrokerGone, UsageError
from aioconn.home.locks import Lock

if TYPE_CHECKING:
    from aioconn.broker.server import Broker

__all__ = ["Address", "Estate", "here"]

logger = logging.getLogger(__name__)

FORK_PATIENCE = 2.0
"""Seconds that a fork waits at most for another thread that is just starting the broker."""


class Estate(Books):
    """What one process shares. Thread-safe; holds nothing alive."""

    def __init__(self) -> None:
        super().__init__()
        self.broker: Broker | None = None
        """What listens, once there is an address."""
        self._why_not: Exception | None = None
        self._stopped_at: int | None = (
            None  # the last number then: until another, or somebody asks for the address
        )
        self._address: Address | None = None
        self._lock = Lock()  # of the broker, for as long as it takes to start one
        _all_estates.add(self)

    def __repr__(self) -> str:
        state = "shared" if self.broker is not None else "not shared yet"
        return (
            f"<Estate {self.id} {state if self.local else 'of another process'}, {len(self._things)} things>"
        )

    # ------------------------------------------------------------------ being reached

    def address(self) -> Address:
        """Where it can be reached; begins to listen if need be.

        In a forked child it is the parent's, or `BrokerGone` if that did not listen. Raises what starting raises.
        """
        if self._address is None and self.local:
            with self._lock:
                if self.broker is None:
                    self._start()
        return self._known_address()

    def serve(
        self,
        *,
        directory: str | os.PathLike[str] | None = None,
        name: str | None = None,
        token: bytes | None = None,
        on_change: Callable[[], None] | None = None,
        about: Callable[[], dict[str, Any]] | None = None,
    ) -> Broker:
        """Begin to listen in a way of one's own, see `Broker`. Raises `UsageError` if it does so already."""
        from aioconn.broker.server import Broker

        with self._lock:
            if self.broker is not None:
                raise UsageError("this process listens already", hint="choose name and folder before it does")
            self._refuse_elsewhere()
            broker = Broker(
                self, directory=directory, name=name, token=token, on_change=on_change, about=about
            )
            self._start(broker)
            return broker

    def _start(self, broker: Broker | None = None) -> None:
        """Begin to listen, in the usual way if none is given. The lock is held."""
        if broker is None:
            from aioconn.broker.server import Broker

            broker = Broker(self)
        broker.start()
        self._address = broker.address
        self.broker = broker
        self._stopped_at = None

    def _known_address(self) -> Address:
        if self._address is None:
            raise BrokerGone(
                f"process {self.pid} does not listen" + (f": {self._why_not}" if self._why_not else ""),
                hint="share the testbed before the process is forked",
            ) from self._why_not
        return self._address

    def stop(self) -> None:
        """Listen no more: who is connected hears it at once. A plain function, for any thread; may be repeated.

        A fork does not change that. What is asked for the address afterwards, or given something else to share, begins
        anew, at another one.
        """
        if not self.local:
            return
        with self._lock:
            self._stopped_at = self.enrolled
            broker, self.broker, self._address = self.broker, None, None
        if broker is not None:
            broker.stop()

    # ------------------------------------------------------------------ forks

    def prepare_fork(self) -> None:
        """Before this process is forked: what is shared has to be within reach of the child. Raises nothing."""
        if not self.local or self.broker is not None or self._stopped_at == self.enrolled or self.empty:
            return
        if not self._lock.acquire(timeout=FORK_PATIENCE):
            return
        try:
            if self.broker is None:
                self._start()
        except Exception as error:
            self._why_not = error.with_traceback(None)  # which would keep what is shared alive
            logger.warning("child processes cannot use the sessions of this one: %s", error)
        finally:
            self._lock.release()

    def disown(self) -> None:
        """In a forked child: it is the parent's from now on."""
        self.local = False
        _left_to_the_parent.append(self.broker)  # no finalizer of anything of it runs here


_all_estates: weakref.WeakSet[Estate] = weakref.WeakSet()
_left_to_the_parent: list[object] = []
_here: Estate


def here() -> Estate:
    """The estate of this process."""
    return _here


def _before_fork() -> None:
    for estate in _alive():
        estate.prepare_fork()


def _after_in_child() -> None:
    global _here
    for estate in _alive():
        estate.disown()
    _here = Estate()


def _alive() -> Iterator[Estate]:
    with contextlib.suppress(RuntimeError):  # another thread makes one: it is not shared yet
        yield from list(_all_estates)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_in_child)

_here = Estate()
