# SPDX-License-Identifier: Apache-2.0
"""The whole of it: a fleet, its users, its mishaps, and what must be the same at the end as it was before."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aioconn.errors import AioconnError, AuthenticationFailed
from aioconn.home import homes
from tests.soak.fleet import Fleet, Target, fleet
from tests.soak.ledger import Ledger
from tests.soak.mishaps import Mishaps
from tests.soak.vitals import MIB, Pulse, Vitals, census, slope, take_vitals
from tests.soak.work import Round, Shift, Worker, judge

ROLL_CALL = 20.0
SETTLED = 15.0
"""Seconds until a fleet without mishaps has to answer everybody, and until both sides count the same sessions."""


@dataclass(slots=True, kw_only=True, repr=False)
class Report:
    """What a soak has come to. `before` and `after` are taken with nothing open."""

    seconds: float
    ledger: Ledger
    pulse: Pulse
    before: Vitals
    after: Vitals
    samples: list[Vitals] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    pools: Counter[str] = field(default_factory=Counter)
    logins: int = 0
    growth: list[tuple[str, int]] = field(default_factory=list)

    @property
    def memory_slope(self) -> float:
        """MiB in a minute over the second half."""
        return slope([((one.at - self.samples[0].at) / 60, one.memory / MIB) for one in self._second_half])

    @property
    def object_slope(self) -> float:
        """Objects in a minute over the second half."""
        return slope([((one.at - self.samples[0].at) / 60, float(one.objects)) for one in self._second_half])

    @property
    def _second_half(self) -> list[Vitals]:
        return self.samples[len(self.samples) // 2 :]

    def __str__(self) -> str:
        ledger = self.ledger
        width = max(map(len, ledger.kinds), default=0)
        lines = [
            f"{'call':<{width}}  {'calls':>8} {'done':>8} {'failed':>7} {'cut':>7} {'mean s':>7} {'max s':>6}"
        ]
        for kind, tally in sorted(ledger.kinds.items()):
            lines.append(
                f"{kind:<{width}}  {tally.calls:8d} {tally.done:8d} {tally.failed:7d} {tally.cancelled:7d}"
                f" {tally.seconds / max(tally.calls, 1):7.3f} {tally.longest:6.2f}"
            )
        latest = max((tally.latest for tally in ledger.kinds.values()), default=0.0)
        lines += [
            f"errors: {_listed(ledger.errors)}",
            f"mishaps: {sum(ledger.faults.values())}: {_listed(ledger.faults)}",
            f"pools: {_listed(self.pools)}; {self.logins} logins; told: {_listed(ledger.told)}",
            f"answers {ledger.answers}, wrong {ledger.counts['wrong']}, late {ledger.counts['late']}"
            f" (the latest {latest:+.2f} s), strange {ledger.counts['strange']}",
            f"a loop stood still for {self.pulse.longest:.2f} s, by its own doing for {self.pulse.longest_own:.2f} s",
            f"memory {self.before.memory / MIB:.1f} -> {self.after.memory / MIB:.1f} MiB"
            f" ({self.memory_slope:+.3f} MiB, {self.object_slope:+.0f} objects a minute in the second half),"
            f" descriptors {self.before.descriptors} -> {self.after.descriptors},"
            f" tasks {self.before.tasks} -> {self.after.tasks}, threads {self.before.threads} -> {self.after.threads}",
        ]
        if self.growth:
            lines.append("more of them: " + ", ".join(f"{name} {more:+d}" for name, more in self.growth[:15]))
        return "\n".join(lines + ledger.samples)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


async def soak(
    seconds: float,
    *,
    devices: int,
    users: int,
    seed: int,
    pause: float = 0.3,
    every: float = 0.2,
    roll_call: float = 30.0,
    tell: Any = print,
) -> Report:
    """So many devices with so many users each, for so long. A roll call every `roll_call` seconds and at the end."""
    rng = random.Random(seed)
    before = take_vitals()
    pulse = Pulse()
    ledger = Ledger(pulse)
    shift = Shift()
    report = Report(seconds=seconds, ledger=ledger, pulse=pulse, before=before, after=before)
    heart = asyncio.create_task(pulse.beat())
    try:
        async with fleet(devices, seed=seed) as whole:
            await _work(whole, report, shift, rng, seconds, users, pause, every, roll_call, tell)
            for target in whole:
                report.logins += target.served.logins
            for testbed in whole.testbeds:
                (await testbed.disconnect()).raise_for_errors()
            served = [target.served for target in whole]
            if not await _within(5.0, lambda: not any(one.sessions for one in served)):
                ledger.complain("strange", f"sessions on the devices when all is closed: {served}")
            if len(homes):
                ledger.complain("strange", f"{len(homes)} loop threads when all is closed")
    finally:
        heart.cancel()
        await asyncio.wait({heart})
    report.after = await _vitals_at_rest(before)
    return report


async def _vitals_at_rest(before: Vitals) -> Vitals:
    """When what has ended has gone as well, or does not go."""
    await asyncio.get_running_loop().shutdown_default_executor()  # its threads would stay as long as the loop
    await _within(2.0, lambda: len(asyncio.all_tasks()) <= before.tasks)
    await _within(2.0, lambda: take_vitals().descriptors <= before.descriptors)
    return take_vitals()


async def _within(seconds: float, condition: Any) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        return False
    return True


async def _work(
    whole: Fleet,
    report: Report,
    shift: Shift,
    rng: random.Random,
    seconds: float,
    users: int,
    pause: float,
    every: float,
    roll_call: float,
    tell: Any,
) -> None:
    ledger = report.ledger
    await asyncio.gather(*[target.open(alias) for target in whole for alias in (*target.pools, "default")])
    mishaps = Mishaps(whole, ledger, shift, random.Random(rng.random()))
    for testbed in whole.testbeds:
        testbed.listeners.add(ledger.hear)
    workers = [
        Worker(target, ledger, shift, random.Random(rng.random()), pause=pause)
        for target in whole
        for _ in range(users)
    ]
    round_ = Round(whole.targets, ledger, shift, random.Random(rng.random()), pause=1.0)
    abroad = threading.Thread(
        target=_live_abroad,
        args=(whole.targets, report, shift, rng.random(), pause),
        name="users on another loop",
    )
    started = time.monotonic()
    tasks = [asyncio.create_task(live) for live in (*[one.live() for one in workers], round_.live())]
    weather = asyncio.create_task(mishaps.go_on(every=every))
    abroad.start()
    first_half: Counter[str] = Counter()
    try:
        while (left := seconds - (time.monotonic() - started)) > 0:
            await asyncio.wait(tasks, timeout=min(left, roll_call), return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()  # nobody ends before his time
            shift.call_off()
            await mishaps.heal_all()
            await shift.rest()
            await _call_the_roll(whole, report)
            passed = time.monotonic() - started
            if not first_half and passed > seconds / 2:
                first_half = census()
            tell(_line(report, passed))
            shift.resume()
    finally:
        shift.over = True
        weather.cancel()
        await asyncio.wait({weather, *tasks})
        while abroad.is_alive():
            await asyncio.sleep(0.02)
        await mishaps.heal_all()
    for task in tasks:
        task.result()
    if first_half:
        now = census()
        now.subtract(first_half)
        report.growth = [(name, more) for name, more in now.most_common(40) if more > 50]


def _live_abroad(targets: list[Target], report: Report, shift: Shift, seed: float, pause: float) -> None:
    """Users whose loop is neither that of the lab nor that of any device."""
    rng = random.Random(seed)

    async def live() -> None:
        heart = asyncio.create_task(report.pulse.beat())
        workers = [
            Worker(target, report.ledger, shift, random.Random(rng.random()), pause=2 * pause)
            for target in targets[::3]
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for worker in workers:
                    group.create_task(worker.live())
        finally:
            heart.cancel()
            await asyncio.wait({heart})

    try:
        asyncio.run(live())
    except BaseException as error:
        report.ledger.complain("strange", f"on another loop: {error!r}")


async def _call_the_roll(whole: Fleet, report: Report) -> None:
    """Nothing is wrong now: everybody answers, and both sides count the same sessions. Then the vitals are taken."""
    ledger = report.ledger
    async with asyncio.TaskGroup() as group:
        for target in whole:
            group.create_task(_answer(target, ledger))
    counted = await _within(SETTLED, lambda: not any(map(_unbalanced, whole)))
    if not counted:
        for target in whole:
            if words := _unbalanced(target):
                ledger.complain("strange", words)
    report.sessions.append(sum(target.served.sessions for target in whole))
    report.pools = Counter()
    for target in whole:
        for numbers in target.device.manager.statistics()["pools"].values():
            for key in ("opened", "open_failed", "lost", "replaced", "settled", "timeouts", "cancelled"):
                report.pools[key] += numbers[key]
    report.samples.append(take_vitals())


async def _answer(target: Target, ledger: Ledger) -> None:
    """Every alias answers more callers than it has sessions."""
    if "default" in target.device.connections:
        # it alone would keep what may be the only line that the device has for us
        await target.device.disconnect("default")
    for alias, size in (*target.pools.items(), ("default", 1)):
        questions = [target.question() for _ in range(2 * size)]
        until = time.monotonic() + ROLL_CALL
        answers = await asyncio.gather(
            *[_insist(target, alias, size, one.command, until) for one in questions]
        )
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, str):
                judge(ledger, target, question, answer, "roll call")
            else:
                words = f"{target.name}.{alias} does not answer at the roll call: {answer!r}"
                ledger.complain("strange", f"{words}; {target.device.connections.get(alias)!r}")


async def _insist(target: Target, alias: str, size: int, command: str, until: float) -> str | AioconnError:
    """The answer, or the last of the errors. A device may have taught us that it bears one session only."""
    while True:
        try:
            whom = await target.open(alias)
            if alias in target.pools and whom.size != size:
                whom.resize(size)
            return str(await whom.execute(command, timeout=max(until - time.monotonic(), 0.1)))
        except AuthenticationFailed as error:
            return error
        except AioconnError as error:
            target.forgive()  # what was under way when all became well may have failed since
            if time.monotonic() > until:
                return error
            await asyncio.sleep(0.05)


def _unbalanced(target: Target) -> str:
    """What does not add up on a device on which nobody works; empty if all does."""
    numbers = target.device.manager.statistics()
    under_way = sum(
        pool[key]
        for pool in numbers["pools"].values()
        for key in ("busy", "opening", "settling", "closing", "waiting")
    )
    ours, budget, theirs = target.open_sessions(), numbers["sessions_used"], target.served.sessions
    if under_way or numbers["waiting"] or not ours == budget == theirs or _held(numbers["exclusive"]):
        return (
            f"{target.name}: {ours} sessions open, {budget} in the budget, {theirs} on the device; {numbers}"
        )
    return ""


def _held(exclusive: dict[str, Any]) -> bool:
    return bool(exclusive["shared"] or exclusive["exclusive"] or exclusive["waiting"])


def _line(report: Report, passed: float) -> str:
    ledger, vitals = report.ledger, report.samples[-1]
    calls = sum(tally.calls for tally in ledger.kinds.values())
    return (
        f"{passed:6.0f} s  {calls:7d} calls  {ledger.answers:7d} answers  wrong {ledger.counts['wrong']}"
        f"  late {ledger.counts['late']}  strange {ledger.counts['strange']}"
        f"  {sum(ledger.faults.values()):5d} mishaps  {report.sessions[-1]:4d} sessions"
        f"  {vitals.memory / MIB:6.1f} MiB  {vitals.objects:7d} objects  {vitals.descriptors:4d} descriptors"
        f"  {vitals.tasks:4d} tasks  {vitals.threads:3d} threads"
    )
