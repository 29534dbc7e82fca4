# SPDX-License-Identifier: Apache-2.0
"""What all simulated command lines have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from aioconn.lab.facts import fill
from aioconn.lab.grammar import Match, Refusal
from aioconn.lab.program import Ask, Program

if TYPE_CHECKING:
    from aioconn.lab.shell import Shell

PIECE = 8 * 1024  # characters of one piece of a long output


class Dialect:
    """Runs lines. A command's `action` is the method `do_<action>`; without one its text is printed.

    It keeps nothing of a session: that is the shell's, and what outlives sessions is the device's.
    """

    forgets = False  # what is configured counts at once, and is gone after a restart unless it was saved
    bare_output = False  # a single command without a terminal (`ssh host command`) ends lines with LF alone

    def prompt(self, shell: Shell) -> str:
        text = shell.device.personality.modes[shell.mode].prompt.replace("{host}", shell.device.host)
        return text.replace("{user}", shell.user) if "{" in text else text

    def run(self, shell: Shell, line: str) -> Program:
        """The program of a line."""
        command, *filters = [part.strip() for part in re.split(r"\s\|\s*", line)]
        match = self.match(shell, command)
        program = self.refuse(shell, line, match) if match.command is None else self.command(shell, match)
        for each in filters:
            program = _filtered(program, self.filter(each))
        return program

    def match(self, shell: Shell, line: str) -> Match:
        return shell.device.personality.grammars[shell.mode].match(line)

    def command(self, shell: Shell, match: Match) -> Program:
        """The program of a known command."""
        command = match.command
        assert command is not None
        if command.action:
            action: Callable[[Shell, Match], Program] = getattr(self, f"do_{command.action}")
            return action(shell, match)
        return self.do_text(shell, match)

    def do_text(self, shell: Shell, match: Match) -> Program:
        """Ask what is to be asked, take the time it takes, print the text."""
        command = match.command
        assert command is not None
        for question in command.ask:
            yield Ask(shell.device.text(question))
        if command.seconds:
            yield command.seconds
        if command.text:
            yield shell.device.text(command.text)

    def do_mode(self, shell: Shell, match: Match) -> Program:
        """Ask what is to be asked, and go to another mode: that of the setting `mode`."""
        command = match.command
        assert command is not None
        for question in command.ask:
            answer = yield Ask(question)
            if answer.strip().lower() not in ("y", "yes"):
                return
        if command.text:
            yield shell.device.text(command.text)
        shell.mode = command.settings["mode"]

    def refuse(self, shell: Shell, line: str, match: Match) -> Program:
        """What the device says to a line it does not understand."""
        texts = shell.device.personality.refusals
        refusal = match.refusal or Refusal.INVALID
        text = getattr(texts, refusal.value)
        column = len(self.prompt(shell).rpartition("\n")[2]) + match.offset
        words = line.split()
        place = len(line[: match.offset].split())
        caret = " " * column + "^"
        word = words[place] if place < len(words) else ""
        yield fill(text, {"caret": caret, "line": line.strip(), "word": word, "place": str(place + 1)})

    def filter(self, text: str) -> Callable[[Iterator[str]], Iterator[str]]:
        """What `| text` does to the lines of an output."""
        verb, _, argument = text.partition(" ")
        argument = argument.strip().strip('"')
        if verb and "include".startswith(verb):
            return lambda lines: (line for line in lines if re.search(argument, line))
        if verb and "exclude".startswith(verb):
            return lambda lines: (line for line in lines if not re.search(argument, line))
        if verb and "begin".startswith(verb):
            return lambda lines: _begin(lines, argument)
        if verb and "count".startswith(verb):
            return lambda lines: _count(lines, argument)
        return lambda lines: lines

    def welcome(self, shell: Shell) -> Program:
        """What comes between the login and the first prompt."""
        device = shell.device
        shell.mode = device.personality.start if device.enable else device.personality.enabled
        text = device.text(device.personality.greeting)
        if text:
            yield text

    def interrupt_key(self, shell: Shell) -> None:
        """Ctrl-C at the prompt, before the prompt is shown again."""

    def end_key(self, shell: Shell) -> Program:
        """Ctrl-Z at the prompt."""
        yield from ()

    def eof_key(self, shell: Shell) -> Program:
        """Ctrl-D at an empty prompt."""
        yield from ()

    def do_lab_lines(self, shell: Shell, match: Match) -> Program:
        """So many numbered lines of 64 characters, for measurements."""
        count = int(match.arguments[0])
        for start in range(0, count, 200):
            stop = min(start + 200, count)
            yield "".join(f"line {number:<8d}{'.' * 50}\n" for number in range(start, stop))

    def do_lab_bytes(self, shell: Shell, match: Match) -> Program:
        """So many bytes of output, line ends included, for measurements."""
        count = int(match.arguments[0])
        line = "0123456789abcdef" * 4 + "----" * 3 + "..\n"  # 80 bytes as they leave
        block = line * 100
        whole, rest = divmod(count, 80)
        for _ in range(whole // 100):
            yield block
        if text := line * (whole % 100):
            yield text
        if rest >= 2:
            yield "x" * (rest - 2) + "\n"

    def do_lab_wait(self, shell: Shell, match: Match) -> Program:
        """Answer after so many milliseconds."""
        yield int(match.arguments[0]) / 1000
        yield f"waited {match.arguments[0]} ms\n"


def _filtered(program: Program, keep: Callable[[Iterator[str]], Iterator[str]]) -> Program:
    """`program` with the lines of its output filtered; pauses and questions pass.

    The output is collected between them: what a filter says depends on lines that are still to come.
    """
    text: list[str] = []
    answer: str | None = None
    while True:
        try:
            piece = next(program) if answer is None else program.send(answer)
        except StopIteration:
            break
        answer = None
        if isinstance(piece, str):
            text.append(piece)
        else:
            answer = yield piece
    yield "".join(keep(iter("".join(text).splitlines(keepends=True))))


def _begin(lines: Iterator[str], pattern: str) -> Iterator[str]:
    found = False
    for line in lines:
        found = found or re.search(pattern, line) is not None
        if found:
            yield line


def _count(lines: Iterator[str], pattern: str) -> Iterator[str]:
    count = sum(1 for line in lines if re.search(pattern, line))
    yield f"Number of lines which match regexp = {count}\n"
