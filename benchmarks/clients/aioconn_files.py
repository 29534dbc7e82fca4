# SPDX-License-Identifier: Apache-2.0
"""aioconn reading testbeds: files checked throughout, and devices made of them."""

from __future__ import annotations

from typing import Any

from benchmarks.clients.files import FileClient


class AioconnFiles(FileClient):
    name = "aioconn.load"
    offers = frozenset({"file"})
    packages = ("aioconn", "pyyaml")

    def read(self, path: str) -> Any:
        import aioconn

        return aioconn.load(path)

    def devices(self, found: Any) -> list[str]:
        return list(found)
