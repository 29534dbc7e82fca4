# SPDX-License-Identifier: Apache-2.0
"""The NETCONF side of a simulated device: its datastores, who has locked them, a commit that waits to be confirmed.

The running configuration is the device's own, the one that its command line shows. The candidate is one for all
sessions.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from aioconn.lab.data import Candidate, Edit
from aioconn.lab.netconf_xml import BASE

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

_URN = "urn:ietf:params:netconf:"
CAPABILITIES = (
    f"{_URN}base:1.0",
    f"{_URN}base:1.1",
    *(
        f"{_URN}capability:{name}"
        for name in (
            "writable-running:1.0",
            "candidate:1.0",
            "confirmed-commit:1.1",
            "rollback-on-error:1.0",
            "validate:1.1",
            "xpath:1.0",
            "notification:1.0",
            "interleave:1.0",
            "with-defaults:1.0?basic-mode=report-all&also-supported=trim",
        )
    ),
    "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring?module=ietf-netconf-monitoring&revision=2010-10-04",
)
NOTIFICATIONS = "urn:ietf:params:xml:ns:netconf:notification:1.0"
REPLAY = 1000


class RpcFailure(Exception):
    """An rpc-error: its tag, its text, what stands in its error-info."""

    def __init__(
        self, tag: str, message: str, *, path: str = "", info: str = "", kind: str = "application"
    ) -> None:
        super().__init__(tag, message)
        self.tag, self.message, self.path, self.info, self.kind = tag, message, path, info, kind


class Session(Protocol):
    """What the server needs of those who use it."""

    number: int

    def end(self, *, reset: bool) -> None: ...

    def notify(self, moment: datetime, event: str) -> None: ...


class NetconfServer:
    """What all NETCONF sessions of one device share. `capabilities` may be changed: the next session announces them."""

    def __init__(self, device: LabDevice, listener: asyncio.Server) -> None:
        self.device = device
        self.port: int = listener.sockets[0].getsockname()[1]
        self.capabilities: tuple[str, ...] = CAPABILITIES
        self.sessions: dict[int, Session] = {}
        self.locks: dict[str, Session] = {}
        self.events: deque[tuple[datetime, str]] = deque(maxlen=REPLAY)
        self._listener = listener
        self._numbers = 0
        self._candidate: Candidate | None = None
        self._candidate_version = 0
        self._unconfirmed: Any = None  # the configuration to go back to
        self._persist: str | None = None
        self._confirmer: Session | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._withdraw = device.data.subscribe(self._changed)

    # ------------------------------------------------------------------ sessions

    def enter(self, session: Session) -> int:
        """A session has begun; its number."""
        self._numbers += 1
        self.sessions[self._numbers] = session
        return self._numbers

    def leave(self, session: Session) -> None:
        """A session has ended: what it held is free, what it did not confirm is taken back."""
        self.sessions.pop(session.number, None)
        for target in [target for target, holder in self.locks.items() if holder is session]:
            self.unlock(target, session)
        if self._confirmer is session and self._persist is None:
            self.roll_back()

    def kill(self, number: int, by: Session) -> None:
        if number not in self.sessions or number == by.number:
            raise RpcFailure("invalid-value", f"there is no other session {number}")
        self.sessions[number].end(reset=False)

    def cut(self) -> None:
        """End all sessions, with their connections."""
        for session in list(self.sessions.values()):
            session.end(reset=True)

    async def close(self) -> None:
        self._listener.close()
        self.cut()
        self._withdraw()
        self._stop_timer()

    # ------------------------------------------------------------------ locks

    def lock(self, target: str, session: Session) -> None:
        holder = self.locks.get(target)
        if holder is not None:
            self._denied(target, holder)
        if target == "candidate" and self._candidate is not None and self._candidate.changed:
            raise RpcFailure("lock-denied", "the candidate has changes", info="<session-id>0</session-id>")
        self.locks[target] = session

    def unlock(self, target: str, session: Session) -> None:
        if self.locks.get(target) is not session:
            raise RpcFailure("operation-failed", f"{target} is not locked by this session")
        del self.locks[target]
        if target == "candidate" and session.number not in self.sessions:
            self._candidate = None  # a session that ends with the lock discards its changes

    def check_lock(self, target: str, session: Session) -> None:
        """Whether the session may change a datastore now."""
        holder = self.locks.get(target)
        if holder is not None and holder is not session:
            raise RpcFailure("in-use", f"{target} is locked", info=_holder(holder))

    def _denied(self, target: str, holder: Session) -> None:
        raise RpcFailure(
            "lock-denied",
            f"{target} is locked by session {holder.number}",
            info=_holder(holder),
            kind="protocol",
        )

    # ------------------------------------------------------------------ datastores

    @property
    def candidate(self) -> Candidate:
        """What is edited and does not count yet; it follows the running configuration while it has no changes."""
        version = self.device.data.version
        stale = version != self._candidate_version
        if self._candidate is None or (stale and not self._candidate.changed):
            self._candidate = self.device.data.candidate()
            self._candidate_version = version
        return self._candidate

    def edit(self, target: str, edits: Sequence[Edit]) -> None:
        if target == "candidate":
            self.candidate.edit(edits)
        else:
            self.device.data.edit(edits)

    def discard(self) -> None:
        self._candidate = None

    def commit(
        self,
        session: Session,
        *,
        confirmed: bool,
        seconds: float,
        persist: str | None,
        persist_id: str | None,
    ) -> None:
        if self._unconfirmed is not None:
            self._check_confirmer(session, persist_id)
        elif persist_id is not None:
            raise RpcFailure("invalid-value", "no commit waits to be confirmed")
        before = self.device.running.copy()
        self.candidate.commit()
        self._candidate = None
        self._stop_timer()
        if confirmed:
            if self._unconfirmed is None:
                self._unconfirmed = before
            self._persist, self._confirmer = persist, session
            self._timer = asyncio.get_running_loop().call_later(seconds, self.roll_back)
        else:
            self._unconfirmed = self._persist = self._confirmer = None

    def cancel_commit(self, session: Session, persist_id: str | None) -> None:
        if self._unconfirmed is None:
            raise RpcFailure("operation-failed", "no commit waits to be confirmed")
        self._check_confirmer(session, persist_id)
        self.roll_back()

    def _check_confirmer(self, session: Session, persist_id: str | None) -> None:
        if self._persist != persist_id:
            raise RpcFailure("invalid-value", "this is not the persist-id of the commit")
        if persist_id is None and self._confirmer is not session:
            raise RpcFailure("in-use", "another session has a commit that waits to be confirmed")

    def roll_back(self) -> None:
        """Nobody has confirmed the commit: go back to what was before."""
        self._stop_timer()
        before, self._unconfirmed = self._unconfirmed, None
        self._persist = self._confirmer = None
        if before is not None:
            self.device.adopt(before)

    @property
    def unconfirmed(self) -> bool:
        """Whether a commit waits to be confirmed."""
        return self._unconfirmed is not None

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # ------------------------------------------------------------------ events

    def notify(self, event: str) -> None:
        """Tell all who have subscribed; `event` is an XML element."""
        moment = datetime.now(UTC)
        self.events.append((moment, event))
        for session in list(self.sessions.values()):
            session.notify(moment, event)

    def _changed(self) -> None:
        self.notify(
            '<netconf-config-change xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-notifications">'
            "<datastore>running</datastore></netconf-config-change>"
        )


def notification(moment: datetime, event: str) -> str:
    """RFC 5277, section 4."""
    return f'<notification xmlns="{NOTIFICATIONS}"><eventTime>{moment.isoformat()}</eventTime>{event}</notification>'


def _holder(session: Session) -> str:
    return f'<session-id xmlns="{BASE}">{session.number}</session-id>'
