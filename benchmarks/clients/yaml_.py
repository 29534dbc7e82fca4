# SPDX-License-Identifier: Apache-2.0
"""PyYAML with libyaml: the floor of reading a testbed, and what scripts read one with that want no more than data."""

from __future__ import annotations

import gc
from typing import Any

from benchmarks.clients.files import FileClient


class Compose(FileClient):
    """The least that can tell where something stands: nodes with their places, and nothing understood of them.

    The collector of garbage rests meanwhile, as it does in aioconn: it takes more time than all the rest.
    """

    name = "yaml.compose"
    offers = frozenset({"file"})
    packages = ("pyyaml",)
    floor = True

    def read(self, path: str) -> Any:
        import yaml

        gc.disable()
        try:
            with open(path, encoding="utf-8") as file:
                return yaml.compose(file, Loader=yaml.CSafeLoader)
        finally:
            gc.enable()

    def devices(self, found: Any) -> list[str]:
        section = next(value for key, value in found.value if key.value == "devices")
        return [key.value for key, _ in section.value]


class SafeLoad(FileClient):
    """Dictionaries, lists and values, as scripts read them."""

    name = "yaml.safe_load"
    offers = frozenset({"file"})
    packages = ("pyyaml",)

    def read(self, path: str) -> Any:
        import yaml

        with open(path, encoding="utf-8") as file:
            return yaml.load(file, Loader=yaml.CSafeLoader)

    def devices(self, found: Any) -> list[str]:
        return list(found["devices"])
