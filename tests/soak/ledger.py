# SPDX-License-Identifier: Apache-2.0
"""What was asked, what came of it, and when. Written to from every loop and thread that asks."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aioconn.errors import (
    AuthenticationFailed,
    CommandTimeout,
    ConnectError,
    DeviceBusy,
    LimitReached,
    SessionError,
)
from aioconn.events import CircuitOpened, Event, LimitLearned, OpenFailed, Recovered, Replaced
from tests.soak.vitals import Pulse

GRACE = 1.0  # seconds after its deadline, or after its cancellation, by which a call must have ended
SAMPLES = 6
IN_BAD_WEATHER = (CommandTimeout, ConnectError, DeviceBusy, LimitReached, SessionError)
"""What a device that fails, a full pool or a closed one may come to. Anything else is a mistake of ours."""


@dataclass(slots=True)
class Tally:
    """One kind of call. Times are seconds; `latest` is how far the worst of them was behind its deadline."""

    calls: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    latest: float = float("-inf")


@dataclass(slots=True)
class Ledger:
    """`wrong`, `late` and `strange` are what must stay empty; only the first ones are kept in words."""

    pulse: Pulse
    kinds: dict[str, Tally] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    refusing: dict[str, float] = field(default_factory=dict)
    """Until when the password of a device is wrong."""
    counts: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def complain(self, what: str, text: str) -> None:
        """`what` is one of wrong, late, strange."""
        with self.lock:
            self.counts[what] += 1
            if self.counts[what] <= SAMPLES:
                self.samples.append(f"{what}: {text}")

    def hear(self, event: Event) -> None:
        """What the library tells of sessions that came to an end before their time, and of limits."""
        match event:
            case Replaced():
                what = f"replaced: {event.reason}"
            case Recovered():
                what = "recovered" if event.kept else "not recovered"
            case LimitLearned():
                what = "limit learned" if event.sessions is not None else "limit forgotten"
            case CircuitOpened():
                what = "circuit opened"
            case OpenFailed() if isinstance(event.error, AuthenticationFailed):
                what = "password refused"
                if event.error.certain and time.monotonic() > self.refusing.get(event.device, 0.0):
                    self.complain("strange", f"the password was right: {event.error}")
            case _:
                return
        with self.lock:
            self.told[what] += 1

    @contextmanager
    def call(self, kind: str, subject: str, limit: float) -> Iterator[None]:
        """A call with a deadline of `limit` seconds. Errors that bad weather explains end here."""
        started = time.monotonic()
        error: BaseException | None = None
        try:
            yield
        except Exception as caught:
            error = caught
        except BaseException as caught:
            error = caught
            raise
        finally:
            self.note(kind, subject, time.monotonic() - started, limit, error)

    def note(
        self, kind: str, subject: str, took: float, limit: float, error: BaseException | None = None
    ) -> None:
        """A call that has ended now."""
        if isinstance(error, Exception) and not isinstance(error, IN_BAD_WEATHER):
            self.complain("strange", f"{kind} on {subject}: {type(error).__name__}: {error}")
        now = time.monotonic()
        late = took - limit
        excuse = self.pulse.excuse(now - took, now) if late > 0 else 0.0
        with self.lock:
            tally = self.kinds.setdefault(kind, Tally())
            tally.calls += 1
            tally.seconds += took
            tally.longest = max(tally.longest, took)
            tally.latest = max(tally.latest, late - excuse)
            if error is None:
                tally.done += 1
            elif isinstance(error, asyncio.CancelledError):
                tally.cancelled += 1
            else:
                tally.failed += 1
                self.errors[type(error).__name__] += 1
        if late - excuse > GRACE:
            words = f"{type(error).__name__}: {error}" if error is not None else "done"
            self.complain("late", f"{kind} on {subject} took {took:.2f} of {limit:g} s: {words}")

    async def cut(self, kind: str, subject: str, work: Coroutine[Any, Any, Any], after: float) -> Any:
        """Cancel `work` after so many seconds; its result if it was quicker, else None. It must end soon then."""
        task = asyncio.ensure_future(work)
        await asyncio.wait({task}, timeout=after)
        if not task.done():
            asked = time.monotonic()
            task.cancel()
            await asyncio.wait({task})
            took = time.monotonic() - asked
            took -= self.pulse.excuse(asked, time.monotonic())
            if took > GRACE:
                self.complain("late", f"{kind} on {subject} ended {took:.2f} s after it was cancelled")
            if not task.cancelled():
                self.complain("strange", f"{kind} on {subject}: a cancelled task ended with {task!r}")
            return None
        return task.result()
