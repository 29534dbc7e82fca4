# SPDX-License-Identifier: Apache-2.0
"""A device that is told to start anew: the questions before that, the end of its sessions, and its return."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aioconn.errors import (
    AuthenticationFailed,
    CommandFailed,
    ConnectError,
    HostKeyChanged,
    HostKeyUnknown,
    LimitReached,
    SessionBroken,
    Where,
)
from aioconn.protocols.commandline import CommandLine
from aioconn.protocols.statements import Replies
from aioconn.results import Output
from aioconn.wire.dialogue import Answer

# Seconds between attempts. A device that starts takes minutes; the first attempts find nobody.
_SHORTEST, _LONGEST = 1.0, 15.0
# So often may a device that has just started refuse us: it may not reach who knows us yet. More would lock accounts.
_REFUSALS = 3
_ASKS, _STAYS = "asks something that nobody answers", "is at its prompt again, and has not gone down"
_LOOKS = 6  # in the silence after which a device is taken for gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded:
    """A device that has come back. `output` is what it said before it went; `away` the seconds between the end of its
    session and the first prompt of a new one, `elapsed` those of all of it."""

    output: Output
    away: float
    elapsed: float


async def until_gone(
    line: CommandLine,
    command: str,
    *,
    reply: Replies | None,
    answers: Sequence[Answer],
    silence: float,
    where: Where,
) -> Output:
    """Send the command and answer what is asked, until the device ends the session, or has said nothing for so long, or
    asks who is there: a console stays open.

    Raises `CommandFailed` if it shows a prompt instead, or asks what nobody answers: then nothing has begun.
    """
    login = line.platform.login
    back = [Answer(pattern=pattern, last=True) for pattern in (login.press_return, login.username)]
    exchange = await line.prepare(command, reply=reply, answers=[*answers, *back])
    shell = line.shell
    shell.begin(exchange, exchange.start())
    started = asyncio.get_running_loop().time()
    gone, looks = False, 0
    try:
        while looks < _LOOKS and not exchange.ended:
            received = exchange.received
            try:
                async with asyncio.timeout(silence / _LOOKS):
                    await shell.more()
            except TimeoutError:
                looks = looks + 1 if exchange.received == received else 0
    except SessionBroken:
        gone = True
    finally:
        shell.end(exchange)
    line.questions.check(exchange.answering)
    parted = exchange.answering.parted
    gone = gone or (parted is not None and parted.answer in back)
    silent = not (gone or exchange.ended)
    asked = exchange.asked
    answered = exchange.answered()
    elapsed = asyncio.get_running_loop().time() - started
    output = Output(answered.text, command=command, elapsed=elapsed, mode=shell.mode, raw=answered.raw)
    if gone or (silent and not asked):
        return output
    redact = line.questions.redact
    said = redact(output)
    raise CommandFailed(
        f"{redact(command)!r}: the device {_ASKS if silent else _STAYS}",
        **where,
        seen=said or None,
        hint="reply={pattern: answer}" if silent else None,
        output=said,
        line=redact(asked) or said.strip().rpartition("\n")[2],
        command=redact(command),
    )


async def come_back(
    attempt: Callable[[], Awaitable[None]],
    note: Callable[[Exception], object],
    still_wanted: Callable[[], None],
) -> None:
    """Try until there is a session, less and less often; the caller sets the deadline.

    `note` is told of each failure. Raises what no waiting will cure, and what `still_wanted` raises.
    """
    pause, refusals = _SHORTEST, 0
    while True:
        still_wanted()
        try:
            await attempt()
            return
        except (HostKeyChanged, HostKeyUnknown):
            raise
        except AuthenticationFailed as error:
            refusals += 1
            if refusals == _REFUSALS:
                raise
            note(error)
        except (ConnectError, LimitReached, SessionBroken) as error:
            note(error)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # many devices do not come at once
        pause = min(2 * pause, _LONGEST)
