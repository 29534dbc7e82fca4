# SPDX-License-Identifier: Apache-2.0
"""One session of a pool: what it is doing, who has it, and what is to be done with it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Stage(StrEnum):
    """What a session of a pool is doing."""

    OPENING = "opening"
    IDLE = "idle"
    LEASED = "leased"
    CHECKING = "checking"  # does it still answer?
    SETTLING = "settling"  # brought back in step
    CLOSING = "closing"
    GONE = "gone"


class Task(StrEnum):
    """Work that takes time."""

    OPEN = "open"
    ABANDON = "abandon"  # an opening that nobody needs any more
    SETTLE = "settle"
    CHECK = "check"
    CLOSE = "close"


class Member(Generic[S]):
    """One session of a pool. `since` is the time at which its stage began, `expires` the end of its life."""

    __slots__ = ("call", "expires", "holder", "opened", "reason", "session", "since", "stage")

    def __init__(self, session: S, now: float) -> None:
        self.session = session
        self.stage = Stage.OPENING
        self.since = now
        self.opened = 0.0
        self.expires = 0.0
        self.reason = ""
        self.holder: Any = None  # who keeps it for several calls
        self.call: tuple[Any, ...] | None = None  # the single call that has it

    def __repr__(self) -> str:
        return f"<Member {self.stage} {self.session!r}>"
