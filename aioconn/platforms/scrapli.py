# SPDX-License-Identifier: Apache-2.0
"""scrapli's platform definitions, read as platforms.

Their prompts may span two lines (the upper one becomes the leader), ignore case, bring their own anchors, and
exclude texts; a step is a list of instructions; failure indicators are plain texts found anywhere in a line.
Where a prompt begins with a simple class of characters, that is the device's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

from aioconn.errors import nearest
from aioconn.platforms.model import Configure, Mode, Pager, Platform, Reply, Step
from aioconn.platforms.reader import NEVER, Reader, Section
from aioconn.platforms.tree import Items, Node, Table

_KEYS = (
    "prompt_pattern", "default_mode", "modes", "failure_indicators", "on_open_instructions",
    "on_close_instructions", "ntc_templates_platform", "genie_platform", "force_in_session_auth", "name",
)  # fmt: skip
_MODE_KEYS = ("name", "prompt_pattern", "prompt_exact", "prompt_excludes", "accessible_modes")
_PROMPTED_KEYS = ("input", "prompt_exact", "prompt_pattern", "response")
_LOOKUP = "__lookup::"
# the definitions switch paging off, but not all can
_PAGER = Pager(pattern=r"(?i)-+ ?\(?more\)?[^\r\n]{0,20}$")
_ESCAPES = re.compile(r"\\(?:x([0-9a-fA-F]{2})|([nrt]))")
_PARSERS = {"cisco_iosxe": "cisco_ios", "cisco_iosxr": "cisco_xr"}


def is_definition(tree: Table) -> bool:
    """Whether a file is one of scrapli's: its modes are a list, and every prompt is a `prompt_...`."""
    modes = tree.entries.get("modes")
    return "prompt_pattern" in tree.entries or (modes is not None and isinstance(modes[1], Items))


def read(tree: Table, reader: Reader) -> Platform | None:
    """The platform; None, with problems noted, if there cannot be one."""
    top = reader.section(tree, "", _KEYS, ("default_mode", "modes"), what="a definition")
    if "default_mode" not in top or "modes" not in top:
        return None
    modes = {mode.name: mode for mode in _modes(top.values["modes"], reader)}
    default = top.text("default_mode")
    if default not in modes:
        top.problem("default_mode", f"there is no mode {default[:60]!r}", nearest(default, modes))
    for mode in modes.values():
        for goal in mode.steps:
            if goal not in modes:
                message = f"{mode.name!r} leads to {goal[:60]!r}: there is no such mode"
                top.problem("modes", message, nearest(goal, modes))
    if reader.problems:
        return None
    config = next((name for name in modes if name.startswith("config")), default)
    parser = top.text("ntc_templates_platform")
    indicators = top.take("failure_indicators", reader.texts, ())
    name = top.text("name", PurePath(reader.source).stem or "scrapli")
    return Platform(
        name=name,
        title=name,
        default_mode=default,
        modes=modes,
        configure=Configure(mode=config),
        pager=_PAGER,
        failures=tuple(f".*{re.escape(text)}" for text in indicators if text),
        parser=_PARSERS.get(parser, parser) or None,
        source=reader.source,
        on_open=_session_lines(top, "on_open_instructions", default, modes),
        on_close=_session_lines(top, "on_close_instructions", default, modes),
    )


def _modes(node: Node, reader: Reader) -> list[Mode]:
    modes: list[Mode] = []
    for item, key in reader.items(node, "modes"):
        section = reader.section(item, key, _MODE_KEYS, ("name",), what="a mode")
        if "name" not in section:
            continue
        name = section.text("name")
        reader.check_name(section.values["name"], section.place("name"), name)
        if any(mode.name == name for mode in modes):
            section.problem("name", f"a second mode {name[:60]!r}")
        leader, prompt = _prompt(section)
        modes.append(Mode(name=name, prompt=prompt, leader=leader, steps=_steps(section)))
    return modes


def _prompt(section: Section) -> tuple[str | None, str]:
    """The leader, if there is one, and the last line of a prompt."""
    name = "prompt_pattern" if "prompt_pattern" in section else "prompt_exact"
    if name not in section:
        section.problem("prompt_pattern", "a mode has no prompt", "add `prompt_pattern:` or `prompt_exact:`")
        return None, NEVER
    text = section.text(name)
    if name == "prompt_exact":
        text = re.escape(text.rstrip())
    above, line = split_lines(text)
    node, place = section.values[name], section.place(name)
    parts = [part for part in (text, above, line) if part is not None]
    if not all(section.reader.check_pattern(node, place, part) for part in parts):
        return None, NEVER
    words = section.take("prompt_excludes", section.reader.texts, ())
    excludes = "".join(f"(?!.*{re.escape(word)})" for word in words if word)
    # upper case is meant as well; trailing blanks are gone when a prompt is matched
    return f"(?i:{above})" if above else None, f"{excludes}(?i:{_with_host(line)})\\s*"


_NEWLINE_AT_TOP = re.compile(r"(?:\\s\*)?\\n")
_OPTIONAL_LINE = re.compile(r"\^?\((?:\?:)?(.*)\\n\)(?:\{0,1\}|\?)")


