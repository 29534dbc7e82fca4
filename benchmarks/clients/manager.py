# SPDX-License-Identifier: Apache-2.0
"""A proxy of multiprocessing's managers, which live in a process of their own."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.managers import BaseManager

from benchmarks.clients.children import Begin, ChildrenClient


class Manager(ChildrenClient):
    name = "manager"
    offers = frozenset({"answers"})

    @contextmanager
    def answers(self, size: int) -> Iterator[Begin]:
        with _Speakers(ctx=multiprocessing.get_context("fork")) as manager:
            speaker = manager.Speaker()  # type: ignore[attr-defined]  # `register` makes it
            yield lambda: functools.partial(speaker.say, size)


class _Speaker:
    def say(self, size: int) -> str:
        return "x" * size


class _Speakers(BaseManager):
    pass


_Speakers.register("Speaker", _Speaker)
