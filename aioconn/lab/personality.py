# SPDX-License-Identifier: Apache-2.0
"""A personality: what a simulated device looks like on its command line. A folder of data.

`personality.yaml` holds the modes, prompts, texts and commands; a file `outputs/show_version.txt` is the
output of the command `show version`. In all texts `{host}`, `{serial}` and the like stand for facts of the
device.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aioconn.errors import Problem, TestbedError, nearest
from aioconn.lab.grammar import Command, Grammar

FOLDER = Path(__file__).parent / "personalities"
# commands that no real device has, for measurements
LAB = {
    f"show lab {what} <number>": Command(name=f"show lab {what} <number>", action=f"lab_{what}")
    for what in ("lines", "bytes", "wait")
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTexts:
    """The login dialogue in the stream (telnet). Without `username` only the password is asked."""

    heading: str = "\n\nUser Access Verification\n\n"
    username: str | None = "Username: "
    password: str = "Password: "
    failed: str = "% Login invalid\n\n"
    closing: str = "% Bad passwords\n"
    tries: int = 3
    refused: str = "% All lines are in use, try again later.\n"
    too_often: str = "% Login rate exceeded, try again later.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerTexts:
    """The pause in long output: its text, what erases it, and the rows of a page when nobody set them."""

    text: str = " --More-- "
    erase: str = "\b" * 9 + " " * 8 + "\b" * 9
    rows: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """What the device says to a line that is no command. `{caret}` is a line with `^` under the place."""

    invalid: str = "{caret}\n% Invalid input detected at '^' marker.\n\n"
    ambiguous: str = '% Ambiguous command:  "{line}"\n'
    incomplete: str = "% Incomplete command.\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeText:
    """One mode: its prompt, the modes whose commands it knows as well, where `exit` leads, the words that begin a
    configuration line there, and the dialect that is spoken in it, if that is another one: a shell below."""

    prompt: str
    extends: tuple[str, ...] = ()
    exit: str | None = None
    words: tuple[str, ...] = ()
    dialect: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A configuration line that opens a section: its command, its mode, and the mode it stands under."""

    match: str
    mode: str
    under: str = "config"


@dataclass(frozen=True, kw_only=True)  # no slots: it keeps its grammars
class Personality:
    """Everything that devices of one kind have in common. `source` is its folder."""

    name: str
    os: str
    dialect: str
    modes: Mapping[str, ModeText]
    start: str
    enabled: str
    commands: Mapping[str, Mapping[str, Command]]
    title: str = ""
    type: str = "router"
    exec_channel: bool = True
    echo: str = "reader"
    interrupt: str = "works"
    shells_per_link: int = 1
    ssh_version: str = "OpenSSH_9.2"
    wrap: str = "scroll"
    greeting: str = ""
    stamp: str = ""
    login: LoginTexts = field(default_factory=LoginTexts)
    pager: PagerTexts = field(default_factory=PagerTexts)
    refusals: Refusals = field(default_factory=Refusals)
    facts: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    single: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    configuration: str = ""
    running: str = "{config}"
    syslog: str = (
        "*{clock}: %LINEPROTO-5-UPDOWN: Line protocol on Interface Loopback99, changed state to up\n"
    )
    denied: str = "% Bad secrets\n\n"
    indent: int = 1
    separator: str = "!"
    schema: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @functools.cached_property
    def grammars(self) -> Mapping[str, Grammar]:
        """What each mode understands besides configuration lines."""
        return {mode: Grammar(self.known(mode).values()) for mode in self.modes}

    @functools.cached_property
    def openers(self) -> Mapping[str, Grammar]:
        """The section-opening lines that may be typed in each configuration mode."""
        grammars: dict[str, Grammar] = {}
        for mode in self.modes:
            found = [section for section in self.sections if section.under == mode]
            grammars[mode] = Grammar(Command(name=section.match, action=section.mode) for section in found)
        return grammars

    def known(self, mode: str) -> dict[str, Command]:
        """The commands of a mode, those of the modes it extends among them."""
        found: dict[str, Command] = {}
        for base in self.modes[mode].extends:
            found |= self.known(base)
        return found | dict(self.commands.get(mode, {}))

    def extended(self, commands: Mapping[str, str]) -> Personality:
        """This personality with further commands, each a name and its output."""
        more = {name: Command(name=name, text=text) for name, text in commands.items()}
        table = {**self.commands.get(self.start, {}), **more}
        return dataclasses.replace(self, commands={**self.commands, self.start: table})


