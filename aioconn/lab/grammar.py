# SPDX-License-Identifier: Apache-2.0
"""The commands that a mode of a simulated CLI knows, found by their abbreviations.

A command is written as its words: `show ip route`. `<name>` takes one word, `<number>` one number, `<rest>`
all that follows; a word in `[brackets]` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: the text it prints, or the action of its dialect that plays it."""

    name: str
    text: str = ""
    action: str = ""
    ask: tuple[str, ...] = ()
    seconds: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict)


class Refusal(Enum):
    """Why a line is no command."""

    INVALID = "invalid"
    AMBIGUOUS = "ambiguous"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What a line was found to be. `offset` is where in the line the device loses track."""

    command: Command | None = None
    arguments: tuple[str, ...] = ()
    refusal: Refusal | None = None
    offset: int = 0


class Grammar:
    """The commands of one mode."""

    __slots__ = ("_commands", "_seen")

    LIMIT = 2048  # remembered lines; what is typed at a device is mostly the same

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands: list[tuple[tuple[str, ...], Command]] = []
        self._seen: dict[str, Match] = {}
        for command in commands:
            for words in _spellings(command.name.split()):
                self._commands.append((words, command))

    def match(self, line: str) -> Match:
        """The command that `line` means, by unique beginnings of words, or why it means none."""
        if (known := self._seen.get(line)) is None:
            if len(self._seen) >= self.LIMIT:
                self._seen.clear()
            known = self._seen[line] = self._match(line)
        return known

    def _match(self, line: str) -> Match:
        live = self._commands
        arguments: list[str] = []
        words = list(re.finditer(r"\S+", line))
        for index, found in enumerate(words):
            word = found.group().lower()
            able = [(pattern, command) for pattern, command in live if len(pattern) > index]
            literal = [entry for entry in able if entry[0][index] == word]
            if not literal:
                literal = [entry for entry in able if entry[0][index].startswith(word)]
                if len({pattern[index] for pattern, _ in literal}) > 1:
                    return Match(refusal=Refusal.AMBIGUOUS, offset=found.start())
            if literal:
                live = literal
                continue
            free = [entry for entry in able if _takes(entry[0][index], word)]
            if not free:
                return Match(refusal=Refusal.INVALID, offset=found.start())
            numbers = [entry for entry in free if entry[0][index] == "<number>"]
            live = numbers or free
            if live[0][0][index] == "<rest>":
                arguments.append(line[found.start() :].rstrip())
                return Match(command=live[0][1], arguments=tuple(arguments))
            arguments.append(found.group())
        for pattern, command in live:
            if len(pattern) == len(words):
                return Match(command=command, arguments=tuple(arguments))
        return Match(refusal=Refusal.INCOMPLETE, offset=len(line.rstrip()))


def _takes(pattern: str, word: str) -> bool:
    if pattern == "<number>":
        return word.isdigit()
    return pattern.startswith("<")


def _spellings(words: list[str]) -> Iterable[tuple[str, ...]]:
    """The command with and without its optional words."""
    spellings: list[tuple[str, ...]] = [()]
    for word in words:
        if word.startswith("["):
            spellings += [(*start, word[1:-1]) for start in spellings]
        else:
            spellings = [(*start, word) for start in spellings]
    return spellings
