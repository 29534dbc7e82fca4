# SPDX-License-Identifier: Apache-2.0
"""The command line of a device, over SSH, telnet or a local program."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, overload

from aioconn.connection import BaseConnection, BaseOptions, Request, State, service
from aioconn.credentials import Secret
from aioconn.errors import (
    AioconnError,
    AuthenticationFailed,
    CommandError,
    CommandRejected,
    MissingValue,
    ModeNotReached,
    Phase,
    PromptNotFound,
    SessionBroken,
    ShellRefused,
    UnknownMode,
    UsageError,
    nearest,
)
from aioconn.events import Unsolicited
from aioconn.platforms.loader import load_platform
from aioconn.platforms.model import Platform, Step
from aioconn.protocols import parsing
from aioconn.protocols.recovery import prove, resync
from aioconn.protocols.shell import Shell
from aioconn.protocols.terminals import open_terminal
from aioconn.results import Output
from aioconn.transport.base import Terminal
from aioconn.transport.ssh_options import SshOptions
from aioconn.wire import ansi
from aioconn.wire.dialogue import Answer, Dialogue
from aioconn.wire.echo import Discipline
from aioconn.wire.exchange import Exchange
from aioconn.wire.login import Login, Refusal
from aioconn.wire.opening import Opening
from aioconn.wire.probe import ProbeLine

Replies = Mapping[str, "str | Secret"]

# A refusal stands at the beginning or the end of an answer; a long table that quotes one is none.
_FAILURE_HEAD, _FAILURE_TAIL = 4096, 1024


@dataclass(frozen=True, kw_only=True)
class CliOptions(SshOptions, BaseOptions):
    """Options of a command line, beside those of its transport.

    `confirm="probe"` sends a line that changes nothing after each prompt and believes the prompt only when that comes
    back: certain whatever the device prints, one round trip more. `on_open` replaces the platform's first lines.
    `enable=False` stays in the mode that the login ends in. `check=False` returns refused commands instead of raising.
    `encoding` is the device's; what is no text in it becomes replacement characters.
    """

    platform: str | None = None
    confirm: Literal["prompt", "probe"] = "prompt"
    on_open: tuple[str, ...] | None = None
    enable: bool = True
    check: bool = True
    encoding: str = "utf-8"
    term: str = "vt100"
    columns: int = 500
    rows: int = 1000
    answers: Any = None

    def __post_init__(self) -> None:
        BaseOptions.__post_init__(self)
        SshOptions.__post_init__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What `expect` found: the index of the pattern, the match, and the text up to its end."""

    index: int
    match: re.Match[str]
    text: str


