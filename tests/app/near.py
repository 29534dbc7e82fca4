# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.app.near ARGUMENTS` is `aioconn` with these arguments; the devices of its demo are near."""

from __future__ import annotations

import sys

from aioconn.app import demo
from aioconn.app.main import main

if __name__ == "__main__":
    demo.LATENCY = demo.JITTER = 0.0
    sys.exit(main())
