# SPDX-License-Identifier: Apache-2.0
"""One file of keys in OpenSSH's known_hosts format, and what it holds by now.

It is looked at before each use, and read when it has changed: all of it, or only what was appended, as other processes
do that get to know hosts at the same time. Lines are decoded when a host asks for them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import asyncssh

logger = logging.getLogger(__name__)

TAIL = 512
"""Bytes before its end by which a file that has grown is known again: more than a line with a common key."""

TRUST = 10.0
"""Seconds for which growth is taken for appended lines. An editor that changes a file in place may add lines too."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key and the line that holds it."""

    key: asyncssh.SSHKey
    file: Path
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(slots=True)
class _Line:
    text: str
    number: int
    exact: bool  # whoever looks at it has found his name in it
    decoded: asyncssh.SSHKnownHosts | None = None

    def match(self, name: str, file: Path) -> tuple[Sequence[asyncssh.SSHKey], ...]:
        """Trusted, authority and revoked keys that this line of `file` holds for `name`; nothing if it cannot be read,
        which is said once: a host whose key is damaged counts as unknown."""
        if self.decoded is not None:
            return self.decoded.match(name, "", None)[:3]
        try:
            self.decoded = asyncssh.import_known_hosts(self.text)
        except ValueError:
            self.decoded = asyncssh.import_known_hosts("")
        found = self.decoded.match(name, "", None)
        if self.exact and not any(found):
            logger.warning("%s:%d: the key of %s cannot be read, and does not count", file, self.number, name)
        return found[:3]


class _Stamp(NamedTuple):
    changed: int
    size: int
    inode: int


@dataclass(slots=True)
class KnownFile:
    """Belongs to the lock of the store that it is in."""

    path: Path
    _stamp: _Stamp | None = None
    _exact: dict[str, list[_Line]] = field(default_factory=dict)
    _patterns: list[_Line] = field(default_factory=list)
    _count: int = 0
    _end: int = 0  # of the whole lines that were taken; 0 where it has to be read from the beginning
    _tail: bytes = b""
    _whole: float = 0.0  # when it was last read from the beginning

    def refresh(self) -> bool:
        """Read what has changed; True if something has."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        appended = self._appended(stamp)
        if appended is None:
            self._exact, self._patterns, self._count = {}, [], 0
            self._whole = time.monotonic()
            self._end, self._tail = 0, b""
            if stamp is not None:
                self._follow(self.read(0))
        else:
            # A child that is forked before this is done reads it all.
            end, tail = self._end, self._tail
            self._end, self._tail = 0, b""
            self._follow(appended, end, tail)
        self._stamp = stamp  # last, for the same reason
        return True

    def keep(self, text: str) -> None:
        """A line that the file does not have, until it is read again."""
        self._take(text)
        self._end = 0

    def find(self, name: str) -> Iterator[tuple[int, KnownKey]]:
        """The keys for `name`, each with 0 for trusted, 1 for an authority, 2 for revoked."""
        for line in (*self._exact.get(name, ()), *self._patterns):
            for kind, keys in enumerate(line.match(name, self.path)):
                for key in keys:
                    yield kind, KnownKey(key, self.path, line.number)

    # ------------------------------------------------------------------ reading

    def _look(self) -> _Stamp | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)

    def _appended(self, stamp: _Stamp | None) -> bytes | None:
        """What comes after the part that is known; None if more than that may have changed."""
        known = self._stamp
        if (
            not self._end
            or stamp is None
            or known is None
            or stamp.inode != known.inode
            or stamp.size <= known.size
            or time.monotonic() - self._whole > TRUST
        ):
            return None
        data = self.read(self._end - len(self._tail))
        return data[len(self._tail) :] if data.startswith(self._tail) else None

    def read(self, offset: int) -> bytes:
        """What is there from this byte on; nothing if it cannot be read."""
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(offset)
                return file.readall()
        except OSError as error:
            logger.warning("known hosts file %s cannot be read: %s", self.path, error)
            return b""

    def _follow(self, data: bytes, end: int = 0, tail: bytes = b"") -> None:
        """Take what was read behind `end`. A line that is not ended may be half of one: it is read again."""
        self._take(data.decode("utf-8", "replace"))
        if data.endswith(b"\n") or not data:
            self._tail = (tail + data)[-TAIL:]
            self._end = end + len(data)

    def _take(self, text: str) -> None:
        for content in text.splitlines():
            self._count += 1
            words = content.split(None, 2)
            if len(words) < 2 or words[0].startswith("#"):
                continue
            names = words[1] if words[0].startswith("@") else words[0]
            if any(character in names for character in "*?|/!"):
                self._patterns.append(_Line(content, self._count, exact=False))
                continue
            line = _Line(content.replace(names, names.lower(), 1), self._count, exact=True)
            for name in names.lower().split(","):
                self._exact.setdefault(name, []).append(line)
