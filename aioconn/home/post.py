# SPDX-License-Identifier: Apache-2.0
"""What threads send to a loop, which is woken once for all that is sent before it has looked.

To wake a loop is to write into its self-pipe: a system call, around which the interpreter's lock is given away. Where
several threads call the same loop, each would pay for that, and find the lock taken when it comes back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context

Sent = deque[tuple[Context, Callable[[], object]]]


class Post:
    """Plain functions on their way to one loop, in the order in which they were sent."""

    __slots__ = ("_sent", "_wake")

    def __init__(self) -> None:
        self._sent: Sent = deque()
        self._wake = _Wake(self._sent)

    def send(self, home: asyncio.AbstractEventLoop, step: Callable[[], object]) -> None:
        """Have the loop call `step()` soon, in a copy of the sender's context. From any thread, and from finalizers;
        RuntimeError if it is closed.

        What the sender has asked for before with `call_soon_threadsafe` may come later. An exception that reaches the
        thread in here may leave its step behind, which then comes with the next one; nobody else's is held up by that.
        """
        self._sent.append((copy_context(), step))
        # In this order, and the other way round in the loop: so one of the two sees what the other did.
        if self._wake.coming:
            return
        wake = _Wake(self._sent)
        wake.coming = True
        try:
            home.call_soon_threadsafe(wake, context=Context())
        except RuntimeError:
            if home.is_closed():
                self._sent.clear()
            raise
        self._wake = wake  # now that it is certain to come: others rely on it


class _Wake:
    """Has the loop take what was sent."""

    __slots__ = ("_sent", "coming")

    def __init__(self, sent: Sent) -> None:
        self._sent = sent
        self.coming = False  # what is sent as long as it is needs no other

    def __call__(self) -> None:
        sent = self._sent
        try:
            for _ in range(len(sent)):  # what comes meanwhile is not before what the loop has to do otherwise
                context, step = sent.popleft()
                context.run(step)
        finally:
            self.coming = False
            if sent:
                self.coming = True
                asyncio.get_running_loop().call_soon(self)
