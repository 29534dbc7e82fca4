# SPDX-License-Identifier: Apache-2.0
"""ncclient: a thread for each session, paramiko underneath. Several calls at once are its asynchronous mode."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from benchmarks.clients.netconf import NAMES, NetconfClient
from benchmarks.meter import Meter
from benchmarks.target import PASSWORD, USER, Target


class Ncclient(NetconfClient):
    name = "ncclient"
    offers = frozenset({"netconf", "netconf-visits"})
    packages = ("ncclient", "paramiko", "lxml")
    separate = True

    def open(self, target: Target) -> Any:
        return import_module("ncclient.manager").connect(
            host=target.host,
            port=target.port,
            username=USER,
            password=PASSWORD,
            hostkey_verify=False,
            allow_agent=False,
            look_for_keys=False,
            timeout=60,
        )

    def asked(self, target: Target, callers: int, count: int, budget: float, meter: Meter) -> list[int]:
        session = self.open(target)
        session.get_config("running")
        session.async_mode = True
        under_way: deque[Any] = deque()
        got: list[int] = []
        with meter:
            until = time.perf_counter() + budget
            for _ in range(count):
                if time.perf_counter() > until:
                    break
                under_way.append(session.get_config("running"))
                if len(under_way) == callers:
                    got.append(_interfaces(under_way.popleft()))
            got += [_interfaces(call) for call in under_way]
        session.async_mode = False
        session.close_session()
        return got

    def visits(self, targets: Sequence[Target], limit: int, meter: Meter) -> list[int]:
        def visit(target: Target) -> int:
            session = self.open(target)
            found = sum(1 for _ in session.get_config("running").data_ele.iter(NAMES))
            session.close_session()
            return found

        visit(targets[0])
        with ThreadPoolExecutor(limit) as pool, meter:
            return list(pool.map(visit, targets))


def _interfaces(call: Any) -> int:
    call.event.wait(60)
    return sum(1 for _ in call.reply.data_ele.iter(NAMES))
