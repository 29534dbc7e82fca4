# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import inspect
import pickle
import re

import pytest

from aioconn import errors
from aioconn.errors import AioconnError, CommandRejected, Phase, Problem, TestbedError, nearest

ALL = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, AioconnError)]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        if found := re.match(r"^([ │├└─]*)([A-Z]\w+)(?= {2}|$)", line):
            depth, name = len(found[1]), found[2]
            above = [(other, parent) for other, parent in above if other < depth]
            drawn[name] = above[-1][1] if above else ""
            above.append((depth, name))
    assert drawn == {cls.__name__: ("" if cls is AioconnError else cls.__bases__[0].__name__) for cls in ALL}


@pytest.mark.parametrize("kind", ALL)
def test_every_error_pickles_with_its_fields(kind: type[AioconnError]) -> None:
    if kind is TestbedError:
        error: AioconnError = TestbedError(
            [Problem(message="wrong", key="devices.r1", source="t.yaml", line=3)]
        )
    else:
        error = kind("no", device="r1", path="cli", phase=Phase.KEX, seen="what", hint="do", extra=[1])
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  our own
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert copy.__dict__ == error.__dict__


def test_an_error_is_one_line_with_all_that_matters() -> None:
    error = CommandRejected("no", device="r1", path="cli", seen="x" * 500, hint="try again")
    assert str(error).startswith("r1 via cli [command]: no; seen: '...xxx")
    assert str(error).endswith("-> try again")
    assert "\n" not in str(error)
    assert len(str(error)) < 300


def test_nearest() -> None:
    assert nearest("cisco_iosxee", ["cisco_iosxe", "linux"]) == "did you mean 'cisco_iosxe'?"
    assert nearest("CLI", ["cli"]) == "did you mean 'cli'?"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", []) == "there is none"
