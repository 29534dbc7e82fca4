# SPDX-License-Identifier: Apache-2.0
"""What the users of a fleet do all day, each in a task of his own, and whether they get what they asked for."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aioconn
from aioconn.errors import AioconnError
from tests.soak.fleet import CONNECT_TIMEOUT, OPTIONS, POOL_TIMEOUT, Target
from tests.soak.ledger import Ledger
from tests.soak.questions import Question

PATIENCE = (0.05, 0.2, 1.0, 3.0, 3.0, 3.0)
LOOKS = ("{host}#", "{host}>", "{host}(config)#", "other#", "#")
STAMP = re.compile(r"\w{3} \w{3} \d\d? [\d:.]+ UTC$")
CLOSING: float = 2 * OPTIONS["close_timeout"]


class Shift:
    """Whether there is work: `resting` stops everybody before his next call, `over` for good."""

    def __init__(self) -> None:
        self.resting = False
        self.over = False
        self._at_work = 0
        self._lock = threading.Lock()

    @contextlib.asynccontextmanager
    async def work(self) -> AsyncIterator[None]:
        """Around one piece of work; waits while there is none."""
        while True:
            with self._lock:
                if self.over or not self.resting:
                    self._at_work += 1
                    break
            await asyncio.sleep(0.02)
        try:
            yield
        finally:
            with self._lock:
                self._at_work -= 1

    def call_off(self) -> None:
        """Nobody begins anything from now on."""
        with self._lock:
            self.resting = True

    async def rest(self) -> None:
        """Returns when nobody is in a call any more."""
        while self._at_work:
            await asyncio.sleep(0.02)

    def resume(self) -> None:
        self.resting = False


class Refused(Exception):
    """What he needs for his work cannot be had now; that was noted where he asked for it."""


class Worker:
    """One user of one device."""

    def __init__(
        self, target: Target, ledger: Ledger, shift: Shift, rng: random.Random, *, pause: float
    ) -> None:
        self._target = target
        self._ledger = ledger
        self._shift = shift
        self._rng = rng
        self._pause = pause
        self._works: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (30, self.ask),
            (6, self.ask_what_may_be_repeated),
            (8, self.ask_several),
            (10, self.ask_and_leave),
            (8, self.borrow),
            (3, self.borrow_and_keep),
            (3, self.borrow_and_spoil),
            (4, self.transact),
            (2, self.work_alone),
            (4, self.configure),
            (3, self.configure_and_leave),
            (4, self.stream),
            (3, self.stream_and_leave),
            (2, self.borrow_twice),
        ]

    async def live(self) -> None:
        shift, rng = self._shift, self._rng
        weights = [weight for weight, _ in self._works]
        while not shift.over:
            async with shift.work():
                with contextlib.suppress(Refused):
                    await rng.choices(self._works, weights)[0][1]()
            await asyncio.sleep(rng.expovariate(1 / self._pause))

    # ------------------------------------------------------------------ what he asks

    def _alias(self) -> str:
        return self._rng.choice((*self._target.pools, *self._target.pools, "default"))

    async def _open(self, alias: str) -> Any:
        """The alias, live; IN_BAD_WEATHER if it cannot be had."""
        # a pool that was closed may still be closing; and it opens within its own deadline after that
        with self._ledger.call("connect", f"{self._target.name}.{alias}", CONNECT_TIMEOUT + CLOSING):
            return await self._target.open(alias)
        raise Refused

    async def _pool(self) -> Any:
        return await self._open(self._rng.choice((*self._target.pools,)))

    async def ask(self) -> None:
        await self._ask(await self._open(self._alias()), self._rng.choice(PATIENCE))

    async def _ask(self, whom: Any, limit: float, kind: str = "execute", **keys: Any) -> None:
        question = self._target.question()
        with self._asking(question), self._ledger.call(kind, self._target.name, limit):
            self._judge(question, await whom.execute(question.command, timeout=limit, **keys), kind)

    @contextlib.contextmanager
    def _asking(self, *questions: Question) -> Any:
        pending = self._target.pending
        pending.update(dict.fromkeys(one.command for one in questions))
        try:
            yield
        finally:
            for one in questions:
                pending.pop(one.command, None)

    async def ask_what_may_be_repeated(self) -> None:
        await self._ask(await self._pool(), 3.0, "idempotent", idempotent=True)

    async def ask_several(self) -> None:
        """Several commands in one call."""
        pool = await self._pool()
        several = [self._target.question() for _ in range(3)]
        with self._asking(*several), self._ledger.call("several", self._target.name, 3.0):
            answers = await pool.execute([one.command for one in several], timeout=3.0)
            for question, answer in zip(several, answers, strict=True):
                self._judge(question, answer, "several")

    async def ask_and_leave(self) -> None:
        """Cancelled, from outside or by a deadline of the caller's own."""
        whom, rng = await self._open(self._alias()), self._rng
        after = rng.choice((0.0, rng.uniform(0.0, 0.01), rng.uniform(0.0, 0.3)))
        if rng.random() < 0.7:
            await self._ledger.cut("cancelled", self._target.name, self._ask(whom, 3.0, "cancelled"), after)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(after):
                await self._ask(whom, 3.0, "cancelled")

    async def borrow(self) -> None:
        pool, rng = await self._pool(), self._rng
        async with contextlib.AsyncExitStack() as stack:
            session = await self._enter(stack, "acquire", pool.acquire(timeout=2.0), 2.0)
            for _ in range(rng.randint(1, 3)):
                await self._ask(session, 2.0, "on a lease")

    async def _enter(self, stack: contextlib.AsyncExitStack, kind: str, block: Any, limit: float) -> Any:
        """Into a block that may have to be waited for."""
        with self._ledger.call(kind, self._target.name, limit):
            return await stack.enter_async_context(block)
        raise Refused

    async def borrow_and_keep(self) -> None:
        """Taken without a block, kept for a while, given back by a plain call."""
        pool, rng = await self._pool(), self._rng
        session = None
        with self._ledger.call("acquire", self._target.name, 2.0):
            session = await pool.acquire(timeout=2.0)
        if session is None:
            raise Refused
        try:
            await asyncio.sleep(rng.uniform(0.1, 0.8))
            await self._ask(session, 2.0, "on a lease")
        finally:
            pool.release(session)

    async def borrow_twice(self) -> None:
        """Cancelled while it waits or holds."""
        pool, rng = await self._pool(), self._rng

        async def hold() -> None:
            async with pool.acquire(timeout=2.0) as session:
                await self._ask(session, 2.0, "on a lease")

        async def held() -> None:
            with self._ledger.call("acquire, cancelled", self._target.name, 2.0 + 2.0):
                await hold()

        await self._ledger.cut("acquire, cancelled", self._target.name, held(), rng.uniform(0.0, 0.05))

    async def borrow_and_spoil(self) -> None:
        """Given back half typed, in another mode, or with output still to come."""
        pool, rng, target = await self._pool(), self._rng, self._target
        async with contextlib.AsyncExitStack() as stack:
            session = await self._enter(stack, "acquire", pool.acquire(timeout=2.0), 2.0)
            kind = rng.randrange(3)
            with self._ledger.call("spoil", target.name, 2.0):
                if kind == 0:
                    await session.send("show ver", newline=False, timeout=2.0)
                elif kind == 1 and target.configurable:
                    await session.enter_mode("config", timeout=2.0)
                else:
                    await session.send(target.question().command, timeout=2.0)

    async def transact(self) -> None:
        whom = await self._open(self._alias())
        async with contextlib.AsyncExitStack() as stack:
            session = await self._enter(stack, "transaction", whom.transaction(timeout=2.0), 2.0)
            for _ in range(2):
                await self._ask(session, 2.0, "in a transaction")

    async def work_alone(self) -> None:
        """Nobody else's command reaches the device in the block."""
        target, rng = self._target, self._rng
        pool = await self._pool()
        async with contextlib.AsyncExitStack() as stack:
            await self._enter(stack, "exclusive", target.device.exclusive(timeout=3.0), 3.0)
            log = target.served.log
            mark = log[-1] if log else None
            mine: set[str] = set()
            for _ in range(rng.randint(1, 3)):
                question = target.question()
                mine.add(question.command)
                with self._asking(question), self._ledger.call("while alone", target.name, 2.0):
                    self._judge(question, await pool.execute(question.command, timeout=2.0), "while alone")
            if target.configurable and rng.random() < 0.5:
                await self._write_and_read(pool)
            for entry in reversed(list(log)):
                if entry is mark:
                    break
                if entry.command in target.pending and entry.command not in mine:
                    self._ledger.complain("strange", f"{entry.command!r} ran in somebody's exclusive work")

    async def _write_and_read(self, whom: Any) -> None:
        """What was configured is what the device says it has."""
        target = self._target
        word = f"w{self._rng.randrange(1 << 32):08x}"
        with self._ledger.call("configure alone", target.name, 3.0):
            await whom.configure(target.descriptions(word), timeout=3.0)
            # what somebody else was cut off from before may still be on its way, where the way is long
            if target.proxy is None and word not in target.served.config.render():
                self._ledger.complain("wrong", f"{target.name} has no {word} after configure")

    async def configure(self) -> None:
        if not self._target.configurable:
            return
        whom = await self._open(self._alias())
        word = f"w{self._rng.randrange(1 << 32):08x}"
        with self._ledger.call("configure", self._target.name, 3.0):
            await whom.configure(self._target.descriptions(word), timeout=3.0)

    async def configure_and_leave(self) -> None:
        await self._ledger.cut("configure", self._target.name, self.configure(), self._rng.uniform(0.0, 0.05))

    async def stream(self) -> None:
        whom = await self._open(self._alias())
        question = self._target.question()
        text = ""
        with self._asking(question), self._ledger.call("stream", self._target.name, 3.0 + POOL_TIMEOUT):
            async with contextlib.aclosing(whom.stream(question.command, timeout=3.0)) as pieces:
                async for piece in pieces:
                    text += piece
            self._judge(question, text, "stream")

    async def stream_and_leave(self) -> None:
        whom = await self._open(self._alias())
        question = self._target.question()
        with self._ledger.call("stream, left", self._target.name, 3.0 + POOL_TIMEOUT):
            async with contextlib.aclosing(whom.stream(question.command, timeout=3.0)) as pieces:
                async for _ in pieces:
                    break

    # ------------------------------------------------------------------ what he gets

    def _judge(self, question: Question, answer: str, kind: str) -> None:
        judge(self._ledger, self._target, question, answer, kind)


