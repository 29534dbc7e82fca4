# SPDX-License-Identifier: Apache-2.0
"""A platform file of our own format, checked as a whole: see docs/platforms.md for its keys."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

from aioconn.errors import Problem, TestbedError, nearest
from aioconn.platforms import scrapli
from aioconn.platforms.model import HOST, Configure, Login, Mode, Pager, Platform, Probe, Reply, Step
from aioconn.platforms.operation_sections import OperationSections
from aioconn.platforms.reader import NEVER, Reader
from aioconn.platforms.tree import Builder, Node, Table, Unreadable, join_key

SIZE_LIMIT = 1024 * 1024  # bytes; the largest real one has 4,000

_REQUIRED = ("name", "default_mode", "modes")
_PLATFORM_KEYS = (
    *_REQUIRED, "title", "aliases", "host", "parser", "configure", "on_open", "on_close", "pager", "failures",
    "interrupt", "uninterruptible", "probe", "login", "newline", "echo", "tty", "username_suffix",
    "shells_per_link", "bash", "ping", "copy", "reload",
)  # fmt: skip
_MODE_KEYS = ("prompt", "aliases", "leader", "steps", "outside", "probe")
_REPLY_KEYS = ("pattern", "answer", "secret", "newline")
_LOGIN_PATTERNS = ("username", "password", "failed", "press_return", "refused")
_NEWLINES = ("\n", "\r", "\r\n")


def from_file(path: str | os.PathLike[str]) -> Platform:
    """The platform that a file describes. Raises `TestbedError` with every problem."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as file:
            data = file.read(SIZE_LIMIT + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
        raise TestbedError([Problem(message=f"cannot read this file: {reason}", source=str(name))]) from None
    if len(data) > SIZE_LIMIT:
        raise TestbedError([Problem(message="more than 1 MiB: this is no platform", source=str(name))])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message, hint = "this is not UTF-8 text", "save the file as UTF-8"
        raise TestbedError([Problem(message=message, source=str(name), line=line, hint=hint)]) from None
    return from_text(text, str(name))


def from_text(text: str, source: str = "<text>") -> Platform:
    """The platform that YAML text describes. Raises `TestbedError` with every problem."""
    if len(text) > SIZE_LIMIT:
        raise TestbedError([Problem(message="more than 1 MiB: this is no platform", source=source)])
    return _build(lambda builder: builder.from_text(text), source)


def from_mapping(data: Mapping[str, Any]) -> Platform:
    """The platform that a mapping of the same keys describes. Raises `TestbedError` with every problem."""
    return _build(lambda builder: builder.from_mapping(data), "")


def _build(plant: Callable[[Builder], Table], source: str) -> Platform:
    reader, builder = Reader(source), Builder()
    platform = None
    try:
        tree = plant(builder)
        foreign = scrapli.is_definition(tree)
        platform = scrapli.read(tree, reader) if foreign else _Definition(tree, reader).platform()
    except Unreadable as error:
        builder.problems.append(error.problem)
    problems = [dataclasses.replace(problem, source=source) for problem in builder.problems]
    problems += reader.problems
    if problems or platform is None:
        problems.sort(key=lambda problem: (problem.line or 0, problem.column or 0))
        raise TestbedError(problems)
    return platform


class _Definition:
    """Takes a platform out of a tree, part by part."""

    def __init__(self, tree: Table, reader: Reader) -> None:
        self.reader = reader
        self.top = reader.section(tree, "", _PLATFORM_KEYS, _REQUIRED, what="a platform")
        modes = self.top.values.get("modes")
        entries = modes.entries if isinstance(modes, Table) else {}
        self.mode_keys = {name: key for name, (key, _) in entries.items()}

    def platform(self) -> Platform:
        """The platform; not to be used if problems were noted."""
        top, reader = self.top, self.reader
        name = top.text("name")
        if "name" in top:
            reader.check_name(top.values["name"], "name", name)
        newline = top.text("newline", "\n")
        if newline not in _NEWLINES:
            top.problem("newline", "this is no line end", r'"\n", "\r" or "\r\n", in double quotes')
        default_mode = top.text("default_mode")
        modes = top.take("modes", self._modes, {})
        if modes:
            self._check_alike(modes)
            self._check_aliases(modes)
            if default_mode and self._known(top.values["default_mode"], "default_mode", default_mode):
                self._check_reachable(modes, default_mode)
        bash = top.text("bash") or None
        if bash is not None:
            self._known(top.values["bash"], "bash", bash)
        operations = OperationSections(reader, self._replies, self._steps)
        return Platform(
            name=name,
            title=top.text("title", name),
            aliases=top.take("aliases", reader.texts, ()),
            parser=top.text("parser") or None,
            host=top.pattern("host") if "host" in top else HOST,
            default_mode=default_mode,
            modes=modes,
            configure=top.take("configure", self._configure, None),
            on_open=top.take("on_open", reader.lines, ()),
            on_close=top.take("on_close", reader.lines, ("exit",)),
            pager=top.take("pager", self._pager, None),
            failures=top.take("failures", reader.patterns, ()),
            interrupt=top.text("interrupt", "\x03"),
            uninterruptible=top.take("uninterruptible", reader.patterns, ()),
            probe=top.take("probe", self._probe, Probe()),
            login=top.take("login", self._login, Login()),
            newline=newline,
            echo=top.flag("echo", default=True),
            tty=top.flag("tty", default=False),
            username_suffix=top.line("username_suffix"),
            shells_per_link=top.flag("shells_per_link", default=False),
            bash=bash,
            ping=top.take("ping", operations.ping, None),
            copy=top.take("copy", operations.copy, None),
            reload=top.take("reload", operations.reload, None),
            source=reader.source,
        )

    def _modes(self, node: Node, key: str) -> dict[str, Mode]:
        modes = {
            name: self._mode(name, mode, join_key(key, name))
            for name, _, mode in self.reader.named(node, key, "`modes`")
        }
        if not modes and isinstance(node, Table):
            self.reader.problem(node, key, "there is no mode", "one at least: its name and prompt")
        return modes

    def _mode(self, name: str, node: Node, key: str) -> Mode:
        section = self.reader.section(node, key, _MODE_KEYS, ("prompt",), what="a mode")
        steps = section.take("steps", self._neighbours, {})
        if name in steps:
            section.problem("steps", "a step from a mode to itself")
        return Mode(
            name=name,
            prompt=section.take("prompt", self.reader.prompt, NEVER),
            aliases=section.take("aliases", self.reader.texts, ()),
            leader=section.take("leader", self.reader.prompt, None),
            steps=steps,
            outside=section.flag("outside", default=False),
            probe=section.take("probe", self._probe, None),
        )

    def _neighbours(self, node: Node, key: str) -> dict[str, Step]:
        steps = {}
        for goal, goal_node, step in self.reader.named(node, key, "`steps`"):
            self._known(goal_node, join_key(key, goal), goal)
            steps[goal] = self._step(step, join_key(key, goal))
        return steps

    def _step(self, node: Node, key: str) -> Step:
        if not isinstance(node, Table):
            return Step(send=self.reader.line(node, key))
        section = self.reader.section(node, key, ("send", "replies"), ("send",), what="a step")
        return Step(send=section.line("send"), replies=section.take("replies", self._replies, ()))

    def _steps(self, node: Node, key: str) -> tuple[Step, ...]:
        return tuple(self._step(item, place) for item, place in self.reader.items(node, key))

    def _replies(self, node: Node, key: str) -> tuple[Reply, ...]:
        return tuple(self._reply(item, place) for item, place in self.reader.items(node, key))

    def _reply(self, node: Node, key: str) -> Reply:
        section = self.reader.section(node, key, _REPLY_KEYS, ("pattern",), what="a reply")
        if "answer" in section and "secret" in section:
            section.problem("secret", "both an answer and a secret", "one of them")
        return Reply(
            pattern=section.pattern("pattern"),
            answer=section.text("answer"),
            secret=section.text("secret") or None,
            newline=section.flag("newline", default=True),
        )

    def _probe(self, node: Node, key: str) -> Probe:
        section = self.reader.section(node, key, ("send", "answer"), ("send",), what="a probe")
        send, answer = section.line("send"), section.text("answer")
        for name, text in (("send", send), ("answer", answer)):
            if text and "{token}" not in text:
                section.problem(name, "a probe without {token} proves nothing")
        if answer and answer == send:
            section.problem("answer", "an answer like its own echo proves nothing")
        return Probe(send=send, answer=answer or None)

    def _configure(self, node: Node, key: str) -> Configure:
        section = self.reader.section(node, key, ("mode", "commit", "discard"), what="`configure`")
        mode = section.text("mode", "config")
        self._known(section.values.get("mode", node), section.place("mode"), mode)
        return Configure(
            mode=mode,
            commit=section.take("commit", self._steps, ()),
            discard=section.take("discard", self._steps, ()),
        )

    def _pager(self, node: Node, key: str) -> Pager:
        section = self.reader.section(node, key, ("pattern", "more", "quit"), ("pattern",), what="`pager`")
        more, quit_key = section.text("more", " "), section.text("quit", "q")
        return Pager(pattern=section.pattern("pattern"), more=more, quit=quit_key)

    def _login(self, node: Node, key: str) -> Login:
        section = self.reader.section(node, key, (*_LOGIN_PATTERNS, "questions"), what="`login`")
        given = {name: section.pattern(name) for name in _LOGIN_PATTERNS if name in section}
        return Login(**given, questions=section.take("questions", self._replies, ()))

    def _known(self, node: Node, key: str, name: str) -> bool:
        """Whether a mode of this name is described anywhere in the file."""
        if name not in self.mode_keys and self.mode_keys:
            hint = nearest(name, self.mode_keys)
            self.reader.problem(node, key, f"there is no mode {name[:60]!r}", hint)
        return name in self.mode_keys

    def _check_alike(self, modes: dict[str, Mode]) -> None:
        seen: dict[tuple[str, str | None], str] = {}
        for name, mode in modes.items():
            first = seen.setdefault((mode.prompt, mode.leader), name)
            if first != name and mode.prompt != NEVER:
                message = f"the same prompt as mode {first!r}"
                self._mode_problem(name, message, "a leader can tell them apart")

    def _check_aliases(self, modes: dict[str, Mode]) -> None:
        meant = dict.fromkeys(modes, "")
        for name, mode in modes.items():
            for alias in mode.aliases:
                if (other := meant.get(alias)) is not None:
                    whose = f"one of mode {other!r}" if other else "a mode's name"
                    self._mode_problem(name, f"the alias {alias!r} is {whose}", "a name is that of one mode")
                meant[alias] = name

    def _check_reachable(self, modes: dict[str, Mode], default_mode: str) -> None:
        """Every mode must have a way from the default one, unless the device gets there by itself."""
        trail = [default_mode]
        reached = {default_mode}
        for name in trail:
            new = [goal for goal in modes[name].steps if goal in modes and goal not in reached]
            trail += new
            reached.update(new)
        for name, mode in modes.items():
            if name not in reached and not mode.outside:
                self._mode_problem(
                    name,
                    f"no way leads from {default_mode!r} to this mode",
                    "name it in another mode's `steps`, or say `outside: true` for a boot loader",
                )

    def _mode_problem(self, name: str, message: str, hint: str) -> None:
        self.reader.problem(self.mode_keys[name], join_key("modes", name), message, hint)
