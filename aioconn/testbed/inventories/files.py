# SPDX-License-Identifier: Apache-2.0
"""The files of an inventory: read within limits, with what is wrong in them reported."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from aioconn.testbed.builder import Builder
from aioconn.testbed.report import Report
from aioconn.testbed.source import SIZE_LIMIT
from aioconn.testbed.tree import Fatal, Node, Scalar, Table

_FILE_LIMIT = 50_000  # files of one inventory: each host may have some
VAULT = "$ANSIBLE_VAULT;"


class InventoryFiles:
    """Reads the files of one inventory; all of them together have at most the size of one testbed.

    `read` is what has been read already, without a problem.
    """

    def __init__(self, report: Report, read: Mapping[Path, Table] | None = None) -> None:
        self.report = report
        self._read = read or {}
        self._left = SIZE_LIMIT
        self._files = 0

    def text(self, path: Path) -> str | None:
        """The text of a file; None after a problem."""
        self._files += 1
        try:
            # a pipe in its place must not be waited for
            number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            try:
                if not stat.S_ISREG(os.fstat(number).st_mode):
                    self.problem(path, "this is not a file")
                    return None
                with open(number, "rb", closefd=False) as file:
                    data = file.read(self._left + 1)
            finally:
                os.close(number)
        except (OSError, ValueError) as error:  # ValueError: a NUL or a surrogate in the name
            reason = getattr(error, "strerror", None) or "not a file name"
            self.problem(path, f"cannot be read: {reason}")
            return None
        if len(data) > self._left or self._files > _FILE_LIMIT:
            self.problem(
                path, f"more than {SIZE_LIMIT // 2**20} MiB, or {_FILE_LIMIT:,} files: this is no inventory"
            )
            self._left = 0
            return None
        self._left -= len(data)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            self.problem(path, "this is not UTF-8 text", "save the file as UTF-8", line=line)
            return None

    def yaml(self, path: Path, what: str) -> Table | None:
        """The mapping that a YAML file holds, None if there is nothing in it, or after a problem."""
        if path in self._read:
            return self._read[path]
        text = self.text(path)
        if text is None:
            return None
        if text.startswith(VAULT):
            self.problem(
                path,
                "the whole file is encrypted by ansible-vault, which is not decoded here",
                "write its secrets as %ENC{} (`aioconn secret encode`) or %ENV{}",
                line=1,
            )
            return None
        builder = _Builder(text, str(path))
        try:
            root = builder.build()
        except Fatal:
            root = None
        self.report.take(builder.report.problems)
        if isinstance(root, Table):
            return root
        if root is not None and not (isinstance(root, Scalar) and root.null):
            self.report.add(root, "", f"{what} is a mapping, this is something else")
        return None

    def problem(
        self,
        path: Path,
        message: str,
        hint: str | None = None,
        *,
        line: int | None = None,
        warning: bool = False,
    ) -> None:
        self.report.add(Node(str(path), line, None), "", message, hint, warning=warning)


class _Builder(Builder):
    """Knows the tags of Ansible; that a value is encrypted can be told from the value itself."""

    def _tagged(self, scalar: Scalar, tag: str) -> None:
        if tag in ("!vault", "!vault-encrypted", "!unsafe"):
            scalar.plain = False
        else:
            super()._tagged(scalar, tag)
