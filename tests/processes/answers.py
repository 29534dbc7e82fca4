# SPDX-License-Identifier: Apache-2.0
"""A script as people write it: eight processes share the three sessions of a pool.

`python -m tests.processes.answers TESTBED START_METHOD COMMAND` prints how many sessions it has opened, and how many
times it has heard each answer.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections import Counter

from aioconn.events import Event, Opened
from aioconn.sync import load

PROCESSES = 8
SESSIONS = 3
CALLS = 800


def main(testbed_file: str, how: str, command: str) -> None:
    opened: Counter[str] = Counter()

    def hear(event: Event) -> None:
        if isinstance(event, Opened):
            opened[event.device] += 1

    with load(testbed_file) as testbed:
        r1 = testbed["r1"]
        r1.listeners.add(hear)
        r1.connect(pool_size=SESSIONS)
        with multiprocessing.get_context(how).Pool(PROCESSES) as workers:
            outputs = workers.map(r1.execute, [command] * CALLS)
    heard = Counter(map(str, outputs))
    print(json.dumps({"opened": opened["r1"], "answers": list(heard.values()), "texts": list(heard)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
