# SPDX-License-Identifier: Apache-2.0
"""Who gets which session of a pool: plain functions on plain state, no loop, no waiting, no I/O.

Callers wait in the order of their coming, and what comes free is handed to the first of them: nobody overtakes. Idle
sessions are taken from the top, so that few are kept busy and the rest may age out. What takes time (opening,
checking, settling, closing) is put into `work`, for whoever owns the gate to do and to report back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from aioconn.pool.counters import Counters
from aioconn.pool.member import Member, Stage, Task
from aioconn.pool.queue import Queue, Waiter

S = TypeVar("S")

# By name, Python 3.11 takes 60 ns to find a member of an enumeration.
_OPENING, _IDLE, _LEASED, _CHECKING, _SETTLING, _CLOSING, _GONE = Stage
_HOPEFUL = (_OPENING, _LEASED, _CHECKING, _SETTLING)
_SOMEBODY = (None,)


class Gate(Generic[S]):
    """At most `size` sessions, those who hold them and those who wait. `make` makes a session that is not open yet.

    `yields(member)` is asked before a session stays here: whether another pool of the device needs it more. While
    `rivals` is empty, none can.
    """

    def __init__(
        self,
        size: int,
        make: Callable[[], S],
        *,
        check_after: float,
        yields: Callable[[Member[S], bool], bool] = lambda member, wanted: False,
        rivals: Collection[object] = _SOMEBODY,
    ) -> None:
        self.size = size
        self.closed = False
        self.members: dict[Member[S], None] = {}
        self.idle: list[Member[S]] = []
        self.work: deque[tuple[Task, Member[S]]] = deque()
        self.counters = Counters()
        self.retry_at = 0.0  # no attempt to open before that
        self.tidied_at = float("inf")  # when `tidy` is to be called next, as far as that is settled
        self.careful = False  # the last attempt failed: one at a time
        self.queue = Queue()
        self.handed_over: Member[S] | None = None  # which went straight to somebody who waited, last of all
        # Those that are idle are counted as leased, and are told apart by `idle`: nothing is counted for each turn.
        self._stages = dict.fromkeys(Stage, 0)
        self._refusal: Callable[[], BaseException] | None = None
        self._make = make
        self._check_after = check_after
        self._yields = yields
        self._rivals = rivals

    # ------------------------------------------------------------------ what there is

    def count(self, stage: Stage) -> int:
        if stage is _IDLE:
            return len(self.idle)
        return self._stages[stage] - (len(self.idle) if stage is _LEASED else 0)

    @property
    def total(self) -> int:
        """Sessions in any stage, those that are being opened or closed among them."""
        return len(self.members)

    @property
    def waiting(self) -> int:
        return len(self.queue.present())

    @property
    def hopeless(self) -> bool:
        """No session lives, and none is on its way."""
        return not any(self._stages[stage] for stage in _HOPEFUL)

    # ------------------------------------------------------------------ callers

    def take(self, now: float) -> Member[S] | None:
        """A session that can be had at once without overtaking anybody, else None."""
        idle = self.idle
        if not idle or self.queue:
            return None
        member = idle[-1]
        if now - member.since > self._check_after or now >= member.expires:
            return None
        del idle[-1]
        member.stage, member.since = _LEASED, now
        self.counters.acquired += 1
        return member

    def ask(self, waiter: Waiter, now: float) -> None:
        """Wait in line; told at once if nothing can come in time."""
        self.counters.waited += 1
        if (
            self._refusal is not None
            and now < self.retry_at
            and waiter.deadline < self.retry_at
            and self.hopeless
        ):
            waiter.fail(self._refusal)
            return
        self.queue[waiter] = None
        if self.idle or len(self.members) < self.size:
            self.match(now)

    def withdraw(self, waiter: Waiter, now: float) -> None:
        """The caller waits no longer. What he had been granted already he gives back with `release`."""
        self.counters.cancelled += 1
        self.queue.pop(waiter, None)
        self.queue.drop_gone()
        self._abandon_needless()

    def expire(self, now: float, error: Callable[[Waiter], BaseException]) -> float | None:
        """Fail those whose deadline has come; returns the next deadline, None if nobody waits."""
        if expired := [waiter for waiter in self.queue.present() if waiter.deadline <= now]:
            self.counters.timeouts += len(expired)
            self.queue.fail(expired, error)
            self._abandon_needless()
        return min((waiter.deadline for waiter in self.queue), default=None)

    # ------------------------------------------------------------------ sessions

    def release(self, member: Member[S], now: float, *, clean: bool, alive: bool = True) -> None:
        """The holder gives a session back. `clean`: it stands as the next one expects it; not `alive`: it is lost."""
        if member.stage is not _LEASED:
            return
        if clean:
            self.free(member, now)
        elif not alive:
            self.drop(member, now)
        else:
            self._enter(member, _SETTLING, now)
            self.work.append((Task.SETTLE, member))

    def rest(self, member: Member[S], now: float) -> bool:
        """`release` for a clean session that no other pool may want: True if that is all there was to it."""
        if (
            self._rivals
            or now >= member.expires
            or member.expires < self.tidied_at
            or self.closed
            or len(self.members) > self.size
            or member.stage is not _LEASED
        ):
            return False
        if self.queue:
            waiter = next(iter(self.queue))
            if waiter.done or self._stages[_OPENING]:  # others are to be told
                return False
            del self.queue[waiter]
            self.counters.acquired += 1
            member.since = now
            self.handed_over = member
            waiter.grant(member)
        else:
            member.stage, member.since = _IDLE, now
            self.idle.append(member)
        return True

    def free(self, member: Member[S], now: float) -> None:
        """A session can be used: by the first who waits, by another pool, or later."""
        if self.closed:
            self.close_member(member, "closed", now)
        elif len(self.members) - self._stages[_CLOSING] > self.size:
            self.close_member(member, "surplus", now)
        elif now >= member.expires:
            self.close_member(member, "lifetime", now)
        else:
            if waiters := self.queue:
                waiters.drop_gone()
            if self._rivals and self._yields(member, bool(waiters)):
                self.close_member(member, "yielded", now)
            elif waiters:
                if member.stage is not _LEASED:
                    self._enter(member, _LEASED, now)
                member.since = now
                self.counters.acquired += 1
                waiters.popitem(last=False)[0].grant(member)
                if not waiters:
                    self._abandon_needless()
            else:
                if member.stage is not _LEASED:
                    self._enter(member, _LEASED, now)
                member.stage, member.since = _IDLE, now
                self.idle.append(member)

    def opened(self, member: Member[S], now: float, expires: float) -> None:
        """An opening has succeeded."""
        if member.stage is not _OPENING:
            return
        member.opened, member.expires = now, expires
        self.counters.opened += 1
        self.forgive()
        self.free(member, now)
        self.match(now)

    def failed(self, member: Member[S], now: float) -> None:
        """An opening has failed, or was abandoned. What that means for those who wait is told by `pause`."""
        self._leave(member)
        self.counters.open_failed += 1

    def pause(
        self, now: float, retry_at: float, error: Callable[[], BaseException], *, careful: bool = True
    ) -> None:
        """Open nothing before `retry_at`, and one at a time then. Whoever cannot wait that long hears `error` now,
        unless a session is there that may come free."""
        self.retry_at, self.careful, self._refusal = retry_at, careful, error
        if self.hopeless:
            hopeless = [waiter for waiter in self.queue.present() if waiter.deadline < retry_at]
            self.queue.fail(hopeless, lambda _: error())

    def hold_off(self, until: float) -> None:
        """Open nothing until then, or until `pause`, `forgive` or `resume`: somebody else is trying the path."""
        self.retry_at, self.careful, self._refusal = until, True, None

    def resume(self) -> None:
        """One attempt may be made."""
        self.retry_at = 0.0

    def settled(self, member: Member[S], ok: bool, now: float) -> None:
        """A session was brought back in step, or passed its check; or not."""
        if member.stage not in (_SETTLING, _CHECKING):
            return
        if ok:
            self.counters.settled += 1
            self.free(member, now)
        else:
            self.close_member(member, "dirty", now)
        self.match(now)

    def lost(self, member: Member[S], now: float) -> None:
        """The device, or the network, ended a session. Its holder finds out himself and gives it back."""
        if member.stage is _IDLE:  # whoever opens, settles or closes one is told by the session itself
            self.idle.remove(member)
            self.drop(member, now)

    def close_member(self, member: Member[S], reason: str, now: float) -> None:
        """Give a session up."""
        if member.stage in (_CLOSING, _GONE):
            return
        if member.stage is _IDLE:
            self.idle.remove(member)
        self._replaced(member, reason)
        self._enter(member, _CLOSING, now)
        self.work.append((Task.CLOSE, member))

    def gone(self, member: Member[S], now: float) -> None:
        """A session has been closed."""
        self._leave(member)
        self.match(now)

    # ------------------------------------------------------------------ from outside

    def match(self, now: float) -> None:
        """Bring together who waits and what is idle; open more for those who are left, as far as the size goes."""
        self.queue.drop_gone()
        while self.queue and self.idle and not self.closed:
            member = self.idle.pop()
            if now >= member.expires:
                self._enter(member, _LEASED, now)
                self.free(member, now)
            elif now - member.since > self._check_after:
                if self._stages[_CHECKING] >= len(self.queue):
                    self.idle.append(member)
                    break
                self._enter(member, _CHECKING, now)
                self.work.append((Task.CHECK, member))
            else:
                self._enter(member, _LEASED, now)
                self.counters.acquired += 1
                self.queue.popitem(last=False)[0].grant(member)
            self.queue.drop_gone()
        self._grow(now)

    def _grow(self, now: float) -> None:
        if self.closed or now < self.retry_at:
            return
        coming = self._stages[_OPENING] + self._stages[_CHECKING]
        lacking = min(len(self.queue) - coming, self.size - len(self.members))
        if self.careful and lacking > 0:
            lacking = 1 if not self._stages[_OPENING] else 0
        for _ in range(lacking):
            self.work.append((Task.OPEN, self.add(now)))

    def add(self, now: float) -> Member[S]:
        """One more session, which whoever asks for it opens."""
        member = Member(self._make(), now)
        self.members[member] = None
        self._stages[_OPENING] += 1
        return member

    def tidy(self, now: float, idle_timeout: float) -> float | None:
        """Close what has been idle for long, or has lived for long; returns when to look again, if anything is idle."""
        due = [member for member in self.idle if now >= min(member.since + idle_timeout, member.expires)]
        for member in due:
            self.close_member(member, "lifetime" if now >= member.expires else "idle", now)
        return min((min(member.since + idle_timeout, member.expires) for member in self.idle), default=None)

    def give_up(self, now: float) -> Member[S] | None:
        """Close the session that has been idle longest, for another pool's sake."""
        if not self.idle:
            return None
        member = self.idle[0]
        self.close_member(member, "yielded", now)
        return member

    def resize(self, size: int, now: float) -> None:
        """Bear more sessions, or fewer: idle ones that are too many are closed now, others when they come back."""
        self.size = size
        while self.idle and len(self.members) - self._stages[_CLOSING] > size:
            self.close_member(self.idle[0], "surplus", now)
        surplus = len(self.members) - self._stages[_CLOSING] - size
        if surplus > 0:  # those that have not begun need not
            coming = [member for member in self.members if member.stage is _OPENING]
            self.work.extend((Task.ABANDON, member) for member in coming[-surplus:])
        self.match(now)

    def close(self, now: float, error: Callable[[], BaseException]) -> None:
        """Hand out nothing more. Who waits hears `error`; idle sessions are closed, held ones when they come back."""
        self.closed = True
        self.queue.fail(self.queue.present(), lambda _: error())
        self.queue.clear()
        for member in list(self.members):
            if member.stage is _IDLE:
                self.close_member(member, "closed", now)
            elif member.stage is _OPENING:
                self.work.append((Task.ABANDON, member))

    def open(self) -> None:
        """Hand out sessions again."""
        self.closed = False
        self.forgive()

    def forgive(self) -> None:
        """Attempts to open succeed again."""
        self.careful, self.retry_at, self._refusal = False, 0.0, None

    # ------------------------------------------------------------------ inside

    def _enter(self, member: Member[S], stage: Stage, now: float) -> None:
        """Where a session's stage changes; but between leased and idle, which count as one, it does so in passing."""
        stages = self._stages
        stages[_LEASED if member.stage is _IDLE else member.stage] -= 1
        stages[_LEASED if stage is _IDLE else stage] += 1
        member.stage = stage
        member.since = now

    def _leave(self, member: Member[S]) -> None:
        if member.stage is not _GONE:
            self._stages[_LEASED if member.stage is _IDLE else member.stage] -= 1
            member.stage = _GONE
            self.members.pop(member, None)

    def drop(self, member: Member[S], now: float) -> None:
        """A session is gone without having been closed."""
        if member.stage is _GONE:
            return
        self.counters.lost += 1
        self._replaced(member, "lost")
        self._leave(member)
        self.match(now)

    def _replaced(self, member: Member[S], reason: str) -> None:
        member.reason = reason
        if reason != "closed":
            self.counters.replaced += 1

    def _abandon_needless(self) -> None:
        """Nobody waits: what is being opened and has not begun yet need not begin."""
        if not self.queue and self._stages[_OPENING]:
            for member in self.members:
                if member.stage is _OPENING:
                    self.work.append((Task.ABANDON, member))
