# SPDX-License-Identifier: Apache-2.0
"""One-line bugs: the file in the package, the text as it is, the text with the bug, and what that does."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    file: str
    old: str
    new: str
    purpose: str

    def __str__(self) -> str:
        return f"{self.file}: {self.purpose}"


GATE = (
    (
        "        if now - member.since > self._check_after or now >= member.expires:\n            return None\n",
        "        if now - member.since > self._check_after:\n            return None\n",
        "the quick way hands out what is too old",
    ),
    (
        "if now - member.since > self._check_after or now >= member.expires:",
        "if now >= member.expires:",
        "what was idle for long is not checked when nobody waits",
    ),
    (
        "        self.queue[waiter] = None\n",
        "        self.queue[waiter] = None\n        self.queue.move_to_end(waiter, last=False)\n",
        "last come, first served",
    ),
    (
        "        if self.idle or len(self.members) < self.size:\n            self.match(now)\n",
        "        if len(self.members) < self.size:\n            self.match(now)\n",
        "who comes while one is idle and stale is not matched",
    ),
    (
        "        self.queue.drop_gone()\n        self._abandon_needless()\n\n    def expire",
        "        self.queue.drop_gone()\n\n    def expire",
        "openings that nobody needs any more keep asking for a place",
    ),
    (
        "        return min((waiter.deadline for waiter in self.queue), default=None)",
        "        return None",
        "only the first deadline is looked at",
    ),
    (
        "        if member.stage is not _LEASED:\n            return\n        if clean",
        "        if clean",
        "what is closing is given back all the same",
    ),
    (
        "        if clean:\n            self.free(member, now)\n        elif",
        "        if clean or alive:\n            self.free(member, now)\n        elif",
        "a dirty session goes to the next caller",
    ),
    (
        "            self._enter(member, _SETTLING, now)\n            self.work.append((Task.SETTLE, member))",
        "            self._enter(member, _SETTLING, now)",
        "a dirty session is never settled",
    ),
    (
        '            self.close_member(member, "closed", now)\n        elif len',
        "            pass\n        elif len",
        "what comes back to a closed pool stays open",
    ),
    (
        '            self.close_member(member, "surplus", now)\n        elif now',
        "            pass\n        elif now",
        "what is too many when it comes back is lost",
    ),
    (
        "        elif len(self.members) - self._stages[_CLOSING] > self.size:",
        "        elif len(self.members) > self.size:",
        "closing ones count against the size: too many are closed",
    ),
    (
        '        elif now >= member.expires:\n            self.close_member(member, "lifetime", now)\n        else:',
        "        else:",
        "a busy session lives for ever",
    ),
    (
        "            if waiters := self.queue:\n                waiters.drop_gone()\n",
        "            waiters = self.queue\n",
        "a session is handed to somebody who has gone",
    ),
    (
        '                self.close_member(member, "yielded", now)\n            elif waiters:',
        "                member.stage = _IDLE\n            elif waiters:",
        "what should be given up for others is kept, and forgotten",
    ),
    (
        "            if self._rivals and self._yields(member, bool(waiters)):",
        "            if False:",
        "nothing is given up for others at release",
    ),
    (
        "waiters.popitem(last=False)[0].grant(member)\n                if not",
        "waiters.popitem()[0].grant(member)\n                if not",
        "a session that comes back goes to the last in line",
    ),
    (
        "waiters.popitem(last=False)[0].grant(member)\n                if not",
        "next(iter(waiters)).grant(member)\n                if not",
        "who is served stays in line",
    ),
    (
        "                member.stage, member.since = _IDLE, now\n                self.idle.append(member)",
        "                member.stage, member.since = _IDLE, now",
        "what comes back is idle and found by nobody",
    ),
    (
        "            member.stage, member.since = _IDLE, now\n            self.idle.append(member)\n        return",
        "            member.stage, member.since = _IDLE, now\n        return",
        "what comes back the quick way is idle and found by nobody",
    ),
    (
        "        if self.queue:\n            waiter = next",
        "        if False:\n            waiter = next",
        "what comes back the quick way passes by those who wait",
    ),
    (
        "            self._rivals\n            or now",
        "            now",
        "nothing is given up for others at a release the quick way",
    ),
    (
        "            if waiter.done or self._stages[_OPENING]:",
        "            if self._stages[_OPENING]:",
        "a session is handed the quick way to somebody who has gone",
    ),
    (
        "            if waiter.done or self._stages[_OPENING]:",
        "            if waiter.done:",
        "who is served the quick way leaves openings behind that nobody needs any more",
    ),
    (
        "            del self.queue[waiter]\n",
        "",
        "who is served the quick way stays in line",
    ),
    (
        "            or now >= member.expires\n            or member",
        "            or member",
        "the quick way back takes what is too old",
    ),
    (
        "            or member.expires < self.tidied_at\n",
        "",
        "what comes back the quick way is not watched",
    ),
    (
        "            or self.closed\n            or len(self.members)",
        "            or len(self.members)",
        "what comes back the quick way to a closed pool stays open",
    ),
    (
        "            or len(self.members) > self.size\n            or member.stage",
        "            or member.stage",
        "what is too many comes back the quick way all the same",
    ),
    (
        "            or member.stage is not _LEASED\n",
        "",
        "what is closing comes back the quick way all the same",
    ),
    (
        "        self.free(member, now)\n        self.match(now)\n\n    def failed",
        "        self.free(member, now)\n\n    def failed",
        "after an opening that succeeds again no more are opened",
    ),
    (
        "        self.forgive()\n        self.free(member, now)",
        "        self.free(member, now)",
        "after a failure it stays careful for ever",
    ),
    (
        "        self._leave(member)\n        self.counters.open_failed += 1",
        "        self.counters.open_failed += 1",
        "a failed opening keeps its slot",
    ),
    (
        "        if self.hopeless:\n            hopeless =",
        "        if False:\n            hopeless =",
        "who cannot be served in time is not told",
    ),
    (
        '            self.close_member(member, "dirty", now)\n        self.match(now)',
        "            self.free(member, now)\n        self.match(now)",
        "what could not be settled is handed out",
    ),
    (
        '            self.close_member(member, "dirty", now)\n        self.match(now)',
        "            self._leave(member)\n        self.match(now)",
        "what could not be settled is forgotten, not closed",
    ),
    (
        "            self.idle.remove(member)\n            self.drop(member, now)",
        "            self.drop(member, now)",
        "a lost session stays among the idle ones",
    ),
    (
        "        if member.stage is _IDLE:  # whoever",
        "        if False:  # whoever",
        "the end of an idle session is not noticed",
    ),
    (
        "        self._leave(member)\n        self.match(now)\n\n    # ----",
        "        self._leave(member)\n\n    # ----",
        "a slot that comes free wakes nobody",
    ),
    (
        "            elif now - member.since > self._check_after:\n                if",
        "            elif False:\n                if",
        "what was idle for long is handed out unchecked",
    ),
    (
        "        if self.closed or now < self.retry_at:\n            return\n        coming",
        "        if self.closed:\n            return\n        coming",
        "the path is tried before its time",
    ),
    (
        "        lacking = min(len(self.queue) - coming, self.size - len(self.members))",
        "        lacking = len(self.queue) - coming",
        "more are opened than the size",
    ),
    (
        "            lacking = 1 if not self._stages[_OPENING] else 0",
        "            pass",
        "after a failure all are tried at once",
    ),
    (
        "member in coming[-surplus:])\n        self.match(now)",
        "member in coming[-surplus:])",
        "a larger size wakes nobody",
    ),
    (
        "        while self.idle and len(self.members) - self._stages[_CLOSING] > size:",
        "        while False:",
        "a smaller size leaves the idle ones open",
    ),
    (
        "        self.queue.fail(self.queue.present(), lambda _: error())\n",
        "",
        "who waits is not told of the close",
    ),
    (
        "is _OPENING:\n                self.work.append((Task.ABANDON, member))\n\n    def open",
        "is _OPENING:\n                pass\n\n    def open",
        "what is being opened goes on in a closed pool",
    ),
    (
        "        self._leave(member)\n        self.match(now)\n\n    def _replaced",
        "        self._leave(member)\n\n    def _replaced",
        "a session that was lost wakes nobody",
    ),
)

QUEUE = (
    (
        "        for waiter in waiters:\n            del self[waiter]\n        for",
        "        for",
        "those who are told that nothing comes stay in line",
    ),
    (
        "            waiter.fail(functools.partial(make, waiter))\n",
        "            waiter.fail(functools.partial(make, waiter))\n            break\n",
        "one is told at a time that nothing comes",
    ),
    (
        "        return [waiter for waiter in waiters if not waiter.done]",
        "        return waiters",
        "who has gone is told all the same",
    ),
    (
        "        while self and (first := next(iter(self))).done:",
        "        if self and (first := next(iter(self))).done:",
        "of those who have gone only the first is passed over",
    ),
)

WAITING = (
    (
        "            sessions.give(granted)  # as",
        "            pass  # as",
        "what was granted to somebody cancelled is lost",
    ),
    (
        "            sessions.give(granted)  # as",
        "            sessions.gate.free(granted, sessions.now())  # as",
        "what was granted to somebody cancelled goes on unseen, though it may be dead",
    ),
    (
        "            sessions.gate.withdraw(caller, sessions.now())\n",
        "            pass\n",
        "who is cancelled stays in line",
    ),
    (
        "        if caller.deadline < self._expires_at:\n            self._watch(caller.deadline)\n",
        "",
        "deadlines are not watched",
    ),
    (
        "        if nearest is not None:\n            self._watch(nearest)",
        "        if False:\n            self._watch(nearest)",
        "after one deadline no other is watched",
    ),
    (
        "        if caller.deadline < self._expires_at:",
        "        if self._expiry is None:",
        "a deadline that is nearer is not seen",
    ),
    (
        "        if gate.closed:\n            raise self.closed()\n",
        "",
        "one may wait in line of a closed pool",
    ),
    (
        "        self._refuse_deadlock(caller.task)\n",
        "",
        "whoever waits for himself is not told",
    ),
)

SESSIONS = (
    (
        "        clean = session.clean\n",
        "        clean = session.connected\n",
        "a session in the middle of something counts as clean",
    ),
    (
        "        if gate.work:\n            self.work()\n        if member.expires",
        "        if member.expires",
        "what a release asks for is not done",
    ),
    (
        "                if member.stage is Stage.IDLE:\n                    self.gate.lost",
        "                if False:\n                    self.gate.lost",
        "the end of an idle session is not told to the gate",
    ),
    (
        "            self.environment.yielding(member.session)\n",
        "",
        "what is given up for another group may fall back to the giver",
    ),
    (
        "                async with asyncio.timeout(timeout):\n                    await self._quiet",
        "                await self._quiet",
        "a close waits for ever for what is not given back",
    ),
    (
        "            self._quiet.set_result(None)\n        for task in self.tasks:\n            task.cancel()",
        "            self._quiet.set_result(None)",
        "a cancelled close takes its time",
    ),
    (
        "            if member.stage is Stage.OPENING:\n                self._not_opened(member)\n            elif",
        "            if member.stage is Stage.OPENING:\n                pass\n            elif",
        "an opening that is cancelled before it began keeps its place",
    ),
    (
        "                member.session.abort()\n                self.gate.drop",
        "                self.gate.drop",
        "a close that is cancelled before it began leaves the session open",
    ),
    (
        "        self.environment.withdraw(member.session)\n        self.gate.failed",
        "        self.gate.failed",
        "a failed opening keeps its place on the device",
    ),
    (
        "            self._claims.discard(member)\n            self._not_opened(member)\n        elif",
        "            self._claims.discard(member)\n        elif",
        "an abandoned opening keeps its slot",
    ),
    (
        "            async with asyncio.timeout(SETTLE_TIMEOUT):\n                ok = await work()",
        "            ok = await work()",
        "a recovery may take for ever",
    ),
    (
        "            self.gate.gone(member, self.now())\n            self.work()",
        "            self.gate.gone(member, self.now())",
        "what a closed session makes possible is not done",
    ),
    (
        "            self._wake_at(retry_at)\n        gate.match(now)",
        "            pass\n        gate.match(now)",
        "nobody comes back when the path may be tried again",
    ),
)

LIMITS = (
    (
        "            self._leave_line(waiter)\n            self._forget(waiter.group)\n            return",
        "            return",
        "who waits no longer is granted a place",
    ),
    (
        "            self._count(group, -1)\n        self._serve(now)",
        "            self._count(group, -1)",
        "a place that comes free is not handed on",
    ),
    (
        "        if place is not None and place.login_at is not None and not place.live:\n",
        "        if False:\n",
        "a login that did not take place counts",
    ),
    (
        "        if (limit is not None and len(self._places) >= limit) or",
        "        if (limit is not None and len(self._places) > limit) or",
        "one session more than the limit",
    ),
    (
        "        return limit is None or len(self._places) < limit\n",
        "        return limit is None or len(self._places) <= limit\n",
        "one session more than the limit, for whoever comes when nobody waits",
    ),
    (
        "            self._rate.record(now)\n            place.login_at = now\n        self._places",
        "            place.login_at = now\n        self._places",
        "logins are not counted",
    ),
    (
        "        return max(0, self._rate.per_minute - self._rate.recent(now))",
        "        return self._rate.per_minute",
        "logins are not limited",
    ),
    (
        "key=lambda head: (head.group.held, head.rank, head.turn)",
        "key=lambda head: (-head.group.held, head.rank, head.turn)",
        "the group that holds most is served first",
    ),
    (
        "            times.append(self._rate.due(self._now))",
        "            pass",
        "nobody comes back when a login is free again",
    ),
    (
        "        group.served = next(self._turns)\n",
        "",
        "a large pool keeps a small one waiting until all of its own are served",
    ),
    (
        "        if place.yielding or now - place.since < TURN:",
        "        if True:",
        "a busy pool never passes a session on",
    ),
    (
        "        return None if taker is None or taker[0] is own else taker",
        "        return None",
        "nobody is asked to give up an idle session",
    ),
    (
        "        self._lesson.refused(max(1, live), now, memory)\n",
        "        pass\n",
        "nothing is learned from a refusal",
    ),
)

BREAKER = (
    (
        "        if not force and self.due(now) != 0.0:\n            return False\n",
        "",
        "a failing path is tried by all at once",
    ),
    (
        "        return None if self._under_way else max(0.0, self.retry_at - now)",
        "        return max(0.0, self.retry_at - now)",
        "while one tries, others try as well",
    ),
    (
        "        if self.retry_at or self._works_since is None:\n            self._close()",
        "        if self._works_since is None:\n            self._close()",
        "a path that works again stays closed",
    ),
    (
        'merely crowded."""\n        self._under_way.pop(holder, None)',
        'merely crowded."""',
        "a cancelled attempt is under way for ever",
    ),
    (
        "        wait = PERMANENT_FOR if permanent else self._backoff()",
        "        wait = self._backoff()",
        "a wrong password is tried again and again",
    ),
    (
        "        self.failures += 1\n",
        "        self.failures = 1\n",
        "the waits do not grow",
    ),
    (
        "        self.retry_at = now + wait\n",
        "        self.retry_at = now\n",
        "a failing path is tried again at once",
    ),
)

