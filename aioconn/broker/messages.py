# SPDX-License-Identifier: Apache-2.0
"""The frames that go between the process that holds the sessions and the others, one class each.

client -> server: Hello Proof Call Cancel Next Leave
server -> client: Challenge Welcome Refused Value Item Failure Cancelled End Alive
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from aioconn.errors import CannotCross

VERSION: Final = 1

PART: Final = 1024 * 1024
"""Bytes of a value that go in one frame."""

MAX_FRAME: Final = 16 * 1024 * 1024
"""Bytes of one frame without its length. Who announces more is not listened to any longer."""

MAX_VALUE: Final = 1024 * 1024 * 1024
"""Bytes of a value in all its parts."""

MAX_ELEMENTS: Final = 1_000_000
"""Values in the arguments of one call, those inside others too: a byte on the wire may become 64 in memory."""

Key: TypeAlias = Annotated[int, Meta(ge=0, lt=2**53)]
Word: TypeAlias = Annotated[str, Meta(max_length=255)]
Random: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=64)]
CallKind: TypeAlias = Literal["call", "ask", "iterate", "enter"]
TargetKind: TypeAlias = Literal["testbed", "device", "connection", "entered", "broker"]

if TYPE_CHECKING:
    Plain: TypeAlias = Any
else:
    # What goes in a frame as it is. Any other value makes a frame of the same meaning of it, that has a `body`.
    Plain = None | bool | int | float | str


class Target(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """What a call is for: `key` of a testbed or device, the `alias` of a connection of that device, or what the
    innermost block that was entered on this wire gave."""

    kind: TargetKind
    key: Key = 0
    alias: Word = ""


class _Frame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What all frames have in common."""


# ---------------------------------------------------------------------- client -> server


class Hello(_Frame, frozen=True, tag=1):
    """The first frame. `target` tells at whose home the calls will be served; `program` is for people."""

    version: Key
    nonce: Random
    pid: Key
    program: Word
    target: Target | None = None


class Proof(_Frame, frozen=True, tag=2):
    """That the client knows the token."""

    mac: Random


class Call(_Frame, frozen=True, tag=3):
    """`kind`: "call" a coroutine method, "ask" for a property or by a plain method, "iterate" over an asynchronous
    iterator, "enter" an asynchronous context manager. One at a time goes over a wire."""

    kind: CallKind
    target: Target
    name: Word
    args: tuple[Plain, ...] = ()
    kwargs: dict[str, Plain] = {}


class Cancel(_Frame, frozen=True, tag=4):
    """End the call, or the iteration, that is under way."""


class Next(_Frame, frozen=True, tag=5):
    """The next item of an iteration. `thing`: which one. What is entered or iterated over on a wire is numbered from 1
    in the order of the calls; 0 is the innermost that is open."""

    thing: Key = 0


class Leave(_Frame, frozen=True, tag=6):
    """Leave a block that was entered on this wire, or close an iteration. `thing`: which one, as in `Next`."""

    thing: Key = 0


# ---------------------------------------------------------------------- server -> client


class Challenge(_Frame, frozen=True, tag=17):
    """The answer to Hello: `mac` proves that the server knows the token."""

    version: Key
    nonce: Random
    mac: Random


class Welcome(_Frame, frozen=True, tag=18):
    """The client is let in. `home` is the number of the loop that serves this wire, 0 for the broker's own."""

    home: Key


class Refused(_Frame, frozen=True, tag=19):
    """The client is not let in."""

    reason: Annotated[str, Meta(max_length=4096)]


class Value(_Frame, frozen=True, tag=20):
    """What the call returned, or what entering a block gave."""

    value: Plain


class Item(_Frame, frozen=True, tag=21):
    """The next item of the iteration."""

    value: Plain


class Failure(msgspec.Struct, frozen=True):
    """What the call raised. An error that ends a task or a process is sent as `Cancelled`."""

    error: BaseException


class Cancelled(_Frame, frozen=True, tag=23):
    """The call was cancelled, and is over."""


class End(_Frame, frozen=True, tag=24):
    """The iteration is over, or the block is left."""


class Alive(_Frame, frozen=True, tag=25):
    """The call is still under way."""


class Unreadable(msgspec.Struct, frozen=True):
    """Never sent: stands for a frame that was sound but for a value of a class that is not known in this process."""

    frame: Literal["call", "value", "item", "failure"]
    error: CannotCross


Frame: TypeAlias = (
    Hello
    | Proof
    | Call
    | Cancel
    | Next
    | Leave
    | Challenge
    | Welcome
    | Refused
    | Value
    | Item
    | Failure
    | Cancelled
    | End
    | Alive
    | Unreadable
)

# ---------------------------------------------------------------------- those with values, as they go


class CallBody(_Frame, frozen=True, tag=7):
    """A `Call` with arguments of any kind."""

    kind: CallKind
    target: Target
    name: Word
    body: bytes


class ValueBody(_Frame, frozen=True, tag=27, gc=False):
    """A `Value` of any kind; empty after parts."""

    body: bytes


class ItemBody(_Frame, frozen=True, tag=28, gc=False):
    """An `Item` of any kind; empty after parts."""

    body: bytes


class FailureBody(_Frame, frozen=True, tag=22, gc=False):
    """A `Failure`; empty after parts."""

    body: bytes


class OutputBody(_Frame, frozen=True, tag=29, gc=False):
    """A `Value` that is an `Output`, as most are. `tail`: its raw bytes are made of its text, with `raw` before it."""

    text: str
    command: str
    elapsed: float
    mode: str
    failure: str | None
    raw: bytes
    tail: bytes | None


class Part(_Frame, frozen=True, tag=26, gc=False):
    """The next bytes of the value of the frame that comes after the last part."""

    data: Annotated[bytes, Meta(min_length=1, max_length=PART)]


Valued: TypeAlias = ValueBody | ItemBody | FailureBody
