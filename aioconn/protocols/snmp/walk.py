# SPDX-License-Identifier: Apache-2.0
"""A walk through a subtree: what to ask for next, and when it is over. No I/O."""

from __future__ import annotations

from aioconn.errors import SnmpError
from aioconn.protocols.snmp import ber
from aioconn.protocols.snmp.pdu import Kind, Pdu, bind, status_name
from aioconn.protocols.snmp.values import TAGS, VarBind

_END = TAGS["endOfMibView"]
_TOO_BIG, _NO_SUCH_NAME = 1, 2


class Walk:
    """Asks by GetBulk from the root on. Each variable has to come after the one before it, so that it ends."""

    def __init__(self, root: bytes, repetitions: int, limit: int) -> None:
        self.over = False
        self.last = root
        self._root = root
        self._repetitions = repetitions
        self._left = limit
        self._limit = limit

    def query(self) -> tuple[int, int, int, list[bytes]]:
        """What to ask for next: kind, non-repeaters, repetitions, variables."""
        return Kind.GET_BULK, 0, self._repetitions, [bind(self.last)]

    def take(self, pdu: Pdu, values: list[VarBind]) -> list[VarBind]:
        """What an answer, whose variables have these values, has of the subtree. Raises `SnmpError` for one that does
        not lead on."""
        if pdu.status == _TOO_BIG and self._repetitions > 1:
            self._repetitions //= 2
            return []
        if pdu.status == _NO_SUCH_NAME:  # a proxy for an agent of version 1
            self.over = True
            return []
        if pdu.status:
            raise self._error(status_name(pdu.status), "the agent answered with")
        found: list[VarBind] = []
        root, length = self._root, len(self._root)
        for (oid, tag, _), value in zip(pdu.binds, values, strict=True):
            inside = oid.startswith(root)
            increases = (
                ber.follows(oid[length:], self.last[length:]) if inside else ber.follows(oid, self.last)
            )
            if tag == _END or (increases and not inside):
                self.over = True
                break
            if not increases:
                self.last = oid
                raise self._error("oidNotIncreasing", "the agent goes in circles:")
            if not self._left:
                raise self._error("walkTooLong", f"more than {self._limit} variables:")
            self._left -= 1
            self.last = oid
            found.append(value)
        if not pdu.binds:
            self.over = True
        return found

    def _error(self, status: str, words: str) -> SnmpError:
        oid = ber.dotted(self.last)
        return SnmpError(f"{words} {status} at {oid}", status=status, oid=oid)
