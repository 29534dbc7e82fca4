# SPDX-License-Identifier: Apache-2.0
"""What is found wrong while a testbed is read, and what was meant instead. Bounded, however wrong the file is."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from aioconn.errors import Problem, likeliest, nearest
from aioconn.testbed.tree import Node

PROBLEM_LIMIT = 10_000  # of each kind, errors and warnings
_TEXT_LIMIT = 400  # characters of a message or a hint: it may quote the file
_COMPARISONS = 50_000  # names held against each other: about a second's work


class Report:
    """All that was found, in the order it was found."""

    __slots__ = ("_comparisons", "_hints", "_left", "problems")

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._left = {True: PROBLEM_LIMIT, False: PROBLEM_LIMIT}  # warnings, errors
        self._comparisons = _COMPARISONS
        # The collection is kept, so that its identity stays its own.
        self._hints: dict[tuple[str, int, float], tuple[Collection[str], str | None]] = {}

    def add(
        self, node: Node | None, key: str, message: str, hint: str | None = None, *, warning: bool = False
    ) -> None:
        """Note what is wrong at `node`."""
        if self._room(warning):
            self.problems.append(
                Problem(
                    message=_short(message),
                    key=key,
                    source=node.file if node is not None else "",
                    line=node.line if node is not None else None,
                    column=node.column if node is not None else None,
                    hint=None if hint is None else _short(hint),
                    warning=warning,
                )
            )

    def take(self, problems: Iterable[Problem]) -> None:
        """Add what another reader has found."""
        self.problems += [problem for problem in problems if self._room(problem.warning)]

    def _room(self, warning: bool) -> bool:
        """Whether one more may be told. The first that may not is replaced by a sentence."""
        left = self._left[warning]
        self._left[warning] = left - 1
        if left == 0:
            what = "warnings" if warning else "problems"
            message = f"more than {PROBLEM_LIMIT:,} {what}: the others are left out"
            self.problems.append(Problem(message=message, warning=warning))
        return left > 0

    def close(self, name: str, known: Collection[str]) -> str | None:
        """A hint with the known name that `name` is most likely a slip of; None if there is none near."""
        return self._remembered(name, known, 0.75)

    def nearest(self, name: str, known: Collection[str]) -> str:
        """A hint with the known name that `name` is a slip of, else what there is."""
        return self._remembered(name, known, 0.6) or self._remembered("", known, 0.0) or ""

    def _remembered(self, name: str, known: Collection[str], cutoff: float) -> str | None:
        """A thousand devices may make the same mistake, and a thousand names be the right one."""
        asked = (name, id(known), cutoff)
        if asked in self._hints:
            return self._hints[asked][1]
        if not cutoff:
            hint: str | None = nearest("", known)
        elif len(known) > self._comparisons:
            return None
        else:
            self._comparisons -= len(known)
            hint = close(name, known, cutoff)
        self._hints[asked] = (known, hint)
        return hint


def close(name: str, known: Collection[str], cutoff: float = 0.75) -> str | None:
    """`did you mean ...?`, or None if nothing is as near as `cutoff` (1.0: the same but for the case)."""
    meant = likeliest(name, known, cutoff)
    return f"did you mean {meant!r}?" if meant is not None and meant != name else None


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Warnings last, and from the top of each file to its end; the files as they were read."""
    found = list(problems)
    sources = {source: number for number, source in enumerate(dict.fromkeys(one.source for one in found))}
    return sorted(found, key=lambda one: (one.warning, sources[one.source], one.line or 0, one.column or 0))


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 3] + "..."
