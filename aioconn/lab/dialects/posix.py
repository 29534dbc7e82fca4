# SPDX-License-Identifier: Apache-2.0
"""A Unix shell as far as automation needs one."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator

from aioconn.lab.dialects.base import Dialect
from aioconn.lab.echoes import ENDLESS, count_of, echoes
from aioconn.lab.grammar import Match
from aioconn.lab.program import Ask, Interrupted, Program
from aioconn.lab.shell import Fate, Shell

LINK = re.compile(r"\s*(;|&&|\|\||\|)\s*")
BYTES = re.compile(r"\\([0-7]{3})")


class Posix(Dialect):
    """Simple commands joined by `;`, `&&`, `||`, `|`; the personality's are found by their whole text."""

    bare_output = True

    def prompt(self, shell: Shell) -> str:
        text = super().prompt(shell)
        return text.replace("{path}", "~")

    def run(self, shell: Shell, line: str) -> Program:
        if not shell.alone:
            yield b"\x1b[?2004l\r"  # bash switches bracketed paste off while a command runs
        try:
            yield from self._run(shell, line)
        except Interrupted:
            shell.status = 130

    def _run(self, shell: Shell, line: str) -> Program:
        for joint, parts in _lists(line):
            if (joint == "&&" and shell.status) or (joint == "||" and not shell.status):
                continue
            program = self._simple(shell, parts[0])
            for part in parts[1:]:
                program = self._pipe(program, part)
            yield from program

    def _simple(self, shell: Shell, line: str) -> Program:
        device = shell.device
        line = line.strip().replace("$?", str(shell.status)).replace("$USER", shell.user)
        line = re.sub(r"\s+2?>(&1|/dev/null)", "", line)
        if not line:
            return
        shell.status = 0
        known = device.personality.known(shell.mode).get(line)
        if known is not None:
            yield from self.command(shell, Match(command=known))
            return
        match = device.personality.grammars[shell.mode].match(line)
        if match.command is not None and match.command.action.startswith("lab_"):
            yield from self.command(shell, match)
            return
        try:
            words = shlex.split(line)
        except ValueError:
            shell.status = 2
            yield "-bash: unexpected EOF while looking for matching quote\n"
            return
        action = getattr(self, f"run_{words[0].replace('-', '_')}", None)
        if action is not None:
            yield from action(shell, words[1:])
        elif words[0] == "cat" and len(words) > 1:
            shell.status = 1
            yield f"cat: {words[1]}: No such file or directory\n"
        else:
            shell.status = 127
            yield f"-bash: {words[0]}: command not found\n"

    def _pipe(self, program: Program, line: str) -> Program:
        """The output of `program` through one of a few filters."""
        text: list[str] = []
        for piece in program:
            if isinstance(piece, str):
                text.append(piece)
            else:
                yield piece
        words = shlex.split(line)
        lines = "".join(text).splitlines(keepends=True)
        if words[0] == "grep" and len(words) > 1:
            lines = [line for line in lines if re.search(words[-1], line)]
        elif words[0] == "head":
            lines = lines[: int(words[-1].lstrip("-n") or 10)]
        elif words[0] == "tail":
            lines = lines[-int(words[-1].lstrip("-n") or 10) :]
        elif words[:2] == ["wc", "-l"]:
            lines = [f"{len(lines)}\n"]
        yield "".join(lines)

    def eof_key(self, shell: Shell) -> Program:
        return self.run_exit(shell, [])

    def run_echo(self, shell: Shell, words: list[str]) -> Program:
        newline = "\n"
        if words[:1] == ["-n"]:
            words, newline = words[1:], ""
        yield " ".join(words) + newline

    def run_printf(self, shell: Shell, words: list[str]) -> Program:
        if not words:
            return
        text = words[0].replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")
        text = BYTES.sub(lambda found: chr(int(found[1], 8)), text)
        for word in words[1:]:
            text = re.sub("%[sd]", word.replace("\\", r"\\"), text, count=1)
        if not shell.alone:
            text = text.replace("\n", "\r\n")
        yield text.encode("latin-1", "replace")

    def run_sleep(self, shell: Shell, words: list[str]) -> Program:
        yield float(words[0]) if words else 0.0

    def run_seq(self, shell: Shell, words: list[str]) -> Program:
        first, last = (1, int(words[0])) if len(words) == 1 else (int(words[0]), int(words[-1]))
        for start in range(first, last + 1, 500):
            yield "".join(f"{number}\n" for number in range(start, min(start + 500, last + 1)))

    def run_hostname(self, shell: Shell, words: list[str]) -> Program:
        yield shell.device.host + "\n"

    def run_whoami(self, shell: Shell, words: list[str]) -> Program:
        yield ("root" if shell.mode == "root" else shell.user) + "\n"

    def run_true(self, shell: Shell, words: list[str]) -> Program:
        yield from ()

    run_export = run_stty = run_cd = run_set = run_unset = run_true

    def run_false(self, shell: Shell, words: list[str]) -> Program:
        shell.status = 1
        yield from ()

    def run_date(self, shell: Shell, words: list[str]) -> Program:
        form = words[0][1:] if words and words[0].startswith("+") else "%a %b %d %H:%M:%S UTC %Y"
        yield time.strftime(form, time.gmtime()) + "\n"

    def run_ping(self, shell: Shell, words: list[str]) -> Program:
        """One line a second until the interrupt key; `-c N` bounds it."""
        shell.status = 0 if shell.device.reaches(words[-1]) else 1
        return echoes(shell.device, "linux", words[-1], count_of(words, ENDLESS))

    def run_cp(self, shell: Shell, words: list[str]) -> Program:
        """Says nothing if all is well."""
        files = shell.device.files
        if len(words) < 2 or words[0] not in files:
            shell.status = 1
            yield f"cp: cannot stat '{words[0] if words else ''}': No such file or directory\n"
            return
        files[words[1]] = files[words[0]]

    def run_reboot(self, shell: Shell, words: list[str]) -> Program:
        yield 0.05
        shell.fate, shell.restarts = Fate.CLOSE, True

    def run_su(self, shell: Shell, words: list[str]) -> Program:
        device = shell.device
        password = yield Ask("Password: ", echo=False)
        if device.faults.wrong_password or password != (device.enable or device.password):
            yield 0.2
            shell.status = 1
            yield "su: Authentication failure\n"
        else:
            shell.mode = "root"

    def run_sudo(self, shell: Shell, words: list[str]) -> Program:
        """Asks for the user's password; `-i` and `-s` stay root, anything else runs once."""
        for _ in range(3):
            password = yield Ask(f"[sudo] password for {shell.user}: ", echo=False)
            if password == shell.device.password and not shell.device.faults.wrong_password:
                break
            yield "Sorry, try again.\n"
        else:
            shell.status = 1
            yield "sudo: 3 incorrect password attempts\n"
            return
        if words in (["-i"], ["-s"], ["su"], ["su", "-"]):
            shell.mode = "root"
        else:
            yield from self._simple(shell, shlex.join(words))

    def run_exit(self, shell: Shell, words: list[str]) -> Program:
        if words:
            shell.status = int(words[0])
        if (above := shell.device.personality.modes[shell.mode].exit) is not None:
            shell.mode = above  # a shell below a command line
            yield "exit\n"
            return
        if shell.mode == "root":
            shell.mode = shell.device.personality.start
            yield "exit\n"
            return
        if not shell.alone:
            yield "logout\n"
        shell.fate = Fate.CLOSE

    run_logout = run_exit

    def run_cli(self, shell: Shell, words: list[str]) -> Program:
        """Back to the command line that stands above this shell, if one does."""
        if (above := shell.device.personality.modes[shell.mode].exit) is None:
            shell.status = 127
            yield "-bash: cli: command not found\n"
        else:
            shell.mode = above


def _lists(line: str) -> Iterator[tuple[str, list[str]]]:
    """The pipelines of a line, each with what joins it to the one before; quotes protect."""
    joint, start = "", 0
    parts: list[str] = []
    quote = ""
    index = 0
    while index < len(line):
        char = line[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in ";|&" and (found := LINK.match(line, index)):
            parts.append(line[start:index])
            start = index = found.end()
            if found[1] != "|":
                yield joint, parts
                joint, parts = found[1], []
            continue
        index += 1
    yield joint, [*parts, line[start:]]
