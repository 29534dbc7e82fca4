# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import itertools
import time
from unittest import mock

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from aioconn import collector
from aioconn.errors import Problem, TestbedError
from aioconn.testbed import builder
from aioconn.testbed.load import load_spec
from aioconn.testbed.source import read_mapping, read_text
from aioconn.testbed.tree import Items, Scalar, Table, join_key


def tree(text: str) -> Table:
    document = read_text(text, "lab.yaml")
    assert document.tree is not None, document.problems
    return document.tree


def data(node: object) -> object:
    """Texts, lists and dicts of a tree."""
    if isinstance(node, Table):
        return {name: data(value) for name, (_, value) in node.entries.items()}
    if isinstance(node, Items):
        return [data(value) for value in node.values]
    assert isinstance(node, Scalar)
    return node.text


def test_places_of_keys_and_values() -> None:
    key, devices = tree("# lab\n\ndevices:\n  r1:\n    os: iosxe\n").entries["devices"]
    assert (key.file, key.line, key.column) == ("lab.yaml", 3, 1)
    assert isinstance(devices, Table)
    assert (devices.line, devices.column, devices.origin) == (4, 3, "lab.yaml:4")
    r1 = devices.entries["r1"][1]
    assert isinstance(r1, Table)
    os_key, value = r1.entries["os"]
    assert (os_key.column, value.line, value.column) == (5, 5, 9)


@pytest.mark.parametrize("text", ["0123", "1_000", "yes", "0x1F", "1e3", "10:30", "2024-01-01", "~", "1.10"])
def test_scalars_stay_as_written(text: str) -> None:
    assert data(tree(f"a: {text}\nb: '{text}'\n")) == {"a": text, "b": text}
    plain, quoted = (entry[1] for entry in tree(f"a: {text}\nb: '{text}'\n").entries.values())
    assert isinstance(plain, Scalar)
    assert isinstance(quoted, Scalar)
    assert plain.plain
    assert not quoted.plain


def test_explicit_tags() -> None:
    entries = tree("a: !!str 5\nb: !!int '5'\nc: !!map {x: y}\n").entries
    assert [isinstance(node, Scalar) and node.plain for _, node in entries.values()] == [False, True, False]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark(newline: str, mark: str) -> None:
    text = mark + newline.join(["devices:", "  r1:", "    os: iosxe", ""])
    assert data(tree(text)) == {"devices": {"r1": {"os": "iosxe"}}}


def test_folded_and_literal_scalars() -> None:
    assert data(tree("a: >-\n  one\n  two\nb: |\n  one\n  two\nc: one\n  two\n")) == {
        "a": "one two",
        "b": "one\ntwo\n",
        "c": "one two",
    }


def test_anchors_share_and_merge_keys_yield() -> None:
    text = (
        "base: &base {os: iosxe, type: router}\n"
        "more: &more {type: switch, role: edge}\n"
        "r1: {<<: *base, os: nxos}\n"
        "r2: {<<: [*more, *base]}\n"
        "r3: *base\n"
        "'<<': {quoted: is a name}\n"
    )
    root = tree(text)
    found = data(root)
    assert isinstance(found, dict)
    assert {name: found[name] for name in ("r1", "r2", "r3")} == {
        name: value
        for name, value in yaml.safe_load(text.rsplit("\n", 2)[0]).items()
        if name in ("r1", "r2", "r3")
    }
    assert found["<<"] == {"quoted": "is a name"}
    assert root.entries["r3"][1] is root.entries["base"][1]


def test_a_node_does_not_show_its_text() -> None:
    assert "s3cr3t" not in repr(tree("password: s3cr3t\n").entries)


def test_the_last_of_duplicate_keys_counts() -> None:
    document = read_text("a: 1\nb: {x: 1, x: 2}\na: 3\n")
    assert data(document.tree) == {"a": "3", "b": {"x": "2"}}
    assert [(problem.key, problem.line, problem.warning) for problem in document.problems] == [
        ("b.x", 2, True),
        ("a", 3, True),
    ]


@pytest.mark.parametrize(
    ("prefix", "name", "key"),
    [
        ("", "r1", "r1"),
        ("devices", "r1", "devices.r1"),
        ("devices", "my router", "devices.my router"),
        ("devices", "r1.lab", "devices.'r1.lab'"),
        ("devices", "", "devices.''"),
        ("a", " b", "a.' b'"),
    ],
)
def test_key_paths(prefix: str, name: str, key: str) -> None:
    assert join_key(prefix, name) == key


def bomb(width: int, levels: int) -> str:
    names = "abcdefghijklmnopqrstuvwxyz"[: levels + 1]
    lines = [f"{names[0]}: &{names[0]} [{','.join('x' * width)}]"]
    lines += [f"{n}: &{n} [{','.join([f'*{p}'] * width)}]" for p, n in itertools.pairwise(names)]
    return "\n".join([*lines, "devices: {r1: {}}", ""])


@pytest.mark.parametrize(
    "text",
    [
        bomb(9, 20),
        "devices: " + "[" * 300_000,
        "devices: " + "{" * 300_000,
        "- " * 300_000 + "\n",
        "? " * 300_000 + "\n",
        "devices: " + "{a: " * 100_000 + "\n",
        "\n".join(" " * depth + "a:" for depth in range(2000)),
        "a: &a0 {x: y}\n"
        + "".join(f"b{n}: &a{n} {{x: [*a{n - 1}]}}\n" for n in range(1, 500))
        + "devices: {r1: {}}\n",
    ],
    ids=[
        "aliases",
        "brackets",
        "braces",
        "dashes",
        "question marks",
        "flow mappings",
        "indents",
        "tall aliases",
    ],
)
def test_bombs_end_quickly(text: str) -> None:
    start = time.process_time()
    with pytest.raises(TestbedError):
        load_spec(text)
    assert time.process_time() - start < 2


