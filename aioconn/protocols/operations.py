# SPDX-License-Identifier: Apache-2.0
"""Ping and copy: operations that every system has and each spells in its own way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aioconn.credentials import Secret
from aioconn.errors import CommandFailed, UsageError, Where
from aioconn.platforms.model import Platform
from aioconn.platforms.template import filled, names_in
from aioconn.protocols.commandline import CommandLine
from aioconn.protocols.statements import Replies
from aioconn.results import Output

# What may stand in a command line as one word: not what a shell or a pager takes for more than that.
_WORD = re.compile(r"[\w:./][\w:./%@+~\-]*")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f;|&<>`$(){}'\"\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """What a ping came to: how many were `sent` and `received`, the times of the way there and back in milliseconds
    (None if nothing came back), and the device's own words."""

    address: str
    sent: int
    received: int
    minimum: float | None = None
    average: float | None = None
    maximum: float | None = None
    output: Output

    @property
    def rate(self) -> float:
        """How much of it came back, in percent."""
        return 100.0 * self.received / self.sent if self.sent else 0.0

    @property
    def ok(self) -> bool:
        """Whether anything came back."""
        return self.received > 0


async def ping(
    line: CommandLine,
    address: str,
    values: Mapping[str, object],
    *,
    extra: str,
    check: bool,
    where: Where,
) -> Ping:
    """See `CliConnection.ping`."""
    how = line.platform.ping
    if how is None:
        raise _unknown(line.platform, "ping", where)
    values = {"address": address, **values}
    _check_values(line.platform, "ping", how.command, values, _WORD, where)
    command = filled(how.command, values)
    output = await line.run(f"{command} {extra}" if extra else command, reply=None, check=check)
    found = how.result.search(output)
    if found is None:
        if check:
            raise _failed(line, output, output, "tells nothing of how many came back", where)
        return Ping(address=address, sent=0, received=0, output=output)
    numbers = {name: float(text) for name, text in found.groupdict().items() if text is not None}
    sent = int(numbers.get("sent", 100))
    rate = numbers.get("rate", 100.0 - numbers.get("loss", 100.0))
    result = Ping(
        address=address,
        sent=sent,
        received=int(numbers.get("received", round(sent * rate / 100))),
        minimum=numbers.get("minimum"),
        average=numbers.get("average"),
        maximum=numbers.get("maximum"),
        output=output,
    )
    if check and not result.ok:
        told = found[0].strip().splitlines()[0]
        raise _failed(line, output, told, f"has no answer: {told}", where)
    return result


async def copy(
    line: CommandLine,
    source: str,
    destination: str,
    *,
    vrf: str | None,
    username: str | None,
    password: str | Secret | None,
    reply: Replies | None,
    check: bool,
    where: Where,
) -> Output:
    """See `CliConnection.copy`."""
    how = line.platform.copy
    if how is None:
        raise _unknown(line.platform, "copy", where)
    values = {"source": source, "destination": destination, "vrf": vrf}
    _check_values(line.platform, "copy", how.command, values, _NAME, where)
    text = password.reveal() if isinstance(password, Secret) else password
    if text:
        line.questions.speak(text)
    answers = line.questions.answers(how.replies, username=username or "", file_server=text)
    command = filled(how.command, values)
    output = await line.run(command, reply=reply, check=check, answers=answers)
    failure = _line_of(output, how.failures)
    if failure is not None:
        if check:
            raise _failed(line, output, failure, f"failed: {failure}", where)
        output.failure = output.failure or failure
    return output


def _line_of(output: str, patterns: tuple[str, ...]) -> str | None:
    """The first line that begins with one of the patterns."""
    for pattern in patterns:
        if found := re.search(rf"^[ \t]*(?:{pattern}).*$", output, re.MULTILINE):
            return found[0].strip()
    return None


def _failed(line: CommandLine, output: Output, told: str, what: str, where: Where) -> CommandFailed:
    redact = line.questions.redact
    return CommandFailed(
        f"{redact(output.command)!r} {redact(what)}",
        **where,
        output=redact(output),
        line=redact(told).strip(),
        command=redact(output.command),
        seen=None if told in what else redact(output),
    )


def _unknown(platform: Platform, what: str, where: Where) -> UsageError:
    return UsageError(
        f"platform {platform.name} does not say how to {what}",
        **where,
        hint=f"add `{what}:` to a platform file of yours, or execute() the command",
    )


def _check_values(
    platform: Platform,
    what: str,
    template: str,
    values: Mapping[str, object],
    shape: re.Pattern[str],
    where: Where,
) -> None:
    """Each value is one word, and the platform takes it."""
    known = names_in(template)
    for name, value in values.items():
        if value is None:
            continue
        if name not in known:
            if name == "count":
                continue  # of those that send a fixed number
            raise UsageError(f"{what} of platform {platform.name} takes no {name}", **where)
        if not shape.fullmatch(str(value)):
            raise UsageError(f"{name} {str(value)[:60]!r} is not one plain word", **where)
