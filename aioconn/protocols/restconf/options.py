# SPDX-License-Identifier: Apache-2.0
"""What a user may set about RESTCONF."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aioconn.protocols.rest.options import RestOptions


@dataclass(frozen=True, kw_only=True)
class RestconfOptions(RestOptions):
    """Options of RESTCONF, beside those of HTTP.

    `root` is the path of the API; without it the device is asked (`/.well-known/host-meta`), and `/restconf` is taken
    if it does not say. `encoding` is that of data: with `xml` documents are texts, coming and going.
    """

    root: str | None = None
    encoding: Literal["json", "xml"] = "json"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.root is not None and not self.root.startswith("/"):
            raise ValueError(f"root: {self.root!r} does not begin with /")
