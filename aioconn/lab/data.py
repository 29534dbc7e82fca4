# SPDX-License-Identifier: Apache-2.0
"""The data store of a simulated device: its one configuration, and its state, as YANG models see them.

Nothing is kept here. Reading builds values (RFC 7951) from the configuration that the command line shows, editing
changes the lines of that configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from aioconn.lab import models
from aioconn.lab.edits import Edit, Editor, Operation
from aioconn.lab.models import Module, Node
from aioconn.lab.places import ROOT, DataError, Place, Step, exists, locate, top
from aioconn.lab.settings import Settings, interface_type, settings
from aioconn.lab.state import State

if TYPE_CHECKING:
    from aioconn.lab.config import ConfigTree
    from aioconn.lab.hierarchy import Hierarchy
    from aioconn.lab.memory import Memory

__all__ = ["Candidate", "DataError", "DataStore", "Edit", "Operation", "Step"]

COMMIT_FAILURE = (
    "lab-commit-failure"  # a configuration that holds this word is refused, as on the command line
)


class DataStore:
    """`device.data`: what the models say of the device. All calls are plain and quick."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._state = State(memory)

    @property
    def modules(self) -> tuple[Module, ...]:
        return models.MODULES

    @property
    def version(self) -> int:
        """Grows with every change of the configuration, whoever makes it."""
        return self._memory.version

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change of the configuration. Calling what this returns ends it."""
        return self._memory.subscribe(callback)

    def schema(self, path: Sequence[Step] | Sequence[str]) -> Node | None:
        """The node of the models at `path` (keys do not matter), None if there is none."""
        try:
            return locate([step if isinstance(step, Step) else Step(step) for step in path], keys=False).node
        except DataError:
            return None

    def top(self) -> tuple[Node, ...]:
        """The nodes that stand at the top."""
        return models.TOP

    def read(self, path: Sequence[Step] = (), *, config: bool | None = None) -> Any:
        """The value of the node at `path`, None if there is none. Objects hold no empty containers.

        `config` True leaves the state away, False all but the state (and the keys of lists). Raises `DataError`
        if the models have no such node.
        """
        place = locate(path)
        return self._read(place, settings(self._memory.running, self._memory.personality), config)

    def edit(self, edits: Sequence[Edit]) -> None:
        """Change the running configuration: all of `edits` in order, or nothing and `DataError`."""
        memory = self._memory
        work = memory.running.copy()
        self.apply(work, edits)
        draft = memory.draft
        memory.adopt(work)
        if draft is not None:  # what is being edited on the command line keeps its own changes
            for edit in edits:
                try:
                    self.apply(draft, [edit])
                except DataError:
                    continue

    def candidate(self) -> Candidate:
        """A private copy to edit, which counts when it is committed."""
        return Candidate(self, self._memory)

    def apply(self, configuration: ConfigTree | Hierarchy, edits: Sequence[Edit]) -> None:
        """Change a copy of the configuration. After a `DataError` it is half changed."""
        editor = Editor(settings(configuration, self._memory.personality))
        for edit in edits:
            editor.apply(edit)
        if COMMIT_FAILURE in editor.settings.text():
            raise DataError("operation-failed", "/", "the configuration is not accepted")

    def read_from(
        self, configuration: ConfigTree | Hierarchy, path: Sequence[Step], config: bool | None
    ) -> Any:
        """As `read`, of another configuration."""
        return self._read(locate(path), settings(configuration, self._memory.personality), config)

    def _read(self, place: Place, said: Settings, config: bool | None) -> Any:
        if not exists(place, said):
            return None
        node = place.node
        if node.kind in ("leaf", "leaf-list"):
            return None if config is not None and node.config is not config else self._leaf(place, said)
        if config is True and not node.config:
            return None
        if node.kind == "list" and not place.entry:
            found = [self._object(place.at(key), said, config) for key in said.entries(node.fact, place.keys)]
            return [each for each in found if each is not None] or None
        return self._object(place, said, config)

    def _object(self, place: Place, said: Settings, config: bool | None) -> dict[str, Any] | None:
        node = place.node
        if node is ROOT:
            found = {node.qualified: self._read(top(node), said, config) for node in models.TOP}
            return {name: value for name, value in found.items() if value is not None}
        out: dict[str, Any] = {}
        for child in node.children.values():
            is_key = child.name in node.keys
            value = place.keys[node.fact] if is_key else self._read(place.child(child), said, config)
            if value is not None:
                out[node.member(child)] = value
        if config is False and node.config and not out.keys() - set(node.keys):
            return None  # nothing but keys
        return out or None

    def _leaf(self, place: Place, said: Settings) -> Any:
        node, keys = place.node, place.keys
        value: Any
        if node.fact in keys:
            value = keys[node.fact]
        elif node.fact == "type":
            value = interface_type(keys["interface"])
        elif node.config or node.fact in ("description", "enabled", "mtu"):
            value = said.get(node.fact, keys)
        else:
            value = self._state.get(node.fact, keys, said)
        return None if value is None else node.show(value)


class Candidate:
    """A private copy of the configuration. Its changes are made again on what is running when it is committed."""

    def __init__(self, store: DataStore, memory: Memory) -> None:
        self._store = store
        self._memory = memory
        self._edits: list[Edit] = []
        self._work = memory.running.copy()

    @property
    def changed(self) -> bool:
        return bool(self._edits)

    def read(self, path: Sequence[Step] = (), *, config: bool | None = True) -> Any:
        """As `DataStore.read`, of this copy; without the state unless it is asked for."""
        return self._store.read_from(self._work, path, config)

    def edit(self, edits: Sequence[Edit]) -> None:
        """All of `edits`, or nothing and `DataError`."""
        work = self._work.copy()
        self._store.apply(work, edits)
        self._work = work
        self._edits += edits

    def validate(self) -> None:
        """Raises `DataError` if it could not be committed now."""
        self._store.apply(self._memory.running.copy(), self._edits)

    def commit(self) -> None:
        """Make the changes count. Raises `DataError`, with all as it was, if what is running does not take them."""
        if self._edits:
            self._store.edit(self._edits)
        self.discard()

    def discard(self) -> None:
        """Begin again with what is running."""
        self._edits = []
        self._work = self._memory.running.copy()
