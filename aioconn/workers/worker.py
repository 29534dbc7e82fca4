# SPDX-License-Identifier: Apache-2.0
"""What a worker process runs: it visits the devices that it is given, and says what came of each.

It is started by `post`, and knows nobody but its owner, at the other end of the sockets that it inherited. When they
close, it closes its sessions and ends. Orders come as calls, answers go as items.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from aioconn.broker import failures, frames, values
from aioconn.broker.messages import Call, Failure, Item, Target, Value
from aioconn.errors import AioconnError, BrokerGone, CannotCross
from aioconn.events import Event
from aioconn.platforms.loader import load_platform
from aioconn.policy import CLOSE_TIMEOUT
from aioconn.protocols.registry import class_for
from aioconn.results import Result
from aioconn.testbed.device import Device
from aioconn.testbed.model import TestbedSpec
from aioconn.testbed.testbed import Testbed
from aioconn.workers import errands, news, specs

TRANSPORTS = {
    "netconf": "aioconn.transport.ssh",
    "ssh": "aioconn.transport.ssh",
    "telnet": "aioconn.transport.telnet",
}
OWNER = Target("broker")
READ_SIZE = 64 * 1024


def main(orders: int, secrets: int, loop: str) -> None:
    """Serve the sockets of these numbers until the other end closes. Does not return."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever presses Ctrl-C means the owner, who tells us
    for number in (orders, secrets):
        os.set_inheritable(number, False)
    gc.set_threshold(50_000, 10, 10)  # it does nothing but visit devices: see `collector`
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if loop == "uvloop":
        import uvloop  # pyright: ignore[reportMissingImports]  the owner has it

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(socket.socket(fileno=orders), Asking(socket.socket(fileno=secrets))))
        os._exit(0)  # threads that ask a name server are not waited for


async def _serve(orders: socket.socket, asking: Asking) -> None:
    worker = Worker(asking)
    await asyncio.get_running_loop().create_connection(lambda: worker, sock=orders)
    await worker.served()


