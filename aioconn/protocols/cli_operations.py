# SPDX-License-Identifier: Apache-2.0
"""What a script does with a command line beside commands: levels and modes, ping, copy, reload, a shell underneath."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Self

from aioconn.connection import BaseConnection, State, service
from aioconn.credentials import Secret
from aioconn.errors import AioconnError, CommandFailed, CommandTimeout, SessionBroken, UsageError
from aioconn.home import call_at_home
from aioconn.platforms.model import Platform
from aioconn.policy import COPY_TIMEOUT, RELOAD_TIMEOUT
from aioconn.protocols import operations, reloading
from aioconn.protocols.cli_options import CliOptions
from aioconn.protocols.commandline import CommandLine
from aioconn.protocols.lasting import Lasting
from aioconn.protocols.operations import Ping
from aioconn.protocols.reloading import Reloaded
from aioconn.protocols.statements import Replies
from aioconn.request import Request
from aioconn.results import Output


class CliOperations(BaseConnection[CliOptions]):
    """The part of `CliConnection` that is spelled in other ways on each platform, and named alike here."""

    platform: Platform

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._not_back: Exception | None = (
            None  # why a device that was reloaded was not reached the last time
        )

    @property
    @abstractmethod
    def mode(self) -> str: ...

    @abstractmethod
    def _live(self) -> CommandLine: ...

    # ------------------------------------------------------------------ modes

    @service
    async def enable(self, *, timeout: float | None = None) -> None:
        """Go to the mode that the platform calls `enable`. Raises `UnknownMode` if it has none, `ModeNotReached`."""
        await self._live().go_to("enable")

    @service
    async def disable(self, *, timeout: float | None = None) -> None:
        """Go to the mode that the platform calls `disable`. Raises `UnknownMode` if it has none, `ModeNotReached`."""
        await self._live().go_to("disable")

    @service
    async def switchto(self, target: str | Sequence[str], *, timeout: float | None = None) -> None:
        """Go to a mode by its name or an alias, or through several in order. Raises `UnknownMode`, `ModeNotReached`.

        An unknown name is told before anything is sent.
        """
        line = self._live()
        for mode in [line.mode_called(name) for name in ([target] if isinstance(target, str) else target)]:
            await line.go_to(mode)

    @contextlib.asynccontextmanager
    async def bash_console(self, *, timeout: float | None = None) -> AsyncIterator[Self]:
        """`async with connection.bash_console() as bash:` the session is in the shell below the command line, for this
        block alone: `await bash.execute("ls")`.

        Whatever way the block ends, also by a cancel, the session goes back to the mode in which it was; the next
        caller waits for that. A session that breaks in between is not reopened in the block. `timeout` bounds the wait
        for the session, and each way. Raises `UsageError` where the platform names no such shell.
        """
        bash = self.platform.bash
        if bash is None:
            raise UsageError(
                f"platform {self.platform.name} names no shell",
                **self._where(),
                hint=f"name a mode of it with `bash:`; it has {', '.join(self.platform.modes)}",
            )
        async with self.transaction(timeout=timeout):
            before = self.mode or self.platform.default_mode
            try:
                try:
                    await self.switchto(bash, timeout=timeout)
                    yield self
                except Exception:
                    with contextlib.suppress(AioconnError):  # what went wrong before is what counts
                        await self.switchto(before, timeout=timeout)
                    raise
                await self.switchto(before, timeout=timeout)
            except BaseException:
                call_at_home(self._loop, self._go_back, before)
                raise

    bash_console.__aioconn_service__ = "block"  # type: ignore[attr-defined]  # so that pools offer it too

    def _go_back(self, mode: str) -> None:
        """Have the session brought back to a mode, by a task of the connection's own; a plain function."""
        if not self.connected:
            return
        away = self._live().return_to(mode)
        if away and self._state is State.READY:
            self._start_recovery()

    # ------------------------------------------------------------------ ping and copy

    @service
    async def ping(
        self,
        address: str,
        *,
        count: int = 5,
        size: int | None = None,
        source: str | None = None,
        vrf: str | None = None,
        extra: str = "",
        check: bool | None = None,
        timeout: float | None = None,
    ) -> Ping:
        """Have the device ping an address, with the platform's own command; `size` in bytes.

        Raises `CommandFailed`, with the device's words, if nothing comes back, `CommandRejected` if the device refuses;
        `check=False` returns a `Ping` whose `ok` is False. `extra` is put behind the command as it is. Raises
        `UsageError` for what the platform cannot be told. `timeout` has to be long enough for `count`.
        """
        values = {"count": count, "size": size, "source": source, "vrf": vrf}
        verdict = self.options.check if check is None else check
        return await operations.ping(
            self._live(), address, values, extra=extra, check=verdict, where=self._where()
        )

    @Lasting(COPY_TIMEOUT)
    async def copy(
        self,
        source: str,
        destination: str,
        *,
        vrf: str | None = None,
        username: str | None = None,
        password: str | Secret | None = None,
        reply: Replies | None = None,
        check: bool | None = None,
        timeout: float | None = None,
    ) -> Output:
        """Copy a file with the platform's own command, and answer what it asks: file names as they are proposed, yes to
        overwriting, `username` and `password` of the file server.

        `reply` goes before the platform's answers. Raises `CommandFailed` or `CommandRejected` with the device's words,
        `MissingValue` if it asks for a password that was not given. `timeout` is 600 seconds if not given. A copy that
        is cancelled goes on at the device: it is waited for, or the session is replaced.
        """
        return await operations.copy(
            self._live(),
            source,
            destination,
            vrf=vrf,
            username=username,
            password=password,
            reply=reply,
            check=self.options.check if check is None else check,
            where=self._where(),
        )

    # ------------------------------------------------------------------ reload

    @Lasting(RELOAD_TIMEOUT, alone=True)
    async def reload(
        self,
        *,
        save: bool = False,
        command: str | None = None,
        reply: Replies | None = None,
        pause: float | None = None,
        timeout: float | None = None,
    ) -> Reloaded:
        """Restart the device, and wait until it is back: then this session is a new one, at its first prompt.

        With `save` the configuration is saved before; a question whether to save it is answered with no. `command`
        takes the place of the platform's, `reply` goes before its answers. It waits for everybody else on the device,
        and keeps others out until it returns; all their sessions are taken for lost, and opened again when they are
        needed. The first attempt to get back is made `pause` seconds after the session has ended (the platform's, else
        10), the others less and less often. `timeout` bounds it all, 900 seconds if not given.

        Raises `CommandFailed` if the device does not go down, `CommandTimeout` if it is not back in time. When this is
        cancelled the device may be going down: nothing more is typed on the session, and the next call opens another.
        """
        how = self.platform.reload
        if how is None:
            raise UsageError(
                f"platform {self.platform.name} does not say how to reload",
                **self._where(),
                hint="add `reload:` to a platform file of yours",
            )
        line, loop = self._live(), asyncio.get_running_loop()
        started, self._not_back = loop.time(), None
        await line.go_to(self.platform.default_mode)
        for step in how.save if save else ():
            await line.step(step, check=True)
        line.given_up = True  # a word that tells where the device stands might answer its question
        try:
            output = await reloading.until_gone(
                line,
                command or how.command,
                reply=reply,
                answers=line.questions.answers(how.replies),
                silence=how.silence,
                where=self._where(),
            )
        except CommandFailed:
            line.given_up = not line.in_step
            raise
        gone = loop.time()
        error = SessionBroken("the device was reloaded", **self._where())
        self._lost(error)
        environment = self._request.environment
        environment.device_gone(self, error)
        self._not_back = error
        await asyncio.sleep(how.pause if pause is None else pause)
        await reloading.come_back(self._open_again, self._note_failure, self._check_usable)
        environment.device_back()
        now = loop.time()
        return Reloaded(output=output, away=now - gone, elapsed=now - started)

    async def _open_again(self) -> None:
        await self._open_now(self._options.connect_timeout)

    def _note_failure(self, error: Exception) -> None:
        self._not_back = error

    def _timed_out(self, name: str, what: str, timeout: float) -> AioconnError:
        why, self._not_back = self._not_back, None
        if name != "reload" or why is None:
            return super()._timed_out(name, what, timeout)
        message = f"reload: the device was not back within {timeout:g} s"
        return CommandTimeout(message, **self._where(), seen=str(why), command="reload")
