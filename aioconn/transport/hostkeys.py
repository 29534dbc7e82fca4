# SPDX-License-Identifier: Apache-2.0
"""Which keys the hosts are known by, in OpenSSH's known_hosts format (sshd(8), "SSH_KNOWN_HOSTS FILE
FORMAT").

A `HostKeys` reads several files and writes to the first. Each file is read once per change, whatever the
number of connections. It belongs to no event loop and may be used by many threads; other processes may
write to the file at the same time.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from aioconn.home.locks import Lock
from aioconn.transport.knownfile import KnownFile, KnownKey

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger(__name__)

USER_FILE = Path("~/.ssh/known_hosts")
SYSTEM_FILE = Path("/etc/ssh/ssh_known_hosts")
LOCK_TIMEOUT = 1.0  # seconds
ATTEMPTS = 10  # to write into a file that others put another in the place of


def default_store() -> Path:
    """Where aioconn remembers the keys of hosts."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "aioconn" / "known_hosts"


def label(host: str, port: int) -> str:
    """How known_hosts names a host: the port only stands there if it is not 22."""
    host = host.lower()
    return host if port == 22 else f"[{host}]:{port}"


def describe(key: asyncssh.SSHKey) -> str:
    """`ssh-ed25519 SHA256:...`, as OpenSSH prints it."""
    return f"{key.get_algorithm()} {key.get_fingerprint()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about one host. `elsewhere` are keys of the host without its port: good enough to accept
    one that is the same, no reason to refuse another."""

    trusted: tuple[KnownKey, ...] = ()
    authorities: tuple[KnownKey, ...] = ()
    revoked: tuple[KnownKey, ...] = ()
    elsewhere: tuple[KnownKey, ...] = ()

    def accepts(self, key: asyncssh.SSHKey) -> bool:
        return any(key.public_data == known.key.public_data for known in (*self.trusted, *self.elsewhere))


class HostKeys:
    """The known keys of all hosts. `remember` appends to `path`; `others` are only read."""

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        self.path = path
        self._files = [KnownFile(path), *(KnownFile(other.expanduser()) for other in others)]
        self._found: dict[tuple[str, int], Known] = {}
        self._lock = Lock()

    def find(self, host: str, port: int) -> Known:
        """What is known about this host now."""
        with self._lock:
            return self._find(host, port)

    def _find(self, host: str, port: int) -> Known:
        changed = [file.refresh() for file in self._files]
        if any(changed):
            self._found.clear()
        if (known := self._found.get((host, port))) is None:
            known = self._found[host, port] = self._search(host, port)
        return known

    def _search(self, host: str, port: int) -> Known:
        kinds = self._collect(label(host, port))
        if port == 22:
            return Known(trusted=kinds[0], authorities=kinds[1], revoked=kinds[2])
        plain = self._collect(label(host, 22))
        return Known(
            trusted=kinds[0],
            authorities=(*kinds[1], *plain[1]),
            revoked=(*kinds[2], *plain[2]),
            elsewhere=plain[0],
        )

    def _collect(self, name: str) -> list[tuple[KnownKey, ...]]:
        kinds: list[list[KnownKey]] = [[], [], []]
        for file in self._files:
            for kind, known in file.find(name):
                kinds[kind].append(known)
        return [tuple(keys) for keys in kinds]

    def remember(self, host: str, port: int, key: asyncssh.SSHKey) -> KnownKey | None:
        """Append the host's key, unless it is there. Returns the key that another process has recorded
        meanwhile and that differs from `key`, else None.

        A store that cannot be written is not worth losing the connection: that is logged, and the key is
        remembered by this process only.
        """
        text = f"{label(host, port)} {key.export_public_key().decode().strip()}\n"
        with self._lock:
            try:
                return self._append(host, port, key, text)
            except OSError as error:
                logger.warning("the key of %s cannot be remembered in %s: %s", host, self.path, error)
                self._files[0].keep(text)
                self._found.clear()
                return None

    def _append(self, host: str, port: int, key: asyncssh.SSHKey, text: str) -> KnownKey | None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(ATTEMPTS):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                _exclusive(descriptor)
                known = self._find(host, port)
                if known.accepts(key):
                    return None
                if known.trusted:
                    return known.trusted[0]
                if self._has(descriptor):
                    _add(descriptor, text)
                    return None
            finally:
                _release(descriptor)
                os.close(descriptor)
        raise OSError("others keep putting another file in its place")

    def _has(self, descriptor: int) -> bool:
        """Whether the open file is still the one that has the name: `ssh-keygen -R` puts another in its place, and
        looks at no lock."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False


def _add(descriptor: int, text: str) -> None:
    """A line at the end of the open file: all of it, or nothing."""
    size = os.fstat(descriptor).st_size
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        text = "\n" + text
    data = text.encode()
    if os.write(descriptor, data) != len(data):
        os.ftruncate(descriptor, size)
        raise OSError("the file system is full")


def _exclusive(descriptor: int) -> None:
    """Lock the open file against other processes. Holders keep it for microseconds; a stopped one must not
    stop us."""
    if sys.platform == "win32":
        return
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OSError("another process keeps it locked") from None
            os.sched_yield()


def _release(descriptor: int) -> None:
    """Closing alone would leave the lock to a child that was forked meanwhile."""
    if sys.platform != "win32":
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@functools.cache
def open_store(path: Path, others: tuple[Path, ...]) -> HostKeys:
    """One `HostKeys` per set of files in this process."""
    return HostKeys(path, others)


def store_for(known_hosts: str | None) -> HostKeys:
    """The store that a user's `known_hosts` setting names; None: aioconn's own, and OpenSSH's files
    besides."""
    if known_hosts is not None:
        return open_store(Path(known_hosts).expanduser(), ())
    return open_store(default_store(), (USER_FILE.expanduser(), SYSTEM_FILE))
