# SPDX-License-Identifier: Apache-2.0
"""Wrong platform files: all that is wrong is said, with its place and what to write instead."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aioconn.errors import TestbedError
from aioconn.platforms.definition import SIZE_LIMIT, from_mapping, from_text
from aioconn.platforms.model import Platform

GOOD = """\
name: acme_os
default_mode: cli
modes:
  cli:
    prompt: '{host}>'
    steps:
      config: configure
  config:
    prompt: '{host}\\(config\\)#'
    steps:
      cli: exit
"""

MISTAKES = {
    "unknown key": (
        GOOD + "fialures: []\n",
        ["acme.yaml:12:1: fialures: unknown key -> did you mean 'failures'?"],
    ),
    "missing keys": (
        "title: Acme\n",
        [
            "acme.yaml:1:1: a platform has no 'name' -> add `name:`",
            "acme.yaml:1:1: a platform has no 'default_mode' -> add `default_mode:`",
            "acme.yaml:1:1: a platform has no 'modes' -> add `modes:`",
        ],
    ),
    "unknown neighbour": (
        GOOD.replace("      config: configure", "      confg: configure\n      config: configure"),
        ["acme.yaml:7:7: modes.cli.steps.confg: there is no mode 'confg' -> did you mean 'config'?"],
    ),
    "unknown default mode": (
        GOOD.replace("default_mode: cli", "default_mode: clii"),
        ["acme.yaml:2:15: default_mode: there is no mode 'clii' -> did you mean 'cli'?"],
    ),
    "operations": (
        GOOD
        + "bash: shel\n"
        + "ping:\n  command: 'ping [now] {adress}'\n  result: '(?P<raet>\\d+)'\n"
        + "copy: {failures: ['not (']}\n"
        + "reload: {command: 'reload {when}', pause: soon}\n",
        [
            "acme.yaml:12:7: bash: there is no mode 'shel' -> known: cli, config",
            "acme.yaml:14:12: ping.command: '[now]' holds no value -> [...] is left out with the {value} in it",
            "acme.yaml:14:12: ping.command: there is no value {adress} here "
            "-> known: {address}, {count}, {size}, {source}, {vrf}",
            "acme.yaml:14:12: ping.command: the command has no {address}",
            "acme.yaml:15:11: ping.result: there is no field 'raet' "
            "-> known: sent, received, rate, loss, minimum, average, maximum",
            "acme.yaml:15:11: ping.result: neither a rate nor a loss -> name a group (?P<rate>...)",
            "acme.yaml:16:7: copy: `copy` has no 'command' -> add `command:`",
            "acme.yaml:16:24: copy.failures[0]: bad pattern at position 4: missing ), unterminated subpattern "
            "-> a \\ before it makes a sign literal",
            "acme.yaml:17:19: reload.command: there is no value {when} here -> known: none",
            "acme.yaml:17:43: reload.pause: 'soon' is no number of seconds",
        ],
    ),
    "aliases of modes": (
        GOOD.replace(
            "    steps:\n      config", "    aliases: [enable, config]\n    steps:\n      config"
        ).replace("    steps:\n      cli", "    aliases: [enable]\n    steps:\n      cli"),
        [
            "acme.yaml:4:3: modes.cli: the alias 'config' is a mode's name -> a name is that of one mode",
            "acme.yaml:9:3: modes.config: the alias 'enable' is one of mode 'cli' -> a name is that of one mode",
        ],
    ),
    "unreachable mode": (
        GOOD + "  boot:\n    prompt: 'boot>'\n",
        [
            "acme.yaml:12:3: modes.boot: no way leads from 'cli' to this mode "
            "-> name it in another mode's `steps`, or say `outside: true` for a boot loader"
        ],
    ),
    "bad pattern": (
        GOOD.replace("'{host}>'", "'{host}[>'"),
        [
            "acme.yaml:5:20: modes.cli.prompt: bad pattern at position 6: unterminated character set "
            "-> a \\ before it makes a sign literal"
        ],
    ),
    "bad failure pattern": (
        GOOD + "failures:\n  - 'fine'\n  - 'not ('\n",
        [
            "acme.yaml:14:10: failures[1]: bad pattern at position 4: missing ), unterminated subpattern "
            "-> a \\ before it makes a sign literal"
        ],
    ),
    "anchors": (
        GOOD.replace("'{host}>'", "'^{host}>$'"),
        [
            "acme.yaml:5:13: modes.cli.prompt: a prompt is always matched as a whole line "
            "-> leave ^ and $ away"
        ],
    ),
    "flags": (
        GOOD.replace("'{host}>'", "'(?i){host}>'"),
        ["acme.yaml:5:13: modes.cli.prompt: (?i) cannot stand in one branch of many -> write (?i:...)"],
    ),
    "host twice": (
        GOOD.replace("'{host}>'", "'{host}>|<{host}>'"),
        ["acme.yaml:5:13: modes.cli.prompt: {host} may stand only once in a pattern"],
    ),
    "matches nothing at all": (
        GOOD.replace("'{host}>'", "'>?'"),
        ["acme.yaml:5:13: modes.cli.prompt: this matches an empty line"],
    ),
    "a list where a mapping belongs": (
        "name: acme_os\ndefault_mode: cli\nmodes:\n  cli: ['>']\n",
        ["acme.yaml:4:8: modes.cli: a mode is a mapping, this is a list"],
    ),
    "two prompts alike": (
        GOOD.replace("'{host}\\(config\\)#'", "'{host}>'"),
        ["acme.yaml:8:3: modes.config: the same prompt as mode 'cli' -> a leader can tell them apart"],
    ),
    "not a flag": (
        GOOD + "echo: maybe\n",
        ["acme.yaml:12:7: echo: 'maybe' is not true or false"],
    ),
    "newline in single quotes": (
        GOOD + "newline: '\\r\\n'\n",
        ['acme.yaml:12:10: newline: this is no line end -> "\\n", "\\r" or "\\r\\n", in double quotes'],
    ),
    "probe without a token": (
        GOOD + "probe: {send: '!'}\n",
        ["acme.yaml:12:15: probe.send: a probe without {token} proves nothing"],
    ),
    "reply with answer and secret": (
        GOOD.replace(
            "config: configure",
            "config: {send: configure, replies: [{pattern: 'a', answer: b, secret: enable}]}",
        ),
        [
            "acme.yaml:7:77: modes.cli.steps.config.replies[0].secret: both an answer and a secret "
            "-> one of them"
        ],
    ),
    "two lines in one": (
        GOOD + 'on_open: ["a\\nb"]\n',
        ["acme.yaml:12:11: on_open[0]: one line is expected, this has several -> write a list of lines"],
    ),
    "the same key twice": (
        GOOD + "name: other\n",
        ["acme.yaml:12:1: name: this key stands twice, first in line 1"],
    ),
    "a tag": (
        GOOD + "title: !shout hello\n",
        ["acme.yaml:12:8: a tag (!name) that means nothing here -> quote a text that starts with !"],
    ),
    "no YAML": (
        GOOD + "title: 'open\n",
        ["acme.yaml:13:1: not valid YAML: found unexpected end of stream"],
    ),
    "nothing": (
        "# only a comment\n",
        ["acme.yaml: there is nothing in it -> name, default_mode and modes are needed"],
    ),
    "a list": ("- a\n", ["acme.yaml:1:1: a platform is a mapping with a name and modes"]),
    "a name with a blank": (
        GOOD.replace("name: acme_os", "name: acme os"),
        ["acme.yaml:1:7: name: 'acme os' is not a name -> a letter, then letters, digits and _"],
    ),
    "named group": (
        GOOD.replace("'{host}>'", "'(?P<x>a){host}>'"),
        [
            "acme.yaml:5:13: modes.cli.prompt: named groups and references cannot be used: "
            "patterns are joined -> use (?:...)"
        ],
    ),
    "configure in a mode that is not there": (
        GOOD + "configure: {mode: conf}\n",
        ["acme.yaml:12:19: configure.mode: there is no mode 'conf' -> did you mean 'config'?"],
    ),
    "no modes": (
        "name: acme_os\ndefault_mode: cli\nmodes: {}\n",
        ["acme.yaml:3:8: modes: there is no mode -> one at least: its name and prompt"],
    ),
}


def problems(text: str) -> list[str]:
    with pytest.raises(TestbedError) as caught:
        from_text(text, "acme.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str) -> None:
    text, expected = MISTAKES[name]
    assert problems(text) == expected


def test_the_good_one_is_good() -> None:
    assert from_text(GOOD).configure is None
    assert list(from_text(GOOD).modes) == ["cli", "config"]


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = GOOD.replace("'{host}>'", "'('").replace("cli: exit", "clii: exit") + "echo: x\n"
    assert [problem.split(":")[1] for problem in problems(text)] == ["5", "11", "12"]


def test_a_text_is_taken_as_it_was_written() -> None:
    platform = from_text(GOOD + "on_open: [no shutdown, 0123, yes]\ntitle: 1.10\n")
    assert platform.on_open == ("no shutdown", "0123", "yes")
    assert platform.title == "1.10"


def test_deep_nesting_and_alias_bombs_are_refused() -> None:
    assert "nested more than" in problems("a: " + "[" * 100_000)[0]
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        bomb += f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    assert "aliases counted as what they stand for" in problems(bomb)[0]
    assert problems("modes: &m {cli: *m}\n")


def test_huge_text_is_refused() -> None:
    assert problems(GOOD + "#" * SIZE_LIMIT) == ["acme.yaml: more than 1 MiB: this is no platform"]


def test_python_objects_are_never_made() -> None:
    assert "a tag" in problems(GOOD + "title: !!python/object/apply:os.getcwd []\n")[0]


@pytest.mark.parametrize(
    "pattern", ["a{99999999999}", "[[a]", "(" * 200, "(?<=a+)b", "\\1", "(?(1)a)", "x" * 2000]
)
def test_odd_patterns_are_problems(pattern: str) -> None:
    data = yaml.safe_load(GOOD)
    data["modes"]["cli"]["prompt"] = pattern
    with pytest.raises(TestbedError):
        from_mapping(data)


def checked(text: str) -> Platform | list[str]:
    """The platform, or what is wrong."""
    try:
        return from_text(text)
    except TestbedError as error:
        return [str(problem) for problem in error.problems]


@given(st.text())
def test_any_text_is_a_platform_or_a_testbed_error(text: str) -> None:
    assert checked(text)


@given(
    st.lists(
        st.sampled_from(
            [
                *GOOD.splitlines(keepends=True),
                "  ",
                "- ",
                "&a ",
                "*a\n",
                "!x ",
                "[",
                "{",
                "'",
                "{host}",
                "(",
                "\x07",
            ]
        )
    )
)
def test_shuffled_file_is_a_platform_or_a_testbed_error(pieces: list[str]) -> None:
    assert checked("".join(pieces))


SHAPES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["cli", "{host}>", "{token}"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "modes",
                    "default_mode",
                    "prompt",
                    "steps",
                    "cli",
                    "pager",
                    "pattern",
                    "login",
                    "probe",
                    "send",
                    "replies",
                    "configure",
                    "commit",
                    "prompt_pattern",
                    "accessible_modes",
                    "instructions",
                    "send_input",
                    "input",
                    "leader",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["name", "default_mode", "modes", "pager", "login", "probe", "prompt_pattern", "on_open"]
        ),
        SHAPES,
    )
)
def test_any_mapping_is_a_platform_or_a_testbed_error(data: dict[str, object]) -> None:
    outcomes = []
    for read in (lambda: from_mapping(data), lambda: from_text(yaml.safe_dump(data))):
        try:
            read()
            outcomes.append(0)
        except TestbedError as error:
            outcomes.append(len(error.problems))
    assert outcomes[0] == outcomes[1]  # a mapping and its text are wrong in the same ways
