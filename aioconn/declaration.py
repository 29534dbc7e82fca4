# SPDX-License-Identifier: Apache-2.0
"""Wrappers that are named rather than attached: by a testbed, or by a package that is installed."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aioconn.errors import UnknownWrapper, UsageError
from aioconn.home.locks import Lock

GROUP = "aioconn.wrappers"
"""The entry-point group of packages that bring wrappers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A wrapper's class by its dotted path, what it is made with, and where that is written.

    `arguments` become keyword arguments. `origin` is `file:line` or the name of a package, `key` the key path. What is
    `trusted` may be a function that makes one; a file must not have any function called with any arguments.
    """

    place: str
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    order: int | None = None
    trusted: bool = False
    origin: str = ""
    key: str = ""


class Loader:
    """Makes the wrapper of a declaration, once, when it is needed. Thread-safe."""

    __slots__ = ("_lock", "_wrapper", "declaration")

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self._wrapper: Any = None
        self._lock = Lock()

    def load(self, device: str, via: str) -> Any:
        """The wrapper, the same for everybody. Raises UnknownWrapper, which says where it is declared."""
        with self._lock:
            if self._wrapper is None:
                self._wrapper = self._made(device, via)
            return self._wrapper

    def _made(self, device: str, via: str) -> Any:
        declaration = self.declaration
        step = "cannot be imported"
        try:
            found = imported(declaration.place)
            step = "cannot be used"
            if not (hasattr(found, "applies") and hasattr(found, "call")) and not declaration.trusted:
                raise UsageError("it is no wrapper", hint="a class with applies() and call()")
            if not isinstance(found, type) and hasattr(found, "call"):
                if declaration.arguments:
                    raise UsageError("it is an object already, and takes no arguments")
                return found
            step = "cannot be made"
            return found(**declaration.arguments)
        except Exception as error:
            raise self.refusal(step, error, device, via) from error

    def refusal(self, step: str, error: Exception, device: str, via: str) -> UnknownWrapper:
        """What is to be said when it cannot be used."""
        declaration = self.declaration
        where = ": ".join(part for part in (declaration.origin, declaration.key) if part)
        cause = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
        return UnknownWrapper(
            f"{where + ': ' if where else ''}the wrapper {declaration.place!r} {step}: {cause}",
            device=device,
            path=via,
            wrapper=declaration.place,
            origin=declaration.origin,
            key=declaration.key,
        )


def imported(place: str) -> Any:
    """What `package.module.name` or `package.module:name` stands for. Raises ImportError, AttributeError, and whatever
    the module raises."""
    module, _, name = place.partition(":") if ":" in place else place.rpartition(".")
    if not module or not name:
        raise ImportError("no dotted path, such as package.module.Class")
    return functools.reduce(getattr, name.split("."), importlib.import_module(module))


def name_of(wrapper: object) -> str:
    """How a wrapper is called in a text: where its class is."""
    kind = wrapper if isinstance(wrapper, type) else type(wrapper)
    return f"{kind.__module__}.{kind.__qualname__}"


@functools.cache
def of_packages() -> tuple[Loader, ...]:
    """Those of installed packages, in the order of their names; looked up once."""
    from importlib.metadata import entry_points

    found = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        package = point.dist.name if point.dist is not None else "a package"
        origin = f"entry point {point.name} of {package}"
        found.append(Loader(Declaration(place=point.value, trusted=True, origin=origin)))
    return tuple(found)