class CliConnection(BaseConnection[CliOptions]):
    """A session on a device's command line."""

    options_type: ClassVar[type[BaseOptions]] = CliOptions

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.platform: Platform = (
            request.platform
            if isinstance(request.platform, Platform)
            else load_platform(self.options.platform or request.platform or "linux")
        )
        self._shell: Shell | None = None
        self._release: Any = None
        self._command = ""
        self._raw = False

    @property
    def mode(self) -> str:
        """The mode of the prompt seen last; empty while there is none."""
        return self._shell.mode if self._shell is not None else ""

    # ------------------------------------------------------------------ services

    @overload
    async def execute(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one command
        self,
        command: str,
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        confirm: Literal["prompt", "probe"] | None = None,
    ) -> Output: ...

    @overload
    async def execute(
        self,
        command: Sequence[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        confirm: Literal["prompt", "probe"] | None = None,
    ) -> list[Output]: ...

    @service  # type: ignore[misc]  # the decorator makes self positional-only
    async def execute(
        self,
        command: str | Sequence[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        mode: str | None = None,
        confirm: Literal["prompt", "probe"] | None = None,
    ) -> Output | list[Output]:
        """Run one command, or several in order, and return what each printed.

        `reply` answers questions: pattern -> answer, searched in the line the device waits in. `mode` is entered
        first; without it the command runs where the session is. Raises `CommandRejected` when the device refuses
        (`check=False` returns the output, its `failure` set), `CommandTimeout` after `timeout` seconds for all of it.
        After a timeout or a cancel the command may have been executed; the session is brought back in step.
        """
        if mode is not None:
            await self._go_to(mode)
        verdict = self.options.check if check is None else check
        if isinstance(command, str):
            return await self._run(command, reply=reply, check=verdict, confirm=confirm)
        return [await self._run(line, reply=reply, check=verdict, confirm=confirm) for line in command]

    @service
    async def configure(
        self,
        lines: str | Iterable[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        commit: bool = True,
    ) -> Output:
        """Send configuration lines, make them count, and return to the mode before; returns what the device said.

        The first refused line raises `CommandRejected` (`check=False` goes on). Where the platform has a candidate
        it is committed at the end, or discarded after an error, a timeout or a cancel, and with `commit=False` left
        uncommitted only if the platform keeps it.
        """
        how = self.platform.configure
        if how is None:
            raise UsageError(f"platform {self.platform.name} has no configuration mode", **self._where())
        wanted = [
            line for line in (lines.splitlines() if isinstance(lines, str) else list(lines)) if line.strip()
        ]
        verdict = self.options.check if check is None else check
        shell, started = self._live(), time.monotonic()
        before = shell.mode if shell.mode != how.mode else self.platform.default_mode
        await self._go_to(how.mode)
        said: list[str] = []
        try:
            for line in wanted:
                output = await self._run(line, reply=reply, check=verdict)
                if output:
                    said.append(output)
            for step in how.commit if commit else ():
                output = await self._step(step, check=verdict)
                if output:
                    said.append(output)
        except CommandRejected:
            for step in how.discard:
                await self._step(step, check=False)
            await self._go_to(before)
            raise
        await self._go_to(before)
        elapsed = time.monotonic() - started
        return Output("\n".join(said), command="\n".join(wanted), elapsed=elapsed, mode=shell.mode)

    @service
    async def enter_mode(self, mode: str, *, timeout: float | None = None) -> None:
        """Go to a mode of the platform by the shortest way. Raises `UnknownMode`, `ModeNotReached`."""
        await self._go_to(mode)

    @service
    async def send(self, text: str, *, newline: bool = True, timeout: float | None = None) -> None:
        """Write `text` as it is (and a newline). From here on the caller reads with `receive` and `expect`."""
        shell = self._live()
        if not self._raw:
            shell.flush_stray()
        self._raw, shell.in_step = True, False
        shell.write(text.encode(self.options.encoding) + (shell.newline if newline else b""))

    @service
    async def receive(self, *, timeout: float | None = None) -> str:
        """What has arrived since the last call, as it came; waits for the first byte only."""
        shell = self._live()
        self._raw = True
        while not shell.has_stray:
            shell.check()
            await shell.next_arrival()
        return shell.take_stray().decode(self.options.encoding, "replace")

    @service
    async def expect(self, pattern: str | Sequence[str], *, timeout: float | None = None) -> Expected:
        """Read until one of the regular expressions is found; what follows the match is left for the next call."""
        shell = self._live()
        self._raw = True
        compiled = [re.compile(one) for one in ([pattern] if isinstance(pattern, str) else pattern)]
        while True:
            text = shell.peek_stray().decode(self.options.encoding, "replace")
            for index, one in enumerate(compiled):
                if (found := one.search(text)) is not None:
                    shell.take_stray()
                    shell.give_back(text[found.end() :].encode(self.options.encoding, "replace"))
                    return Expected(index=index, match=found, text=text[: found.end()])
            shell.check()
            await shell.next_arrival()

    async def stream(
        self,
        command: str,
        *,
        timeout: float | None = None,
        reply: Replies | None = None,
    ) -> AsyncIterator[str]:
        """Run a command and give its output in pieces of whole lines while it arrives, in constant memory.

        `timeout` (else the option) bounds the wait for a turn and for each next piece. A consumer that leaves early
        should close the iterator (`contextlib.aclosing`): the session is then brought back in step.
        """
        self._check_usable()
        limit = self.options.timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(limit):
                await self._turn.acquire()
        except TimeoutError:
            raise self._timed_out("stream", command, limit) from None
        try:
            async with asyncio.timeout(limit):
                await self._take_session()
            async with contextlib.aclosing(self._stream_lines(command, limit, reply)) as pieces:
                async for piece in pieces:
                    yield piece
        except TimeoutError:
            raise self._timed_out("stream", command, limit) from None
        finally:
            if self._state is State.BUSY:
                self._enter(State.READY)
            self._turn.release()

    async def _stream_lines(
        self, command: str, limit: float, reply: Replies | None
    ) -> AsyncGenerator[str, None]:
        shell = self._live()
        try:
            async with asyncio.timeout(limit):
                exchange = await self._prepare(command, reply=reply, streaming=True)
            shell.begin(exchange, exchange.start())
            try:
                while True:
                    if piece := exchange.take():
                        shell.pause_reading()
                        try:
                            yield ansi.clean(piece, self.options.encoding)
                        finally:
                            shell.resume_reading()
                    if exchange.done is not None:
                        break
                    async with asyncio.timeout(limit):
                        await shell.more()
            finally:
                shell.end(exchange)
        except BaseException as error:
            self._end_early(error)
            raise

    @service
    async def parse(
        self, command: str, *, timeout: float | None = None, parser: str | None = None
    ) -> list[dict[str, Any]]:
        """Run a command and parse its output with ntc-templates (`pip install aioconn[parse]`); rows as dicts.

        `parser` is the template set (`cisco_ios`), by default the platform's.
        """
        parsing.require(**self._where())
        output = await self._run(command, reply=None, check=True)
        return parsing.parse(output, command, parser or self.platform.parser, **self._where())

    # ------------------------------------------------------------------ one command

    async def _run(
        self,
        command: str,
        *,
        reply: Replies | None,
        check: bool,
        confirm: str | None = None,
        answers: Sequence[Answer] = (),
    ) -> Output:
        exchange = await self._prepare(command, reply=reply, confirm=confirm, answers=answers)
        shell = self._live()
        started = time.perf_counter()
        await shell.run(exchange, exchange.start())
        if exchange.refused is not None:
            raise CommandError(
                "the device asked again for what it was told", **self._where(), seen=exchange.refused
            )
        answered = exchange.answered(self.options.encoding)
        output = Output(
            answered.text,
            command=command,
            elapsed=time.perf_counter() - started,
            mode=shell.mode,
            failure=self._failure_in(answered.text),
            raw=answered.raw,
        )
        if check and output.failure is not None:
            redact = self.credentials.redact
            raise CommandRejected(
                f"{redact(command)!r} was refused: {redact(output.failure)}",
                **self._where(),
                output=redact(output),
                line=redact(output.failure),
                command=redact(command),
            )
        return output

    async def _prepare(
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
            raise UsageError("a command is one line", **self._where(), hint="pass a list of lines")
        shell = self._live()
        self._command = command
        probe = shell.probe
        doubt = shell.discipline is Discipline.TYPING and bool(probe.send) and not shell.proven
        if not shell.in_step or self._raw or doubt:
            # a plain tty repeats the command in the middle of leftovers: nothing in the answer could tell them apart
            await self._find_prompt(shell)
        return Exchange(
            command,
            prompts=shell.prompts,
            discipline=shell.discipline,
            dialogue=self._dialogue(reply, answers),
            newline=shell.newline,
            confirm=(confirm or self.options.confirm) == "probe",
            make_probe=(lambda: ProbeLine(probe)) if probe.send else None,
            lead=shell.discipline is Discipline.BOTH,
            streaming=streaming,
        )

    async def _find_prompt(self, shell: Shell) -> None:
        """Prove where the session stands, after the caller has talked raw or where a prompt alone proves nothing."""
        typed, self._raw, shell.in_step = self._raw, False, False
        if not await prove(shell, shell.patience, patience=None, clear=typed):
            raise SessionBroken("the session is not at a prompt", **self._where(), seen=shell.seen())

    def _dialogue(self, reply: Replies | None, answers: Sequence[Answer]) -> Dialogue:
        found = [*answers]
        for pattern, answer in (reply or {}).items():
            secret = isinstance(answer, Secret)
            text = answer.reveal() if isinstance(answer, Secret) else answer
            found.append(
                Answer(pattern=pattern, send=text.encode() + self.platform.newline.encode(), secret=secret)
            )
        if (pager := self.platform.pager) is not None:
            found.append(Answer(pattern=pager.pattern, send=pager.more.encode(), pager=True))
        return Dialogue(found)

    def _failure_in(self, text: str) -> str | None:
        pattern = self.platform.failure_pattern
        if pattern is None or not text:
            return None
        found = pattern.search(text[:_FAILURE_HEAD])
        if found is None and len(text) > _FAILURE_HEAD:
            found = pattern.search(text[-_FAILURE_TAIL:])
        return found[0].strip() if found else None

    # ------------------------------------------------------------------ modes

    async def _go_to(self, mode: str) -> None:
        shell = self._live()
        if mode not in self.platform.modes:
            raise UnknownMode(
                f"platform {self.platform.name} has no mode {mode!r}",
                **self._where(),
                hint=nearest(mode, self.platform.modes),
            )
        if not shell.in_step or self._raw:
            await self._find_prompt(shell)
        try:
            route = self.platform.route(shell.mode, mode)
        except LookupError as error:
            raise ModeNotReached(str(error), **self._where()) from None
        for step, goal in route:
            output = await self._step(step, check=False)
            if shell.mode != goal.name:
                raise ModeNotReached(
                    f"{step.send!r} led to mode {shell.mode!r}, not {goal.name!r}",
                    **self._where(),
                    seen=self.credentials.redact(output) or None,
                )

    async def _step(self, step: Step, *, check: bool) -> Output:
        answers = []
        for question in step.replies:
            if question.secret is not None:
                password = self._password(question.secret, question.pattern)
                send, secret = password.encode(), True
            else:
                send, secret = question.answer.encode(), False
            if question.newline:
                send += self.platform.newline.encode()
            answers.append(Answer(pattern=question.pattern, send=send, secret=secret))
        return await self._run(step.send, reply=None, check=check, answers=answers)

    def _password(self, name: str, asked: str) -> str:
        if name == "enable":
            password = self.credentials.enable_password()
            if password is None:
                raise MissingValue(
                    "privileged mode may ask for a password and none is configured",
                    **self._where(),
                    hint="add credentials.enable.password, or the option enable: false",
                )
            return password
        return self.credentials.require_password(name)

    # ------------------------------------------------------------------ opening, closing, recovery

    async def _open(self) -> None:
        self._raw = False
        self._shell = None
        shell = Shell(
            self.platform, where=self._where(), on_lost=self._on_shell_lost, on_stray=self._on_stray
        )
        self._shell = shell
        try:
            link = await self._request.environment.jump(self)
            terminal = Terminal(term=self.options.term, columns=self.options.columns, rows=self.options.rows)
            opened = await open_terminal(
                self,
                shell,
                terminal=terminal,
                jump=link,
                progress=self._progress,
                username_suffix=self.platform.username_suffix,
            )
            self._release = opened.abort
            shell.attach(opened.stream)
            await self._log_in(shell, authenticated=opened.authenticated)
            self._progress.phase = Phase.PROMPT
            await self._settle(shell)
        except SessionBroken as error:
            raise ShellRefused(
                "the device ended the session before it was ready",
                **self._where(),
                phase=self._progress.phase,
                seen=self._redacted_seen() or error.seen,
            ) from error.__cause__

    async def _log_in(self, shell: Shell, *, authenticated: bool) -> None:
        self._progress.phase = Phase.PROMPT if authenticated else Phase.LOGIN
        credential = self.credentials.get(self.path.protocol or "default", self.via)
        user = credential.user
        login = Login(
            patterns=self.platform.login,
            prompts=shell.prompts,
            username=f"{user}{self.platform.username_suffix}" if user is not None else None,
            password=credential.password.reveal() if credential.password is not None else None,
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
            kind = ShellRefused if refused is Refusal.BUSY else AuthenticationFailed
            missing = refused in (Refusal.NO_USERNAME, Refusal.NO_PASSWORD)
            raise kind(
                refused.value,
                **self._where(),
                phase=Phase.LOGIN,
                seen=self.credentials.redact(login.seen()),
                hint=f"add credentials.default for {self.device}" if missing else None,
            )

    async def _settle(self, shell: Shell) -> None:
        """Reach the mode for commands, send the platform's first lines, learn prompt and echo from them."""
        # before anything was sent the prompt may be the last line of a banner: forget the name it bears
        shell.forget_host()
        if self.options.enable and shell.mode != self.platform.default_mode:
            try:
                await self._go_to(self.platform.default_mode)
            except (ModeNotReached, CommandError) as error:
                raise AuthenticationFailed(
                    f"cannot reach mode {self.platform.default_mode!r}: {error.message}",
                    **self._where(),
                    phase=Phase.LOGIN,
                    seen=error.seen,
                ) from None
        lines = list(self.platform.on_open if self.options.on_open is None else self.options.on_open)
        while len(lines) < 2 and shell.probe.send:
            lines.append(ProbeLine(shell.probe).line)
        if lines:
            opening = Opening(
                lines, prompts=shell.prompts, dialogue=self._dialogue(None, ()), newline=shell.newline
            )
            await shell.run(opening, opening.start())
            shell.discipline = opening.discipline
            shell.proven = opening.discipline in (Discipline.READER, Discipline.TYPING)
            if self.platform.tty and opening.discipline is Discipline.READER:
                shell.discipline = Discipline.BOTH

    async def _close(self) -> None:
        if self._shell is not None:
            await self._shell.close()

    def _abort(self) -> None:
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.abort()
        release, self._release = self._release, None
        if release is not None:
            release()

    def _needs_recovery(self, error: BaseException) -> bool:
        return self._shell is not None and not self._shell.in_step and not self._raw

    async def _recover(self) -> bool:
        shell = self._live()
        command = self._command
        stubborn = self.platform.uninterruptible
        interrupt = not any(re.search(pattern, command.strip(), re.IGNORECASE) for pattern in stubborn)
        if not await resync(shell, interrupt=interrupt):
            return False
        default = self.platform.default_mode
        if self.options.enable and shell.mode != default:
            how = self.platform.configure
            if how is not None and shell.mode == how.mode:
                for step in how.discard:
                    await self._step(step, check=False)
            await self._go_to(default)
        return True

    def _on_shell_lost(self, error: Exception | None) -> None:
        if error is None or isinstance(error, AioconnError):
            self._lost(error)
        else:
            broken = SessionBroken(f"the session broke: {error}", **self._where())
            broken.__cause__ = error
            self._lost(broken)

    def _on_stray(self, text: str) -> None:
        if self.listeners:
            text = self.credentials.redact(text)
            self.listeners.emit(Unsolicited(device=self.device, alias=self.alias, path=self.via, text=text))

    def _live(self) -> Shell:
        if self._shell is None:
            self._check_usable()
            raise (
                self._broken_by
                if self._broken_by is not None
                else SessionBroken("no session", **self._where())
            )
        return self._shell

    def _seen(self) -> str | None:
        return (self._shell.seen() or None) if self._shell is not None else None

    def _open_timed_out(self, timeout: float) -> AioconnError:
        if self._progress.phase in (Phase.PROMPT, Phase.LOGIN) and self._last_seen:
            return PromptNotFound(
                f"no prompt of platform {self.platform.name} within {timeout:g} s",
                **self._where(),
                phase=self._progress.phase,
                seen=self._last_seen,
                hint="is `os` right? `aioconn platforms` lists the prompts that are known",
            )
        return super()._open_timed_out(timeout)
