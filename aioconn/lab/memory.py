# SPDX-License-Identifier: Apache-2.0
"""What a simulated device knows of itself: its name, its facts, the configuration that counts, is edited, was saved."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from aioconn.lab.config import ConfigTree
from aioconn.lab.facts import facts, fill, moments
from aioconn.lab.faults import Faults
from aioconn.lab.hierarchy import Hierarchy
from aioconn.lab.personality import Personality


class Memory:
    """Who a device is and what it has been told. With `forgets` what is configured counts at once, and is gone after a
    restart unless it was saved."""

    def __init__(
        self,
        name: str,
        personality: Personality,
        *,
        seed: int,
        faults: Faults,
        hostname: str | None,
        forgets: bool,
    ) -> None:
        self.name = name
        self.personality = personality
        self.seed = seed
        self.faults = faults
        self.facts = {**personality.facts, **facts(name, seed)}
        self.version = 0  # of the configuration: grows with every change
        self._forgets = forgets
        self._watchers: dict[object, Callable[[], None]] = {}
        self._touch()
        self._given = self._hostname = hostname or name
        self._config: ConfigTree | None = None
        self._history: list[Hierarchy] = []  # committed configurations, newest first
        self._candidate: Hierarchy | None = None
        self._startup: ConfigTree | None = None
        self._saved = 0  # the version that it starts with

    @property
    def host(self) -> str:
        """The name in the prompt."""
        return self.faults.hostname or self._hostname

    def text(self, text: str) -> str:
        """`text` with the facts of this device."""
        self.facts["host"] = self.host
        return fill(text, self.facts)

    @property
    def config(self) -> ConfigTree:
        """The running configuration."""
        if self._config is None:
            text = self.text(self.personality.configuration)
            self._config = ConfigTree(text, single=self.personality.single)
        return self._config

    @property
    def hierarchy(self) -> Hierarchy:
        """The committed configuration of a device with nested statements."""
        if not self._history:
            self._history.append(
                Hierarchy(self.personality.schema, self.text(self.personality.configuration))
            )
        return self._history[0]

    @property
    def candidate(self) -> Hierarchy:
        """The configuration that all sessions edit until it is committed."""
        if self._candidate is None:
            self._candidate = self.hierarchy.copy()
        return self._candidate

    @property
    def running(self) -> ConfigTree | Hierarchy:
        """The configuration that counts, in the form that this kind of device has."""
        return self.hierarchy if self.personality.schema else self.config

    @property
    def draft(self) -> Hierarchy | None:
        """What is edited on the command line and not committed yet; None while nothing is."""
        edited = self._candidate is not None and self._candidate != self.hierarchy
        return self._candidate if edited else None

    def adopt(self, configuration: ConfigTree | Hierarchy) -> None:
        """Make a changed copy of the running configuration count."""
        if isinstance(configuration, Hierarchy):
            if self.draft is None:
                self._candidate = None
            self._history = [configuration, *self._history][:50]
        else:
            self._config = configuration
        self._changed()

    @property
    def modified(self) -> bool:
        """Whether a restart would lose what was configured."""
        return self._forgets and self.version != self._saved

    def save(self) -> None:
        """Keep the configuration for the next start."""
        self._startup = self.config.copy() if self._forgets else None
        self._saved = self.version

    def _start_anew(self) -> None:
        """What was not saved is gone, and so is what was not committed."""
        if self.modified:
            self._config = self._startup.copy() if self._startup is not None else None
            self._changed()
            self._saved = self.version
        self._candidate = None

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change of the configuration. Calling what this returns ends it."""
        key = object()
        self._watchers[key] = callback

        def withdraw() -> None:
            self._watchers.pop(key, None)

        return withdraw

    def commit(self) -> None:
        """Make the candidate count; the last fifty are kept."""
        self._history = [self.candidate.copy(), *self._history][:50]
        self._changed()

    def rollback(self, number: int) -> None:
        """Make an earlier configuration the candidate: 0 is the one that counts now."""
        committed = [self.hierarchy, *self._history[1:]]
        self._candidate = committed[min(number, len(committed) - 1)].copy()

    def configure(self, path: Sequence[str], line: str) -> None:
        """Apply one line of configuration in a section."""
        self.config.apply(path, line)
        self._changed()

    def open_section(self, path: Sequence[str]) -> None:
        """Have a section of the configuration, empty if it was not there."""
        lines = self.config.root
        for line in path:
            if line not in lines:
                self.config.section(path)
                self._changed()
                return
            lines = lines[line]

    def _changed(self) -> None:
        """After every change of the configuration: its name and its date are those of the new one."""
        configured = (
            self.hierarchy.value("system", "host-name")
            if self.personality.schema
            else self.config.value("hostname")
        )
        self._hostname = configured or self._given
        self._touch()
        self.version += 1
        for callback in list(self._watchers.values()):
            callback()

    def _touch(self) -> None:
        """Note when the configuration was changed."""
        self.facts.update(moments("changed", time.time()))
