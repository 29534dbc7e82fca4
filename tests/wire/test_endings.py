# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re
import string

import pytest

from aioconn.wire import endings


@pytest.mark.parametrize(
    ("pattern", "last"),
    [
        ("--More--$", "-"),
        (r"(?:--More--|\(END\)|^:)$", "-):"),
        (r"---\((?:more|END)[^)]*\)---$", "-"),
        (r"-- \[Q quit\|[^\]]*\]$", "]"),
        (r"(?i)password:\s*$", ":"),
        (r"(?i)(?:yes|no)$", "sSoO"),
        ("{host}#", "#"),
        (r"(?:rommon \d+ ?>|{host}\(boot\)[>#])", ">#"),
        (r"\[x [^\]]*\]\$", "$"),
        (r"\(END\)|--More--(?:\(\d+%\))?", ")-"),
        ("a|b", "ab"),
        ("(a)(b|[cd])", "bcd"),
        (r"ab?", "ab"),
    ],
)
def test_what_is_plain(pattern: str, last: str) -> None:
    assert endings.of(pattern) == frozenset(last)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "$",
        "a*",
        "a+",
        r"\d",
        "[^a]",
        "[a-z]",
        ".",
        r"[^\r\n]*$",
        "(?=x)",
        "a{2}",
        "(a|b*)",
        r"a\s*",
        "(a)?",
    ],
)
def test_what_is_not(pattern: str) -> None:
    assert endings.of(pattern) is None


@pytest.mark.parametrize(
    "pattern", [r"(?:a[)]|b\)c|d)e?#", r"[]]x", r"\\$", r"(?:\[(?:[\w.\-]+@)?h\])? ?[$#%]", r"x|(y|z)"]
)
def test_no_match_ends_otherwise(pattern: str) -> None:
    ends = endings.of(pattern)
    assert ends is not None
    compiled = re.compile(f"(?:{pattern})$" if not pattern.endswith("$") else pattern)
    for one in string.printable:
        for text in ("a)" + one, "d" + one, "x" + one, "[h]" + one, "de" + one, one):
            if one not in "\n" and (found := compiled.search(text)) and found[0]:
                assert text[-1] in ends
