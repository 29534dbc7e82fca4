# SPDX-License-Identifier: Apache-2.0
"""Bringing a command line back in step after something ended early on it.

Interrupt what runs, then send a word that must come back exactly. A device that echoes only what it reads proves with
the echo that it has come to its prompt; one whose tty echoes at once must first be silent (2.5 times its slowest
answer, at least 0.15 s, doubling each round) and then return two words in a row with nothing between them.
"""

from __future__ import annotations

import asyncio
import re

from aioconn.policy import RESYNC_TIMEOUT
from aioconn.protocols.shell import Shell
from aioconn.wire.echo import Discipline
from aioconn.wire.probe import ProbeLine
from aioconn.wire.proof import Proof

_ROUNDS = 4
_REACTION, _REACTION_LIMIT = 0.02, 0.3
_ERASE = b"\x15"  # Ctrl-U: line editors and ttys alike take it so


async def resync(shell: Shell, *, interrupt: bool, timeout: float = RESYNC_TIMEOUT) -> bool:
    """Whether the shell stands at a proven prompt now. With False it must be closed.

    `interrupt=False` for what must not be stopped half-way (saving, installing, reloading): then it is waited for.
    """
    quiet = shell.patience
    try:
        async with asyncio.timeout(timeout):
            for attempt in range(_ROUNDS):
                await _stop(shell, quiet, interrupt=interrupt)
                last = attempt == _ROUNDS - 1 or not interrupt
                if await prove(shell, quiet, patience=None if last else 2 * quiet):
                    return True
                quiet *= 2
    except TimeoutError:
        return False
    return False


async def prove(shell: Shell, quiet: float, *, patience: float | None, clear: bool = False) -> bool:
    """Send words until one, or two in a row, came back as they must. `patience` bounds the wait for each.

    `clear` first erases what may stand half-typed on the line.
    """
    probe = shell.probe
    if not probe.send:
        return await _prove_by_silence(shell, quiet)
    exact_before = False
    for _ in range(4):
        proof = Proof(ProbeLine(probe), shell.prompts, shell.discipline)
        try:
            async with asyncio.timeout(patience):
                await shell.run(proof, (_ERASE if clear else b"") + proof.line.line.encode() + shell.newline)
        except TimeoutError:
            if proof.done is None:
                return False
        if proof.certain or (proof.exact and exact_before):
            shell.proven = True
            return True
        shell.in_step = False
        exact_before = proof.exact and not await shell.drain(quiet)
    return False


async def _stop(shell: Shell, quiet: float, *, interrupt: bool) -> None:
    pager = shell.platform.pager
    if pager is not None and re.search(f"(?:{pager.pattern})\\s*$", shell.stray_text()):
        shell.write(pager.quit.encode())
    if interrupt and shell.platform.interrupt:
        shell.write(shell.platform.interrupt.encode())
    if shell.discipline is Discipline.READER or shell.probe.answer is not None:
        await _let_react(shell)
    else:
        await shell.drain(quiet)


async def _let_react(shell: Shell) -> None:
    """Until it has been silent for a moment: what is typed right behind an interrupt may go to what it stops."""
    try:
        async with asyncio.timeout(_REACTION_LIMIT):
            await shell.drain(_REACTION)
    except TimeoutError:
        pass


async def _prove_by_silence(shell: Shell, quiet: float) -> bool:
    """No harmless line is known for this platform: an empty one, and a prompt that stays the last word."""
    await shell.drain(quiet)
    shell.write(shell.newline)
    match = shell.prompts.at_end(await shell.drain(max(quiet, 0.3)))
    if match is None:
        return False
    shell.arrived_at(match)
    return True
