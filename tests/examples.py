# SPDX-License-Identifier: Apache-2.0
"""How many examples Hypothesis tries: some each day, and all of them in the session `examples`, which is

    pytest -m hypothesis --hypothesis-profile=all

Both are the same each time, so that a change is blamed for what it does alone. To look for what nobody has seen yet:

    pytest -m hypothesis --hypothesis-profile=search
"""

from __future__ import annotations

from hypothesis import settings

EVERYDAY, ALL, SEARCH = "everyday", "all", "search"
USUAL = 100

settings.register_profile(EVERYDAY, max_examples=USUAL // 4, deadline=None, derandomize=True, database=None)
settings.register_profile(ALL, max_examples=USUAL, deadline=None, derandomize=True, database=None)
settings.register_profile(SEARCH, max_examples=10 * USUAL, deadline=None)


def examples(number: int) -> settings:
    """For a test that deserves another number than the usual one: so many in that session, and its share each day."""
    return settings(max_examples=max(1, number * settings().max_examples // USUAL), deadline=None)
