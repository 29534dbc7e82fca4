# SPDX-License-Identifier: Apache-2.0
"""What a simulated device does wrong, on purpose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The misbehaviour of one device. Times are seconds; zero, None and False mean: behaves well.

    Assign a new one to `device.faults` at any time: sessions that live follow it from their next command on.

    latency, jitter     wait before a command's output; a seeded random part of 0..jitter is added
    byte_at_a_time      output leaves in pieces of that many bytes, `byte_interval` apart
    lookalike           a line that looks like the prompt inside every output (True: the prompt itself; a text
                        may hold `{host}` and `{prompt}`), after its first line, or every `lookalike_every`
                        lines; the output halts `lookalike_pause` exactly after it, before its line ends
    wrap                the echo wraps at that column, as `wrap_style` (None: the personality's own) does it:
                        "readline" (` \\r`) or "scroll" (backspaces and `$`)
    paging              a page of that many rows, even where paging is switched off
    banner              a text before the login
    wrong_password      no password is ever right
    vty_limit           sessions beyond it are refused; `vty_refusal` says how over SSH: "channel" or "text", and so it
                        does for shells of which a link may not carry that many
    half_open           TCP connects and nothing follows
    silent              nothing comes after a successful login
    reset_after         the connection is reset after so many bytes of output of a session
    hang_on             a command matching this expression never answers
    garbage             control codes, NULs and bytes that are no UTF-8 in the output, every so many lines
    slow_login          wait before the login is answered
    logins_per_minute   further logins are refused
    syslog_interval     unsolicited log lines, that often
    syslog_every        log lines inside outputs, every so many lines
    hostname            the prompt shows this name
    wrong_id            NETCONF: answers bear the number of another call
    """

    latency: float = 0.0
    jitter: float = 0.0
    byte_at_a_time: int = 0
    byte_interval: float = 0.001
    lookalike: str | bool = False
    lookalike_every: int = 0
    lookalike_pause: float = 0.0
    wrap: int = 0
    wrap_style: str | None = None
    paging: int = 0
    banner: str | None = None
    wrong_password: bool = False
    vty_limit: int | None = None
    vty_refusal: str = "channel"
    half_open: bool = False
    silent: bool = False
    reset_after: int | None = None
    hang_on: str | None = None
    garbage: int = 0
    slow_login: float = 0.0
    logins_per_minute: int = 0
    syslog_interval: float = 0.0
    syslog_every: int = 0
    hostname: str | None = None
    wrong_id: bool = False

    @property
    def in_output(self) -> bool:
        """Whether lines of output are tampered with."""
        return bool(self.lookalike or self.garbage or self.syslog_every)


NO_FAULTS = Faults()
