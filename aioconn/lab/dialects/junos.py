# SPDX-License-Identifier: Apache-2.0
"""Junos: an operational mode, and a candidate that all sessions edit until it is committed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from aioconn.lab.dialects.base import Dialect
from aioconn.lab.echoes import ENDLESS, count_of, echoes, target_of
from aioconn.lab.grammar import Match, Refusal
from aioconn.lab.program import Ask, Program
from aioconn.lab.shell import Fate, Shell

COMMIT_FAILURE = "lab-commit-failure"  # a statement that holds this word makes the commit fail


class Junos(Dialect):
    """The hierarchy of the personality's `schema` decides what can be set."""

    def prompt(self, shell: Shell) -> str:
        text = super().prompt(shell)
        if "{edit}" in text:
            text = text.replace("{edit}", " ".join(("edit", *shell.path)))
        return text

    def run(self, shell: Shell, line: str) -> Program:
        if shell.mode == "config" and line.split(" ", 1)[0] in ("set", "delete"):
            match = self.match(shell, line)  # a bar is text here
            return self.refuse(shell, line, match) if match.command is None else self.command(shell, match)
        for display in ("display set", "compare"):
            head, bar, rest = line.partition(f"| {display}")
            if bar:
                return self._displayed(shell, head.strip(), display, rest)
        return super().run(shell, line)

    def _displayed(self, shell: Shell, line: str, display: str, rest: str) -> Program:
        """`show | display set` and `show | compare`: other views of the configuration, no filters."""
        device = shell.device
        candidate = shell.mode == "config"
        tree = device.candidate if candidate else device.hierarchy
        path = " ".join(shell.path).split() if candidate else []
        words = line.split()
        path += words[1 if candidate else 2 :]
        text = tree.compare(device.hierarchy) if display == "compare" else tree.statements(path)
        lines: Iterator[str] = iter(text.splitlines(keepends=True))
        for each in rest.split("|")[1:]:
            lines = self.filter(each.strip())(lines)
        yield "".join(lines)

    def filter(self, text: str) -> Callable[[Iterator[str]], Iterator[str]]:
        verb, _, argument = text.partition(" ")
        argument = argument.strip().strip('"')
        if verb == "match":
            return lambda lines: (line for line in lines if re.search(argument, line, re.IGNORECASE))
        if verb == "except":
            return lambda lines: (line for line in lines if not re.search(argument, line, re.IGNORECASE))
        if verb == "find":
            return super().filter(f"begin {argument}")
        if verb == "count":
            return lambda lines: iter([f"Count: {sum(1 for _ in lines)} lines\n"])
        return lambda lines: lines

    def refuse(self, shell: Shell, line: str, match: Match) -> Program:
        if shell.mode == "config" and match.offset:
            column = len(self.prompt(shell).rpartition("\n")[2]) + match.offset
            yield " " * column + "^\nsyntax error.\n"
        else:
            yield from super().refuse(shell, line, match)

    def do_configure(self, shell: Shell, match: Match) -> Program:
        shell.mode, shell.path = "config", ()
        yield "Entering configuration mode\n"
        if shell.device.candidate != shell.device.hierarchy:
            yield "The configuration has been changed but not committed\n"

    def do_exit(self, shell: Shell, match: Match) -> Program:
        """Up one `edit`, out of the configuration, or out of the session."""
        if shell.mode != "config":
            shell.fate = Fate.CLOSE
        elif shell.path and not match.arguments:
            shell.path = ()
        else:
            if shell.device.candidate != shell.device.hierarchy:
                yield "The configuration has been changed but not committed\n"
                answer = (yield Ask("Exit with uncommitted changes? [yes,no] (yes) ")).strip().lower()
                if answer and not "yes".startswith(answer):
                    return
                yield "\n"
            self.leave(shell)
            yield "Exiting configuration mode\n"

    def leave(self, shell: Shell) -> None:
        shell.mode, shell.path = shell.device.personality.start, ()

    def do_leave(self, shell: Shell, match: Match) -> Program:
        """`exit configuration-mode`."""
        return self.do_exit(shell, Match(arguments=("configuration-mode",)))

    def do_edit(self, shell: Shell, match: Match) -> Program:
        words = [*shell.path, *match.arguments[0].split()]
        headings = shell.device.candidate.place(words)
        if headings is None:
            yield from self.refuse(shell, shell.last, Match(refusal=Refusal.INVALID, offset=len("edit ")))
        else:
            shell.path = tuple(words)

    def do_up(self, shell: Shell, match: Match) -> Program:
        headings = shell.device.candidate.place(list(shell.path)) or []
        shell.path = tuple(" ".join(headings[:-1]).split())
        yield from ()

    def do_top(self, shell: Shell, match: Match) -> Program:
        shell.path = ()
        yield from ()

    def do_set(self, shell: Shell, match: Match) -> Program:
        return self._change(shell, match, shell.device.candidate.set)

    def do_delete(self, shell: Shell, match: Match) -> Program:
        return self._change(shell, match, shell.device.candidate.delete)

    def _change(self, shell: Shell, match: Match, change: Callable[[list[str]], int | None]) -> Program:
        words = _words(match.arguments[0])
        wrong = change([*shell.path, *words])
        if wrong is None:
            return
        typed = shell.last
        found = list(re.finditer(r"\S+", typed))
        index = 1 + max(0, wrong - len(shell.path))
        if index < len(found):
            yield from self.refuse(shell, typed, Match(refusal=Refusal.INVALID, offset=found[index].start()))
        elif change.__name__ == "delete":
            yield "warning: statement not found\n"
        else:
            yield from self.refuse(shell, typed, Match(refusal=Refusal.INCOMPLETE, offset=len(typed)))

    def do_show_config(self, shell: Shell, match: Match) -> Program:
        """The candidate in configuration mode, else the committed configuration."""
        device = shell.device
        words = match.arguments[0].split() if match.arguments else []
        if device.hierarchy.place(words if shell.mode != "config" else [*shell.path, *words]) is None:
            yield from self.refuse(
                shell, shell.last, Match(refusal=Refusal.INVALID, offset=shell.last.find(words[0]))
            )
        elif shell.mode == "config":
            yield device.candidate.render([*shell.path, *words])
        else:
            if not words:
                yield device.text("## Last commit: {changed_iso} by {user}\nversion 22.4R3.25;\n")
            yield device.hierarchy.render(words)

    def do_commit(self, shell: Shell, match: Match) -> Program:
        device = shell.device
        yield 0.02
        if COMMIT_FAILURE in device.candidate.render([]):
            yield "error: configuration check-out failed\n"
            return
        arguments = match.arguments[0] if match.arguments else ""
        assert match.command is not None
        if match.command.name == "commit check":
            yield "configuration check succeeds\n"
            return
        device.commit()
        if arguments:
            yield f"commit confirmed will be automatically rolled back in {arguments} minutes "
            yield "unless confirmed\n"
        yield "commit complete\n"
        if match.command.name == "commit and-quit":
            self.leave(shell)
            yield "Exiting configuration mode\n"

    def do_rollback(self, shell: Shell, match: Match) -> Program:
        shell.device.rollback(int(match.arguments[0]) if match.arguments else 0)
        yield "load complete\n"

    def do_run(self, shell: Shell, match: Match) -> Program:
        """An operational command from within the configuration."""
        mode, shell.mode = shell.mode, shell.device.personality.start
        try:
            program = self.run(shell, match.arguments[0])
        finally:
            shell.mode = mode
        return program

    def do_screen_length(self, shell: Shell, match: Match) -> Program:
        shell.output.rows = int(match.arguments[0])
        yield f"Screen length set to {shell.output.rows}\n"

    def do_screen_width(self, shell: Shell, match: Match) -> Program:
        shell.width = int(match.arguments[0])
        yield f"Screen width set to {shell.width}\n"

    def do_ping(self, shell: Shell, match: Match) -> Program:
        """Endless, until the interrupt key or `count N`."""
        words = match.arguments[0].split()
        return echoes(shell.device, "junos", target_of(words), count_of(words, ENDLESS))

    def do_routes(self, shell: Shell, match: Match) -> Program:
        device = shell.device
        assert match.command is not None
        yield device.text(match.command.text)
        hop = device.facts["link1_peer"]
        for n in range(device.routes):
            prefix = f"100.{n >> 8 & 255}.{n & 255}.0/24"
            yield f"{prefix:<19}*[OSPF/10] 1w2d 03:04:05, metric 2\n{'':20}>  to {hop} via ge-0/0/1.0\n"

    def do_copy(self, shell: Shell, match: Match) -> Program:
        """Says nothing if all is well, as on any Unix."""
        device = shell.device
        source, destination = match.arguments[0], match.arguments[1]
        if source not in device.files:
            yield f"error: could not open {source}: No such file or directory\n"
            return
        device.files[destination] = device.files[source]

    def do_reboot(self, shell: Shell, match: Match) -> Program:
        answer = (yield Ask("Reboot the system ? [yes,no] (no) ")).strip().lower()
        if answer and "yes".startswith(answer):
            yield "\nShutdown NOW!\n[pid 4711]\n"
            shell.fate, shell.restarts = Fate.CLOSE, True


def _words(text: str) -> list[str]:
    """Words, where a quoted text is one."""
    return re.findall(r'"[^"]*"|\S+', text)
