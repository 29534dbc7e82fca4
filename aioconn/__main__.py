# SPDX-License-Identifier: Apache-2.0
"""`python -m aioconn` is the command `aioconn`."""

from __future__ import annotations

import sys

from aioconn.app.main import main

if __name__ == "__main__":
    sys.exit(main())
