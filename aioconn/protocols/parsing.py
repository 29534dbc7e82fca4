# SPDX-License-Identifier: Apache-2.0
"""Structured data from command outputs, by ntc-templates (an optional dependency)."""

from __future__ import annotations

import importlib.util
from typing import Any

from aioconn.errors import CommandError, MissingDependency


def require(*, device: str, path: str) -> None:
    """Raise MissingDependency unless ntc-templates is installed; before the command is sent."""
    if importlib.util.find_spec("ntc_templates") is None:
        raise MissingDependency(
            "parse needs ntc-templates", device=device, path=path, hint="pip install 'aioconn[parse]'"
        )


def parse(output: str, command: str, parser: str | None, *, device: str, path: str) -> list[dict[str, Any]]:
    """Rows of `output`, one dict each. Raises CommandError if no template fits."""
    from ntc_templates.parse import ParsingException, parse_output

    if parser is None:
        raise CommandError(
            "the platform names no template set",
            device=device,
            path=path,
            hint="pass parser='cisco_ios' or the like",
        )
    try:
        rows: list[dict[str, Any]] = parse_output(platform=parser, command=command, data=str(output))
    except ParsingException as error:
        raise CommandError(
            f"no template of {parser!r} parses {command!r}: {error}", device=device, path=path, seen=output
        ) from error
    return rows
