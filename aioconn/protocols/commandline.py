# SPDX-License-Identifier: Apache-2.0
"""A command line that is in use: a shell, the platform it runs, and who we are on it.

Everything here is one caller's at a time; order, deadlines and recovery are the connection's business.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterable, Sequence

from aioconn.credentials import Credential, Credentials
from aioconn.errors import (
    AuthenticationFailed,
    CommandError,
    CommandRejected,
    ModeNotReached,
    Phase,
    SessionBroken,
    ShellRefused,
    UnknownMode,
    UsageError,
    Where,
    nearest,
)
from aioconn.platforms.model import Platform, Step
from aioconn.policy import RESYNC_TIMEOUT
from aioconn.protocols.cli_options import CliOptions, Replies
from aioconn.protocols.questions import Questions
from aioconn.protocols.recovery import ERASE, glance, prove, resync
from aioconn.protocols.shell import Shell
from aioconn.results import Output
from aioconn.wire.dialogue import Answer
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import Exchange
from aioconn.wire.login import Login, Refusal
from aioconn.wire.opening import Opening
from aioconn.wire.probe import ProbeLine

# A refusal stands at the beginning or the end of an answer; a long table that quotes one is none.
_FAILURE_HEAD, _FAILURE_TAIL = 4096, 1024
# Where the echo, if there is one, says nothing of what the device has read.
_BLIND = (Discipline.TYPING, Discipline.NONE)
_BOTH = Discipline.BOTH


class CommandLine:
    """Commands, modes and configuration on one shell. `raw` tells that the caller has talked past it."""

    def __init__(
        self,
        shell: Shell,
        *,
        platform: Platform,
        credentials: Credentials,
        options: CliOptions,
        where: Where,
    ) -> None:
        self.shell = shell
        self.platform = platform
        self.raw = False
        self.questions = Questions(platform, credentials, where)
        self._credentials = credentials
        self._options = options
        self._where = where
        self.given_up = False  # whatever ends early now, nothing more is typed on this session
        self._command = ""
        self._return_to: str | None = (
            None  # the mode, while something is under way that ends with coming back
        )

    @property
    def in_step(self) -> bool:
        """Whether the device stands where it should, or the caller has taken that upon himself."""
        return self.raw or (self.shell.in_step and self._return_to is None)

    # ------------------------------------------------------------------ one command

    async def run(
        self,
        command: str,
        *,
        reply: Replies | None,
        check: bool,
        confirm: str | None = None,
        answers: Sequence[Answer] = (),
    ) -> Output:
        exchange = await self.prepare(command, reply=reply, confirm=confirm, answers=answers)
        shell = self.shell
        started = time.perf_counter()
        await shell.run(exchange, exchange.start())
        if exchange.answering.stopped:
            self.questions.check(exchange.answering)
            self.raw = True  # the caller goes on by himself
        answered = exchange.answered(self._options.encoding)
        output = Output(
            answered.text,
            command=command,
            elapsed=time.perf_counter() - started,
            mode=shell.mode,
            failure=self._failure_in(answered.text),
            raw=answered.raw,
        )
        if check and output.failure is not None:
            redact = self.questions.redact
            raise CommandRejected(
                f"{redact(command)!r} was refused: {redact(output.failure)}",
                **self._where,
                output=redact(output),
                line=redact(output.failure),
                command=redact(command),
            )
        return output

    async def prepare(
        self,
        command: str,
        *,
        reply: Replies | None = None,
        confirm: str | None = None,
        answers: Sequence[Answer] = (),
        streaming: bool = False,
    ) -> Exchange:
        """An exchange for `command`, with the session at a boundary that is sure enough for its echo discipline."""
        if "\n" in command or "\r" in command:
            raise UsageError("a command is one line", **self._where, hint="pass a list of lines")
        shell = self.shell
        self._command = command
        doubt = not shell.proven and shell.discipline in _BLIND and bool(shell.probe.send)
        if not shell.in_step or self.raw or doubt:
            # no echo, or one in the middle of leftovers: nothing in the answer could tell them apart
            await self._find_prompt(shell, likely=shell.in_step and not self.raw)
        return Exchange(  # by place: words would take as long as all the rest of it
            command,
            shell.prompts,
            shell.discipline,
            self.questions.dialogue(reply, answers),
            shell.newline,
            self._probe_of,
            shell.mode,
            (confirm or self._options.confirm) == "probe",
            shell.discipline is _BOTH,
            streaming,
        )

    def _probe_of(self, mode: str) -> ProbeLine | None:
        probe = self.shell.probe_of(mode)
        return ProbeLine(probe) if probe.send else None

    async def _find_prompt(self, shell: Shell, *, likely: bool = False) -> None:
        """Prove where the session stands, after the caller has talked raw or where a prompt alone proves nothing.

        `likely` tells that a prompt has been seen.
        """
        typed, self.raw, shell.in_step = self.raw, False, False
        if likely and shell.discipline in _BLIND and shell.probe.answer is None and await glance(shell):
            return
        if not await prove(shell, shell.patience, patience=None, ahead=ERASE if typed else b""):
            raise SessionBroken("the session is not at a prompt", **self._where, seen=shell.seen())

    async def _know_mode(self, shell: Shell) -> None:
        """Prove where the session stands if the prompt is not the usual one: it may have been a line of an output."""
        unusual = shell.mode != self.platform.default_mode and shell.discipline is not Discipline.UNKNOWN
        if not shell.in_step or self.raw or (unusual and not shell.proven):
            await self._find_prompt(shell, likely=shell.in_step and not self.raw)

    def _failure_in(self, text: str) -> str | None:
        if not text:
            return None
        found = self.platform.failure_in(text[:_FAILURE_HEAD])
        if found is None and len(text) > _FAILURE_HEAD:
            found = self.platform.failure_in(text[-_FAILURE_TAIL:])
        return found

    # ------------------------------------------------------------------ modes

    def mode_called(self, name: str) -> str:
        """The mode of that name or alias. Raises `UnknownMode`."""
        mode = self.platform.mode_name(name)
        if mode is None:
            raise UnknownMode(
                f"platform {self.platform.name} has no mode {name!r}",
                **self._where,
                hint=nearest(name, self.platform.modes),
            )
        return mode

    async def go_to(self, mode: str, *, confirm: str | None = None) -> None:
        shell, mode = self.shell, self.mode_called(mode)
        await self._know_mode(shell)
        try:
            route = self.platform.route(shell.mode, mode)
        except LookupError as error:
            raise ModeNotReached(str(error), **self._where) from None
        for step, goal in route:
            output = await self.step(step, check=False, confirm=confirm)
            if shell.mode != goal.name:
                raise ModeNotReached(
                    f"{step.send!r} led to mode {shell.mode!r}, not {goal.name!r}",
                    **self._where,
                    seen=self.questions.redact(output) or None,
                )

    async def step(self, step: Step, *, check: bool, confirm: str | None = None) -> Output:
        answers = self.questions.answers(step.replies)
        return await self.run(step.send, reply=None, check=check, confirm=confirm, answers=answers)

    # ------------------------------------------------------------------ configuration

    async def configure(
        self, lines: str | Iterable[str], *, check: bool, reply: Replies | None, commit: bool
    ) -> Output:
        """See `CliConnection.configure`."""
        how = self.platform.configure
        if how is None:
            raise UsageError(f"platform {self.platform.name} has no configuration mode", **self._where)
        wanted = [
            line for line in (lines.splitlines() if isinstance(lines, str) else list(lines)) if line.strip()
        ]
        shell, started = self.shell, time.monotonic()
        await self._know_mode(shell)
        before = shell.mode if shell.mode != how.mode else self.platform.default_mode
        self._return_to = before
        await self.go_to(how.mode)
        said: list[str] = []
        try:
            for line in wanted:
                output = await self.run(line, reply=reply, check=check)
                if output:
                    said.append(output)
            for step in how.commit if commit else ():
                output = await self.step(step, check=check)
                if output:
                    said.append(output)
        except CommandRejected:
            for step in how.discard:
                await self.step(step, check=False)
            await self.go_to(before)
            self._return_to = None
            raise
        await self.go_to(before)
        self._return_to = None
        elapsed = time.monotonic() - started
        return Output("\n".join(said), command="\n".join(wanted), elapsed=elapsed, mode=shell.mode)

    # ------------------------------------------------------------------ beginning and beginning again

    async def log_in(self, logins: Sequence[Credential], *, authenticated: bool) -> None:
        """The dialogue before the first prompt, with one of `logins` after the other. Raises AuthenticationFailed,
        ShellRefused."""
        shell, line = self.shell, self._credentials.find("line")
        # the transport has used the first; a device that asks once more means the next, or the only one again
        first, *others = (logins[1:] if authenticated else ()) or logins
        username, password = self._known(first)
        login = Login(
            patterns=self.platform.login,
            prompts=shell.prompts,
            username=username,
            password=password,
            further=[functools.partial(self._known, credential) for credential in others],
            line_password=line.password.reveal if line is not None and line.password is not None else None,
            authenticated=authenticated,
            newline=shell.newline,
        )
        # the device may have spoken before the channel's opening was told to us
        try:
            await shell.run(login, b"", heard=shell.take_stray())
        except SessionBroken:
            if login.suspected is None:
                raise
        if (refused := login.refused or (login.suspected if login.done is None else None)) is not None:
            seen = self._credentials.redact(login.seen())
            if refused is Refusal.BUSY:
                raise ShellRefused(refused.value, **self._where, phase=Phase.LOGIN, seen=seen)
            missing = refused in (Refusal.NO_USERNAME, Refusal.NO_PASSWORD)
            ended = login.refused is None  # in the middle of a text that may be about something else
            raise AuthenticationFailed(
                f"{refused.value}, as it seems: it ended the session" if ended else refused.value,
                **self._where,
                phase=Phase.LOGIN,
                seen=seen,
                hint=f"add credentials.default for {self._where['device']}" if missing else None,
                certain=login.certain and not ended,
            )

    def _known(self, credential: Credential) -> tuple[str | None, str | None]:
        """The user name and the password that we would answer with."""
        user = credential.user
        return (
            f"{user}{self.platform.username_suffix}" if user is not None else None,
            credential.password.reveal() if credential.password is not None else None,
        )

    async def settle(self) -> None:
        """Reach the mode for commands, send the platform's first lines, learn prompt and echo from them."""
        shell = self.shell
        shell.learns = True  # before anything was sent the prompt may have been the last line of a banner
        if self._options.enable and shell.mode != self.platform.default_mode:
            try:
                await self.go_to(self.platform.default_mode)
            except (ModeNotReached, CommandError) as error:
                raise AuthenticationFailed(
                    f"cannot reach mode {self.platform.default_mode!r}: {error.message}",
                    **self._where,
                    phase=Phase.LOGIN,
                    seen=error.seen,
                ) from None
        lines = list(self.platform.on_open if self._options.on_open is None else self._options.on_open)
        while len(lines) < 2 and shell.probe.send:
            lines.append(ProbeLine(shell.probe).line)
        if lines:
            opening = Opening(
                lines, prompts=shell.prompts, dialogue=self.questions.dialogue(None), newline=shell.newline
            )
            await shell.run(opening, opening.start())
            shell.discipline = opening.discipline
            blind = opening.discipline in _BLIND
            if blind or opening.discipline is Discipline.READER:
                shell.prove()
            shell.pace.counts = blind and shell.probe.answer is None
            if self.platform.tty and opening.discipline is Discipline.READER:
                shell.discipline = Discipline.BOTH

    def return_to(self, mode: str) -> bool:
        """Note where the session belongs; True if it is not there. A plain function, for a `recover` that follows."""
        shell = self.shell
        away = self.raw or not shell.in_step or shell.mode != mode
        self._return_to = mode if away else None
        return away

    async def recover(self) -> bool:
        """Bring a command line back in step and out of a configuration that ended early.

        False if that must not be tried. Raises SessionBroken if it failed.
        """
        shell = self.shell
        command = self._command
        stubborn = self.platform.uninterruptible
        interrupt = not any(re.search(pattern, command.strip(), re.IGNORECASE) for pattern in stubborn)
        if self.given_up:
            return False
        if not await resync(shell, interrupt=interrupt):
            redact = self.questions.redact
            raise SessionBroken(
                f"could not be brought back in step within {RESYNC_TIMEOUT:g} s after {redact(command)!r}",
                **self._where,
                seen=redact(shell.seen()) or None,
                hint=None if interrupt else "it is never interrupted, and may go on on the device",
                maybe_executed=True,
            )
        self.raw = False
        while shell.mode != (goal := self._goal):
            how = self.platform.configure
            if how is not None and shell.mode == how.mode:
                for step in how.discard:
                    await self.step(step, check=False, confirm="probe")
            await self.go_to(goal, confirm="probe")
        self._return_to = None
        return True

    @property
    def _goal(self) -> str:
        """Where the session belongs when it is brought back."""
        return self._return_to or (self.platform.default_mode if self._options.enable else self.shell.mode)
