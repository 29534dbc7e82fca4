# SPDX-License-Identifier: Apache-2.0
"""Commands that end early, on many sessions at once, and the questions that follow each.

An answer is compared line by line with what the device was told to print. Every command has words of its own, so that
no other command's answer is like it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable
from typing import Any

import aioconn
from aioconn.errors import AioconnError
from aioconn.events import Event, Recovered
from aioconn.lab import Lab, LabDevice
from tests.desync.cells import PROMPTS, Cell, Question, questions
from tests.desync.cuts import cut_at
from tests.desync.tally import Tally
from tests.desync.tap import TappedConnection

ANY = ("cisco_iosxe", "linux", "juniper_junos", "arista_eos", "cisco_iosxe", "cisco_nxos")
TTY = ("linux", "juniper_junos", "arista_eos", "linux", "cisco_nxos", "juniper_junos")
SSH = 0.25
PROBED = 0.3
KINDS = {"execute": 80, "several": 8, "stream": 6, "configure": 6}


class Session:
    """One device and our one session on it. `seconds` and the numbers of bytes are what the last answer took."""

    def __init__(
        self, cell: Cell, tally: Tally, device: aioconn.Device, served: LabDevice, rng: random.Random
    ) -> None:
        self._cell = cell
        self._tally = tally
        self._device = device
        self._served = served
        self._rng = rng
        self._questions: list[Question] = []
        self._next = 0
        self._connection: TappedConnection
        self._confirm = "probe" if rng.random() < PROBED else "prompt"
        self._received_besides = 0
        self._sent = 0
        self._seconds = 0.0
        self._cut_at = 0.0
        self._cuts = 0

    async def run(self, cuts: int, asked: Iterable[Question], cls: type[TappedConnection]) -> None:
        """Connect and go on until so many commands have been cut."""
        self._questions = list(asked)
        self._device.listeners.add(self._heard)
        connection = await self._device.connect(cls=cls, confirm=self._confirm, close_timeout=0.5)
        assert isinstance(connection, TappedConnection)
        self._connection = connection
        try:
            await self._ask()
            while self._cuts < cuts:
                await self._round()
        finally:
            self._tally.replaced += self._served.logins - 1
            await self._device.disconnect()

    async def _round(self) -> None:
        rng = self._rng
        self._served.faults = self._cell.faults(rng)
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        await self._cut_short(kind)
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.1:
                await self._cut_short("execute")
            else:
                await self._ask()

    # ------------------------------------------------------------------ what is cut

    async def _cut_short(self, kind: str) -> None:
        """Ask something and cut it, which counts if it hits before the answer is there."""
        question, faults = self._question(), self._served.faults
        size = self._received_besides + sum(len(line) + 2 for line in question.lines)
        looks = 0
        if faults.lookalike:
            looks = len(question.lines) // faults.lookalike_every if faults.lookalike_every else 1
            size += looks * 12
        seconds = faults.latency + faults.jitter + looks * faults.lookalike_pause + self._seconds
        cut = cut_at(self._rng, received=size, sent=self._sent, seconds=seconds or 0.005)
        self._cut_at = 0.0
        try:
            hit, answer = await cut.through(
                lambda timeout: self._call(kind, question, timeout), self._connection.tap
            )
        except AioconnError as error:
            self._tally.failed(error)
            return
        if hit:
            self._cuts += 1
            self._tally.cuts += 1
            self._cut_at = asyncio.get_running_loop().time()
        elif answer is not None:
            self._judge(question, answer, f"not reached by {cut}")

    async def _call(self, kind: str, question: Question, timeout: float | None) -> str | None:
        device = self._device
        if kind == "several":
            second = self._question()
            return (await device.execute([question.command, second.command], timeout=timeout))[0]
        if kind == "stream":
            stream: Any = self._connection.stream(question.command, timeout=timeout)
            async with contextlib.aclosing(stream) as pieces:
                return "".join([piece async for piece in pieces]).strip("\n")
        if kind == "configure" and self._served.personality.name != "linux":
            junos = self._served.personality.name == "juniper_junos"
            word = question.command.split()[1]
            lines = (
                [f"set interfaces lo0 description {word}"] if junos else ["interface Loopback7", "mtu 1500"]
            )
            await device.configure(lines, timeout=timeout)
            return None
        return await device.execute(question.command, timeout=timeout)

    # ------------------------------------------------------------------ what follows

    async def _ask(self) -> None:
        question = self._question(speaks=True)
        tap, ready = self._connection.tap, self._connection.state == "ready"
        received, sent = tap.to_us.passed, tap.to_device.passed
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            answer = await self._device.execute(question.command)
        except AioconnError as error:
            self._tally.failed(error)
            return
        if ready and tap is self._connection.tap:
            self._seconds = loop.time() - started
            self._received_besides = (
                tap.to_us.passed - received - sum(len(line) + 2 for line in question.lines)
            )
            self._sent = tap.to_device.passed - sent
        self._judge(question, answer, "asked")

    def _judge(self, question: Question, answer: Any, how: str) -> None:
        tally, faults = self._tally, self._served.faults
        tally.answers += 1
        prompt = PROMPTS[self._served.personality.name].replace("{host}", self._served.host)
        expected = question.answer(faults, self._served.host, prompt)
        if self._cell.echo == "none":
            # the last blank of the prompt before may come late, and there is no echo behind it
            answer = answer.lstrip(" ")
        if answer == expected:
            return
        sure = self._confirm == "probe" and self._cell.echo in ("reader", "both")
        if faults.lookalike and not sure and is_cut_off(answer, expected, prompt):
            tally.early += 1
        else:
            where = f"{self._served.name} {self._served.personality.name} confirm={self._confirm}"
            tally.went_wrong(
                f"{where} {how}\n  asked {question.command!r}\n  wanted {expected!r}\n  got {answer!r}\n"
                f"  {faults}\n  raw {getattr(answer, 'raw', None)!r}"
            )

    def _question(self, *, speaks: bool = False) -> Question:
        while True:
            self._next = (self._next + 1) % len(self._questions)
            question = self._questions[self._next]
            if question.lines or not speaks:
                return question

    def _heard(self, event: Event) -> None:
        if isinstance(event, Recovered) and event.kept and self._cut_at:
            self._tally.waited.append(asyncio.get_running_loop().time() - self._cut_at)


def is_cut_off(answer: str, expected: str, prompt: str) -> bool:
    """Whether an answer is its own, and ends at a look-alike: all that is promised without a probe."""
    lines, all_lines = answer.splitlines(), expected.splitlines()
    for each in (lines, all_lines):
        while each and each[-1].strip() in ("", prompt):
            each.pop()
    return bool(lines) and lines == all_lines[: len(lines)]


async def drive(
    cells: Iterable[Cell],
    *,
    cuts: int,
    sessions: int,
    seed: int,
    cls: type[TappedConnection] = TappedConnection,
) -> list[Tally]:
    """So many cuts in each cell, on so many sessions of it at once."""
    rng = random.Random(seed)
    tallies = [Tally(cell) for cell in cells]
    async with Lab(seed=seed) as lab:
        asked: dict[str, list[Question]] = {}
        for number, tally in enumerate(tallies):
            kinds = TTY if tally.cell.echo == "both" else ANY
            for place in range(sessions):
                name = f"d{number}x{place}"
                asked[name] = list(questions(name, rng, hard=tally.cell.hard))
                await lab.add(
                    name,
                    personality=kinds[place % len(kinds)],
                    protocols=("ssh" if rng.random() < SSH else "telnet",),
                    commands={one.command: one.text for one in asked[name]},
                    echo=tally.cell.echo,
                    interrupt=tally.cell.interrupt,
                )
        testbed = aioconn.load(lab.testbed())
        async with asyncio.TaskGroup() as group:
            for number, tally in enumerate(tallies):
                for place in range(sessions):
                    name = f"d{number}x{place}"
                    dice = random.Random(rng.random())
                    session = Session(tally.cell, tally, testbed[name], lab[name], dice)
                    group.create_task(session.run(-(-cuts // sessions), asked[name], cls))
    return tallies
