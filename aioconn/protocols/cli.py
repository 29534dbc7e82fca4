# SPDX-License-Identifier: Apache-2.0
"""The command line of a device, over SSH, telnet or a local program."""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, overload

from aioconn.connection import service, streaming
from aioconn.errors import AioconnError, Phase, PromptNotFound, SessionBroken, ShellRefused
from aioconn.events import Unsolicited
from aioconn.platforms.loader import load_platform
from aioconn.platforms.model import Platform
from aioconn.protocols import parsing
from aioconn.protocols.cli_operations import CliOperations
from aioconn.protocols.cli_options import CliOptions, Replies
from aioconn.protocols.commandline import CommandLine
from aioconn.protocols.recovery import prove
from aioconn.protocols.shell import Shell
from aioconn.protocols.terminals import OpenedTerminal, open_terminal
from aioconn.request import BaseOptions, Request
from aioconn.results import Output
from aioconn.transport.base import Terminal
from aioconn.wire import ansi
from aioconn.wire.dialogue import Answering


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What `expect` found: the index of the pattern, the match, and the text up to its end."""

    index: int
    match: re.Match[str]
    text: str


class CliConnection(CliOperations):
    """A session on a device's command line."""

    options_type: ClassVar[type[BaseOptions]] = CliOptions

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.platform: Platform = (
            request.platform
            if isinstance(request.platform, Platform)
            else load_platform(self.options.platform or request.platform or "linux")
        )
        self._line: CommandLine | None = None
        self._release: Callable[[], None] | None = None
        self._home_mode = ""

    @property
    def mode(self) -> str:
        """The mode of the prompt seen last; empty while there is none."""
        return self._line.shell.mode if self._line is not None else ""

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
        idempotent: bool = False,
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
        idempotent: bool = False,
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
        idempotent: bool = False,
    ) -> Output | list[Output]:
        """Run one command, or several in order, and return what each printed.

        `reply` answers questions: pattern -> answer, searched in the line the device waits in. An answer is a text, a
        `Secret`, a function of the match, or a `Statement`, which has conditions. `mode` is entered first; without it
        the command runs where the session is. Raises `CommandRejected` when the device refuses
        (`check=False` returns the output, its `failure` set), `CommandTimeout` after `timeout` seconds for all of it.
        After a timeout or a cancel the command may have been executed; the session is brought back in step.
        `idempotent`: if the session breaks in the middle it is repeated on a new one, within the same deadline.
        """
        if mode is not None:
            await self._live().go_to(mode)
        verdict = self.options.check if check is None else check
        line = self._live()
        if isinstance(command, str):
            return await line.run(command, reply=reply, check=verdict, confirm=confirm)
        return [await line.run(one, reply=reply, check=verdict, confirm=confirm) for one in command]

    @service
    async def configure(
        self,
        lines: str | Iterable[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        reply: Replies | None = None,
        commit: bool = True,
        exclusive: bool = True,
    ) -> Output:
        """Send configuration lines, make them count, and return to the mode before; returns what the device said.

        The first refused line raises `CommandRejected` (`check=False` goes on). Where the platform has a candidate
        it is committed at the end, or discarded after an error, a timeout or a cancel, and with `commit=False` left
        uncommitted only if the platform keeps it. One at a time configures a device, over all its connections, unless
        `exclusive` is False.
        """
        verdict = self.options.check if check is None else check
        order = self._request.environment.configures if exclusive else None
        hold = await order.lock.take("configure") if order is not None else None
        try:
            return await self._live().configure(lines, check=verdict, reply=reply, commit=commit)
        except BaseException as error:
            if hold is not None and self._needs_recovery(error):
                hold.disown()  # what ended early is discarded first: a candidate may be everybody's
                self._when_settled(hold.release)
                hold = None
            raise
        finally:
            if hold is not None:
                hold.release()

    @service
    async def enter_mode(self, mode: str, *, timeout: float | None = None) -> None:
        """Go to a mode of the platform by the shortest way. Raises `UnknownMode`, `ModeNotReached`."""
        await self._live().go_to(mode)

    @service
    async def send(self, text: str, *, newline: bool = True, timeout: float | None = None) -> None:
        """Write `text` as it is (and a newline), and wait for nothing. From here on the caller reads with `receive` and
        `expect`."""
        shell = self._talk_raw()
        shell.in_step = False
        shell.write(text.encode(self.options.encoding) + (shell.newline if newline else b""))

    @service
    async def transmit(self, text: str, *, timeout: float | None = None) -> None:
        """Write `text` as it is, and nothing behind it: `send` without the newline."""
        await self.send(text, newline=False)

    @service
    async def receive(self, *, timeout: float | None = None) -> str:
        """What has arrived since the last call, as it came; waits for the first byte only."""
        shell = self._talk_raw()
        while not shell.has_stray:
            shell.check()
            await shell.next_arrival()
        return shell.take_stray().decode(self.options.encoding, "replace")

    @service
    async def expect(
        self, pattern: str | Sequence[str], *, reply: Replies | None = None, timeout: float | None = None
    ) -> Expected:
        """Read until one of the regular expressions is found; what follows the match is left for the next call.

        They are searched in all that has come since the last call, the first of them first. `reply` answers questions
        meanwhile, as that of `execute` does.
        """
        line, shell = self._live(), self._talk_raw()
        compiled = [re.compile(one) for one in ([pattern] if isinstance(pattern, str) else pattern)]
        dialogue, answering, answered_to = line.questions.dialogue(reply, pager=False), Answering(), 0
        while True:
            data = shell.peek_stray()
            text = data.decode(self.options.encoding, "replace")
            for index, one in enumerate(compiled):
                if (found := one.search(text)) is not None:
                    shell.take_stray()
                    shell.give_back(text[found.end() :].encode(self.options.encoding, "replace"))
                    return Expected(index=index, match=found, text=text[: found.end()])
            if dialogue and (question := dialogue.find(data, answered_to)) is not None:
                answered_to = question.end
                if said := answering.reply(question):
                    shell.write(said)
                line.questions.check(answering)
            shell.check()
            await shell.next_arrival()

    @streaming
    def stream(
        self,
        command: str,
        *,
        timeout: float | None = None,
        reply: Replies | None = None,
    ) -> AsyncGenerator[str, None]:
        """Run a command and give its output in pieces of whole lines while it arrives, in constant memory.

        `timeout` (else the option) bounds the wait for a turn and for each next piece. A consumer that leaves early
        should close the iterator (`contextlib.aclosing`): the session is then brought back in step.
        """
        lines = functools.partial(self._stream_lines, command, reply)
        return self._streamed("stream", command, timeout, lines)

    async def _stream_lines(
        self, command: str, reply: Replies | None, limit: float
    ) -> AsyncGenerator[str, None]:
        line = self._live()
        shell = line.shell
        try:
            async with asyncio.timeout(limit):
                exchange = await line.prepare(command, reply=reply, streaming=True)
            shell.begin(exchange, exchange.start())
            try:
                while True:
                    # what comes while the consumer works is for the next round
                    ended = exchange.done is not None or exchange.answering.stopped
                    if piece := exchange.take():
                        shell.pause_reading()
                        try:
                            yield ansi.clean(piece, self.options.encoding)
                        finally:
                            shell.resume_reading()
                    if ended:
                        break
                    if not piece and exchange.done is None:
                        async with asyncio.timeout(limit):
                            await shell.more()
            finally:
                shell.end(exchange)
            line.questions.check(exchange.answering)
            line.raw = exchange.answering.parted is not None
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
        output = await self._live().run(command, reply=None, check=True)
        return parsing.parse(output, command, parser or self.platform.parser, **self._where())

    # ------------------------------------------------------------------ opening, closing, recovery

    async def _open(self) -> None:
        shell = Shell(
            self.platform, where=self._where(), on_lost=self._on_shell_lost, on_stray=self._on_stray
        )
        self._line = line = CommandLine(
            shell,
            platform=self.platform,
            credentials=self.credentials,
            options=self.options,
            where=self._where(),
        )
        opened: OpenedTerminal | None = None
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
            self._progress.phase = Phase.PROMPT if opened.authenticated else Phase.LOGIN
            logins = self.credentials.logins(self.path.protocol or "default", self.via)
            await line.log_in(logins, authenticated=opened.authenticated)
            if not opened.authenticated:
                self._progress.phase = Phase.PROMPT
            await line.settle()
            self._home_mode = shell.mode
            shell.check()  # lost in the very turn that brought the last prompt
        except (SessionBroken, ShellRefused) as error:
            if opened is not None and opened.refuse():
                self._abort()
                await self._open()  # over another link
                return
            if isinstance(error, ShellRefused):
                raise
            raise ShellRefused(
                "the device ended the session before it was ready",
                **self._where(),
                phase=self._progress.phase,
                seen=self._redacted_seen() or error.seen,
            ) from error.__cause__

    async def _close(self) -> None:
        if self._line is not None:
            await self._line.shell.close()

    def _abort(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.shell.abort()
        release, self._release = self._release, None
        if release is not None:
            release()

    def _needs_recovery(self, error: BaseException) -> bool:
        return self._line is not None and not self._line.in_step

    async def _recover(self) -> bool:
        return await self._live().recover()

    def _is_clean(self) -> bool:
        line = self._line
        return line is not None and not line.raw and line.shell.in_step and line.shell.mode == self._home_mode

    async def _reset(self) -> bool:
        """Whoever had it talked raw, or left it in another mode; what he configured and did not commit is discarded."""
        line = self._live()
        how = self.platform.configure
        if line.raw or not line.in_step or (how is not None and self.mode == how.mode):
            line.raw = False
            if not await line.recover():
                return False
        await line.go_to(self._home_mode)
        return True

    async def _check(self) -> bool:
        shell = self._live().shell
        return await prove(shell, shell.patience, patience=None)

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

    def _talk_raw(self) -> Shell:
        """The shell, for a caller who reads and writes by himself from here on."""
        line = self._live()
        if not line.raw:
            line.shell.flush_stray()
            line.raw = True
        return line.shell

    def _live(self) -> CommandLine:
        if self._line is None:
            self._check_usable()
            raise (
                self._broken_by
                if self._broken_by is not None
                else SessionBroken("no session", **self._where())
            )
        return self._line

    def _seen(self) -> str | None:
        return (
            (self._line.questions.redact(self._line.shell.seen()) or None) if self._line is not None else None
        )

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