def judge(ledger: Ledger, target: Target, question: Question, answer: str, kind: str) -> None:
    """An answer has the lines of its question; besides them at most the time, and lines that look like a prompt."""
    ledger.answers += 1
    looks = {look.replace("{host}", target.served.host) for look in LOOKS}
    lines = [line for line in answer.splitlines() if line and line not in looks]
    if target.served.personality.name == "cisco_iosxr" and lines and STAMP.match(lines[0]):
        del lines[0]
    if lines != list(question.lines):
        words = f"{kind} on {target.name} ({target.served.personality.name}, {target.options.get('confirm')})"
        ledger.complain(
            "wrong",
            f"{words} {target.served.faults}\n  asked {question.command!r}, for {len(question.lines)} lines"
            f"\n  got {answer[:300]!r}\n  raw {getattr(answer, 'raw', b'')[:500]!r}",
        )


class Round:
    """Somebody who asks all devices at once, again and again."""

    def __init__(
        self, targets: list[Target], ledger: Ledger, shift: Shift, rng: random.Random, *, pause: float
    ) -> None:
        self._targets = {target.name: target for target in targets}
        self._ledger = ledger
        self._shift = shift
        self._rng = rng
        self._pause = pause

    async def live(self) -> None:
        while not self._shift.over:
            async with self._shift.work():
                await self._ask_all()
            await asyncio.sleep(self._rng.expovariate(1 / self._pause))

    async def _ask_all(self) -> None:
        chosen = self._rng.sample(list(self._targets.values()), k=min(len(self._targets), 10))
        asked: dict[str, tuple[Question, str]] = {}

        async def work(device: Any) -> str:
            question = self._targets[device.name].question()
            answer = str(await device.execute(question.command, timeout=2.0))
            asked[device.name] = question, answer
            return answer

        leave = self._rng.random() < 0.2
        seen = 0
        pieces = aioconn.fan_out([target.device for target in chosen], work, limit=5, timeout=4.0)
        async with contextlib.aclosing(pieces) as results:
            async for result in results:
                seen += 1
                target = self._targets[result.device]
                # it disconnects what it has connected
                error = result.error if type(result.error) is not AioconnError else None  # its own deadline
                self._ledger.note("fan_out", target.name, result.elapsed, 4.0 + CLOSING, error)
                if result.error is None:
                    question, answer = asked[result.device]
                    judge(self._ledger, target, question, answer, "fan_out")
                if leave and seen == 3:
                    return
        if seen != len(chosen):
            self._ledger.complain("wrong", f"fan_out over {len(chosen)} devices gave {seen} results")
