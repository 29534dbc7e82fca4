# SPDX-License-Identifier: Apache-2.0
"""The forms in which results leave: for eyes, for pipes, for programs, as files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Protocol

from rich.console import RenderableType
from rich.rule import Rule
from rich.text import Text

from aioconn.app.progress import Progress
from aioconn.app.terminal import printable, write
from aioconn.app.visit import Report
from aioconn.app.wording import seconds, sentence
from aioconn.errors import CommandRejected, UsageError

_UNSAFE = re.compile(r"[^\w.\-@+=,]+")
_NAME_LIMIT = 120  # characters; file systems take 255 bytes


class Writer(Protocol):
    """Takes each device's report as it comes."""

    def put(self, report: Report) -> None: ...


class ForEyes:
    """A heading and the outputs as they are, above the moving part."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def put(self, report: Report) -> None:
        colour = "green" if report.ok else "red"
        title = Text(printable(report.device), style=f"bold {colour}")
        title.append(f"  {seconds(report.elapsed)}" + ("" if report.ok else "  failed"), style="not bold dim")
        parts: list[RenderableType] = [Rule(title, align="left", style="dim")]
        for output in report.outputs:
            parts.append(Text(f"> {printable(output.command)}", style="bold cyan"))
            if output:
                parts.append(Text(printable(output.rstrip("\n"))))
        if report.error is not None:
            if isinstance(report.error, CommandRejected) and report.error.output:
                parts.append(Text(f"> {printable(report.error.command)}", style="bold cyan"))
                parts.append(Text(printable(report.error.output.rstrip("\n"))))
            parts.append(Text(sentence(report.error), style="red"))
        self._progress.show(*parts, Text())


class ForPipes:
    """`device: line` on stdout, `device: error` on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def put(self, report: Report) -> None:
        lines = [f"{report.device}: {line}\n" for output in report.outputs for line in output.split("\n")]
        if lines:
            self._progress.data("".join(lines))
        if report.error is not None:
            self._progress.note(Text(f"{printable(report.device)}: {sentence(report.error)}", style="red"))


class ForPrograms:
    """One JSON object a line, in ASCII."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def put(self, report: Report) -> None:
        self._progress.data(json.dumps(report.as_json()) + "\n")


class IntoFolder:
    """`FOLDER/DEVICE/COMMAND.txt`, written as each device finishes; older files of the name are replaced."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self._taken: set[str] = set()
        self.files = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {str(folder)!r}: {error.strerror}") from None

    def put(self, report: Report) -> None:
        try:
            self._write(report)
        except OSError as error:
            raise UsageError(f"cannot write {error.filename!r}: {error.strerror}") from None
        if report.error is not None:
            self._progress.note(Text(f"{printable(report.device)}: {sentence(report.error)}", style="red"))

    def _write(self, report: Report) -> None:
        if not report.outputs:
            return
        folder = self._folder / self._free(file_name(report.device), "")
        folder.mkdir(exist_ok=True)
        for output in report.outputs:
            name = self._free(f"{folder.name}/{file_name(output.command)}", ".txt")
            text = output if output.endswith("\n") or not output else output + "\n"
            (self._folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
            self.files += 1

    def _free(self, name: str, ending: str) -> str:
        """A name that is new in this run: commands may differ in nothing but what a file name cannot hold."""
        free, number = name + ending, 2
        while free.casefold() in self._taken:
            free, number = f"{name}_{number}{ending}", number + 1
        self._taken.add(free.casefold())
        return free


def file_name(text: str) -> str:
    """What `text` is called as a file: no separators, no blanks, no leading dot."""
    return _UNSAFE.sub("_", text).strip("_.")[:_NAME_LIMIT] or "_"


def write_json(value: dict[str, Any]) -> None:
    write(json.dumps(value) + "\n")
