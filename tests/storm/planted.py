# SPDX-License-Identifier: Apache-2.0
"""One-line bugs: the file in the package, the text as it is, the text with the bug, and what that does."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    file: str
    old: str
    new: str
    purpose: str

    def __str__(self) -> str:
        return f"{self.file}: {self.purpose}"


MUTANTS: tuple[Mutant, ...] = ()
