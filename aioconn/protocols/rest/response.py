# SPDX-License-Identifier: Apache-2.0
"""What an HTTP server answers, as a plain value."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# They raise whatever is asked of them, warn, or take time by the square of the length.
_NO_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The answer to one request. `headers` have lower-case names; one that came several times is joined by commas.

    `elapsed` is the seconds from sending to the last byte, `url` where the answer came from in the end.
    """

    status: int
    reason: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""
    elapsed: float = 0.0

    def __str__(self) -> str:
        return self.text

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (2xx)."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text, by the charset of its type, else UTF-8, with replacement characters for what is none."""
        found = _CHARSET.search(self.headers.get("content-type", ""))
        if found:
            try:
                name = codecs.lookup(found[1]).name
                if name not in _NO_CHARSETS:
                    return self.body.decode(name, "replace")
            except (LookupError, ValueError):  # no charset, or one that Python has for other purposes
                pass
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; None if it is empty. Raises ValueError for what is no JSON."""
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("JSON is nested too deeply") from None

    def header(self, name: str, default: str = "") -> str:
        """A header, however its name is spelt."""
        return self.headers.get(name.lower(), default)
