# SPDX-License-Identifier: Apache-2.0
"""What is to be done on each device, as it goes to a worker: commands, or a function by its name."""

from __future__ import annotations

import functools
import importlib
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any

from aioconn.broker import values
from aioconn.errors import BadFrame, CannotCross, UsageError


def told(work: Any) -> Any:
    """`work` as the codec takes it. Raises `UsageError` for a function that a worker could not find."""
    if isinstance(work, str):
        return str(work)
    if not callable(work):
        if not isinstance(work, Sequence) or not all(isinstance(line, str) for line in work):
            raise UsageError("the work is neither a command, nor a list of commands, nor a function")
        return [str(line) for line in work]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    function: Any = work
    if isinstance(function, functools.partial):
        function, args, kwargs = function.func, function.args, function.keywords
    name = name_of(function)
    values.dump([args, kwargs], f"an argument of {name.partition(':')[2]}")
    return (name, args, kwargs)


def found(raw: Any) -> Any:
    """The work that was told. Raises what importing it raises."""
    if not isinstance(raw, tuple):
        return raw
    name, args, kwargs = raw
    function = named(name)
    return functools.partial(function, *args, **kwargs) if args or kwargs else function


def name_of(function: Any) -> str:
    """`module:name`, by which another process finds the function. Raises `UsageError` if there is none."""
    module = getattr(function, "__module__", None)
    name = getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise UsageError(
            f"{function!r} has no name by which a worker process could import it",
            hint="a function of a module, or functools.partial of one",
        )
    if module in ("__main__", "__mp_main__"):
        raise UsageError(
            f"{name} belongs to the script itself, which worker processes do not run",
            hint="put it into a module that the script imports",
        )
    try:
        same = operator.attrgetter(name)(sys.modules[module]) == function
    except (AttributeError, KeyError):
        same = False
    if not same:
        raise UsageError(
            f"{module}.{name} is not to be found under this name, so that worker processes cannot import it",
            hint="define it at the top of a module",
        )
    return f"{module}:{name}"


def named(name: str) -> Callable[..., Any]:
    """The function of this name. Raises what importing it raises."""
    module, _, path = name.partition(":")
    try:
        function = operator.attrgetter(path)(importlib.import_module(module))
    except Exception as error:
        raise CannotCross(
            f"a worker process cannot import {name}: {type(error).__name__}: {error}",
            hint="what the module does when it is imported must work there as well",
        ) from error
    if not callable(function):
        raise BadFrame(f"{name} is no function")
    return function  # type: ignore[no-any-return]
