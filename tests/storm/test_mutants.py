# SPDX-License-Identifier: Apache-2.0
"""The planted bugs fit the package as it is. Whether they are caught: `nox -s mutants`."""

from __future__ import annotations

import ast

from tests.storm.mutants import ROOT, misplaced
from tests.storm.planted import MUTANTS


def test_each_replaces_a_text_that_is_there_once() -> None:
    assert misplaced() == []


def test_each_is_python_and_another_one() -> None:
    assert len(MUTANTS) >= 40
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        text = (ROOT / "aioconn" / mutant.file).read_text()
        planted = text.replace(mutant.old, mutant.new)
        assert planted != text
        ast.parse(planted)