class Asking:
    """Secrets that the owner reveals. Whoever needs one waits, as he would there; so does the loop."""

    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire
        self._wire.setblocking(True)

    def ask(self, number: int) -> str:
        """Raises what the owner's secret raises."""
        inbox = frames.Inbox("client")
        try:
            self._wire.sendall(frames.encode(Call("ask", OWNER, "secret", (number,))))
            while data := self._wire.recv(READ_SIZE):
                for frame in inbox.feed(data):
                    if isinstance(frame, Failure):
                        raise frame.error
                    if isinstance(frame, Value):
                        return str(frame.value)
        except OSError:
            pass
        raise BrokerGone("the process that this one works for has ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a fan-out does on each device, and what it has under way here."""

    visit: Callable[..., Any]
    work: Any
    timeout: float
    via: str | None
    tasks: dict[int, asyncio.Task[None]]


class Grounds(Testbed):
    """One testbed's part that is here: the devices that others go through."""

    def __init__(self, name: str) -> None:
        super().__init__(TestbedSpec(name=name))

    def hold(self, spec: Any, listener: Callable[[Event], None] | None) -> None:
        if spec.name not in self._devices:
            self._devices[spec.name] = device = Device.from_spec(spec, self)
            if listener is not None:
                device.listeners.add(listener)

    def device(self, spec: Any) -> tuple[Device, bool]:
        """The device, and whether others go through it."""
        if (held := dict.get(self._devices, spec.name)) is not None:
            return held, True
        return Device.from_spec(spec, self), False


class Logs(logging.Handler):
    """Hands on what is logged, as text."""

    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__()
        self._tell = tell
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        parts = (record.name, record.levelno, self.format(record))
        try:
            self._loop.call_soon_threadsafe(self._tell, news.LOGGED, *parts)
        except RuntimeError:  # closed
            pass


class Worker(asyncio.Protocol):
    """The orders of the owner, carried out."""

    def __init__(self, asking: Asking) -> None:
        self._loop = asyncio.get_running_loop()
        self._asking = asking
        self._inbox = frames.Inbox("server")
        self._plans: dict[int, Plan] = {}
        self._grounds: dict[int, Grounds] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._unsent = bytearray()
        self._over = asyncio.Event()
        self._gone = asyncio.Event()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of that class

    def data_received(self, data: bytes) -> None:
        for frame in self._inbox.feed(data):
            if isinstance(frame, Call):
                _ORDERS[frame.name](self, *frame.args)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._over.set()
        self._gone.set()

    async def served(self) -> None:
        """Until the owner has gone, or says that this is all; then with everything closed."""
        await self._over.wait()
        for _ in range(2):  # politely, then at once
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT)
        for grounds in self._grounds.values():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await grounds.disconnect()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        self._tell(news.LEFT)
        self._send()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._gone.wait()

    # ------------------------------------------------------------------ orders

    def _set_up(self, path: list[str], levels: dict[str, int]) -> None:
        """Modules are found where the owner finds them, and what is logged is logged there."""
        sys.path[:] = path
        logging.getLogger().addHandler(Logs(self._tell))
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

    def _plan(
        self, number: int, visit: Any, work: Any, timeout: float, via: str | None, kinds: list[Any]
    ) -> None:
        try:
            plan = Plan(
                visit=errands.found(visit), work=errands.found(work), timeout=timeout, via=via, tasks={}
            )
            for kind in kinds:
                _preload(*kind)
        except Exception as error:
            self._tell(news.REFUSED, number, _known(error))
            return
        self._plans[number] = plan
        self._tell(news.READY, number)

    def _visit(self, number: int, order: int, *what: Any) -> None:
        if (plan := self._plans.get(number)) is None:  # refused, as the owner hears
            return
        task = self._loop.create_task(self._visited(plan, order, *what))
        plan.tasks[order] = task
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._settle, plan, order))

    def _cancel(self, number: int) -> None:
        if (plan := self._plans.get(number)) is not None:
            for task in plan.tasks.values():
                task.cancel()

    def _forget(self, number: int) -> None:
        """Nobody asks for it any more. What others were reached through is closed with the last one."""
        self._plans.pop(number, None)
        if not self._plans:
            for grounds in self._grounds.values():
                if grounds.devices:
                    task: asyncio.Task[Any] = self._loop.create_task(grounds.disconnect())
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            self._grounds = {}

    def _leave(self) -> None:
        self._over.set()

    # ------------------------------------------------------------------ devices

    async def _visited(
        self, plan: Plan, order: int, place: int, name: str, spec: Any, through: list[Any], listened: bool
    ) -> None:
        """`place` and `name` are the testbed's, `through` what it is reached through."""
        if (grounds := self._grounds.get(place)) is None:
            grounds = self._grounds[place] = Grounds(name)
        for hop, heard in through:
            listener = functools.partial(self._hear_of_hop, place) if heard else None
            grounds.hold(specs.load(hop, self._asking.ask), listener)
        device, shared = grounds.device(specs.load(spec, self._asking.ask))
        if listened and not shared:
            device.listeners.add(functools.partial(self._hear, order))
        try:
            result = await plan.visit(device, plan.work, timeout=plan.timeout, via=plan.via, keep=False)
        finally:
            if not shared and device.connections:  # what a function has opened besides
                await device.destroy_all()
        self._tell(news.RESULT, order, _dumped(result))

    def _settle(self, plan: Plan, order: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        plan.tasks.pop(order, None)
        if task.cancelled():
            self._tell(news.RESULT, order, None)
        elif (error := task.exception()) is not None:
            self._tell(news.RESULT, order, _dumped(Result(device="", error=error)))

    def _hear(self, order: int, event: Event) -> None:
        self._tell(news.EVENT, order, news.of_event(event))

    def _hear_of_hop(self, place: int, event: Event) -> None:
        self._tell(news.HOP_EVENT, place, news.of_event(event))

    # ------------------------------------------------------------------ answers

    def _tell(self, kind: int, *parts: Any) -> None:
        """All that is said in one turn of the loop goes at once."""
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent += frames.encode(Item([kind, *parts]))

    def _send(self) -> None:
        if self._transport is not None and self._unsent:
            self._transport.write(bytes(self._unsent))
        self._unsent.clear()


def _preload(os: str | None, protocol: str, class_name: str | None) -> None:
    """What the first connection of this kind would import: nobody waits for it yet. Its errors are for the visits."""
    with contextlib.suppress(AioconnError):
        class_for(class_name, protocol, device="", path="")
        if os is not None:
            load_platform(os)
        if (module := TRANSPORTS.get(protocol)) is not None:
            importlib.import_module(module)


def _dumped(result: Result[Any]) -> bytes:
    if result.error is not None:
        _known(result.error)
    try:
        return values.dump(result, f"the result of {result.device}")
    except AioconnError as error:
        refused = error if isinstance(error, CannotCross) else CannotCross(error.message, hint=error.hint)
        refused.device = result.device
        return values.dump(Result(device=result.device, error=refused, elapsed=result.elapsed))


def _known(error: BaseException) -> BaseException:
    """The error with a note of where it was raised: its traceback stays here."""
    if (trace := failures.trace(error)) is not None:
        error.add_note(trace)
    return error


_ORDERS: dict[str, Callable[..., None]] = {
    "set_up": Worker._set_up,
    "plan": Worker._plan,
    "visit": Worker._visit,
    "cancel": Worker._cancel,
    "forget": Worker._forget,
    "leave": Worker._leave,
}