def test_ordinary_aliases_are_no_bomb() -> None:
    assert list(load_spec(bomb(5, 3)).devices) == ["r1"]


@pytest.mark.parametrize("value", [lambda x: [x], lambda x: {"a": x}, lambda x: (x, x)])
def test_python_data_that_contains_itself(value: object) -> None:
    loop: dict[str, object] = {}
    loop["devices"] = value(loop)  # type: ignore[operator]
    document = read_mapping(loop)
    assert document.tree is None
    assert "does it contain itself?" in document.problems[0].message


def test_python_scalars() -> None:
    marker = object()
    document = read_mapping({"a": "5", "b": 5, "c": None, "d": True, "e": marker, 6: ["x"]})
    assert document.tree is not None
    entries = {name: node for name, (_, node) in document.tree.entries.items()}
    assert isinstance(entries["a"], Scalar)
    assert entries["a"].raw is None
    assert not entries["a"].plain
    assert [node.raw for node in entries.values() if isinstance(node, Scalar)] == [
        None,
        5,
        None,
        True,
        marker,
    ]
    assert isinstance(entries["c"], Scalar)
    assert entries["c"].null
    assert list(entries)[-1] == "6"


TOKENS = st.sampled_from(
    [
        "devices:",
        "r1:",
        "connections:",
        "cli:",
        "ip: 10.0.0.1",
        "port: ",
        "credentials:",
        "default:",
        "password:",
        "defaults:",
        "via:",
        "proxy:",
        "topology:",
        "testbed:",
        "extends:",
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        " ",
        "\t",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "<<: ",
        "|",
        ">",
        "'",
        '"',
        "!x ",
        "%ENV{X}",
        "%ASK{}",
        "-p 22",
        "#",
        "\x00",
        "0",
        "null",
        "?",
        ":",
        "---\n",
        "...\n",
        "\\",
        "%",
        "links:",
        "interfaces:",
        "os:",
        "command:",
        "protocol:",
        "ssh -o",
    ]
)
SOUP = st.lists(TOKENS, max_size=40).map("".join)


def problems_of(source: str | dict[str, object]) -> tuple[Problem, ...]:
    """What is wrong with it, at least one thing if it does not load; any other exception is a defect."""
    try:
        return load_spec(source).warnings
    except TestbedError as error:
        return tuple(error.problems) or (Problem(message=""),)


@given(st.one_of(st.text(), SOUP).map(lambda text: text + "\n"))
@example("devices: {r1: {connections: {cli: {protocol: ' ', ip: x}}}}\n")
def test_any_text_loads_or_is_a_testbed_error(text: str) -> None:
    assert all(problem.message for problem in problems_of(text))


@given(SOUP)
def test_without_libyaml_the_tree_is_the_same(text: str) -> None:
    fast = read_text(text)
    with mock.patch.object(builder, "_Loader", yaml.SafeLoader):
        slow = read_text(text)
    if fast.tree is not None and slow.tree is not None:
        assert data(fast.tree) == data(slow.tree)
    assert all(problem.message for problem in (*fast.problems, *slow.problems))


NAMES = st.sampled_from(
    [
        "devices",
        "testbed",
        "topology",
        "r1",
        "connections",
        "cli",
        "defaults",
        "ip",
        "port",
        "via",
        "credentials",
        "links",
        "default",
        "username",
        "password",
        "os",
        "alias",
        "interfaces",
        "proxy",
        "command",
        "arguments",
        "protocol",
        "custom",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES))
def test_any_mapping_loads_or_is_a_testbed_error(mapping: dict[str, object]) -> None:
    assert all(problem.message for problem in problems_of({"devices": {"r1": mapping}, **mapping}))


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("text", ["devices: {r1: {}}\n", "devices: {r1: x}\n"], ids=["good", "bad"])
def test_the_collector_of_garbage_is_left_as_it_was(enabled: bool, text: str) -> None:
    was, seen = gc.isenabled(), []

    def lookup(name: str, platform: str | None) -> str:
        seen.append(gc.isenabled())
        return name

    try:
        gc.enable() if enabled else gc.disable()
        problems_of(text)
        load_spec("devices: {r1: {os: iosxe}}", platforms=lookup)
        assert gc.isenabled() is enabled
        assert seen == [False]
    finally:
        gc.enable() if was else gc.disable()


@pytest.mark.parametrize("frozen", [False, True])
def test_a_large_file_is_not_looked_through(monkeypatch: pytest.MonkeyPatch, frozen: bool) -> None:
    """What it made is old at once; but what somebody has set aside stays where it is, and then that cannot be done."""
    monkeypatch.setattr(collector, "_MANY", 100)
    text = "custom:\n" + "".join(f"  a{number}: [1]\n" for number in range(500))
    was = gc.isenabled()
    gc.enable()
    gc.freeze() if frozen else gc.unfreeze()  # the audit of each test freezes
    try:
        with collector.paused():
            kept = read_text(text)
            looks = gc.get_stats()[0]["collections"]
        assert (gc.get_stats()[0]["collections"] > looks) is frozen
        assert (gc.get_freeze_count() > 0) is frozen
        assert kept.tree is not None
    finally:
        gc.freeze()
        gc.enable() if was else gc.disable()
