# SPDX-License-Identifier: Apache-2.0
"""Dialogs that look like unicon's, and results that look like those of its execute."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aioconn.compat.dialogs import outputs, refusal, replies
from aioconn.errors import UsageError
from aioconn.protocols.statements import Statement


def statement(pattern: str, action: Any, args: dict[str, Any] | None = None) -> Any:
    return SimpleNamespace(pattern=pattern, action=action, args=args)


def test_dialogs() -> None:
    dialog = [
        statement("name", lambda spawn: spawn.sendline("x")),
        statement("return", lambda spawn: spawn.send("\r")),
        statement("key", lambda spawn: spawn.send("y")),
        statement("args", lambda spawn, key: spawn.sendline(key), {"key": "given"}),
        statement("context", lambda spawn, session, context: spawn.sendline(context.get("a", "none"))),
        statement("only looked for", None),
    ]
    wanted = {
        "name": "x",
        "return": "",
        "key": Statement("y", newline=False),
        "args": "given",
        "context": "none",
    }
    assert replies(SimpleNamespace(statements=dialog)) == wanted
    assert replies(dialog) == wanted
    assert replies(wanted) is wanted
    assert replies(None) is None


@pytest.mark.parametrize(
    "action",
    [
        lambda spawn: None,
        lambda spawn: (spawn.sendline("a"), spawn.sendline("b")),
        lambda spawn: spawn.sendline(spawn.match.last_match.group(1)),
        lambda spawn, context: spawn.sendline(context["password"]),
        lambda spawn, other: None,
    ],
)
def test_actions_that_want_more(action: Any) -> None:
    with pytest.raises(UsageError, match=r"the action of the statement 'question'.*reply="):
        replies([statement("question", action)])


def test_results() -> None:
    assert outputs(["a"], ["1"]) == "1"
    assert outputs(["a", "b"], ["1", "2"]) == {"a": "1", "b": "2"}
    assert outputs(["a", "a"], ["1", "2"]) == ["1", "2"]
    assert outputs(["a", "b", "a", "a"], ["1", "2", "3", "4"]) == {"a": ["1", "3", "4"], "b": "2"}
    assert outputs([], []) == {}


def test_refusals() -> None:
    text = "first line\nan Error: of some kind \nlast"
    assert refusal(text, [r"nothing", r"Error:"]) == "an Error: of some kind"
    assert refusal(text, [r"^first"]) == "first line"
    assert refusal(text, [r"^Error"]) is None
    assert refusal(text, []) is None
