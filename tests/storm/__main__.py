# SPDX-License-Identifier: Apache-2.0
"""python -m tests.storm --steps 1000000 --seed 7"""

from __future__ import annotations

import argparse
import sys
import time

from tests.storm.driver import Report, StormFailed, run_episode, storm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--world", type=int, help="one world again, by the number that a failure told")
    parser.add_argument(
        "--eager", action="store_true", help="every other world with eager tasks (Python 3.12)"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    chosen = parser.parse_args()
    if chosen.world is not None:
        report = Report(seed=chosen.world)
        run_episode(chosen.world, chosen.steps, report, eager=chosen.eager)
        print(report)
        return 0
    try:
        report = storm(
            chosen.steps, chosen.seed, eager=chosen.eager, progress=None if chosen.quiet else progress()
        )
    except StormFailed as error:
        sys.unraisablehook = lambda _: None  # of what was under way nothing ends well
        print(error, file=sys.stderr)
        return 1
    print(f"Python {sys.version.split()[0]}, {report}")
    return 0


def progress():
    """A line every ten seconds."""
    told = time.monotonic()

    def tell(report: Report) -> None:
        nonlocal told
        if time.monotonic() - told > 10:
            told = time.monotonic()
            print(f"{report.steps:,} steps, {report.steps / report.elapsed:,.0f}/s", file=sys.stderr)

    return tell


if __name__ == "__main__":
    sys.exit(main())