def split_lines(pattern: str) -> tuple[str | None, str]:
    """The last line of a pattern, and the one above it if the pattern goes over two (`\\n`)."""
    position, depth = 0, 0
    while position < len(pattern):
        if depth == 0 and (found := _NEWLINE_AT_TOP.match(pattern, position)):
            return pattern[:position].removeprefix("^"), pattern[found.end() :]
        sign = pattern[position]
        if sign == "\\":
            position += 1
        elif sign == "[":
            position = _end_of_class(pattern, position)
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        position += 1
    if (found := _OPTIONAL_LINE.match(pattern)) and not found[1].endswith("\\"):
        return found[1], pattern[found.end() :]
    return None, pattern


def _end_of_class(pattern: str, position: int) -> int:
    """The index of the `]` that closes the class at `position`."""
    found = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*").match(pattern, position)
    return found.end() if found else position


_NAME_CLASS = re.compile(r"(\^?)\[((?:[.@/:+~_-]|\\[w.\-/]|[a-zA-Z]-[a-zA-Z]|0-9)+)\](?:\{1?,\d+\}|\+)(?!@)")


def _with_host(line: str) -> str:
    found = _NAME_CLASS.match(line)
    if found is None or not re.search(r"\\w|a-z", found[2]):
        return line
    return f"{found[1]}{{host}}{line[found.end() :]}"


def _steps(mode: Section) -> dict[str, Step]:
    steps: dict[str, Step] = {}
    for item, place in mode.take("accessible_modes", _listed(mode.reader), []):
        keys = ("name", "instructions")
        goal = mode.reader.section(item, place, keys, keys, what="a way")
        ways = [
            step
            for node, at in goal.take("instructions", _listed(mode.reader), [])
            if (step := _instruction(node, at, mode.reader)) is not None
        ]
        if len(ways) == 1:
            steps[goal.text("name")] = ways[0]
        elif ways:
            goal.problem("instructions", "several instructions for one step", "put a mode between them")
    return steps


def _listed(reader: Reader) -> Callable[[Node, str], list[tuple[Node, str]]]:
    return lambda node, key: list(reader.items(node, key))


def _instruction(node: Node, key: str, reader: Reader) -> Step | None:
    kinds = ("send_input", "send_prompted_input", "write")
    section = reader.section(node, key, kinds, what="an instruction")
    for kind in section.values:
        asks = kind == "send_prompted_input"
        known, required = (_PROMPTED_KEYS, ("input", "response")) if asks else (("input",), ("input",))
        inner = reader.section(section.values[kind], section.place(kind), known, required, what=f"`{kind}`")
        return Step(send=inner.line("input"), replies=(_reply(inner),) if asks else ())
    reader.problem(node, key, "an instruction says nothing", f"one of {', '.join(kinds)}")
    return None


def _reply(section: Section) -> Reply:
    response = section.text("response")
    if response.startswith(_LOOKUP):
        return Reply(pattern=_question(section), secret=response.removeprefix(_LOOKUP))
    return Reply(pattern=_question(section), answer=response)


def _question(section: Section) -> str:
    """The pattern of a question. Some definitions write a pattern where an exact text belongs."""
    if "prompt_pattern" in section:
        return section.pattern("prompt_pattern")
    if "prompt_exact" not in section:
        hint = "add `prompt_pattern:` or `prompt_exact:`"
        section.problem("prompt_pattern", "an input waits for nothing", hint)
        return NEVER
    text = section.text("prompt_exact")
    if re.search(r"^\^|\$$|\\s|\[\w+\]", text):
        return section.pattern("prompt_exact")
    return re.escape(text.rstrip()) + r"\s*$"


def _session_lines(top: Section, name: str, default: str, modes: dict[str, Mode]) -> tuple[str, ...]:
    """What is typed at the begin or the end of a session, from the default mode on."""
    lines: list[str] = []
    mode = default
    kinds = ("enter_mode", "send_input", "write")
    for node, place in top.take(name, _listed(top.reader), []):
        section = top.reader.section(node, place, kinds, what="an instruction")
        for kind, inner_node in section.values.items():
            word = "requested_mode" if kind == "enter_mode" else "input"
            inner = top.reader.section(inner_node, section.place(kind), (word,), (word,), what=f"`{kind}`")
            text = inner.text(word)
            if kind != "enter_mode":
                lines += [line for line in _unescaped(text).split("\n") if line.strip(" \r\t")]
            elif text not in modes:
                inner.problem(word, f"there is no mode {text[:60]!r}", nearest(text, modes))
            elif text != mode:
                lines += _way(modes, mode, text)
                mode = text
    return tuple(lines)


def _way(modes: dict[str, Mode], start: str, goal: str) -> list[str]:
    """The lines that lead from a mode to another; none if there is no way without a question."""
    trails: dict[str, list[str]] = {start: []}
    for name in (queue := [start]):
        for neighbour, step in modes[name].steps.items():
            if neighbour in modes and neighbour not in trails and not step.replies:
                trails[neighbour] = [*trails[name], step.send]
                queue.append(neighbour)
    return trails.get(goal, [])


def _unescaped(text: str) -> str:
    """Control characters that were written as `\\x04` or `\\n` in single quotes."""
    plain = {"n": "\n", "r": "\r", "t": "\t"}
    return _ESCAPES.sub(lambda found: chr(int(found[1], 16)) if found[1] else plain[found[2]], text)
