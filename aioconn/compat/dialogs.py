# SPDX-License-Identifier: Apache-2.0
"""What scripts that were written for unicon give to a command, and what they expect of it: dialogs and results.

Nothing of unicon is imported: its objects are taken for what they look like.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aioconn.errors import UsageError
from aioconn.protocols.statements import Statement


class _Typing:
    """Stands in for unicon's spawn while a statement's action is asked what it types."""

    def __init__(self) -> None:
        self.typed: list[str | Statement] = []

    def sendline(self, text: str = "") -> None:
        self.typed.append(text)

    def send(self, text: str) -> None:
        line = re.sub(r"(\r\n?|\n)\Z", "", text)
        self.typed.append(line if line != text else Statement(text, newline=False))


def replies(dialog: Any) -> Mapping[str, Any] | None:
    """What aioconn takes as `reply=`, from that or from a `Dialog` of unicon, or from a list of its statements.

    A statement's action is asked once, before the command, what it types. Raises `UsageError` for one that wants to
    know more than that.
    """
    if dialog is None or isinstance(dialog, Mapping):
        return dialog
    statements: Iterable[Any] = getattr(dialog, "statements", dialog)
    answers: dict[str, str | Statement] = {}
    for statement in statements:
        if statement.action is not None:
            answers[statement.pattern] = _answer(statement)
    return answers


def _answer(statement: Any) -> str | Statement:
    typing = _Typing()
    keys = {**(statement.args or {})}
    wanted = inspect.signature(statement.action).parameters
    keys.update(
        {
            name: value
            for name, value in (("spawn", typing), ("context", {}), ("session", {}))
            if name in wanted
        }
    )
    try:
        statement.action(**keys)
    except Exception as error:
        raise UsageError(
            f"the action of the statement {statement.pattern!r} cannot be asked what it types: {error!r}",
            hint="give reply={pattern: answer}",
        ) from error
    if len(typing.typed) != 1:
        raise UsageError(
            f"the action of the statement {statement.pattern!r} types {len(typing.typed)} lines",
            hint="give reply={pattern: answer}, one for each question",
        )
    return typing.typed[0]


def outputs(commands: Sequence[str], said: Sequence[str]) -> Any:
    """What unicon's execute returns: the output of one command; by command of several; a list for a repeated one."""
    found: dict[str, Any] = {}
    for command, output in zip(commands, said, strict=True):
        if command not in found:
            found[command] = output
        elif isinstance(found[command], list):
            found[command].append(output)
        else:
            found[command] = [found[command], output]
    return next(iter(found.values())) if len(found) == 1 else found


def refusal(output: str, patterns: Sequence[str]) -> str | None:
    """The line of an output in which one of the patterns is found."""
    for pattern in patterns:
        if found := re.search(pattern, output, re.MULTILINE):
            start = output.rfind("\n", 0, found.start()) + 1
            return output[start:].split("\n", 1)[0].strip()
    return None
