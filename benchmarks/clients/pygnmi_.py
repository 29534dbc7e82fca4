# SPDX-License-Identifier: Apache-2.0
"""pygnmi: gRPC's synchronous calls, several callers are threads."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from benchmarks.clients.gnmi import PATH, GnmiClient
from benchmarks.meter import Meter
from benchmarks.target import PASSWORD, USER, Target


class Pygnmi(GnmiClient):
    name = "pygnmi"
    offers = frozenset({"gnmi", "gnmi-updates"})
    packages = ("pygnmi", "grpcio", "protobuf")
    separate = True

    def open(self, target: Target) -> Any:
        client = import_module("pygnmi.client").gNMIclient
        return client((target.host, target.port), username=USER, password=PASSWORD, insecure=True)

    def gets(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        with self.open(target) as session, ThreadPoolExecutor(callers) as threads:
            until = time.perf_counter() + budget

            def get() -> int:
                answer = session.get(path=[PATH], encoding="json_ietf")
                return sum(len(each["update"]) for each in answer["notification"])

            def caller() -> list[int]:
                got = []
                for _ in range(max(1, count // callers)):
                    if time.perf_counter() > until:
                        break
                    got.append(get())
                return got

            get()
            with meter:
                calls = [threads.submit(caller) for _ in range(callers)]
                return [found for call in calls for found in call.result()]

    def updates(self, target: Target, meter: Meter) -> int:
        wanted = {"subscription": [{"path": PATH}], "mode": "once", "encoding": "json_ietf"}
        found = 0
        with self.open(target) as session, meter:
            for message in session.subscribe2(wanted):
                if "sync_response" in message:
                    break
                found += len(message["update"]["update"])
        return found
