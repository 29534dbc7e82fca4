# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""aioconn's sessions in pyATS scripts: `class: aioconn.compat.pyats.Connection` in a testbed, or `connect(cls=...)`.

Scripts go on as they are: `device.connect()` with aliases, `via` and `pool_size`, `execute`, `configure`, genie's
`parse` and `learn`. Forked children, those of `pcall` too, work on the sessions of the parent.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyats.connections import BaseConnection

from aioconn.compat.arguments import translated
from aioconn.compat.dialogs import outputs, refusal, replies
from aioconn.compat.topology import counterpart
from aioconn.compat.unicon import as_unicon
from aioconn.errors import AioconnError, CommandRejected, CommandTimeout, DeviceBusy, SessionClosed

if TYPE_CHECKING:
    from aioconn.compat.topology import Counterpart

_log = logging.getLogger(__name__)

_NOW = 0.001
"""Seconds that an attempt to get a session may take that is not to wait for it."""

_A_WHILE = 30.0
"""Seconds of one attempt, of which there may be any number."""

_FOREVER = float("inf")

_UNTIL_TIMEOUT = "nopattern^"
"""unicon's word for: whatever comes until the time is over."""

Patterns = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What `expect` found. `last_match_index`, `last_match` and `match_output` are unicon's names."""

    last_match_index: int
    last_match: re.Match[str]
    match_output: str


