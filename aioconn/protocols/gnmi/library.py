# SPDX-License-Identifier: Apache-2.0
"""gRPC, loaded quietly: everybody here takes it from this module.

It does not survive a fork: a child that let go of an object of its parent's would wait for threads that it does not
have, or say something to the other side in the parent's name. So in a child all of them stay where they are.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from aioconn.errors import MissingDependency

# Its core writes to stderr what its calls raise anyway, and before a fork that it will not survive it. The environment
# is the way to tell it, before it is loaded; a user who has set these himself is not overruled.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

try:
    import grpc
    import grpc.aio
except ImportError as error:
    raise MissingDependency("gNMI needs grpcio and protobuf", hint="pip install 'aioconn[gnmi]'") from error

__all__ = ["Owner", "grpc", "hold"]

_held: weakref.WeakSet[Any] = weakref.WeakSet()
_inherited: list[Any] = []
_generation = 0


def hold(thing: Any) -> Any:
    """`thing`, which is of gRPC's; forked children will not let go of it."""
    _held.add(thing)
    return thing


class Owner:
    """Whoever made something of gRPC's, in the process that did."""

    __slots__ = ("_made_in",)

    def __init__(self) -> None:
        self._made_in = _generation

    @property
    def is_here(self) -> bool:
        """False in a forked child."""
        return self._made_in == _generation


def _forked() -> None:
    global _generation
    _generation += 1
    _inherited.extend(_held)
    _held.clear()


os.register_at_fork(after_in_child=_forked)
