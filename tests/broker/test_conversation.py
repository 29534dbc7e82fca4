# SPDX-License-Identifier: Apache-2.0
"""Long random talks with a client that keeps to the rules: each question has one answer, nothing is left behind."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from aioconn.broker.frames import Call, Frame, Leave, Next, Target
from aioconn.errors import AioconnError, UsedAfterRelease
from aioconn.lab import Faults
from aioconn.results import Output
from tests.broker.caller import WasCancelled, Wire
from tests.broker.conftest import Shared
from tests.lab_thread import LabThread

STEPS = 120
BRIEFLY = 0.03
"""Seconds that a block is waited for; what holds it may be ours."""


class Talk:
    """One wire and what should be open on it: number -> whether it is a block that gave a session."""

    def __init__(self, shared: Shared, dice: random.Random) -> None:
        self.shared = shared
        self.dice = dice
        self.device = shared.target("r1")
        self.pool = shared.target("r1", "default")
        self.cancelled = self.answered = 0
        self.begin()

    def begin(self) -> None:
        self.wire = Wire(self.shared.address, self.device)
        self.number = 0
        self.blocks: dict[int, bool] = {}
        self.iterations: set[int] = set()

    def say(self, frame: Frame) -> Any:
        """The answer, an error as a value. Sometimes it is not waited for with patience."""
        self.wire.send(frame)
        if self.dice.random() < 0.3:
            time.sleep(self.dice.random() ** 3 * 0.01)
            for _ in range(self.dice.randrange(1, 3)):
                self.wire.cancel()
        try:
            self.answered += 1
            return self.wire.answer()
        except (AioconnError, StopIteration, WasCancelled) as error:
            self.cancelled += isinstance(error, WasCancelled)
            return error

    def step(self) -> None:
        dice = self.dice
        kind = dice.randrange(8)
        if kind == 0:
            self.wire.sock.close()  # whatever it had
            self.begin()
        elif kind == 1 and len(self.blocks) < 4:
            self.number += 1
            name, target = dice.choice(
                [("acquire", self.pool), ("transaction", self.device), ("exclusive", self.device)]
            )
            answer = self.say(Call("enter", target, name, (), {"timeout": BRIEFLY}))
            if not isinstance(answer, BaseException):
                self.blocks[self.number] = name != "exclusive"
        elif kind == 2 and len(self.iterations) < 2:
            self.number += 1
            answer = self.say(Call("iterate", self.device, "stream", ("show ip route",), {"timeout": 0.1}))
            if isinstance(answer, str):
                self.iterations.add(self.number)
        elif kind == 3 and self.iterations:
            thing = dice.choice(sorted(self.iterations))
            if not isinstance(self.say(Next(thing)), str):
                self.iterations.discard(thing)
        elif kind == 4 and (self.iterations or self.blocks):
            self.leave(dice.choice([*self.iterations, *self.blocks]))
        elif kind == 5:
            assert self.say(Call("ask", self.device, "name")) == "r1"
        elif kind == 6 and True in self.blocks.values():
            thing = dice.choice([thing for thing, session in self.blocks.items() if session])
            self.right(self.say(self.command(Target("entered", thing))))
        else:
            self.right(self.say(self.command(self.device)))

    def leave(self, thing: int) -> None:
        answer = self.say(Leave(thing))
        assert answer is None or isinstance(answer, StopIteration), answer
        self.iterations.discard(thing)
        self.blocks.pop(thing, None)
        assert isinstance(self.say(Leave(thing)), UsedAfterRelease)

    def command(self, target: Target) -> Call:
        return Call(
            "call",
            target,
            "execute",
            (f"show nothing {self.dice.randrange(1000)}",),
            {"check": False, "timeout": 0.1},
        )

    def right(self, answer: Any) -> None:
        if not isinstance(answer, BaseException):
            assert isinstance(answer, Output)

    def end(self) -> None:
        things = [*self.iterations, *self.blocks]
        self.dice.shuffle(things)
        for thing in things:
            self.leave(thing)
        self.wire.sock.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_each_question_has_one_answer(shared: Shared, seed: int) -> None:
    shared.lab.lab["r1"].faults = Faults(latency=0.003)  # so that there is a middle of a command
    good = shared.connect("r1", pool_size=2)
    pool = shared.target("r1", "default")
    talk = Talk(shared, random.Random(seed))
    for _ in range(STEPS):
        talk.step()
    talk.end()
    assert talk.cancelled > 3
    assert talk.answered > STEPS // 2
    assert not shared.broker.refused
    assert LabThread.wait_for(lambda: shared.broker.wires == 1)
    assert good.enter("exclusive", timeout=20) is None
    good.leave()
    for number in range(4):
        text = f"show nothing {number}"
        assert good.call("execute", text, check=False, timeout=20).command == text
    numbers = good.ask("statistics", on=pool)
    assert (numbers["busy"], numbers["waiting"]) == (0, 0)
