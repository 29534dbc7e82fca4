# SPDX-License-Identifier: Apache-2.0
"""Who asks for something: a task or a thread, and the line of the user's own code that it happens in.

`here()` belongs into the caller's task or thread, in whatever loop that is: it reads nothing but his own stack.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import weakref
from contextvars import ContextVar
from types import CodeType
from typing import Any

# Frames of these modules stand between the one who asks and us; what he wrote comes before them.
_BETWEEN = ("aioconn.", "asyncio.", "contextlib")

# For whom the running code asks, if it does so for somebody whose stack and thread are not its own.
on_behalf: ContextVar[Caller | None] = ContextVar("aioconn asks on behalf of", default=None)


class Caller:
    """Who asks: a task (or a thread without a loop), and the line of his own code that it happens in.

    Kept are a code object and a number; no frame, so nothing of what the caller has in his variables. The number is
    that of the instruction, from which the line is found when it is asked for: that takes longer than all the rest.
    """

    __slots__ = ("_at", "_code", "_name", "_self")

    def __init__(self, name: str | None, itself: Any, code: CodeType, at: int) -> None:
        self._name = name
        self._self = weakref.ref(itself) if itself is not None else None
        self._code = code
        self._at = at

    @property
    def name(self) -> str:
        """What to call it in a text. Put together only there: a caller is made for every call."""
        if self._name is not None:
            return self._name
        if self._self is None:
            return "a callback"
        itself = self._self()
        if itself is None:
            return "a task that has ended"
        return (
            f"thread {itself.name}" if isinstance(itself, threading.Thread) else f"task {itself.get_name()}"
        )

    @property
    def place(self) -> str:
        """`file.py:12 in function`."""
        code = self._code
        line = next((line for first, end, line in code.co_lines() if first <= self._at < end and line), None)
        return f"{os.path.basename(code.co_filename)}:{line or code.co_firstlineno} in {code.co_name}"

    @property
    def itself(self) -> Any:
        """The task or thread, if it is still there."""
        return self._self() if self._self is not None else None

    def gone(self) -> Caller:
        """The same line, and nobody there any more."""
        return Caller(f"what {self.name} left", None, self._code, self._at)

    def is_at(self, code: CodeType) -> bool:
        """Whether his line is in this code."""
        return self._code is code

    def is_same(self, other: Caller) -> bool:
        """Whether both are one task, or one thread."""
        return (itself := self.itself) is not None and itself is other.itself

    def __repr__(self) -> str:
        return f"<Caller {self.name} at {self.place}>"


def here(task: asyncio.Task[Any] | None = None) -> Caller:
    """The caller, seen from his own task or thread: his line is the first one outside this package.

    Where there is none, because a task runs nothing but a coroutine of ours, it is that coroutine's. `task`: the
    running one, if that is known already. Code that runs on somebody's behalf gives that one.
    """
    if (asker := on_behalf.get()) is not None:
        return asker
    itself: Any = task
    if itself is None:
        try:
            itself = asyncio.current_task()
        except RuntimeError:  # no loop runs in this thread
            itself = threading.current_thread()
    first: Any = None  # the frame that a task begins with; before it come the loop and whoever runs that
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").startswith(_BETWEEN):
        outer = frame.f_back
        if outer is None:
            break
        if first is None and outer.f_globals.get("__name__", "").startswith("asyncio."):
            first = getattr(getattr(itself, "get_coro", lambda: None)(), "cr_frame", None)
        if frame is first:
            break
        frame = outer
    return Caller(None, itself, frame.f_code, frame.f_lasti)
