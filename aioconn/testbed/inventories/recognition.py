# SPDX-License-Identifier: Apache-2.0
"""Whose file it is: a testbed, Nornir's inventory or Ansible's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

from aioconn.errors import InvalidOption, nearest
from aioconn.testbed.inventories.ansible.reader import read_ansible
from aioconn.testbed.inventories.ansible.structure import looks_like
from aioconn.testbed.inventories.files import InventoryFiles
from aioconn.testbed.inventories.nornir import read_nornir
from aioconn.testbed.report import Report
from aioconn.testbed.source import read_file
from aioconn.testbed.tree import Document

Format: TypeAlias = Literal["testbed", "nornir", "ansible"]
FORMATS: tuple[Format, ...] = ("testbed", "nornir", "ansible")
_INI = (".ini", ".inventory")
_YAML = (".yaml", ".yml", ".json")
_HOSTS = ("hosts.yaml", "hosts.yml")
_NAMES = ("hosts", "inventory")
_VARIABLES = ("group_vars", "host_vars")


def read_path(source: str | os.PathLike[str], format: str | None = None) -> Document:
    """The tree of a testbed from a file or folder of whatever form; `format` says which, else it is looked at.

    Raises `InvalidOption` for a format that there is not. All else that is wrong comes back as problems.
    """
    if format is not None and format not in FORMATS:
        raise InvalidOption(f"there is no format {format!r}", hint=nearest(format, FORMATS))
    path = Path(os.fspath(source))
    seen: Document | None = None
    file = path
    if format is None:
        format, file, seen = _recognised(path)
    if format == "testbed":
        return seen or read_file(source)
    report = Report()
    known = {file: seen.tree} if seen is not None and seen.tree is not None and not seen.problems else {}
    try:
        reader = read_nornir if format == "nornir" else read_ansible
        tree = reader(path, InventoryFiles(report, known))
    except (OSError, ValueError) as error:  # ValueError: a NUL or a surrogate in the name
        reason = getattr(error, "strerror", None) or "not a file name"
        report.add(None, "", f"cannot read {os.fspath(source)[:200]!r}: {reason}")
        tree = None
    return Document(tree, report.problems)


def format_of(source: str | os.PathLike[str]) -> str:
    """The form that a file or folder has, as far as it shows."""
    return _recognised(Path(os.fspath(source)))[0]


def _recognised(path: Path) -> tuple[str, Path, Document | None]:
    """The form, and what was read of which file to find it out."""
    try:
        folder = path.is_dir()
    except (OSError, ValueError):
        return "testbed", path, None
    if folder:
        return _folder(path)
    if path.suffix.lower() in _INI or path.name.lower() in _NAMES:
        return "ansible", path, None
    if path.suffix.lower() not in _YAML and any(path.with_name(name).is_dir() for name in _VARIABLES):
        return "ansible", path, None
    document = read_file(path)
    tree = document.tree
    hosts = path.name.lower() in _HOSTS
    if tree is None:
        return ("nornir" if hosts and path.is_file() else "testbed"), path, document
    if "devices" in tree.entries or "testbed" in tree.entries:
        return "testbed", path, document
    if looks_like(tree):
        return "ansible", path, document
    return ("nornir" if hosts else "testbed"), path, document


def _folder(path: Path) -> tuple[str, Path, Document | None]:
    if any((path / name).is_dir() for name in _VARIABLES):
        return "ansible", path, None
    for name in _HOSTS:
        if (path / name).is_file():
            form, file, document = _recognised(path / name)
            return ("ansible" if form == "ansible" else "nornir"), file, document
    return ("ansible" if any((path / name).is_file() for name in _NAMES) else "testbed"), path, None
