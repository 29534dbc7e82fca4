# SPDX-License-Identifier: Apache-2.0
"""Commands over HTTP: Arista's eAPI and Cisco's NX-API, with the words of a command line."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

from aioconn.connection import service
from aioconn.errors import BadReply, CommandRejected, HttpError
from aioconn.protocols.rest.base import RestBase
from aioconn.protocols.rest.options import RestOptions
from aioconn.protocols.rest.response import Response
from aioconn.request import BaseOptions
from aioconn.results import Output


@dataclass(frozen=True, kw_only=True)
class CommandsOptions(RestOptions):
    """Options of commands over HTTP. `endpoint` is the path of the API, by default the vendor's own."""

    endpoint: str | None = None


class Refused(Exception):
    """The device refused one of the commands: its number, and what it said."""

    def __init__(self, number: int, said: str) -> None:
        super().__init__(said)
        self.number = number
        self.said = said


class CommandsConnection(RestBase[CommandsOptions]):
    """`execute` and `configure` as on a command line, so that a script may change its `via`."""

    options_type: ClassVar[type[BaseOptions]] = CommandsOptions
    endpoint: ClassVar[str]

    @overload
    async def execute(  # type: ignore[overload-overlap]  # a str is a Sequence[str], and means one command
        self, command: str, *, timeout: float | None = None, check: bool | None = None
    ) -> Output: ...

    @overload
    async def execute(
        self, command: Sequence[str], *, timeout: float | None = None, check: bool | None = None
    ) -> list[Output]: ...

    @service  # type: ignore[misc]  # the decorator makes self positional-only
    async def execute(
        self, command: str | Sequence[str], *, timeout: float | None = None, check: bool | None = None
    ) -> Output | list[Output]:
        """Run one command, or several in order, and return what each printed.

        Raises CommandRejected when the device refuses; `check=False` returns what it said, with `failure` set. After a
        timeout or a cancel the command may have been executed.
        """
        if isinstance(command, str):
            return await self._text(command, check, timeout)
        return [await self._text(one, check, timeout) for one in command]

    @service
    async def query(self, command: str, *, timeout: float | None = None) -> Any:
        """What a command says as data (JSON), for commands that the device can show so. Raises as `execute` does."""
        started = asyncio.get_running_loop().time()
        try:
            return (await self._run([command], timeout, structured=True))[0]
        except Refused as refusal:
            raise self._rejected(command, refusal.said, started) from None

    @service
    async def configure(
        self,
        lines: str | Iterable[str],
        *,
        timeout: float | None = None,
        check: bool | None = None,
        exclusive: bool = True,
    ) -> Output:
        """Send configuration lines; returns what the device said. The first refused line raises CommandRejected.

        One at a time configures a device, over all its connections, unless `exclusive` is False.
        """
        order = self._request.environment.configures if exclusive else None
        hold = await order.lock.take("configure") if order is not None else None
        try:
            return await self._configured(lines, timeout, check)
        finally:
            if hold is not None:
                hold.release()

    async def _configured(
        self, lines: str | Iterable[str], timeout: float | None, check: bool | None
    ) -> Output:
        started = asyncio.get_running_loop().time()
        texts = lines.splitlines() if isinstance(lines, str) else list(lines)
        whole = "\n".join(texts)
        try:
            said = await self._configure(texts, timeout)
        except Refused as refusal:
            line = texts[refusal.number] if 0 <= refusal.number < len(texts) else whole
            error = self._rejected(line, refusal.said, started)
            if self.options.check if check is None else check:
                raise error from None
            return self._output(refusal.said, whole, started, failure=error.line)
        return self._output("".join(said), whole, started)

    # ------------------------------------------------------------------ what each API does

    @abstractmethod
    async def _run(
        self, commands: Sequence[str], timeout: float | None, *, structured: bool = False
    ) -> list[Any]:
        """What the commands say. Raises Refused."""

    @abstractmethod
    async def _configure(self, lines: Sequence[str], timeout: float | None) -> list[str]:
        """Configure. Raises Refused."""

    async def _begin(self) -> None:
        await self._run(["show version"], self.options.connect_timeout)

    async def _check(self) -> bool:
        await self._run(["show version"], self.options.timeout)
        return True

    # ------------------------------------------------------------------ parts

    async def _call(self, body: Any, timeout: float | None) -> Response:
        path = self.options.endpoint or self.endpoint
        answer = await self._perform("POST", path, body=body, check=False, timeout=timeout)
        if answer.status == 401:
            raise self._denied(answer)
        return answer

    def _content(self, answer: Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            if not answer.ok:
                raise self._http_error(answer) from None
            raise self._no_answer(answer) from None

    def _http_error(self, answer: Response) -> HttpError:
        return HttpError(
            f"{answer.status} {answer.reason}",
            **self._where(),
            status=answer.status,
            reason=answer.reason,
            method="POST",
            url=answer.url,
            body=self._said(answer),
        )

    def _no_answer(self, answer: Response) -> BadReply:
        return BadReply("what came is no answer of this API", **self._where(), seen=self._said(answer)[:200])

    async def _text(self, command: str, check: bool | None, timeout: float | None) -> Output:
        started = asyncio.get_running_loop().time()
        try:
            said = (await self._run([command], timeout))[0]
        except Refused as refusal:
            error = self._rejected(command, refusal.said, started)
            if self.options.check if check is None else check:
                raise error from None
            return self._output(refusal.said, command, started, failure=error.line)
        return self._output(said, command, started)

    def _output(self, text: Any, command: str, started: float, failure: str | None = None) -> Output:
        text = text if isinstance(text, str) else str(text)
        elapsed = asyncio.get_running_loop().time() - started
        return Output(
            text.replace("\r\n", "\n").rstrip("\n"),
            command=command,
            elapsed=elapsed,
            failure=failure,
            raw=text.encode(),
        )

    def _rejected(self, command: str, said: str, started: float) -> CommandRejected:
        said = self._redact(said)
        lines = [line for line in said.splitlines() if line.strip()]
        line = next((line for line in lines if re.match(r"\s*%", line)), lines[-1] if lines else "")
        return CommandRejected(
            f"{self._redact(command)!r} was refused: {line.strip()[:200]}",
            **self._where(),
            output=said,
            line=line.strip(),
            command=self._redact(command),
        )


class EapiConnection(CommandsConnection):
    """Arista's eAPI: commands as JSON-RPC at `/command-api`, in privileged mode."""

    endpoint = "/command-api"

    async def _run(
        self, commands: Sequence[str], timeout: float | None, *, structured: bool = False
    ) -> list[Any]:
        results = await self._commands(
            ["enable", *commands], "json" if structured else "text", timeout, ahead=1
        )
        return [self._shown(result, structured) for result in results[1:]]

    async def _configure(self, lines: Sequence[str], timeout: float | None) -> list[str]:
        commands = ["enable", "configure", *lines, "end"]
        results = await self._commands(commands, "text", timeout, ahead=2)
        return [self._shown(result, False) for result in results[2:-1]]

    def _shown(self, result: Any, structured: bool) -> Any:
        if structured:
            return result
        return result.get("output", "") if isinstance(result, dict) else str(result)

    async def _commands(
        self, commands: Sequence[str], form: str, timeout: float | None, *, ahead: int
    ) -> list[Any]:
        call = {
            "jsonrpc": "2.0",
            "id": "aioconn",
            "method": "runCmds",
            "params": {"version": 1, "cmds": list(commands), "format": form},
        }
        answer = await self._call(call, timeout)
        content = self._content(answer)
        if not isinstance(content, dict):
            raise self._no_answer(answer)
        if isinstance(error := content.get("error"), dict):
            data = error.get("data")
            done = data if isinstance(data, list) else []
            last = done[-1] if done and isinstance(done[-1], dict) else {}
            said = [str(one) for one in last.get("errors") or () if one]
            raise Refused(max(len(done) - 1 - ahead, 0), "\n".join(said) or str(error.get("message", "")))
        results = content.get("result")
        if not isinstance(results, list) or len(results) != len(commands):
            if not answer.ok:
                raise self._http_error(answer)
            raise self._no_answer(answer)
        return results


class NxapiConnection(CommandsConnection):
    """Cisco's NX-API: commands at `/ins`, in the `ins_api` form."""

    endpoint = "/ins"

    async def _run(
        self, commands: Sequence[str], timeout: float | None, *, structured: bool = False
    ) -> list[Any]:
        outputs = await self._commands(commands, "cli_show" if structured else "cli_show_ascii", timeout)
        return [output.get("body", "") for output in outputs]

    async def _configure(self, lines: Sequence[str], timeout: float | None) -> list[str]:
        outputs = await self._commands(lines, "cli_conf", timeout)
        return [str(output.get("body") or "") for output in outputs]

    async def _commands(
        self, commands: Sequence[str], kind: str, timeout: float | None
    ) -> list[dict[str, Any]]:
        asked = {
            "version": "1.0",
            "type": kind,
            "chunk": "0",
            "sid": "1",
            "input": " ;".join(commands),
            "output_format": "json",
        }
        answer = await self._call({"ins_api": asked}, timeout)
        content = self._content(answer)
        try:
            found = content["ins_api"]["outputs"]["output"]
        except (KeyError, TypeError):
            if not answer.ok:
                raise self._http_error(answer) from None
            raise self._no_answer(answer) from None
        outputs: list[dict[str, Any]] = found if isinstance(found, list) else [found]
        for number, output in enumerate(outputs):
            if not isinstance(output, dict):
                raise self._no_answer(answer)
            if str(output.get("code", "200")) != "200":
                raise Refused(number, str(output.get("clierror") or output.get("msg") or ""))
        if len(outputs) != len(commands):
            raise self._no_answer(answer)
        return outputs
