# SPDX-License-Identifier: Apache-2.0
"""From a name, a path or a mapping to a `Platform`.

Names are forgiving: letters and digits count, case and punctuation do not (`NX-OS`, `nxos`), and what other
tools call the same system is known. Reading whole files is left until a platform is really needed.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aioconn.errors import UnknownPlatform, likeliest, nearest
from aioconn.platforms.model import Platform

_HOME = Path(__file__).parent
_SUFFIXES = (".yaml", ".yml")
# netmiko and others put the way there behind the system: cisco_ios_telnet
_TRANSPORTS = ("_telnet", "_ssh", "_serial", "_netconf")


def load_platform(name_or_path: str | os.PathLike[str] | Mapping[str, Any]) -> Platform:
    """The platform of a name (read once), of a file, or of a mapping with the same keys.

    A text with a separator or a YAML suffix is a path. Files may be scrapli's definitions as well. Raises
    `UnknownPlatform` for a name that nobody knows, `TestbedError` with every problem of a wrong file.
    """
    if isinstance(name_or_path, Mapping):
        from aioconn.platforms.definition import from_mapping

        return from_mapping(name_or_path)
    if not isinstance(name_or_path, str) or _is_path(name_or_path):
        from aioconn.platforms.definition import from_file

        return from_file(name_or_path)
    name = platform_name(name_or_path)
    if name is None:
        raise UnknownPlatform(
            f"there is no platform {name_or_path!r}",
            hint=f"{_nearest(name_or_path)} (a path ends in .yaml)",
        )
    return _built_in(name)


def known_platforms() -> list[Platform]:
    """All platforms that come with aioconn, by name."""
    return [_built_in(name) for name in sorted(_aliases())]


@functools.lru_cache(maxsize=1024)  # each connection asks
def platform_name(spelling: str, platform: str | None = None) -> str | None:
    """The name of the platform that is meant, None if nobody knows.

    `platform` is pyATS's key beside `os`: it decides where a system has several command lines (`sros`,
    `classic`) and serves alone where `os` is empty or unknown (`n9k`).
    """
    index = _index()
    keys = [_squeezed(spelling) + _squeezed(platform)] if spelling and platform else []
    for word in (spelling, platform or ""):
        keys += _keys(word)
    return next((index[key] for key in keys if key in index), None)


def _keys(word: str) -> list[str]:
    """How a word may stand in the index, the most exact first."""
    lowered = word.strip().lower()
    keys = [_squeezed(lowered)]
    keys += [_squeezed(lowered.removesuffix(ending)) for ending in _TRANSPORTS if lowered.endswith(ending)]
    if lowered.count(".") == 2:  # Ansible's collection.module.platform
        keys.append(_squeezed(lowered.rsplit(".", 1)[1]))
    return keys


def _squeezed(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def _is_path(text: str) -> bool:
    return "/" in text or os.sep in text or text.lower().endswith(_SUFFIXES)


@functools.cache
def _built_in(name: str) -> Platform:
    from aioconn.platforms.definition import from_file

    return from_file(_HOME / f"{name}.yaml")


@functools.cache
def _aliases() -> dict[str, tuple[str, ...]]:
    """Name -> aliases, from the heads of the files: parsing the rest would cost twenty times as much."""
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(_HOME.glob("*.yaml")):
        head = yaml.safe_load(path.read_text("utf-8").split("\ndefault_mode:", 1)[0])
        found[path.stem] = tuple(map(str, head["aliases"]))
    return found


@functools.cache
def _index() -> dict[str, str]:
    index: dict[str, str] = {}
    for name, aliases in _aliases().items():
        for spelling in (name, *aliases):
            index[_squeezed(spelling)] = name
    return index


def _nearest(name: str) -> str:
    """A hint with the platform or the alias that was meant, else with all platforms."""
    spellings = [spelling for known, aliases in _aliases().items() for spelling in (known, *aliases)]
    meant = likeliest(name, spellings, 0.6)
    return f"did you mean {meant!r}?" if meant is not None else nearest("", _aliases())
