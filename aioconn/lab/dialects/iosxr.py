# SPDX-License-Identifier: Apache-2.0
"""IOS-XR: changes are gathered and count when they are committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aioconn.lab.config import ConfigTree, render
from aioconn.lab.dialects.cisco import Cisco
from aioconn.lab.grammar import Match
from aioconn.lab.program import Ask, Program

if TYPE_CHECKING:
    from aioconn.lab.shell import Shell

COMMIT_FAILURE = "lab-commit-failure"  # a line that holds this word makes the commit fail
UNCOMMITTED = "Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]:"
FAILED = (
    "\n% Failed to commit one or more configuration items during a pseudo-atomic operation. "
    "All changes made have been reverted. Please issue 'show configuration failed [inheritance]' from this "
    "session to view the errors\n"
)


class IosXr(Cisco):
    """Each session has its own candidate; commands print the time before they answer."""

    forgets = False  # what is committed is kept

    def command(self, shell: Shell, match: Match) -> Program:
        program = super().command(shell, match)
        assert match.command is not None
        if match.command.name.startswith(("show ", "ping", "copy ")):
            return self._stamped(shell, program)
        return program

    def _stamped(self, shell: Shell, program: Program) -> Program:
        yield shell.device.text("\n{clock_xr}\n")
        yield from program

    def open_section(self, shell: Shell, path: tuple[str, ...], mode: str, line: str) -> None:
        shell.path = (*path, line)
        shell.mode = mode
        lines = shell.device.config.root
        for each in shell.path:
            if each not in lines:
                shell.pending.append((shell.path, ""))
                return
            lines = lines[each]

    def change(self, shell: Shell, line: str) -> Program:
        shell.pending.append((shell.path, line))
        yield from ()

    def interrupt_key(self, shell: Shell) -> None:
        """Ctrl-C does not leave the configuration here."""

    def do_commit(self, shell: Shell, match: Match) -> Program:
        if any(COMMIT_FAILURE in line for _, line in shell.pending):
            shell.failed = list(shell.pending)
            yield FAILED
            return
        yield 0.02
        for path, line in shell.pending:
            if line:
                shell.device.configure(path, line)
            else:
                shell.device.open_section(path)
        shell.pending.clear()

    def do_abort(self, shell: Shell, match: Match) -> Program:
        shell.pending.clear()
        self.leave(shell)
        yield from ()

    def do_clear(self, shell: Shell, match: Match) -> Program:
        shell.pending.clear()
        yield from ()

    def do_root(self, shell: Shell, match: Match) -> Program:
        shell.path, shell.mode = (), "config"
        yield from ()

    def do_end(self, shell: Shell, match: Match) -> Program:
        if shell.pending:
            answer = (yield Ask(UNCOMMITTED)).strip().lower()
            if answer in ("yes", "y"):
                yield from self.do_commit(shell, match)
                if shell.pending:
                    return
            elif answer not in ("no", "n"):
                return
            shell.pending.clear()
        self.leave(shell)

    def do_pending(self, shell: Shell, match: Match) -> Program:
        """The changes that are not committed yet."""
        yield "Building configuration...\n"
        yield "!! IOS XR Configuration 7.9.2\n" + _changes(shell.pending) + "end\n\n"

    def do_failed(self, shell: Shell, match: Match) -> Program:
        """What the last commit stumbled over."""
        yield "!! SEMANTIC ERRORS: This configuration was rejected by\n"
        yield "!! the system due to semantic errors.\n"
        yield _changes(shell.failed) + "!!% Invalid argument\nend\n\n"


def _changes(pending: list[tuple[tuple[str, ...], str]]) -> str:
    tree = ConfigTree()
    for path, line in pending:
        section = tree.section(path)
        if line:
            section.setdefault(line, {})
    return render(tree.root, separator="!", indent=1)
