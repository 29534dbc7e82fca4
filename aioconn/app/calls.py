# SPDX-License-Identifier: Apache-2.0
"""Services of connections that are no command line, called with words: `get /interfaces`, `walk ifDescr`."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from aioconn.errors import UsageError, nearest
from aioconn.testbed.device import Device

_JSON = (Mapping, list, tuple, bool, int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a service. `text` is how it was written."""

    text: str
    service: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    streams: bool = False


Kind: TypeAlias = type[Any]
"""A class of connections, or one that stands for it in another process: it has `services` and `streams`."""


def takes_commands(kind: Kind) -> bool:
    """Whether connections of this class take whole lines: `execute` and a command."""
    return "execute" in kind.services


class OwnServices:
    """Those of the default connection of a device of this process."""

    __slots__ = ("_call", "_device")

    def __init__(self, device: Device, call: Call) -> None:
        self._device = device
        self._call = call

    def understood(self, words: Sequence[str]) -> Call:
        """What was understood before anything was touched."""
        return self._call

    async def pieces(self, call: Call, timeout: float) -> AsyncGenerator[Any, None]:
        operation = getattr(self._device.manager.get(), call.service)
        if not call.streams:
            yield await operation(*call.args, **call.kwargs, timeout=timeout)
            return
        async with (
            asyncio.timeout(timeout),
            contextlib.aclosing(operation(*call.args, **call.kwargs)) as pieces,
        ):
            async for piece in pieces:
                yield piece


def understand(kind: Kind, words: Sequence[str]) -> Call:
    """The call that `words` mean: a service of the class (`get-config` is `get_config`), then its arguments.

    `name=value` is an argument by its name where the service has it; a list or mapping is written as JSON, `@FILE` is
    what the file holds. Raises `UsageError` in plain words; nothing has been touched then.
    """
    name = words[0].replace("-", "_")
    if name not in kind.services and name not in kind.streams:
        hint = nearest(name, (*kind.services, *kind.streams)).replace("_", "-")
        raise UsageError(f"{kind.__name__} has no service {words[0]!r}", hint=hint)
    parameters = list(inspect.signature(getattr(kind, name)).parameters.values())[1:]
    by_place = [one for one in parameters if one.kind is not one.KEYWORD_ONLY]
    by_name = {one.name.replace("_", "-"): one for one in parameters if one.name != "timeout"}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if equals and (parameter := by_name.get(key.replace("_", "-"))) is not None:
            kwargs[parameter.name] = _value(value, parameter)
        elif len(args) < len(by_place):
            args.append(_value(word, by_place[len(args)]))
        elif by_place and _takes_many(by_place[-1]):
            args[-1] = [*(args[-1] if isinstance(args[-1], list) else [args[-1]]), _text(word)]
        else:
            most = f"at most {len(by_place)}" if by_place else "no"
            raise UsageError(
                f"{words[0]} takes {most} arguments, {word!r} is too many",
                hint=f"by name there are: {', '.join(by_name)}" if by_name else None,
            )
    try:
        inspect.signature(getattr(kind, name)).bind(None, *args, **kwargs)
    except TypeError as error:
        raise UsageError(f"{words[0]}: {error}", hint=_usage(words[0], parameters)) from None
    return Call(
        text=" ".join(words), service=name, args=tuple(args), kwargs=kwargs, streams=name in kind.streams
    )


def rendered(value: Any) -> str:
    """A value as people read it: texts as they are, what shows itself as a text, lists by lines, JSON for the rest."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, (list, tuple)) and not any(isinstance(one, (Mapping, list, tuple)) for one in value):
        return "\n".join(map(rendered, value))
    if not isinstance(value, _JSON) and "__str__" in vars(type(value)):
        return _laid_out(str(value))
    return json.dumps(_plain(value), indent=2, default=_plain, ensure_ascii=False)


def _laid_out(text: str) -> str:
    """JSON with a line for each member, anything else as it is."""
    try:
        found = json.loads(text) if text[:1] in ("{", "[") else None
    except ValueError:
        found = None
    return text if found is None else json.dumps(found, indent=2, ensure_ascii=False)


def _value(word: str, parameter: inspect.Parameter) -> Any:
    """`word` as the parameter's annotation wants it; a text where nothing else is said."""
    wanted = {one.strip() for one in str(parameter.annotation).split("|")}
    if wanted <= {"bool", "None"} and word.lower() in ("true", "yes", "on", "false", "no", "off"):
        return word.lower() in ("true", "yes", "on")
    for kind, convert in (("int", int), ("float", float)):
        if kind in wanted and "str" not in wanted:
            try:
                return convert(word)
            except ValueError:
                article = "an integer" if kind == "int" else "a number"
                raise UsageError(f"{parameter.name}: {word!r} is not {article}") from None
    text = _text(word)
    if wanted <= {"str", "None"} or text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        if "str" in wanted or "bytes" in wanted:
            return text
        raise UsageError(f"{parameter.name}: not JSON: {error}", hint="quote it for the shell") from None


def _text(word: str) -> str:
    if not word.startswith("@") or len(word) == 1:
        return word
    try:
        return Path(word[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise UsageError(f"cannot read {word[1:]!r}: {reason}") from None


def _takes_many(parameter: inspect.Parameter) -> bool:
    return any(word in str(parameter.annotation) for word in ("Sequence", "Iterable", "list", "tuple"))


def _usage(name: str, parameters: Sequence[inspect.Parameter]) -> str:
    places = [
        one.name.upper() if one.default is one.empty else f"[{one.name.upper()}]"
        for one in parameters
        if one.kind is not one.KEYWORD_ONLY
    ]
    return " ".join(["write", name, *places])


def _plain(value: Any) -> Any:
    """What JSON has, of what it has not."""
    if isinstance(value, _JSON):
        return value if isinstance(value, (list, tuple, bool, int, float)) else dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    return sorted(value, key=str) if isinstance(value, (set, frozenset)) else str(value)
