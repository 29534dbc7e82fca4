# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.soak --seconds 60`: the soak without pytest."""

from __future__ import annotations

import argparse
import asyncio
import functools

from tests.soak.soak import soak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--devices", type=int, default=36)
    parser.add_argument("--users", type=int, default=3, help="per device")
    parser.add_argument(
        "--pause", type=float, default=0.3, help="seconds between the calls of a user, on average"
    )
    parser.add_argument("--every", type=float, default=0.2, help="seconds between mishaps")
    parser.add_argument("--roll-call", type=float, default=30.0, help="seconds")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    report = asyncio.run(
        soak(
            told.seconds,
            devices=told.devices,
            users=told.users,
            seed=told.seed,
            pause=told.pause,
            every=told.every,
            roll_call=told.roll_call,
            tell=functools.partial(print, flush=True),
        )
    )
    print(report)


if __name__ == "__main__":
    main()
