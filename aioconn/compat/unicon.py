# SPDX-License-Identifier: Apache-2.0
# pyright: reportMissingImports=false
"""Our errors as errors of unicon too, which is what scripts of pyATS catch. Needs unicon, which comes with pyATS."""

from __future__ import annotations

import inspect

from unicon.core.errors import ConnectionError as UniconConnectionError
from unicon.core.errors import StateMachineError, SubCommandFailure

from aioconn import errors
from aioconn.errors import AioconnError

# By what an error is, the most special first: what unicon raises in such a case.
_MEANS: tuple[tuple[type[AioconnError], type[Exception]], ...] = (
    (errors.ConnectError, UniconConnectionError),
    (errors.ModeNotReached, StateMachineError),
    (errors.AioconnError, SubCommandFailure),
)


def _both(kind: type[AioconnError]) -> type[AioconnError]:
    unicons = next(theirs for ours, theirs in _MEANS if issubclass(kind, ours))
    keys = {"__doc__": kind.__doc__, "__module__": __name__}
    made: type[AioconnError] = type(kind.__name__, (kind, unicons), keys)
    return made


BOTH = {
    kind.__name__: _both(kind)
    for kind in list(vars(errors).values())
    if inspect.isclass(kind) and issubclass(kind, AioconnError)
}
"""Every error of aioconn that is one of unicon's as well: `except SubCommandFailure` catches a refused command."""
globals().update(BOTH)  # which is where pickle looks for them


def as_unicon(error: AioconnError) -> AioconnError:
    """The same error, to be raised where scripts expect unicon's."""
    kind = BOTH.get(type(error).__name__)
    if kind is None or isinstance(error, kind):
        return error
    both = kind.__new__(kind)
    Exception.__init__(both, *error.args)
    both.__dict__.update(error.__dict__)
    return both
