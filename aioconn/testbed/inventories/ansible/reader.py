# SPDX-License-Identifier: Apache-2.0
"""From the files of an Ansible inventory to the tree of a testbed."""

from __future__ import annotations

import os
from pathlib import Path

from aioconn.testbed.inventories.ansible.groups import Groups, Variables
from aioconn.testbed.inventories.ansible.host import HostReader
from aioconn.testbed.inventories.ansible.ini import read_ini
from aioconn.testbed.inventories.ansible.structure import read_structure
from aioconn.testbed.inventories.files import InventoryFiles
from aioconn.testbed.inventories.host import testbed_of
from aioconn.testbed.tree import Node, Table

_YAML = (".yml", ".yaml", ".json")  # in the order in which Ansible looks for them
_IGNORED = (
    ".ini",
    ".cfg",
    ".md",
    ".txt",
    ".rst",
    ".orig",
    ".retry",
    ".bak",
    ".swp",
    ".pyc",
    ".pyo",
    ".rpm",
    "~",
)
_FOLDERS = ("group_vars", "host_vars")
_SCRIPT = "an executable inventory is not run here"
_INSTEAD = "load what `ansible-inventory -i FILE --list --yaml` prints"
_DEPTH = 20  # folders in folders


def read_ansible(path: Path, files: InventoryFiles) -> Table | None:
    """The tree of a testbed from an inventory's file, or from a folder of such files."""
    report = files.report
    groups = Groups(report)
    sources = _sources(path) if path.is_dir() else [path]
    where = Node(str(path), 1 if path.is_file() else None, None)
    if not sources:
        report.add(
            where,
            "",
            "there is no inventory in this folder",
            "of a folder the .ini files are not read: name the file",
        )
        return None
    for source in sources:
        _read(source, files, groups)
    if groups.too_many:
        return None
    base = path if path.is_dir() else path.parent
    _Variables(files).add(base, groups)
    groups.finish()
    if not groups.hosts:
        if all(problem.warning for problem in report.problems):
            report.add(where, "", "there is no host in it")
        return None
    reader = HostReader(groups)
    return testbed_of([reader.read(member) for member in groups.hosts.values()], where, report)


def _sources(folder: Path) -> list[Path]:
    """The inventories in a folder, as Ansible takes them: in the order of their names, some endings left out."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except OSError:
        return []
    return [
        folder / name for name in names if not name.startswith(".") and not name.lower().endswith(_IGNORED)
    ]


def _read(path: Path, files: InventoryFiles, groups: Groups) -> None:
    if path.suffix.lower() in _YAML:
        if (tree := files.yaml(path, "an inventory")) is not None:
            read_structure(tree, groups)
        return
    text = files.text(path)
    if text is None:
        return
    if text.startswith("#!"):
        files.problem(path, _SCRIPT, _INSTEAD, line=1)
    elif text.startswith("$ANSIBLE_VAULT;"):
        files.problem(path, "the whole file is encrypted by ansible-vault, which is not decoded here", line=1)
    elif path.suffix == "" and _begins_as_yaml(text):
        if (tree := files.yaml(path, "an inventory")) is not None:
            read_structure(tree, groups)
    else:
        read_ini(text, str(path), groups)


def _begins_as_yaml(text: str) -> bool:
    """Whether the first line that says something is `---` or `all:`, in a file without an ending."""
    for line in text[:10_000].splitlines():
        word = line.strip()
        if word and not word.startswith("#"):
            return word == "---" or (word.endswith(":") and not word.startswith("["))
    return False


class _Variables:
    """The folders `group_vars` and `host_vars`: a file, or a folder of files, for each name."""

    def __init__(self, files: InventoryFiles) -> None:
        self._files = files

    def add(self, base: Path, groups: Groups) -> None:
        for folder in _FOLDERS:
            entries = self._entries(base / folder)
            holders = groups.groups.values() if folder == "group_vars" else groups.hosts.values()
            for holder in holders:
                for file in self._of(base / folder, holder.name, entries):
                    holder.files.update(self._variables(file))

    @staticmethod
    def _entries(folder: Path) -> dict[str, bool]:
        """What is in a folder, and whether it is a folder itself. Empty if there is none."""
        try:
            with os.scandir(folder) as found:
                return {entry.name: entry.is_dir() for entry in found}
        except OSError:
            return {}

    def _of(self, folder: Path, name: str, entries: dict[str, bool]) -> list[Path]:
        for ending in ("", *_YAML):
            if (full := name + ending) in entries:
                path = folder / full
                return self._inside(path, _DEPTH) if entries[full] else [path]
        return []

    def _inside(self, folder: Path, depth: int) -> list[Path]:
        found: list[Path] = []
        for name, is_folder in sorted(self._entries(folder).items()):
            if name.startswith(".") or name.endswith("~"):
                continue
            ending = os.path.splitext(name)[1]
            if is_folder and not ending and depth:
                found += self._inside(folder / name, depth - 1)
            elif not is_folder and ending in ("", *_YAML):
                found.append(folder / name)
        return found

    def _variables(self, path: Path) -> Variables:
        tree = self._files.yaml(path, "a file of variables")
        return {} if tree is None else tree.entries