class Connection(BaseConnection):  # type: ignore[misc]  # pyATS has no types
    """One connection of a device of pyATS, over a session of aioconn's.

    What is said beside `device`, `alias` and `via` are options of aioconn's connection class, or arguments of unicon's
    that mean the same. Services of the class that are not written here (`get_config` of NETCONF, `parse` with
    ntc-templates under `textfsm`) are methods as well. Errors are aioconn's, and unicon's at the same time.

    Commands and what was answered are logged at INFO, without secrets that are known, unless `log_stdout` is False.
    """

    def __init__(
        self, *, device: Any, alias: str, via: str | None = None, log_stdout: bool = True, **options: Any
    ) -> None:
        super().__init__(device=device, alias=alias, via=via)
        self._logged = log_stdout
        self._options = translated(options)
        self._handle: Any = None
        self._counterpart: Counterpart | None = None
        self._kept: dict[tuple[int, int], list[AbstractContextManager[Any] | None]] = {}
        self._received: str | None = None

    # ------------------------------------------------------------------ its life

    @property
    def connected(self) -> bool:
        """Whether it is up."""
        return self._handle is not None and bool(self._handle.connected)

    @property
    def session(self) -> Any:
        """aioconn's own connection, with everything that it can do. Raises `SessionClosed` before `connect()`."""
        if self._handle is None:
            raise as_unicon(
                SessionClosed("not connected", device=self.device.name, path=self.via, hint="call connect()")
            )
        return self._handle

    def connect(self) -> str:
        """Open it; nothing happens if it is open. Returns an empty text: nothing is kept of what a login says."""
        with _unicons_errors():
            if not self.connected:
                _quieten_asyncssh()
                self._counterpart = counterpart(self.device)
                name = self._counterpart.alias(self.alias, self)
                self._handle = self._counterpart.device.connect(alias=name, via=self.via, **self._options)
        return ""

    def disconnect(self) -> None:
        """Close it, for all processes that use it. It may be connected again."""
        if self._handle is not None:
            with _unicons_errors():
                self._handle.close()

    # ------------------------------------------------------------------ kept for one caller

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Keep it for this thread until `release()`, against threads and processes; whether that came about.

        A process that dies gives it back. May be repeated by its holder.
        """
        me = os.getpid(), threading.get_ident()
        if me in self._kept:
            self._kept[me].append(None)
            return True
        end = time.monotonic() + (_FOREVER if timeout is None else timeout) if block else 0.0
        while True:
            left = min(_A_WHILE, max(_NOW, end - time.monotonic()))
            transaction = self.session.transaction(timeout=left)
            try:
                with _unicons_errors():
                    transaction.__enter__()
            except DeviceBusy:
                if time.monotonic() >= end:
                    return False
            else:
                self._kept[me] = [transaction]
                return True

    def release(self) -> None:
        """Give it back to whoever waits for it."""
        me = os.getpid(), threading.get_ident()
        kept = self._kept.get(me)
        assert kept, "release() of a connection that this thread has not acquired"
        transaction = kept.pop()
        if not kept:
            del self._kept[me]
        if transaction is not None:
            transaction.__exit__(None, None, None)

    # ------------------------------------------------------------------ services

    def execute(
        self,
        command: str | Sequence[str] = "",
        *,
        timeout: float | None = None,
        reply: Any = None,
        error_pattern: Patterns | None = None,
        append_error_pattern: Patterns | None = None,
        check: bool | None = None,
        mode: str | None = None,
        search_size: int | None = None,
        allow_state_change: bool | None = None,
        service_dialog: Any = None,
        matched_retries: int | None = None,
        matched_retry_sleep: float | None = None,
        detect_state: bool | None = None,
        prompt_recovery: bool | None = None,
    ) -> Any:
        """Run a command, or several (a list, or lines): what it printed; of several a dict by command.

        `reply` is a mapping from patterns to answers or a `Dialog`. `error_pattern` are regular expressions that are
        looked for instead of the platform's (none if empty), `append_error_pattern` beside them: `CommandRejected`,
        which is a `SubCommandFailure`. From `search_size` on nothing is needed here, and has no effect.
        """
        commands = (command.splitlines() or [""]) if isinstance(command, str) else list(command)
        if error_pattern is not None:
            check = False
        patterns = [*(error_pattern or ()), *(append_error_pattern or ())]
        answers = {**(replies(service_dialog) or {}), **(replies(reply) or {})}
        keys = _given(timeout=timeout, check=check, reply=answers or None, mode=mode)
        with _unicons_errors():
            said = self.session.execute(commands, **keys)
            for one, output in zip(commands, said, strict=True):
                self._tell(one, output)
                self._check(one, output, patterns)
        return outputs(commands, said)

    def configure(
        self,
        command: str | Sequence[str] = (),
        *,
        timeout: float | None = None,
        reply: Any = None,
        error_pattern: Patterns | None = None,
        append_error_pattern: Patterns | None = None,
        check: bool | None = None,
        allow_state_change: bool | None = None,
        bulk: bool | None = None,
        bulk_chunk_lines: int | None = None,
        bulk_chunk_sleep: float | None = None,
        result_check_per_command: bool | None = None,
        lock_retries: int | None = None,
        lock_retry_sleep: float | None = None,
        prompt_recovery: bool | None = None,
    ) -> str:
        """Send configuration lines (a list, or a text of several lines): what the device said to them.

        Options as in `execute`; from `allow_state_change` on without effect.
        """
        lines = command.splitlines() if isinstance(command, str) else list(command)
        if error_pattern is not None:
            check = False
        patterns = [*(error_pattern or ()), *(append_error_pattern or ())]
        with _unicons_errors():
            said: str = self.session.configure(
                lines, **_given(timeout=timeout, check=check, reply=replies(reply) or None)
            )
            self._tell("\n".join(lines), said)
            self._check("\n".join(lines), said, patterns)
        return said

    def send(self, text: str, *, timeout: float | None = None) -> bool:
        """Write a text as it is. What comes is read by `expect` and `receive`."""
        with _unicons_errors():
            self.session.send(text, newline=False, **_given(timeout=timeout))
        return True

    transmit = send

    def sendline(self, text: str = "", *, timeout: float | None = None) -> bool:
        """Write a line."""
        with _unicons_errors():
            self.session.send(text, **_given(timeout=timeout))
        return True

    def expect(self, patterns: str | Patterns, *, timeout: float | None = None) -> Match:
        """Read until one of the regular expressions is found. Raises `CommandTimeout`, also a `TimeoutError`."""
        with _unicons_errors():
            found = self.session.expect(patterns, **_given(timeout=timeout))
        return Match(last_match_index=found.index, last_match=found.match, match_output=found.text)

    def receive(self, pattern: str = _UNTIL_TIMEOUT, *, timeout: float = 10.0) -> bool:
        """Read until the regular expression is found, `timeout` seconds at most; whether it was. See `receive_buffer`.

        Without one, or with unicon's `nopattern^`, everything that comes in that time.
        """
        if pattern != _UNTIL_TIMEOUT:
            try:
                self._received = self.expect([pattern], timeout=timeout).match_output
            except CommandTimeout:
                return False
            return True
        pieces: list[str] = []
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                with _unicons_errors():
                    pieces.append(self.session.receive(timeout=left))
            except CommandTimeout:
                break
        self._received = "".join(pieces)
        return bool(pieces)

    def receive_buffer(self) -> str:
        """What the last `receive` has read."""
        return self._received or ""

    def ping(
        self,
        addr: str,
        *,
        count: int = 5,
        size: int | None = None,
        source: str | None = None,
        vrf: str | None = None,
        timeout: float | None = None,
    ) -> str:
        """Have the device ping an address: what it printed. Raises `CommandFailed` if nothing comes back."""
        with _unicons_errors():
            pinged = self.session.ping(
                addr, count=count, **_given(size=size, source=source, vrf=vrf, timeout=timeout)
            )
        output: str = pinged.output
        return output

    def copy(
        self,
        *,
        source: str,
        dest: str,
        vrf: str | None = None,
        username: str | None = None,
        password: str | None = None,
        reply: Any = None,
        timeout: float | None = None,
    ) -> str:
        """Have the device copy a file: what it printed. The questions of its platform are answered."""
        keys = _given(vrf=vrf, username=username, password=password, reply=replies(reply), timeout=timeout)
        with _unicons_errors():
            output: str = self.session.copy(source, dest, **keys)
        return output

    def reload(
        self,
        reload_command: str | None = None,
        *,
        reply: Any = None,
        dialog: Any = None,
        pause: float | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Reload the device and wait until it is back, `timeout` seconds at most; True. See aioconn's `reload`."""
        answers = {**(replies(dialog) or {}), **(replies(reply) or {})}
        keys = _given(command=reload_command, reply=answers or None, pause=pause, timeout=timeout)
        with _unicons_errors():
            self.session.reload(**keys)
        return True

    def textfsm(self, command: str, *, timeout: float | None = None, parser: str | None = None) -> Any:
        """Run a command and parse its output with ntc-templates; `device.parse` of a device of genie is genie's own."""
        with _unicons_errors():
            return self.session.parse(command, **_given(timeout=timeout, parser=parser))

    def __getattr__(self, name: str) -> Any:
        """The other services of the connection class, and its properties."""
        handle = self.__dict__.get("_handle")
        # a device of pyATS asks for what it does not have itself, and `parse` is a word of genie's: no other is meant
        if handle is None or name.startswith("_") or name == "parse":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = getattr(handle, name)
        return _guarded(value) if callable(value) else value

    def _tell(self, sent: str, said: str) -> None:
        """Log it: in pyATS the log is where people look what a device said."""
        if self._logged and self._counterpart is not None and _log.isEnabledFor(logging.INFO):
            text = self._counterpart.redacted(f"{sent}\n{said}", self.via)
            _log.info("%s, %s: %s", self.device.name, self.alias, text)

    def _check(self, command: str, output: str, patterns: Patterns) -> None:
        """Raises `CommandRejected` if the output matches one of the caller's patterns."""
        if patterns and (line := refusal(output, patterns)) is not None:
            raise CommandRejected(
                f"{command!r} was answered with {line!r}",
                device=self.device.name,
                path=self.via,
                output=output,
                line=line,
                command=command,
            )


def _given(**options: Any) -> dict[str, Any]:
    """The options that somebody has set: not every connection class knows all of them."""
    return {name: value for name, value in options.items() if value is not None}


def _quieten_asyncssh() -> None:
    """pyATS logs everybody's INFO, and asyncssh's is a line for each channel that opens or closes."""
    logger = logging.getLogger("asyncssh")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


def _guarded(call: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _unicons_errors():
            return call(*args, **kwargs)

    return guarded


@contextmanager
def _unicons_errors() -> Iterator[None]:
    """Scripts catch unicon's errors: ours are those as well."""
    try:
        yield
    except AioconnError as error:
        both = as_unicon(error)
        if both is error:
            raise
        raise both.with_traceback(error.__traceback__) from error.__cause__
