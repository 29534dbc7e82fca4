# SPDX-License-Identifier: Apache-2.0
"""What a user may set about a command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from aioconn.protocols.statements import Replies as Replies
from aioconn.request import BaseOptions
from aioconn.transport.ssh_options import SshOptions


@dataclass(frozen=True, kw_only=True)
class CliOptions(SshOptions, BaseOptions):
    """Options of a command line, beside those of its transport.

    `confirm="probe"` sends a line that changes nothing after each prompt and believes the prompt only when that comes
    back: certain whatever the device prints, one round trip more. `on_open` replaces the platform's first lines.
    `enable=False` stays in the mode that the login ends in. `check=False` returns refused commands instead of raising.
    `encoding` is the device's; what is no text in it becomes replacement characters.
    """

    platform: str | None = None
    confirm: Literal["prompt", "probe"] = "prompt"
    on_open: tuple[str, ...] | None = None
    enable: bool = True
    check: bool = True
    encoding: str = "utf-8"
    term: str = "vt100"
    columns: int = 500
    rows: int = 1000
    answers: Any = None

    def __post_init__(self) -> None:
        BaseOptions.__post_init__(self)
        SshOptions.__post_init__(self)
