# SPDX-License-Identifier: Apache-2.0
"""Files that nobody would write, or only somebody who means harm: read or refused, never more than that."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioconn.app.excerpt import Excerpts
from aioconn.errors import Problem, TestbedError
from aioconn.testbed import builder, expansion, report, source
from aioconn.testbed.load import load_spec
from aioconn.testbed.source import read_mapping
from tests.examples import examples

MISTAKES = Path(__file__).parent / "mistakes"
DOCUMENT = Path(__file__).parents[2] / "docs" / "testbed.md"
MEBIBYTE = 2**20


def found(source: str | dict[str, object]) -> tuple[Problem, ...]:
    """What is wrong with it; any exception but one is a defect."""
    try:
        return load_spec(source).warnings
    except TestbedError as error:
        refused = tuple(error.problems)
    assert any(not problem.warning for problem in refused)
    return refused


# ---------------------------------------------------------------------------------------------------------------------
# Files of people, with something done to them

TEXTS = [
    *re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL),
    *(path.read_text() for path in sorted(MISTAKES.glob("[d-w]*.yaml")) if path.read_bytes().isascii()),
]
PIECES = st.sampled_from(
    [
        *(
            "\n",
            " ",
            "  ",
            "\t",
            ":",
            ": ",
            "- ",
            "? ",
            "'",
            '"',
            "{",
            "}",
            "[",
            "]",
            ",",
            "|\n",
            ">-\n",
            "#",
            "\\",
        ),
        *(
            "&a ",
            "*a",
            "<<: *a",
            "!x ",
            "!!int ",
            "---\n",
            "...\n",
            "%",
            "%ENV{A}",
            "%ENV{A, b}",
            "%ASK{}",
            "%ENC{x}",
        ),
        *(
            "%{testbed.name}",
            "%{devices.r1}",
            "%INTF{r1.a}",
            "%CLI{a}",
            "%CALLABLE{os.getcwd}",
            "%EXTEND_LIST{via}",
        ),
        *(
            "\x00",
            "\x85",
            "\u2028",
            "\ud7ff",
            "\U0001f600",
            "0x1F",
            "1e999",
            "-1",
            "~",
            "null",
            "yes",
            "x" * 300,
        ),
        *(
            "extends: x\n",
            "devices:",
            "testbed:",
            "topology:",
            "connections:",
            "credentials:",
            "defaults:",
            "proxy:",
        ),
    ]
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["cut", "insert", "repeat", "indent", "swap"]),
        st.floats(0, 0.999),
        st.floats(0, 0.999),
        PIECES,
    ),
    min_size=1,
    max_size=5,
)


def changed(text: str, changes: list[tuple[str, float, float, str]]) -> str:
    for what, first, second, piece in changes:
        at = int(first * len(text))
        length = 1 + int(second * second * 40)
        lines = text.split("\n")
        row, other = int(first * len(lines)), int(second * len(lines))
        if what == "cut":
            text = text[:at] + text[at + length :]
        elif what == "insert":
            text = text[:at] + piece + text[at:]
        elif what == "repeat":
            text = text[:at] + text[at : at + length] * 3 + text[at + length :]
        else:
            if what == "indent":
                lines[row] = "  " + lines[row]
            else:
                lines[row], lines[other] = lines[other], lines[row]
            text = "\n".join(lines)
    return text


@given(st.sampled_from(TEXTS), CHANGES)
@examples(400)
def test_a_file_with_changes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, changes: list[tuple[str, float, float, str]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "changed.yaml"
    file.write_text(changed(text, changes), encoding="utf-8")
    problems = found(str(file))
    excerpts = Excerpts()
    for problem in problems:
        assert problem.message
        assert all("\n" not in line.plain for line in excerpts.of(problem))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "bytes.yaml"
    file.write_bytes(data)
    assert all(problem.message for problem in found(str(file)))


# ---------------------------------------------------------------------------------------------------------------------
# Large ones, each of which takes a second or less, and a minute or more if somebody looks through all for each.

CLI = "devices:\n  r1:\n    connections:\n      cli:\n        ip: 10.0.0.1\n        "
LONG = 50_000


def many(count: int, line: str) -> str:
    return "".join(line.format(number, number + 1) + "\n" for number in range(count))


LARGE = {
    "foreign keys": "devices:\n  r1:\n" + many(8_000, "    tpye{}: x"),
    "unknown hops": "devices:\n" + many(2_000, "  r{}: {{connections: {{cli: {{ip: h, proxy: r{}x}}}}}}"),
    "hops in a row": "devices:\n"
    + many(2_000, "  r{}: {{connections: {{cli: {{ip: h, proxy: r{}}}}}}}")
    + "  r2000: {connections: {cli: {ip: h, proxy: r0}}}\n",
    "hops of one": CLI
    + f"proxy: [{', '.join(f'r{number}' for number in range(2, 800))}]\n"
    + many(800, "  r{}: {{connections: {{cli: {{ip: h}}}}}}"),
    "credentials": "devices:\n  r1:\n    credentials:\n      a:\n" + many(5_000, "        x{}: {{}}"),
    "unknown devices": "devices:\n"
    + many(3_000, "  r{}: {{}}")
    + "topology:\n"
    + many(3_000, "  q{}: {{interfaces: {{}}}}"),
    "same alias": "devices:\n" + many(2_000, "  r{}: {{alias: same}}"),
    "blanks in markup": f"devices:\n  r1:\n    os: '%ENV{{{' ' * LONG}'\n",
    "open markup": f"devices:\n  r1:\n    os: '{'%ENV{' * LONG}'\n",
    "commas in markup": f"devices:\n  r1:\n    os: '%ENV{{{',' * LONG}}}'\n",
    "percent signs": f"devices:\n  r1:\n    os: '{'%' * LONG}'\n",
    "os": f"devices:\n  r1:\n    os: {'x' * LONG}\n",
    "protocol": CLI + f"protocol: {'x' * LONG}\n",
    "ssh options": CLI + f"ssh_options: {'-o x ' * (LONG // 5)}\n",
    "command": CLI + f"command: {'x ' * (LONG // 2)}\n",
    "port": CLI + f"port: {'0' * LONG}1\n",
    "digits": CLI + f"x: {'1' * LONG}\n        y: 0x{'f' * LONG}\n        z: 1{'0' * LONG}.0\n",
    "limit": f"devices:\n  r1:\n    connections:\n      defaults: {{pool_size: {'9' * LONG}}}\n",
    "via": "devices:\n  r1:\n    connections:\n      defaults:\n        via: [" + "x, " * 5_000 + "]\n",
    "long key": f"devices:\n  r1:\n    ? {'x' * LONG}\n    : 1\n",
    "long names": "devices:\n"
    + many(300, f"  {'r' * 900}{{}}: {{{{os: [], connections: [], credentials: []}}}}"),
    "merges": "a: &a {"
    + ", ".join(f"k{number}: x" for number in range(1_000))
    + "}\n"
    + many(1_100, "b{}: {{<<: *a}}")
    + "devices: {r1: {}}\n",
    "keys twice": "devices: {r1: {}}\nx:\n" + "  a: 1\n" * 12_000,
    "doubling references": "testbed:\n  custom:\n    a0: xxxxxxxxxx\n"
    + many(40, "    a{1}: '%{{testbed.custom.a{0}}}%{{testbed.custom.a{0}}}'")
    + "devices: {r1: {os: '%{testbed.custom.a40}'}}\n",
    "references to mappings": "testbed:\n  custom:\n    a0: {x: x, y: y}\n"
    + many(40, "    a{1}: {{x: '%{{testbed.custom.a{0}}}', y: '%{{testbed.custom.a{0}}}'}}")
    + "devices: {r1: {custom: {z: '%{testbed.custom.a40}'}}}\n",
    "references in a circle": "testbed: {custom: {a: '%{testbed.custom.b}', b: '%{testbed.custom.a}'}}\n"
    "devices: {r1: {}}\n",
    "a reference to what holds it": "testbed: {custom: {a: '%{testbed.custom}'}}\ndevices: {r1: {}}\n",
    "a reference to all": "devices: {r1: {custom: {a: '%{devices}'}}}\n",
    "deep keys": "".join(f"{' ' * depth}{'k' * 900}:\n" for depth in range(99)),
    "items": "devices: {r1: {custom: [" + "x," * 20_000 + "]}}\n",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_read_or_refused_in_little_memory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expansion, "EXPANSION_LIMIT", 20_000)  # the usual limit is for a patient tester
    file = tmp_path / "large.yaml"
    file.write_text(LARGE[name])
    tracemalloc.start()
    try:
        problems = found(str(file))
        excerpts = Excerpts()
        shown = [line.plain for problem in problems[:100] for line in excerpts.of(problem)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * MEBIBYTE
    assert len(problems) <= 2 * (report.PROBLEM_LIMIT + 1)
    assert all(len(str(problem)) < 4_000 for problem in problems)
    assert all(len(line) < 400 for line in shown)


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("devices: {r1: {custom: '%INCLUDE{a.yaml}'}}\n")
    assert all(problem.message for problem in found(str(file)))


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("NODE_LIMIT", "devices: {r1: {custom: [" + "x, " * 60 + "]}}\n"),
        ("NODE_LIMIT", "devices: {r1: {custom: {" + ", ".join(f"x{n}: {{}}" for n in range(30)) + "}}}\n"),
    ],
    ids=["items", "mappings"],
)
def test_a_file_has_no_more_than_so_many_values(
    monkeypatch: pytest.MonkeyPatch, limit: str, text: str
) -> None:
    monkeypatch.setattr(builder, limit, 50)
    (problem,) = found(text)
    assert problem.message == "more than 50 values: this is no testbed"


@pytest.mark.parametrize(
    ("text", "errors", "warnings"),
    [
        ("devices:\n" + many(30, "  r{}: x"), 11, 0),
        ("devices: {r1: {}}\nx:\n" + "  a: 1\n" * 30, 0, 11),
        ("x:\n" + "  a: 1\n" * 30 + "devices:\n" + many(5, "  r{}: x"), 5, 11),
    ],
    ids=["errors", "warnings", "both"],
)
def test_so_many_problems_are_told(
    monkeypatch: pytest.MonkeyPatch, text: str, errors: int, warnings: int
) -> None:
    monkeypatch.setattr(report, "PROBLEM_LIMIT", 10)
    problems = found(text)
    assert sum(not problem.warning for problem in problems) == errors
    assert sum(problem.warning for problem in problems) == warnings
    left_out = [problem.message for problem in problems if "left out" in problem.message]
    assert len(left_out) == (errors > 10) + (warnings > 10)


def test_names_are_compared_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is not among thousands costs as much as reading a hundred devices."""
    monkeypatch.setattr(report, "_COMPARISONS", 2_500)
    known = [f"router-{number}" for number in range(1_000)]
    told = report.Report()
    hints = [told.nearest(f"rotuer-{number}", known) for number in range(10)]
    assert [hint.startswith("did you mean 'router-") for hint in hints] == [True] * 2 + [False] * 8
    assert hints[5] == hints[9]
    assert told.nearest("rotuer-1", known) == hints[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"x" * 2_000: {}},
        lambda: {"r1": {"custom": {"number": 10**6_000}}},
        lambda: {"r1": {"custom": {"x": [["x"] * 100] * 100}}},
    ],
    ids=["long key", "large number", "many values"],
)
def test_python_data_is_bounded_as_well(
    make: Callable[[], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "EXPANSION_LIMIT", 5_000)
    document = read_mapping({"devices": make()})
    assert document.tree is None
    (problem,) = document.problems
    assert problem.message