def names() -> list[str]:
    """The personalities that come with the lab."""
    return sorted(path.parent.name for path in FOLDER.glob("*/personality.yaml"))


@functools.cache
def load(name: str) -> Personality:
    """A personality by name, or by the path of its folder.

    Raises `TestbedError` with every problem of the file.
    """
    folder = FOLDER / name if (FOLDER / name).is_dir() else Path(name)
    source = folder / "personality.yaml"
    if not source.is_file():
        raise TestbedError(
            [Problem(message=f"no personality {name!r}", source=str(source), hint=nearest(name, names()))]
        )
    outputs = {
        path.stem.replace("_", " "): path.read_text(encoding="utf-8")
        for path in sorted((folder / "outputs").glob("*.txt"))
    }
    loaded = yaml.safe_load(source.read_text(encoding="utf-8"))
    return _build(folder.name, loaded, outputs, str(folder))


def _build(name: str, data: Mapping[str, Any], outputs: dict[str, str], source: str) -> Personality:
    problems: list[Problem] = []

    def fields(cls: Any, values: Mapping[str, Any], key: str) -> dict[str, Any]:
        known = {item.name for item in dataclasses.fields(cls)}
        problems.extend(
            Problem(message="unknown key", key=f"{key}{wrong}", source=source, hint=nearest(wrong, known))
            for wrong in sorted(values.keys() - known)
        )
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }

    def command(name: str, value: Any, key: str) -> Command:
        if isinstance(value, str):
            return Command(name=name, text=value)
        values = dict(value or {})
        if (file := values.pop("file", None)) is not None:
            values["text"] = outputs.get(file, "")
            if file not in outputs:
                problems.append(
                    Problem(
                        message=f"no output {file!r}", key=key, source=source, hint=nearest(file, outputs)
                    )
                )
        return Command(name=name, **fields(Command, values, f"{key}."))

    values = fields(Personality, data, "")
    tables: dict[str, dict[str, Command]] = {}
    for mode, table in data.get("commands", {}).items():
        tables[mode] = {one: command(one, value, f"commands.{mode}.{one}") for one, value in table.items()}
    start = tables.setdefault(data.get("start", ""), {})
    start.update(LAB)
    for one, text in outputs.items():
        start.setdefault(one, Command(name=one, text=text))
    values["commands"] = tables
    if (configuration := data.get("configuration")) is not None and (Path(source) / configuration).is_file():
        values["configuration"] = (Path(source) / configuration).read_text(encoding="utf-8")
    values["modes"] = {
        mode: ModeText(
            **fields(ModeText, {"prompt": text} if isinstance(text, str) else text, f"modes.{mode}.")
        )
        for mode, text in data.get("modes", {}).items()
    }
    values["sections"] = tuple(
        Section(**fields(Section, each, "sections.")) for each in data.get("sections", ())
    )
    for key, cls in (("login", LoginTexts), ("pager", PagerTexts), ("refusals", Refusals)):
        values[key] = cls(**fields(cls, data.get(key, {}), f"{key}."))
    _check(values, problems, source)
    if problems:
        raise TestbedError(problems)
    return Personality(**{"name": name, "source": source, **values})


def _check(values: Mapping[str, Any], problems: list[Problem], source: str) -> None:
    modes: Mapping[str, ModeText] = values["modes"]
    named: list[tuple[str, str | None]] = [("start", values.get("start")), ("enabled", values.get("enabled"))]
    named += [(f"commands.{mode}", mode) for mode in values["commands"]]
    named += [(f"sections.{each.match}", each.mode) for each in values["sections"]]
    for name, mode in modes.items():
        named += [(f"modes.{name}.extends", base) for base in mode.extends]
        named += [(f"modes.{name}.exit", mode.exit)] if mode.exit else []
    for key, wanted in named:
        if wanted not in modes:
            problems.append(
                Problem(
                    message=f"no mode {wanted!r}", key=key, source=source, hint=nearest(str(wanted), modes)
                )
            )
