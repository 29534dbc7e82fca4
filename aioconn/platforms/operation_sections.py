# SPDX-License-Identifier: Apache-2.0
"""The sections of a platform file that describe operations: `ping`, `copy`, `reload`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from aioconn.platforms.model import PAUSE, SILENCE, Copy, Ping, Reload, Reply, Step
from aioconn.platforms.reader import PATTERN_LIMIT, Reader, Section
from aioconn.platforms.template import names_in, wrong_part
from aioconn.platforms.tree import Node

PING_KEYS = ("command", "result")
COPY_KEYS = ("command", "replies", "failures")
RELOAD_KEYS = ("command", "save", "replies", "pause", "silence")

PING_VALUES = ("address", "count", "size", "source", "vrf")
COPY_VALUES = ("source", "destination", "vrf")
RESULT_GROUPS = ("sent", "received", "rate", "loss", "minimum", "average", "maximum")

_NEVER = re.compile("(?!)")


class OperationSections:
    """Takes them out of a file's tree, with the means of the one who reads the rest."""

    def __init__(
        self,
        reader: Reader,
        replies: Callable[[Node, str], tuple[Reply, ...]],
        steps: Callable[[Node, str], tuple[Step, ...]],
    ) -> None:
        self._reader = reader
        self._replies = replies
        self._steps = steps

    def ping(self, node: Node, key: str) -> Ping:
        section = self._reader.section(node, key, PING_KEYS, PING_KEYS, what="`ping`")
        return Ping(
            command=self._command(section, PING_VALUES, ("address",)),
            result=section.take("result", self._result, _NEVER),
        )

    def copy(self, node: Node, key: str) -> Copy:
        section = self._reader.section(node, key, COPY_KEYS, ("command",), what="`copy`")
        return Copy(
            command=self._command(section, COPY_VALUES, ("source", "destination")),
            replies=section.take("replies", self._replies, ()),
            failures=section.take("failures", self._reader.patterns, ()),
        )

    def reload(self, node: Node, key: str) -> Reload:
        section = self._reader.section(node, key, RELOAD_KEYS, ("command",), what="`reload`")
        return Reload(
            command=self._command(section, (), ()),
            save=section.take("save", self._steps, ()),
            replies=section.take("replies", self._replies, ()),
            pause=section.take("pause", self._seconds, PAUSE),
            silence=section.take("silence", self._seconds, SILENCE),
        )

    def _command(self, section: Section, known: Iterable[str], needed: Iterable[str]) -> str:
        """A line with values in braces."""
        line = section.line("command")
        if "command" not in section or not line:
            return line
        if (wrong := wrong_part(line)) is not None:
            section.problem(
                "command", f"{wrong!r} holds no value", "[...] is left out with the {value} in it"
            )
        given = names_in(line)
        for name in sorted(set(given).difference(known)):
            values = ", ".join(f"{{{value}}}" for value in known) or "none"
            section.problem("command", f"there is no value {{{name}}} here", f"known: {values}")
        for name in needed:
            if name not in given:
                section.problem("command", f"the command has no {{{name}}}")
        return line

    def _result(self, node: Node, key: str) -> re.Pattern[str]:
        """A pattern whose named groups are numbers."""
        reader = self._reader
        text = reader.text(node, key)
        if len(text) > PATTERN_LIMIT:
            reader.problem(node, key, f"a pattern of more than {PATTERN_LIMIT} characters")
            return _NEVER
        try:
            pattern = re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            reader.problem(node, key, f"bad pattern: {error}"[:200])
            return _NEVER
        groups = pattern.groupindex
        known = ", ".join(RESULT_GROUPS)
        for name in sorted(set(groups).difference(RESULT_GROUPS)):
            reader.problem(node, key, f"there is no field {name!r}", f"known: {known}")
        if not {"rate", "loss"} & set(groups):
            reader.problem(node, key, "neither a rate nor a loss", "name a group (?P<rate>...)")
        return pattern

    def _seconds(self, node: Node, key: str) -> float:
        text = self._reader.text(node, key)
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < 86400:
            self._reader.problem(node, key, f"{text[:60]!r} is no number of seconds")
            return 0.0
        return seconds
