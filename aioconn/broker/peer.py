# SPDX-License-Identifier: Apache-2.0
"""One wire of another process, at the home loop that it was taken to: what is asked on it, and what is held for it.

One frame at a time owes an answer. A call is a task. A block that was entered, or an iteration, is a task that stays
until it is left: so `async with` and `async for` mean here what they mean anywhere, whatever ends them. All tasks of a
wire share one context, so that calls made while a block is open are inside of it, as they would be in one task.

When the process ends, so does everything that it has under way and open, at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from aioconn.broker import words
from aioconn.broker.frames import (
    Call,
    Cancel,
    Cancelled,
    End,
    Failure,
    Frame,
    Inbox,
    Item,
    Leave,
    Next,
    Target,
    Unreadable,
    Value,
)
from aioconn.broker.opened import Closing, Elsewhere, Entering, Opened
from aioconn.broker.owing import Overseer, Owing, Stage
from aioconn.errors import BadFrame, UsageError, UsedAfterRelease
from aioconn.exclusive.hold import Hold
from aioconn.home import HomeLease, carry
from aioconn.home.loop import begin

logger = logging.getLogger(__name__)

OPEN_AT_ONCE = 256
"""Blocks and iterations that a wire may have open."""

Work: TypeAlias = Callable[[Call], Coroutine[Any, Any, Frame]]

# On Python 3.11 it takes a search to get a member from its class, a dozen times per call.
_IDLE, _HANDED, _SERVING, _LEAVING, _, _ENDED = Stage


class Peer(Owing):
    """Made by the porter."""

    def __init__(
        self,
        broker: Overseer,
        sock: socket.socket,
        *,
        pid: int,
        program: str,
        home: asyncio.AbstractEventLoop,
        lease: HomeLease | None,
    ) -> None:
        super().__init__(sock, home, lease, broker, f"process {pid}")
        self.pid = pid
        self.program = program
        self.calls = 0
        self._estate = broker.estate
        self._since = time.monotonic()
        self._context = contextvars.Context()
        self._inbox = Inbox("server")
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._numbered = 0
        self._open: dict[int, Opened] = {}

    def __repr__(self) -> str:
        return f"<Peer {self._name} {self._stage}, {len(self._open)} open>"

    # ------------------------------------------------------------------ what it is, for any thread

    @property
    def age(self) -> float:
        """Seconds since it was taken in."""
        return time.monotonic() - self._since

    @property
    def busy(self) -> str | None:
        """What is under way, in a few words."""
        call = self._call
        if call is None or self._stage in (_IDLE, _ENDED):
            return None
        return f"{call.name} of {call.target.kind} {call.target.alias}".rstrip()

    # ------------------------------------------------------------------ the end

    def _on_end(self) -> None:
        """Also leave what is open; the newest first."""
        super()._on_end()
        for task in reversed(self._tasks):
            task.cancel()

    def _is_done(self) -> bool:
        return not self._tasks

    def _on_gone(self) -> None:
        self._broker.forget(self)

    # ------------------------------------------------------------------ frames

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._inbox.feed(data):
                stage = self._stage
                if stage is _IDLE and type(frame) is Call:  # as nearly all come
                    self._take_call(frame)
                elif stage is _ENDED:
                    return
                else:
                    self._take(frame)
        except BadFrame as error:
            self._throw_out("garbage", error.message)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Cancel):
            self._take_cancel()
        elif self._stage is not _IDLE:
            self._throw_out("protocol", f"{type(frame).__name__} before the last answer was given")
        elif isinstance(frame, Call):
            self._take_call(frame)
        elif isinstance(frame, (Next, Leave)):
            self._take_step(frame)
        elif isinstance(frame, Unreadable):
            if frame.frame != "call":
                self._throw_out("protocol", f"a {frame.frame}")
            else:
                self._say(Failure(frame.error))
        else:
            self._throw_out("protocol", f"{type(frame).__name__} after the handshake")

    def _take_call(self, call: Call) -> None:
        self.calls += 1
        self._call = call
        self._broker.changed()
        kind = call.kind
        if kind == "ask":
            self._ask(call)
        elif kind == "call":
            self._start(call, self._called)
        else:
            self._numbered += 1
            if len(self._open) >= OPEN_AT_ONCE:
                self._say(Failure(UsageError(f"{OPEN_AT_ONCE} blocks and iterations are open on this wire")))
                return
            work = self._block if kind == "enter" else self._items
            self._start(call, functools.partial(work, number=self._numbered))

    def _take_step(self, frame: Next | Leave) -> None:
        thing = self._open.get(frame.thing) if frame.thing else self._innermost()
        if thing is None or thing.asked is None:
            self._say(
                Failure(UsedAfterRelease("this block or iteration has ended", hint="begin another one"))
            )
            return
        if thing.is_block and isinstance(frame, Next):
            self._throw_out("protocol", "a block has no next item")
            return
        self._enter_stage(_HANDED)
        self._active = thing.task
        thing.asked.set_result(frame)
        self._arm()

    def _take_cancel(self) -> None:
        """What was answered already, or is being left, has crossed with it."""
        if self._cancelling:
            return
        if self._stage is _SERVING and self._active is not None:
            self._cancelling = self._struck = True
            self._active.cancel()
        elif self._stage is _HANDED:
            self._cancelling = True

    def _start(self, call: Call, work: Work) -> None:
        self._stage = _HANDED
        task = begin(self._home, self._serve(call, work), name=self._name, context=self._context)
        if task.done():
            self._settle(task)
            return
        self._tasks[task] = None
        if self._stage in (_HANDED, _SERVING):
            self._active = task
        task.add_done_callback(self._task_ended)
        self._arm()

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        self._settle(task)
        self._check_gone()

    def _settle(self, task: asyncio.Task[Any]) -> None:
        """A task that ends without having given its answer never will: its loop ends, or it is a bug."""
        if self._active is task:
            self._active = None
        if task.cancelled():
            self._end()
        elif (error := task.exception()) is not None:
            if isinstance(error, Exception):
                logger.error("a wire of %s is lost", self._name, exc_info=error)
            self._end()

    # ------------------------------------------------------------------ calls

    def _found(self, target: Target) -> words.Found:
        kind = target.kind
        if kind == "entered":
            thing = self._open.get(target.key) if target.key else self._innermost()
            if thing is None or thing.entered is None:
                raise UsedAfterRelease("this block has ended", hint="use what it gave inside of it")
            return thing.entered
        if kind == "broker":
            return words.Found(self._broker, words.BROKER, None)
        return words.find(self._estate, target)

    def _innermost(self) -> Opened | None:
        return self._open[next(reversed(self._open))] if self._open else None

    def _ask(self, call: Call) -> None:
        """At once, unless it has to be asked elsewhere."""
        try:
            found = self._found(call.target)
            home = found.home
            if home is not None and home is not self._home and home.is_running():
                self._start(call, functools.partial(self._asked_elsewhere, found=found, home=home))
                return
            value = self._context.run(found.ask, call.name, call.args, call.kwargs)
            answer: Frame = Value(words.present(value, self._estate, found.owner))
        except Exception as error:
            answer = Failure(error)
        self._say(answer, f"the result of {call.name}")

    async def _serve(self, call: Call, work: Work) -> None:
        """Answer with what the work gives, or with how it failed; for a task."""
        try:
            answer = await work(call)
        except asyncio.CancelledError:
            if not self._was_cancelled():
                raise
            answer = Cancelled()
        except Exception as error:
            answer = Failure(error)
        try:
            if not self._answer_at_once(answer):
                await self._answer(answer, f"the result of {call.name}")
        finally:
            del answer  # the traceback of an error holds this frame

    async def _called(self, call: Call) -> Frame:
        found = self._found(call.target)
        self._begin_serving()
        value = await found.call(call.name, call.args, call.kwargs)
        return Value(words.present(value, self._estate, found.owner))

    async def _asked_elsewhere(
        self, call: Call, found: words.Found, home: asyncio.AbstractEventLoop
    ) -> Frame:
        async def ask() -> Any:
            return words.present(found.ask(call.name, call.args, call.kwargs), self._estate, found.owner)

        self._begin_serving()
        return Value(await carry(home, ask))

    # ------------------------------------------------------------------ what stays open

    async def _block(self, call: Call, number: int) -> Frame:
        """The answer to what ended it: to the call, if it could not be entered, else to Leave."""
        found = self._found(call.target)
        thing = Opened(asyncio.current_task(), True)
        self._begin_serving()
        block = found.block(call.name, call.args, call.kwargs)
        async with Entering(block, Elsewhere(self.pid, self.program, self)) as value:
            thing.entered = words.entered(value, found.owner)
            reference = words.present(value, self._estate, found.owner)
            self._open[number] = thing
            try:
                await self._answer(Value(None if isinstance(value, Hold) else reference))
                await self._asked(thing)
                self._enter_stage(_LEAVING)
            finally:
                del self._open[number]
        return Value(None)

    async def _items(self, call: Call, number: int) -> Frame:
        """The answer to the step that ended it."""
        thing = self._open[number] = Opened(asyncio.current_task(), False)
        try:
            found = self._found(call.target)
            self._begin_serving()
            items = found.iterate(call.name, call.args, call.kwargs)
            async with Closing(items, lambda: self._enter_stage(_LEAVING)) as iterator:
                async for item in iterator:
                    value = words.present(item, self._estate, found.owner)
                    await self._answer(Item(value), f"an item of {call.name}")
                    if isinstance(await self._asked(thing), Leave):
                        break
                    self._begin_serving()
            return End()
        finally:
            del self._open[number]

    async def _asked(self, thing: Opened) -> Next | Leave:
        """Wait for what the other side wants next of a block or an iteration; only the end of the wire cancels that."""
        self._check_there()
        thing.asked = self._home.create_future()
        try:
            return await thing.asked
        finally:
            thing.asked = None
