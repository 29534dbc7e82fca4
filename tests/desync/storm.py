# SPDX-License-Identifier: Apache-2.0
"""Commands that end early, on many sessions at once, and the questions that follow each.

A wrong answer is one that is not the answer to what was asked; it is compared line by line with what the device was
told to print. The device numbers its words, so that another command's answer is never like it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import aioconn
from aioconn.errors import AioconnError
from aioconn.events import Event, Recovered
from aioconn.lab import Lab, LabDevice
from tests.desync.cells import PROMPTS, Cell, Question, questions
from tests.desync.cuts import cut_at
from tests.desync.tap import TappedConnection

ANY = ("cisco_iosxe", "linux", "juniper_junos", "arista_eos", "cisco_iosxe", "cisco_nxos")
TTY = ("linux", "juniper_junos", "arista_eos", "linux", "cisco_nxos", "juniper_junos")
SSH = 0.25
SAMPLES = 5


@dataclass(slots=True)
class Tally:
    """What happened in one cell. Times are seconds of the loop's clock, from the cut to the proven prompt."""

    cell: Cell
    cuts: int = 0
    asked: int = 0
    wrong: int = 0
    short: int = 0
    kept: int = 0
    lost: int = 0
    replaced: int = 0
    waited: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)

    @property
    def kept_share(self) -> float:
        return 1.0 - self.replaced / self.cuts if self.cuts else 1.0


class Session:
    """One device and our one session on it."""

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
        self._confirm = "prompt"
        self._extra = 0  # bytes that come besides an answer's own
        self._sent = 0
        self._seconds = 0.0
        self._ended_at = 0.0
        self._cuts = 0

    async def run(self, cuts: int, asked: Iterable[Question]) -> None:
        """Connect and go on until so many commands have been cut."""
        self._questions = list(asked)
        self._device.listeners.add(self._heard)
        self._confirm = self._rng.choices(("prompt", "probe"), (70, 30))[0]
        connection = await self._device.connect(
            cls=TappedConnection, confirm=self._confirm, close_timeout=0.5
        )
        assert isinstance(connection, TappedConnection)
        self._connection = connection
        try:
            while self._cuts < cuts:
                await self._round()
        finally:
            self._tally.replaced += self._served.logins - 1
            await self._device.disconnect()

    async def _round(self) -> None:
        rng = self._rng
        self._served.faults = self._cell.faults(rng)
        await self._cut_short(rng.random())
        for _ in range(rng.randint(1, 3)):
            if rng.random() < 0.1:
                await self._cut_short(0.0)
            else:
                await self._ask()

    async def _cut_short(self, kind: float) -> None:
        """Ask something and cut it, which counts if it hits before the answer is there."""
        rng, device = self._rng, self._device
        question = self._question()
        faults = self._served.faults
        size = self._extra + sum(len(line) + 2 for line in question.lines)
        looks = 0
        if faults.lookalike:
            looks = len(question.lines) // faults.lookalike_every if faults.lookalike_every else 1
            size += looks * 12
        seconds = faults.latency + faults.jitter + looks * faults.lookalike_pause + self._seconds
        cut = cut_at(rng, received=size, sent=self._sent, seconds=seconds or 0.005)

        async def ask(timeout: float | None) -> Any:
            if kind > 0.95:
                more = self._question()
                return await device.execute([question.command, more.command], timeout=timeout)
            return await device.execute(question.command, timeout=timeout)

        self._ended_at = 0.0
        try:
            hit, answer = await cut.through(ask, self._connection.tap)
        except AioconnError as error:
            self._failed(error)
            return
        if hit:
            self._cuts += 1
            self._tally.cuts += 1
            self._tally.ways[f"{cut.way} {cut.place}"] += 1
            self._ended_at = asyncio.get_running_loop().time()
        elif kind <= 0.95:
            self._judge(question, answer, f"not cut by {cut}")

    async def _ask(self) -> None:
        question = self._question(speaks=True)
        tap = self._connection.tap
        received, sent = tap.to_us.passed, tap.to_device.passed
        recovering = str(self._connection.state) != "ready"
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            answer = await self._device.execute(question.command)
        except AioconnError as error:
            self._failed(error)
            return
        if tap is self._connection.tap and not recovering:
            self._seconds = loop.time() - started
            self._extra = tap.to_us.passed - received - sum(len(line) + 2 for line in question.lines)
            self._sent = tap.to_device.passed - sent
        self._judge(question, answer, "asked")

    def _judge(self, question: Question, answer: str, how: str) -> None:
        tally, faults = self._tally, self._served.faults
        tally.asked += 1
        host = self._served.host
        prompt = PROMPTS[self._served.personality.name].replace("{host}", host)
        expected = question.answer(faults, host, prompt)
        if answer == expected:
            return
        sure = self._confirm == "probe" and self._cell.echo != "typing"
        if faults.lookalike and not sure and _is_cut_off(answer, expected, prompt):
            tally.short += 1
            return
        tally.wrong += 1
        if len(tally.samples) < SAMPLES:
            where = f"{self._served.name} {self._served.personality.name} confirm={self._confirm}"
            tally.samples.append(
                f"{self._cell} {where} {how}\n  asked {question.command!r}\n  wanted {expected!r}\n"
                f"  got {answer!r}\n  {faults}\n  raw {getattr(answer, 'raw', None)!r}"
            )

    def _failed(self, error: AioconnError) -> None:
        self._tally.errors[f"{type(error).__name__}: {error.message}"[:80]] += 1

    def _question(self, *, speaks: bool = False) -> Question:
        while True:
            self._next = (self._next + 1) % len(self._questions)
            question = self._questions[self._next]
            if question.lines or not speaks:
                return question

    def _heard(self, event: Event) -> None:
        if isinstance(event, Recovered):
            if event.kept:
                self._tally.kept += 1
                if self._ended_at:
                    self._tally.waited.append(asyncio.get_running_loop().time() - self._ended_at)
            else:
                self._tally.lost += 1


def _is_cut_off(answer: str, expected: str, prompt: str) -> bool:
    """Whether an answer is its own, and its end was looked for at a look-alike."""
    lines, all_lines = answer.splitlines(), expected.splitlines()
    for each in (lines, all_lines):
        while each and each[-1].strip() in ("", prompt):
            each.pop()
    return bool(lines) and lines == all_lines[: len(lines)]


async def storm(cells: Iterable[Cell], *, cuts: int, sessions: int, seed: int) -> list[Tally]:
    """So many cuts in each cell, on so many sessions of it at once."""
    rng = random.Random(seed)
    tallies = [Tally(cell) for cell in cells]
    async with Lab(seed=seed) as lab:
        asked: dict[str, list[Question]] = {}
        for number, tally in enumerate(tallies):
            kinds = TTY if tally.cell.echo == "both" else ANY
            for place in range(sessions):
                name = f"d{number}x{place}"
                asked[name] = list(questions(name, rng))
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
                    session = Session(
                        tally.cell, tally, testbed[name], lab[name], random.Random(rng.random())
                    )
                    group.create_task(session.run(-(-cuts // sessions), asked[name]))
    return tallies
