# SPDX-License-Identifier: Apache-2.0
"""Another process at the end of a wire, which does as it is told and then waits to be killed.

`Holder(address, target, what)` is that process for a test; run as a module it is the process itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

from aioconn.broker.estate import Address
from aioconn.broker.frames import Call, Target, encode
from tests.broker.caller import Wire

LIFE = 60.0
"""Seconds after which it goes by itself, should the test have forgotten it."""


class Holder:
    """Ready when it is made. `what`: words separated by +, see `_do`."""

    def __init__(self, address: Address, target: Target, what: str) -> None:
        told = {
            "address": {"path": address.path, "token": address.token.hex(), "estate": address.estate},
            "target": [target.kind, target.key, target.alias],
            "what": what.split("+"),
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.broker.holder", json.dumps(told)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline().split()
        assert said[:1] == ["ready"], said
        self.grandchild = int(said[1]) if len(said) > 1 else None
        self.pid = self._process.pid

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        if self.grandchild is not None:
            os.kill(self.grandchild, signal.SIGKILL)
        self.signal(signal.SIGKILL)
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)


def _main() -> None:
    told = json.loads(sys.argv[1])
    address = Address(**{**told["address"], "token": bytes.fromhex(told["address"]["token"])})
    wire = Wire(address, Target(*told["target"]))
    said = "ready"
    for one in told["what"]:
        if child := _do(wire, one):
            said += f" {child}"
    print(said, flush=True)
    time.sleep(LIFE)


def _do(wire: Wire, what: str) -> int:
    """One thing; the pid of a child that it made, else 0."""
    assert wire.target is not None
    pool = Target("connection", wire.target.key, "default")
    if what == "session":
        wire.enter("acquire", on=pool)
    elif what == "wait":
        wire.begin("acquire", kind="enter", on=pool, timeout=LIFE)
    elif what in ("exclusive", "transaction"):
        wire.enter(what)
    elif what == "call":  # a command whose answer is awaited
        wire.begin("expect", "never", on=Target("entered"), timeout=LIFE)
    elif what == "half":
        wire.sock.sendall(encode(Call("call", wire.target, "execute", ("show clock",)))[:9])
    elif what == "grandchild":
        child = os.fork()
        if not child:
            time.sleep(LIFE)
            os._exit(0)
        return child
    else:
        assert what == "idle", what
    return 0


if __name__ == "__main__":
    _main()