TURN = (
    (
        "        self.busy = False\n        self._hand_on()",
        "        self.busy = False",
        "a turn that comes free is not handed on",
    ),
    (
        "            if future.done() and not future.cancelled():\n                undo()",
        "            if False:\n                undo()",
        "a turn that was granted to somebody cancelled is lost",
    ),
)

LENDING = (
    (
        "        if get_ident() == sessions.here.thread and member.session.clean:",
        "        if get_ident() == sessions.here.thread:",
        "a dirty session comes back the quick way",
    ),
    (
        "                self.exclusivity.unshare(lent)\n",
        "                pass\n",
        "what came back the quick way keeps the device from exclusive work",
    ),
    (
        "            except BaseException:\n                lent.release()\n                raise\n        else",
        "            except BaseException:\n                raise\n        else",
        "who is refused a place in line keeps the device from exclusive work",
    ),
    (
        "        if lent is None or lent.member is None:\n            raise ReleasedTwice(",
        "        if False:\n            raise ReleasedTwice(",
        "what is given back twice is in two hands",
    ),
)

CALLS = (
    (
        "                finally:\n                    sessions.give(member)",
        "                finally:\n                    asyncio.current_task().cancelling() or sessions.give(member)",
        "a call that is cancelled keeps its session",
    ),
)

MUTANTS: tuple[Mutant, ...] = tuple(
    Mutant(file, *texts)
    for file, planted in (
        ("pool/gate.py", GATE),
        ("pool/queue.py", QUEUE),
        ("pool/waiting.py", WAITING),
        ("pool/sessions.py", SESSIONS),
        ("admission/limits.py", LIMITS),
        ("admission/breaker.py", BREAKER),
        ("connection/turn.py", TURN),
        ("pool/lending.py", LENDING),
        ("pool/calls.py", CALLS),
    )
    for texts in planted
)
