# SPDX-License-Identifier: Apache-2.0
"""What a NETCONF server says that it can do (RFC 6241, section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl

STANDARD = "urn:ietf:params:netconf:capability"
BASE_1_0 = "urn:ietf:params:netconf:base:1.0"
BASE_1_1 = "urn:ietf:params:netconf:base:1.1"
_STANDARD_NAMES = STANDARD + ":"
# some servers announce the namespace where they mean the capability
_BASES = {
    "urn:ietf:params:xml:ns:netconf:base:1.0": BASE_1_0,
    "urn:ietf:params:xml:ns:netconf:base:1.1": BASE_1_1,
}


class Capabilities:
    """The capabilities of one session. `in` takes a whole URI, or a short name: `:candidate`, `:confirmed-commit:1.1`.

    Iterating gives the URIs as they were announced.
    """

    __slots__ = ("_known", "_uris")

    def __init__(self, uris: Iterable[str] = ()) -> None:
        self._uris = tuple(uris)
        # each with what stands behind the question mark, as it came: devices announce hundreds
        self._known: dict[str, str] = {}
        for uri in self._uris:
            name, _, query = uri.partition("?")
            name = _BASES.get(name, name)
            if name in self._known:
                continue
            self._known[name] = query
            if name.startswith(_STANDARD_NAMES):  # :candidate:1.0 is also :candidate
                short = name[len(STANDARD) :]
                self._known.setdefault(short, query)
                self._known.setdefault(short.rpartition(":")[0], query)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._uris)

    def __len__(self) -> int:
        return len(self._uris)

    def __repr__(self) -> str:
        standard = sorted({name for name in self._known if name.startswith(":") and name.count(":") == 1})
        return f"<Capabilities {len(self)}: {' '.join(standard)}>"

    def parameters(self, name: str) -> Mapping[str, str]:
        """What stands behind the question mark; empty if there is nothing, or no such capability."""
        return dict(parse_qsl(self._known.get(name, "").replace("&amp;", "&")))


NONE = Capabilities()
