# SPDX-License-Identifier: Apache-2.0
"""One fan-out over several processes, this one among them."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aioconn.broker import values
from aioconn.errors import AioconnError, CannotCross, WorkerLost
from aioconn.events import Event
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.results import Result
from aioconn.testbed.device import Device
from aioconn.visits import Visiting, Work
from aioconn.workers import specs
from aioconn.workers.party import Member, Party
from aioconn.workers.post import Post
from aioconn.workers.rota import HERE, Rota, shares

if TYPE_CHECKING:
    from aioconn.workers.crew import Workers

logger = logging.getLogger(__name__)

AHEAD = 48
"""Devices at once here while workers are starting: what is begun here cannot be theirs any more."""


@dataclasses.dataclass(slots=True)
class _Process:
    """A process of the tour: its devices under way, and whether it takes any yet."""

    number: int
    post: Post | None = None
    ready: bool = False
    usable: bool = True
    orders: dict[int, Member] = dataclasses.field(default_factory=dict)


class Tour:
    """Plain functions hand out what is to be done and take what came of it; `result` and `end` wait."""

    def __init__(self, number: int, here: Sequence[Member], free: Sequence[Party], *, limit: int) -> None:
        self.left = len(here) + sum(map(len, free))
        """Results that nobody has taken yet."""
        self._number = number
        self._limit = limit
        self._rota = Rota(free, here)
        self._all = [*here, *(member for party in free for member in party)]
        self._here = _Process(HERE, ready=True)
        self._processes: list[_Process] = [self._here]
        self._tasks: dict[asyncio.Task[Result[Any]], Member] = {}
        self._finished: asyncio.Queue[Result[Any] | BaseException] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._dealing = False
        self._over = False

    def begin(
        self,
        workers: Workers,
        posts: Sequence[Post],
        plan: tuple[Any, Any, float, str | None],
        work: Work,
        visit: Visiting,
    ) -> None:
        self._workers = workers
        self._visit = visit
        self._work = work
        _, _, self._timeout, self._via = plan
        self._context = contextvars.copy_context()
        kinds = self._kinds()
        self._needs = (*(one[0] for one in plan[:2] if isinstance(one, tuple)), kinds)
        for post in posts[: len(self._rota)]:
            # Who has loaded all of it for an earlier fan-out need not say so again before it gets anything.
            ready = post.prepared == self._needs
            self._processes.append(_Process(len(self._processes), post, ready))
            post.tell("plan", self._number, *plan, kinds)
        self._deal()

    async def result(self) -> Result[Any]:
        """The next one. Raises what a visit here raised, which is a mistake of its own."""
        found = await self._finished.get()
        if isinstance(found, BaseException):
            raise found
        self.left -= 1
        return found

    async def end(self) -> None:
        """Nothing is under way any more; what is, is cancelled. A cancellation meanwhile leaves it no more time."""
        self._over = True
        self._rota.clear()
        cancelled: asyncio.CancelledError | None = None
        for patience in (2 * CLOSE_TIMEOUT, CLOSE_TIMEOUT):
            if not self._under_way():
                break
            for task in self._tasks:
                task.cancel()
            for process in self._others():
                if process.orders and process.post is not None:
                    process.post.tell("cancel", self._number)
            try:
                async with asyncio.timeout(patience):
                    await self._until_idle()
            except TimeoutError:
                pass
            except asyncio.CancelledError as error:
                cancelled = error
                self._kill()
        self._kill()
        for process in self._others():
            if process.post is not None:
                process.post.tell("forget", self._number)
        if cancelled is not None:
            raise cancelled

    def _under_way(self) -> bool:
        return any(process.orders for process in self._processes) or bool(self._tasks)

    async def _until_idle(self) -> None:
        while self._under_way():
            self._idle.clear()
            await self._idle.wait()

    def _kill(self) -> None:
        """Whoever has not answered by now does not get to."""
        for process in self._others():
            if process.orders and process.post is not None:
                process.post.kill()

    def _others(self) -> list[_Process]:
        return self._processes[1:]

    def _of(self, post: Post) -> _Process | None:
        return next((process for process in self._processes if process.post is post), None)

    def _kinds(self) -> list[Any]:
        """The kinds of connections that there will be."""
        kinds: dict[tuple[str | None, str, str | None], None] = {}
        for member in self._all:
            if isinstance(device := member.device, Device) and not member.stays:
                for path in device.paths.values():
                    if self._via in (None, path.name):
                        protocol = path.protocol or ("command" if path.command else "ssh")
                        wanted = path.class_name or device.manager.defaults.class_name
                        kinds[device.os, protocol.lower(), wanted] = None
        return [list(kind) for kind in kinds]

    # ------------------------------------------------------------------ handing out

    def _deal_soon(self) -> None:
        """Once for all that ends in this turn of the loop."""
        if not self._dealing:
            self._dealing = True
            asyncio.get_running_loop().call_soon(self._deal)

    def _deal(self) -> None:
        """Whoever has room gets the next device, those first who have least."""
        self._dealing = False
        if self._over:
            return
        usable = [process for process in self._processes if process.usable]
        room = dict(
            zip((process.number for process in usable), shares(self._limit, len(usable)), strict=True)
        )
        if not all(process.ready for process in usable):
            room[HERE] = min(room[HERE], AHEAD, -(-len(self._all) // len(usable)))
        takers = [process for process in usable if process.ready]
        while takers:
            process = min(takers, key=lambda one: len(one.orders))
            if (
                len(process.orders) >= room[process.number]
                or (member := self._rota.take(process.number)) is None
            ):
                takers.remove(process)
            elif process.post is None or not self._send(process, process.post, member):
                self._visit_here(member)
        for process in self._others():
            if process.post is not None:
                process.post.send()

    def _visit_here(self, member: Member) -> None:
        order = self._workers.order(self)
        self._here.orders[order] = member
        task = self._context.copy().run(
            asyncio.ensure_future,
            self._visit(member.device, self._work, timeout=self._timeout, via=self._via, keep=False),
        )
        self._tasks[task] = member
        task.add_done_callback(lambda done: self._visited(order, done))

    def _visited(self, order: int, task: asyncio.Task[Result[Any]]) -> None:
        self._workers.settled(order)
        self._here.orders.pop(order, None)
        self._tasks.pop(task, None)
        self._idle.set()
        if task.cancelled():
            if not self._over:
                self._finished.put_nowait(asyncio.CancelledError())
        else:
            self._finished.put_nowait(task.exception() or task.result())
        self._deal_soon()

    def _send(self, process: _Process, post: Post, member: Member) -> bool:
        """Whether the device could be described to the worker."""
        device = member.device
        assert isinstance(device, Device)
        testbed = device.testbed
        order = self._workers.order(self)
        try:
            post.tell(
                "visit",
                self._number,
                order,
                member.place,
                testbed.name if testbed is not None else device.name,
                specs.dump(specs.of(device), post.deferred),
                [[specs.dump(specs.of(hop), post.deferred), bool(hop.listeners)] for hop in member.through],
                bool(device.listeners),
            )
        except CannotCross as error:
            self._workers.settled(order)
            logger.info("%s is worked on here: %s", device.name, error)
            return False
        process.orders[order] = member
        return True

    # ------------------------------------------------------------------ what the workers say

    def ready(self, post: Post) -> None:
        if (process := self._of(post)) is not None:
            process.ready = True
            post.prepared = self._needs
            self._deal_soon()

    def refused(self, post: Post, error: Exception) -> None:
        """It cannot do this kind of work: the others do it."""
        if (process := self._of(post)) is not None:
            process.usable = process.ready = False
            logger.warning("a worker process is of no use: %s", error)
            for order in process.orders:
                self._workers.settled(order)
            self._rota.give_up(process.number, process.orders.values())
            process.orders = {}
            self._idle.set()
            self._deal_soon()

    def answered(self, post: Post, order: int, body: bytes | None) -> None:
        process = self._of(post)
        if process is None or (member := process.orders.pop(order, None)) is None:
            return
        self._idle.set()
        if body is not None:
            self._finished.put_nowait(_result(member, body))
        elif not self._over:
            self._finished.put_nowait(asyncio.CancelledError())
        self._deal_soon()

    def heard(self, order: int, event: Event) -> None:
        for process in self._processes:
            if (member := process.orders.get(order)) is not None and isinstance(member.device, Device):
                member.device.listeners.emit(event)

    def heard_of_hop(self, place: int, event: Event) -> None:
        for member in self._all:
            if member.place == place:
                for hop in member.through:
                    if hop.name == event.device:
                        hop.listeners.emit(event)
                        return

    def lost(self, post: Post, error: WorkerLost) -> list[int]:
        """The orders that nobody answers any more."""
        if (process := self._of(post)) is None:
            return []
        process.usable = process.ready = False
        orders, process.orders = process.orders, {}
        for member in orders.values():
            name = member.device.name
            failure = WorkerLost(f"{error.message} while it worked on the device", device=name)
            self._finished.put_nowait(Result(device=name, error=failure))
        self._rota.give_up(process.number)
        self._idle.set()
        self._deal_soon()
        return list(orders)


def _result(member: Member, body: bytes) -> Result[Any]:
    name = member.device.name
    try:
        result = values.load(body)
    except AioconnError as error:
        return Result(device=name, error=error)
    if not isinstance(result, Result):
        return Result(device=name, error=CannotCross("a worker gave no result", device=name))
    return result if result.device == name else dataclasses.replace(result, device=name)
