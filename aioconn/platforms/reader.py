# SPDX-License-Identifier: Apache-2.0
"""Taking values out of a platform file's tree, noting all that is wrong with them and where.

A reader never raises for a wrong value: it notes a problem and returns something harmless, so that one run
finds everything. The caller raises at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from aioconn.errors import Problem, nearest
from aioconn.platforms.model import HOST
from aioconn.platforms.tree import Items, Node, Scalar, Table, join_key

PATTERN_LIMIT = 1000
NEVER = "(?!)"  # a pattern that matches nothing
_TRUE = frozenset(("true", "yes", "on"))
_FALSE = frozenset(("false", "no", "off"))
T = TypeVar("T")
D = TypeVar("D")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


_SET = re.compile(r"\\.|\[(\^?\]?(?:\\.|[^\]\\])*)\]", re.DOTALL)
_ESCAPED = re.compile(r"\\.", re.DOTALL)


def doubtful_set(pattern: str) -> int | None:
    """Where a set of a regular expression begins that `re` may read in another way one day, as `[[:alpha:]]`.

    It warns of those itself. But filters of warnings belong to the whole process: two threads that make errors of
    warnings for a moment may leave it so for good.
    """
    for found in _SET.finditer(pattern):
        body = found[1]  # None is an escaped character
        if body and (body.startswith("[") or _has_pair(_ESCAPED.sub("a", body.removeprefix("^")))):
            return found.start()
    return None


def _has_pair(listed: str) -> bool:
    """Whether one of - & ~ | stands there twice, as it does in an operation between sets."""
    at = 0
    while at < len(listed):
        following = listed[at + 1 : at + 3]
        if at and listed[at] in "-&~|" and following.startswith(listed[at]):
            return True
        if len(following) == 2 and following[0] == "-":  # a range
            if following[1] == "-":
                return True
            at += 2
        at += 1
    return False


class Reader:
    """Collects `problems` of one source while its values are taken out."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Problem] = []
        self._count = 0

    def problem(
        self, node: Node | None, key: str, message: str, hint: str | None = None, *, offset: int = 0
    ) -> None:
        """Note what is wrong with `node`; `offset` counts characters into it."""
        line = node.line if node is not None else None
        column = node.column if node is not None else None
        if column is not None and offset:
            column += offset
        self.problems.append(
            Problem(message=message, key=key, source=self.source, line=line, column=column, hint=hint)
        )

    def section(
        self, node: Node, key: str, known: Iterable[str], required: Iterable[str] = (), *, what: str
    ) -> Section:
        """The values of a mapping by name, unknown keys refused, keys without a value left out."""
        values: dict[str, Node] = {}
        if not isinstance(node, Table):
            self.problem(node, key, f"{what} is a mapping, this is {kind(node)}")
            return Section(self, key, node, values)
        known = list(known)
        for name, (key_node, value) in node.entries.items():
            if name not in known:
                self.problem(key_node, join_key(key, name), "unknown key", nearest(name, known))
            elif not (isinstance(value, Scalar) and value.null):
                values[name] = value
        for name in required:
            if name not in values:
                self.problem(node, key, f"{what} has no {name!r}", f"add `{name}:`")
        return Section(self, key, node, values)

    def named(self, node: Node, key: str, what: str) -> Iterator[tuple[str, Scalar, Node]]:
        """The entries of a mapping whose keys are names that the writer chooses."""
        if not isinstance(node, Table):
            self.problem(node, key, f"{what} is a mapping of names, this is {kind(node)}")
            return
        for name, (key_node, value) in node.entries.items():
            self.check_name(key_node, join_key(key, name), name)
            yield name, key_node, value

    def check_name(self, node: Node, key: str, name: str) -> None:
        """Names of platforms and modes are identifiers: they are written in testbeds and in code."""
        if not _NAME.fullmatch(name):
            self.problem(node, key, f"{name[:60]!r} is not a name", "a letter, then letters, digits and _")

    def items(self, node: Node, key: str) -> Iterator[tuple[Node, str]]:
        """The items of a list with their key paths; a single value is a list of one."""
        if isinstance(node, Items):
            for index, item in enumerate(node.values):
                yield item, f"{key}[{index}]"
        else:
            yield node, key

    def text(self, node: Node, key: str) -> str:
        """A text; numbers and words such as `no` are taken as they were written."""
        if isinstance(node, Scalar) and not node.null:
            return node.text
        self.problem(node, key, f"this takes a text, this is {kind(node)}")
        return ""

    def texts(self, node: Node, key: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(self.text(item, place) for item, place in self.items(node, key))

    def line(self, node: Node, key: str) -> str:
        """A text of one line, as it is typed."""
        text = self.text(node, key)
        if "\n" in text or "\r" in text:
            self.problem(node, key, "one line is expected, this has several", "write a list of lines")
        return text

    def lines(self, node: Node, key: str) -> tuple[str, ...]:
        """A list of lines to type."""
        return tuple(self.line(item, place) for item, place in self.items(node, key))

    def flag(self, node: Node, key: str) -> bool:
        """true or false, in any of YAML's spellings."""
        word = self.text(node, key).lower()
        if word not in _TRUE | _FALSE:
            self.problem(node, key, f"{word[:60]!r} is not true or false")
        return word in _TRUE

    def pattern(self, node: Node, key: str) -> str:
        """A regular expression that compiles, alone and as a branch of a larger one."""
        text = self.text(node, key)
        return text if self.check_pattern(node, key, text) else NEVER

    def patterns(self, node: Node, key: str) -> tuple[str, ...]:
        """A list of regular expressions."""
        return tuple(self.pattern(item, place) for item, place in self.items(node, key))

    def prompt(self, node: Node, key: str) -> str:
        """A pattern of a whole line, with `{host}`: the engine anchors it."""
        text = self.text(node, key)
        if not self.check_pattern(node, key, text, flags=False):
            return NEVER
        if text.startswith("^") or re.search(r"(?<!\\)(?:\\\\)*(?:\\s[*+?]?|\s[*+?])?\$$", text):
            self.problem(node, key, "a prompt is always matched as a whole line", "leave ^ and $ away")
        elif text.count("{host}") > 1:
            self.problem(node, key, "{host} may stand only once in a pattern")
        elif text and re.fullmatch(text.replace("{host}", HOST), ""):
            self.problem(node, key, "this matches an empty line")
        return text

    def check_pattern(self, node: Node, key: str, text: str, *, flags: bool = True) -> bool:
        """Note what is wrong with a regular expression; False if it cannot be used."""
        if not text:
            return False  # noted already, or an empty text, which would match everything
        if len(text) > PATTERN_LIMIT:
            self.problem(node, key, f"a pattern of more than {PATTERN_LIMIT} characters")
            return False
        if not flags and (found := re.match(r"\(\?[aiLmsux]+\)", text)):
            hint = f"write {found[0][:-1]}:...)"
            self.problem(node, key, f"{found[0]} cannot stand in one branch of many", hint)
            return False
        if (at := doubtful_set(text)) is not None:
            message = f"bad pattern at position {at}: in [...], another [ or two of - & ~ | may come to mean something"
            self.problem(node, key, message, "a \\ before it makes a sign literal", offset=_into(node, at))
            return False
        try:
            # six characters for six: positions in the message stay right
            compiled = re.compile(text.replace("{host}", "(?:h)h") if not flags else text)
        except re.error as error:
            at = error.pos or 0
            where = f" at position {at}" if error.pos is not None else ""
            hint = "a \\ before it makes a sign literal"
            self.problem(node, key, f"bad pattern{where}: {error.msg}", hint, offset=_into(node, at))
            return False
        except (OverflowError, RecursionError) as error:
            self.problem(node, key, f"bad pattern: {error}"[:200])
            return False
        if compiled.groupindex or re.search(r"(?<!\\)(?:\\\\)*(?:\\[1-9]|\(\?\()", text):
            message = "named groups and references cannot be used: patterns are joined"
            self.problem(node, key, message, "use (?:...)")
            return False
        return True


class Section:
    """The values of one mapping; each method gives `default` for a key that is not there."""

    __slots__ = ("key", "node", "reader", "values")

    def __init__(self, reader: Reader, key: str, node: Node, values: dict[str, Node]) -> None:
        self.reader = reader
        self.key = key
        self.node = node
        self.values = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def place(self, name: str) -> str:
        """The key path of a value."""
        return join_key(self.key, name)

    def take(self, name: str, how: Callable[[Node, str], T], default: D) -> T | D:
        """The value as `how`, one of the reader's methods, makes it."""
        return how(self.values[name], self.place(name)) if name in self.values else default

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self.take(name, self.reader.text, default)

    def line(self, name: str, default: str = "") -> str:
        """A text of one line."""
        return self.take(name, self.reader.line, default)

    def flag(self, name: str, *, default: bool) -> bool:
        """true or false."""
        return self.take(name, self.reader.flag, default)

    def pattern(self, name: str) -> str:
        """A regular expression, one that never matches in place of a missing one."""
        return self.take(name, self.reader.pattern, NEVER)

    def problem(self, name: str, message: str, hint: str | None = None) -> None:
        """Note what is wrong with a value, or with the section if the value is not there."""
        node = self.values.get(name, self.node)
        self.reader.problem(node, self.place(name), message, hint)


def kind(node: Node) -> str:
    """What a value is, for a message; never its text."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    return "nothing" if isinstance(node, Scalar) and node.null else "a text"


def _into(node: Node, position: int) -> int:
    """How far into a scalar as written: behind the opening quote."""
    return position + (1 if isinstance(node, Scalar) and not node.plain else 0)
