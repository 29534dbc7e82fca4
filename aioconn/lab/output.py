# SPDX-License-Identifier: Apache-2.0
"""The output side of a session: lines held for the pager or tampered with, pieces as they leave."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aioconn.lab.noise import Noise

if TYPE_CHECKING:
    from aioconn.lab.device import LabDevice

CHUNK = 16 * 1024  # bytes gathered before they leave


class Output:
    """What a session says, until it leaves. `more` is True while the pager waits for a key.

    `wait` is the pause, in seconds, that follows what was said so far.
    """

    __slots__ = (
        "_device",
        "_gap",
        "_held",
        "_row",
        "_sent",
        "bare",
        "buffer",
        "more",
        "noise",
        "rows",
        "wait",
    )

    def __init__(self, device: LabDevice) -> None:
        self._device = device
        self.rows = device.rows
        self.buffer = bytearray()
        self.bare = False  # lines end as the program wrote them: there is no terminal
        self.more = False
        self.wait = 0.0
        self.noise: Noise | None = None
        self._held: deque[str | bytes | float] | None = None
        self._row = 0
        self._gap = 0.0
        self._sent = 0

    @property
    def full(self) -> bool:
        return len(self.buffer) >= CHUNK

    @property
    def held(self) -> bool:
        """Whether lines wait to be let go by `page()`."""
        return bool(self._held)

    @property
    def page_rows(self) -> int:
        return self._device.faults.paging or self.rows

    def text(self, text: str) -> None:
        """Say `text` now, its line ends as a terminal wants them."""
        self.buffer += (text if self.bare else text.replace("\n", "\r\n")).encode()

    def command(self, text: str, *, paged: bool) -> None:
        """Output of a command: at once, or held line by line where lines are tampered with or counted."""
        noise = self.noise
        if noise is None and not (paged and self.page_rows):
            self.text(text)
            return
        if self._held is None:
            self._held = deque()
        for line in text.splitlines(keepends=True):
            if noise is None:
                self._held.append(line)
            else:
                self._held.extend(noise.line(line))

    def page(self) -> None:
        """Let one held line go, or stop at the end of a page."""
        assert self._held is not None
        piece = self._held[0]
        if isinstance(piece, str):
            rows = self.page_rows
            if rows and self._row >= rows - 1:
                self.buffer += self._device.personality.pager.text.encode()
                self.more = True
                return
            self.text(piece)
            self._row += piece.endswith("\n")
        elif isinstance(piece, (int, float)):
            self.wait = piece
        else:
            self.buffer += piece
        self._held.popleft()

    def page_key(self, key: int) -> bool:
        """What the pager does at a key: a page, a line, or the end (False)."""
        self.more = False
        self.buffer += self._device.personality.pager.erase.encode()
        if key in b" f":
            self._row = 0
        elif key == 0x0D:
            self._row = self.page_rows - 2
        else:
            return False
        return True

    def new_page(self) -> None:
        self._row = 0

    def drop(self) -> None:
        """Forget what is held, and pauses."""
        self._held = None
        self.wait = 0.0
        self._gap = 0.0

    def gap(self) -> float:
        """The pause before the next piece, where output leaves in pieces; asked once."""
        gap, self._gap = self._gap, 0.0
        return gap

    def leave(self) -> tuple[bytes, bool]:
        """What leaves now, and whether the connection is to be reset after it."""
        faults = self._device.faults
        buffer = self.buffer
        size = faults.byte_at_a_time
        if size and len(buffer) > size:
            data = bytes(buffer[:size])
            del buffer[:size]
            self._gap = faults.byte_interval
        else:
            data = bytes(buffer)
            buffer.clear()
        limit = faults.reset_after
        reset = limit is not None and self._sent + len(data) >= limit
        if reset and limit is not None:
            data = data[: max(0, limit - self._sent)]
            buffer.clear()
            self._gap = 0.0
        self._sent += len(data)
        return data, reset
