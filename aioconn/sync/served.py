# SPDX-License-Identifier: Apache-2.0
"""The daemons of this user by name: three files each, in the private directory where brokers listen.

NAME.lock    locked by the daemon as long as it lives, whatever ends it: who gets the lock knows that no other runs
NAME.sock    where it listens
NAME.token   its card: all that a script has to know to be let in; only its user may read it
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from aioconn.broker.estate import Address
from aioconn.broker.folder import is_abandoned, private_file, runtime_directory
from aioconn.broker.origin import origin_of
from aioconn.errors import UsageError, nearest
from aioconn.sync.finding import testbed_at

if TYPE_CHECKING:
    from aioconn.sync.testbed import Testbed

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,47}")
"""What may name a daemon: it is part of a file name, and brokers without a name have theirs begin with a digit."""

_CARD_LIMIT = 64 * 1024  # bytes
_ATTEMPTS = 16  # to lock a file that others may be removing
_PROBE = 2.0  # seconds in which a daemon's backlog has to move


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """How to reach a daemon, and what it serves."""

    name: str
    path: str
    token: bytes = field(repr=False)
    estate: str
    key: int
    """The testbed's number at the daemon."""
    pid: int
    testbed: str
    """The testbed's name."""
    source: str
    """Its file."""

    @property
    def address(self) -> Address:
        return Address(path=self.path, token=self.token, estate=self.estate)

    def dump(self) -> bytes:
        values = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**values, "token": self.token.hex()}).encode("ascii")

    @classmethod
    def load(cls, data: bytes) -> Card:
        """Raises `ValueError` for what is no card."""
        values = json.loads(data)
        if not isinstance(values, dict) or set(values) != set(cls.__slots__):
            raise ValueError("not the fields of a card")
        kinds = {"key": int, "pid": int}
        if any(type(value) is not kinds.get(name, str) for name, value in values.items()):
            raise ValueError("a field of another type")
        return cls(**{**values, "token": bytes.fromhex(values["token"])})


def checked(name: str) -> str:
    """`name` itself. Raises `UsageError` if it cannot name a daemon."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a daemon",
            hint="letters, digits and _ . -, at most 48 of them, a letter or _ first",
        )
    return name


def name_for(testbed: str) -> str:
    """The name of a daemon that is given none."""
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "_", testbed)[:47] or "testbed"
    return name if NAME.fullmatch(name) else f"_{name}"


# ---------------------------------------------------------------------- the daemon's side


class Claim:
    """A name, held until `release()` or the end of the process."""

    def __init__(self, name: str) -> None:
        self.name = checked(name)
        self._folder = runtime_directory()
        self._lock = -1
        self._card: Path | None = None

    def take(self) -> None:
        """Raises `UsageError` if another daemon has the name. What a dead one has left is removed."""
        path = self._folder / f"{self.name}.lock"
        for _ in range(_ATTEMPTS):
            number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _same(number, path):
                    self._lock = number
                    break
            except BlockingIOError:
                raise self._taken() from None
            finally:
                if self._lock != number:
                    os.close(number)  # another one has just removed it
        else:
            raise self._taken()
        for ending in ("token", "sock"):
            with contextlib.suppress(FileNotFoundError):
                (self._folder / f"{self.name}.{ending}").unlink()

    def publish(self, card: Card) -> None:
        """From now on scripts find the daemon."""
        path = self._folder / f"{self.name}.token"
        private_file(path, card.dump())
        self._card = path

    def withdraw(self) -> None:
        """No script finds the daemon any more; the name is still taken."""
        card, self._card = self._card, None
        if card is not None:
            card.unlink(missing_ok=True)

    def release(self) -> None:
        """Give the name back. May be repeated."""
        self.withdraw()
        number, self._lock = self._lock, -1
        if number >= 0:
            (self._folder / f"{self.name}.lock").unlink(missing_ok=True)
            os.close(number)

    def _taken(self) -> UsageError:
        card = read_card(self._folder / f"{self.name}.token")
        who = f", process {card.pid}, with {card.source or card.testbed}" if card is not None else ""
        return UsageError(
            f"a daemon {self.name!r} runs already{who}",
            hint=f"attach to it, end it with aioconn serve --stop --name {self.name}, or choose another --name",
        )


def _same(number: int, path: Path) -> bool:
    """Whether the open file is still the one of that path."""
    try:
        return os.path.samestat(os.fstat(number), os.stat(path))
    except FileNotFoundError:
        return False


# ---------------------------------------------------------------------- the scripts' side


def running() -> list[Card]:
    """The daemons that run, in the order of their names."""
    return list(_running())


def find(name: str | None = None) -> Card:
    """The daemon of that name; without one, the only one that runs. Raises `UsageError` and says which there are."""
    cards = {card.name: card for card in _running()}
    start = "start one: aioconn serve -t FILE --background"
    if name is not None:
        if name not in cards:
            raise UsageError(f"no daemon {name!r} runs", hint=nearest(name, cards) if cards else start)
        return cards[name]
    if not cards:
        raise UsageError("no daemon runs that holds sessions", hint=start)
    if len(cards) > 1:
        raise UsageError(f"{len(cards)} daemons run", hint=f"name one of them: {', '.join(cards)}")
    return next(iter(cards.values()))


def attach(name: str | None = None) -> Testbed:
    """The testbed that `aioconn serve` holds under this name, or that of the only one that runs.

    It is used like one that was loaded, but its devices may be connected already; `connect()` returns such a connection
    as it is. Leaving `with attach() as testbed:` closes nothing. `disconnect()` does, for everybody. Raises
    `UsageError`, with the names that there are, if none runs or it is not clear which one is meant; later calls raise
    `BrokerGone` if the daemon has ended.
    """
    card = find(name)
    return testbed_at(card.address, card.key, card.testbed)


def read_card(path: Path) -> Card | None:
    """The card in a file; None if there is none, or another user could have written it."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with open(number, "rb") as file:
        status = os.fstat(number)
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            return None
        try:
            return Card.load(file.read(_CARD_LIMIT))
        except ValueError:
            return None


def _running() -> Iterator[Card]:
    for path in sorted(runtime_directory().glob("*.token")):
        card = read_card(path)
        if card is not None and card.name == path.stem and not is_abandoned(Path(card.path)):
            yield card


def process_of(card: Card) -> int:
    """The daemon's process, as the system knows it here. Raises `UsageError` if it is not seen from here."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE)
        try:
            probe.connect(card.path)
            origin = origin_of(probe)
        except OSError as error:
            raise UsageError(f"the daemon {card.name!r} does not answer: {error}") from None
    if origin.uid is not None and origin.pid is None:
        raise UsageError(
            f"the daemon {card.name!r} runs where its process cannot be seen from here",
            hint="end it there; it may be in another container",
        )
    return origin.pid or card.pid
