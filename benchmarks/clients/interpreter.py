# SPDX-License-Identifier: Apache-2.0
"""The floor of imports: an interpreter that imports what it has imported anyway."""

from __future__ import annotations

from benchmarks.clients.base import Client


class Interpreter(Client):
    name = "python"
    offers = frozenset({"import"})
    floor = True
    module = "sys"
