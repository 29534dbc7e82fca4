# SPDX-License-Identifier: Apache-2.0
"""What a simulated gNMI target tells a subscriber."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

from aioconn.lab import telemetry
from aioconn.lab.data import DataStore
from aioconn.protocols.gnmi import messages, values
from aioconn.protocols.gnmi.messages import Message
from aioconn.protocols.gnmi.paths import GnmiPath

FASTEST = 0.01
"""Seconds between two samples, at least."""

USUAL = 1.0
"""Seconds between two samples where the subscriber leaves it to the target."""


class _Topic:
    """One path that somebody has subscribed to."""

    def __init__(self, asked: Message, path: GnmiPath) -> None:
        self.path = path
        self.sampled = messages.name("SubscriptionMode", asked.mode) == "sample"
        self.interval = max(asked.sample_interval / 1e9, FASTEST) if asked.sample_interval else USUAL
        self.heartbeat = max(asked.heartbeat_interval / 1e9, FASTEST) if asked.heartbeat_interval else 0.0
        self.thrifty = bool(asked.suppress_redundant) or not self.sampled
        self.known: dict[str, tuple[Message, bytes]] = {}
        self.next_sample = math.inf
        self.next_heartbeat = math.inf

    def start(self, now: float) -> None:
        if self.sampled:
            self.next_sample = now + self.interval
        if self.heartbeat:
            self.next_heartbeat = now + self.heartbeat

    @property
    def due(self) -> float:
        return min(self.next_sample, self.next_heartbeat)


class Subscriptions:
    """The subscriptions of one call."""

    def __init__(
        self, store: DataStore, asked: Message, paths: list[GnmiPath], encoding: values.Encoding
    ) -> None:
        self._store = store
        self._mode = messages.name("SubscriptionList.Mode", asked.mode)
        self._updates_only = bool(asked.updates_only)
        self._encoding: values.Encoding = encoding
        self._prefix = asked.prefix
        self._topics = [_Topic(each, path) for each, path in zip(asked.subscription, paths, strict=True)]
        for topic in self._topics:
            telemetry.find(store, topic.path)  # refuses what the models do not have

    async def serve(self, context: Any) -> None:
        """Tell until the subscriber has gone, or has all that it asked for."""
        changed = asyncio.Event()
        withdraw = self._store.subscribe(changed.set)
        try:
            await self._tell(context, all_of_it=True, silent=self._updates_only)
            await context.write(messages.SubscribeResponse(sync_response=True).SerializeToString())
            if self._mode == "poll":
                await self._poll(context)
            elif self._mode == "stream":
                await self._stream(context, changed)
        finally:
            withdraw()

    async def _poll(self, context: Any) -> None:
        while isinstance(received := await context.read(), bytes):
            if messages.SubscribeRequest.FromString(received).WhichOneof("one") != "poll":
                raise ValueError("only a poll can follow")
            await self._tell(context, all_of_it=True)
            await context.write(messages.SubscribeResponse(sync_response=True).SerializeToString())

    async def _stream(self, context: Any, changed: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        for topic in self._topics:
            topic.start(loop.time())
        while True:
            due = min(topic.due for topic in self._topics)
            try:
                async with asyncio.timeout_at(None if due == math.inf else due):
                    await changed.wait()
            except TimeoutError:
                pass
            changed.clear()
            await self._tell(context, all_of_it=False)

    async def _tell(self, context: Any, *, all_of_it: bool, silent: bool = False) -> None:
        now = asyncio.get_running_loop().time()
        notification = messages.Notification(timestamp=time.time_ns(), prefix=self._prefix)
        notification.prefix.ClearField("elem")
        for topic in self._topics:
            every = all_of_it
            while topic.next_heartbeat <= now:
                topic.next_heartbeat += topic.heartbeat
                every = True
            sampled = topic.next_sample <= now
            while topic.next_sample <= now:
                topic.next_sample += topic.interval
            if every or sampled or not topic.sampled:
                self._news(topic, notification, every=every or (sampled and not topic.thrifty))
        if not silent and (notification.update or notification.delete):
            await context.write(messages.SubscribeResponse(update=notification).SerializeToString())

    def _news(self, topic: _Topic, notification: Message, *, every: bool) -> None:
        found: dict[str, tuple[Message, bytes]] = {}
        for elements, node, value in self._leaves(topic.path):
            path = values.path_message(GnmiPath(origin=topic.path.origin, elements=elements))
            made = telemetry.leaf_message(node, value, self._encoding)
            name, said = str(elements), made.SerializeToString()
            found[name] = path, said
            if every or name not in topic.known or topic.known[name][1] != said:
                notification.update.append(messages.Update(path=path, val=made))
        for name in topic.known.keys() - found.keys():
            notification.delete.append(topic.known[name][0])
        topic.known = found

    def _leaves(self, path: GnmiPath) -> Any:
        for found in telemetry.find(self._store, path):
            tops = [found] if found.node is not None else telemetry.tops(self._store, None)
            for top in tops:
                value = telemetry.read(self._store, top, None)
                if value is not None:
                    yield from telemetry.leaves(top, value)
