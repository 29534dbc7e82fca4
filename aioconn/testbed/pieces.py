# SPDX-License-Identifier: Apache-2.0
"""One markup in a value, `%KIND{...}`: what it stands for, found out when it is needed and not before."""

from __future__ import annotations

import getpass
import itertools
import os
import re
import sys
from collections.abc import Collection
from typing import Any, Protocol

from aioconn.credentials import Secret
from aioconn.declaration import imported
from aioconn.errors import AioconnError, MissingValue
from aioconn.home.locks import Lock
from aioconn.testbed.tree import Scalar

_KINDS = "ENV|ASK|ENC|CLI|CALLABLE|INCLUDE|INTF|EXTEND_LIST"
_MARKUP = re.compile(rf"%({_KINDS}|)\{{([^{{}}]*)\}}")
_NEARLY = re.compile(  # %ENVX{A}, %env{A}; %ENV(A), %ENV{A
    rf"%(?!(?:{_KINDS})\{{)[A-Za-z_]{{2,12}}\{{[^{{}}]*\}}|%(?:{_KINDS})(?:\(|\{{[^{{}}]*$)"
)
_CALL = re.compile(r"([\w.]+)\s*(?:\((.*)\))?", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?")
_DEFAULT = re.compile(r"default\s*=")

AT_ONCE = frozenset(("ENV", "CLI"))  # what a key that gives the testbed its shape may have: nobody is asked
_terminal = Lock()  # one question at a time

Callables = Collection[str] | bool
"""Which functions a testbed may call: dotted paths of functions, modules or packages; True allows them all."""


def looks_like_markup(text: str) -> bool:
    """Whether somebody may have meant markup who wrote none."""
    return _NEARLY.search(text) is not None


class Asker(Protocol):
    """The value that a markup is part of."""

    @property
    def key(self) -> str: ...
    @property
    def secret(self) -> bool: ...
    def missing(self, what: str, hint: str | None = None, **details: Any) -> MissingValue: ...


class Piece:
    """A markup. What was asked, called or decoded is kept for all that share it: a reference, an anchor.

    `kind` is `ENV`, `ASK`, ...; `""` is `%{...}`, a reference. `callables` says what `%CALLABLE{}` may call.
    """

    __slots__ = ("_kept", "body", "callables", "kind")

    def __init__(self, kind: str, body: str, callables: Callables = ()) -> None:
        self.kind = kind
        self.body = body
        self.callables = callables
        self._kept: Any = None

    def __repr__(self) -> str:
        return f"<{self}>"

    def __str__(self) -> str:
        return f"%{self.kind}{{}}"

    def text(self, asker: Asker) -> str:
        """What it stands for, as a part of a text. May block on a terminal. Raises `MissingValue`."""
        if self.kind == "ENV":
            return self._variable(asker)
        if self.kind == "CLI":
            found = self._words()
            return str(found) if isinstance(found, bool) else " ".join(found)
        value = self.value(asker)
        if isinstance(value, Secret):
            return value.reveal()
        return "" if value is None else str(value)

    def value(self, asker: Asker) -> Any:
        """What it stands for, where nothing stands beside it: a text, or what the command line or a function gives."""
        if self.kind == "ENV":
            return self._variable(asker)
        if self.kind == "CLI":
            found = self._words()
            if isinstance(found, bool):
                return found
            typed = [_typed(word) for word in found]
            return typed if len(typed) > 1 or self._is_list() else typed[0] if typed else ""
        if self.kind == "ASK":
            with _terminal:
                if self._kept is None:
                    self._kept = self._answer(asker)
        elif self._kept is None:
            if self.kind == "ENC":
                self._kept = self._decoded(asker)
            elif self.kind == "CALLABLE":
                self._kept = self._called(asker)
            else:
                raise asker.missing(f"{self} refers to nothing here")
        return self._kept

    # ------------------------------------------------------------------ %ENV{NAME, default}

    @property
    def unset(self) -> str | None:
        """The name of the environment variable that is not there, and has no default."""
        name, default = self._named()
        return None if self.kind != "ENV" or name in os.environ or default is not None else name

    def _named(self) -> tuple[str, str | None]:
        name, comma, default = self.body.partition(",")
        return name.strip(), default.strip() if comma else None

    def _variable(self, asker: Asker) -> str:
        name, default = self._named()
        value = os.environ.get(name, default)
        if value is None:
            what, hint = unset(name)
            raise asker.missing(what, hint, variable=name)
        return value

    # ------------------------------------------------------------------ %ASK{prompt}

    def _answer(self, asker: Asker) -> str:
        prompt = self.body.strip() or asker.key
        if not sys.stdin or not sys.stdin.isatty():
            raise asker.missing(
                f"this is to be asked ({prompt!r}), and there is no terminal", "use %ENV{NAME} here"
            )
        try:
            if asker.secret:
                return getpass.getpass(f"{prompt}: ")
            sys.stderr.write(f"{prompt}: ")
            sys.stderr.flush()
            if line := sys.stdin.readline():
                return line.rstrip("\r\n")
        except EOFError:
            pass
        raise asker.missing(f"this was asked ({prompt!r}) and not answered")

    # ------------------------------------------------------------------ %CLI{name, default=value}

    def _words(self) -> list[str] | bool:
        """What follows `--name` on the command line of this program; True if nothing does; [] if it is not there."""
        name, default = self._named()
        words = sys.argv[1:]
        for index, word in enumerate(words):
            option, equals, value = word.partition("=")
            if name and option in (f"--{name}", f"-{name}"):
                found = itertools.takewhile(_is_value, words[index + 1 :])
                return [value] if equals else list(found) or True
        if default is None or not (mark := _DEFAULT.match(default)):
            return []
        text = default[mark.end() :].strip()
        if text.startswith("[") and text.endswith("]"):
            return [word.strip() for word in text[1:-1].split(",") if word.strip()]
        return [text]

    def _is_list(self) -> bool:
        default = self._named()[1]
        return default is not None and default.endswith("]")

    # ------------------------------------------------------------------ %ENC{...}

    def _decoded(self, asker: Asker) -> Secret:
        from aioconn.testbed.encoding import decode

        try:
            return decode(self.body)
        except MissingValue as error:
            raise asker.missing(error.message, error.hint) from None

    # ------------------------------------------------------------------ %CALLABLE{package.function(a, b)}

    @property
    def callee(self) -> str:
        """The dotted path of the function."""
        found = _CALL.fullmatch(self.body.strip())
        return found[1] if found is not None else self.body.strip()

    @property
    def allowed(self) -> bool:
        """Whether the function may be called."""
        if isinstance(self.callables, bool):
            return self.callables
        allowed = (self.callables,) if isinstance(self.callables, str) else self.callables
        return any(self.callee == name or self.callee.startswith(f"{name}.") for name in allowed)

    def _called(self, asker: Asker) -> Any:
        found = _CALL.fullmatch(self.body.strip())
        if found is None or not self.callee.rpartition(".")[0]:
            raise asker.missing("%CALLABLE{} takes package.module.function, with or without (arguments)")
        if not self.allowed:
            raise asker.missing(*refused(self.callee))
        arguments = [word.strip() for word in (found[2] or "").split(",")]
        try:
            return imported(self.callee)(*([] if arguments == [""] else arguments))
        except AioconnError:
            raise
        except Exception as error:
            raise asker.missing(f"{self.callee} failed: {type(error).__name__}: {error}") from error


Pieces = tuple["str | Piece | Secret", ...]


def split(text: str) -> Pieces:
    """The texts and the markups of a value in their order; () if there is no markup."""
    found: list[str | Piece | Secret] = []
    end = 0
    for match in _MARKUP.finditer(text):
        if match.start() > end:
            found.append(text[end : match.start()])
        found.append(Piece(match[1], match[2]))
        end = match.end()
    if found and end < len(text):
        found.append(text[end:])
    return tuple(found)


def pieces_of(node: Scalar) -> Pieces:
    """The same for a value of the tree, split once."""
    pieces: Pieces | None = node.pieces
    if pieces is None:
        pieces = node.pieces = split(node.text) if "%" in node.text and node.raw is None else ()
    return pieces


def kinds(text: str) -> list[str]:
    """The kinds of markup in `text`: `ENV`, `ASK`, ...; `""` is a reference. Empty: plain text."""
    return [match[1] for match in _MARKUP.finditer(text)] if "%" in text else []


def unset(name: str) -> tuple[str, str]:
    """What is wrong with a variable that is not set, and what to do."""
    return (
        f"the environment variable {name!r} is not set",
        f"export {name}=..., or write %ENV{{{name}, a default}}",
    )


def refused(name: str) -> tuple[str, str]:
    """The same for a function that may not be called."""
    return (
        f"%CALLABLE{{}} runs Python code, and {name!r} is not allowed to",
        f"aioconn.load(..., callables=[{name!r}]) if you trust it",
    )


def _is_value(word: str) -> bool:
    return not word.startswith("-") or _NUMBER.fullmatch(word) is not None


def _typed(word: str) -> Any:
    found = _NUMBER.fullmatch(word)
    return word if found is None else float(word) if found[1] else int(word)
