# SPDX-License-Identifier: Apache-2.0
"""Bringing a command line back in step after something ended early on it.

Interrupt what runs, then send a word that must come back. What proves that the device has read it depends on the
device: the answer that it prints; the echo, where it echoes only what it reads; the echo behind a new prompt, where a
tty lies below a line editor. That takes one round trip. Where the command line alone reads what is typed, an interrupt,
the word and another interrupt go in one write: the word's line is dropped, and the device has nothing to run. A plain
tty that prints no answer must first be silent (2.5 times its longest silence of late, at least 0.15 s, doubling each
round) and then return two words in a row with nothing between them.
"""

from __future__ import annotations

import asyncio
import re

from aioconn.policy import RESYNC_TIMEOUT
from aioconn.protocols.pace import LONGEST
from aioconn.protocols.shell import Shell
from aioconn.wire.echo import Discipline
from aioconn.wire.probe import ProbeLine
from aioconn.wire.proof import Glance, Proof

_REACTION, _REACTION_LIMIT = 0.02, 0.3
_HURRY = 0.03
_FLOOD = 0.5  # seconds: an output that flows on for so long has not been interrupted
_GLANCE = 1.0
ERASE = b"\x15"  # Ctrl-U: line editors and ttys alike take it so
_DROP = b"\x03"  # Ctrl-C: at a prompt it drops what has been typed, and the prompt is shown again
_BLANKS = b" \x00"  # what may follow a prompt and is a part of it


async def resync(shell: Shell, *, interrupt: bool, timeout: float = RESYNC_TIMEOUT) -> bool:
    """Whether the shell stands at a proven prompt now. With False it must be closed.

    `interrupt=False` for what must not be stopped half-way (saving, installing, reloading): then it is waited for.
    """
    quiet = shell.patience
    try:
        async with asyncio.timeout(timeout):
            stop, ahead = _stop(shell, interrupt=interrupt), b""
            if stop and shell.discipline is Discipline.READER:
                # nobody but the command line reads what is typed: mostly the word gets through right behind
                drop = shell.drops_lines and stop.endswith(_DROP) and shell.probe.answer is None
                if await prove(shell, quiet, patience=max(_HURRY, shell.pace.slow), ahead=stop, drop=drop):
                    return True
                stop = b""
                if drop:  # nothing has ended the word's line, if it is still to be read
                    ahead, shell.drops_lines = shell.newline, False
            while True:
                if stop:
                    shell.write(stop)
                    await _let_react(shell)
                if await prove(shell, quiet, patience=2 * quiet if interrupt else None, ahead=ahead):
                    return True
                ahead = b""
                stop = _stop(shell, interrupt=interrupt)
                quiet = min(2 * quiet, LONGEST)
    except TimeoutError:
        return False


async def prove(
    shell: Shell, quiet: float, *, patience: float | None, ahead: bytes = b"", drop: bool = False
) -> bool:
    """Send words until they came back as they must; `ahead` goes before the first, in the same write if it may.

    `patience` bounds the silence before each word, until the device is seen to read it. False if it was not. `drop`
    ends the first by an interrupt.
    """
    probe, discipline = shell.probe, shell.discipline
    one_is_enough = probe.answer is not None or discipline in (Discipline.READER, Discipline.BOTH)
    by_silence = not probe.send or (discipline is Discipline.NONE and probe.answer is None)
    if ahead and (by_silence or not one_is_enough):
        shell.write(ahead)
        ahead = b""
    if by_silence:
        while not (proven := await _prove_by_silence(shell, quiet)) and patience is None:
            pass
        return proven
    if not one_is_enough:
        await _silence(shell, quiet)
    exact_before = False
    while (proof := await _word(shell, patience, ahead, drop=drop)) is not None:
        if proof.certain or (proof.exact and exact_before):
            shell.prove()
            if proof.repeated and discipline is Discipline.READER:
                shell.discipline = Discipline.BOTH
            return True
        shell.in_step = False
        ahead, drop = b"", False
        if not one_is_enough:
            exact_before = not (await _silence(shell, quiet)).strip(_BLANKS) and proof.exact
    return False


async def glance(shell: Shell) -> bool:
    """Whether a plain tty that is most likely at its prompt is there; False proves nothing."""
    echo = shell.discipline is not Discipline.NONE
    talk = Glance((ProbeLine(shell.probe), ProbeLine(shell.probe)), shell.prompts, echo=echo)
    try:
        async with asyncio.timeout(_GLANCE):
            await shell.run(talk, talk.start(shell.newline))
    except TimeoutError:
        pass
    if talk.done is None or shell.pace.owed > 0:
        return False
    shell.prove()
    return True


async def _word(shell: Shell, patience: float | None, ahead: bytes, *, drop: bool) -> Proof | None:
    """Send one word and wait for it; None if nothing came for `patience` seconds, or something else all the time."""
    proof = Proof(ProbeLine(shell.probe), shell.prompts, shell.discipline, before=shell.line_before())
    shell.begin(proof, ahead + proof.start(_DROP if drop else shell.newline))
    left, received = _FLOOD, proof.received
    try:
        while not proof.ended:
            try:
                async with asyncio.timeout(None if proof.begun and not drop else patience):
                    await shell.more()
            except TimeoutError:
                if proof.done is not None:
                    continue
                if proof.begun:
                    if drop:  # the device shows the word, and keeps it
                        shell.drops_lines = drop = False
                        shell.write(shell.newline)
                elif proof.received == received or (left := left - (patience or 0)) <= 0:
                    return None
                received = proof.received
    finally:
        shell.end(proof)
    return proof


def _stop(shell: Shell, *, interrupt: bool) -> bytes:
    """What ends a pager and a command."""
    pager = shell.platform.pager
    paging = pager is not None and re.search(f"(?:{pager.pattern})\\s*$", shell.stray_text())
    keys = pager.quit if pager is not None and paging else ""
    return (keys + (shell.platform.interrupt if interrupt else "")).encode()


async def _silence(shell: Shell, quiet: float) -> bytes:
    """What came before a silence of `quiet` seconds, or a longer one if the device turns out to be slower than that.

    If it owes us a prompt it has still to read what we sent, or has thrown that away: a long silence tells.
    """
    came, pace = await shell.drain(quiet), shell.pace
    while (wanted := pace.despair if pace.owed > 0 else pace.silence) > quiet:
        if await shell.arrival(wanted - quiet):
            came += await shell.drain(wanted)
        quiet = wanted
    pace.settled()
    return came


async def _let_react(shell: Shell) -> None:
    """Until it has been silent for a moment: what is typed right behind an interrupt may go to what it stops."""
    try:
        async with asyncio.timeout(_REACTION_LIMIT):
            await shell.drain(_REACTION)
    except TimeoutError:
        pass


async def _prove_by_silence(shell: Shell, quiet: float) -> bool:
    """Nothing would show that a word has been read: an empty line, and a prompt that stays the last word."""
    await _silence(shell, quiet)
    if shell.probe.send:
        return await glance(shell)
    shell.write(shell.newline)
    match = shell.prompts.at_end(await shell.drain(max(quiet, 0.3)))
    if match is None:
        return False
    shell.arrived_at(match)
    return True
