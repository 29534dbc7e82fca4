# SPDX-License-Identifier: Apache-2.0
"""BER as SNMP uses it (ITU-T X.690; RFC 3417, section 8): lengths are definite, tags have one byte.

`Malformed` is raised for all that is not that, also for what is too long or too large: whatever comes, the work is
bounded by its length. An object identifier is kept as the bytes of its encoding, which is what is compared and looked
up; `arcs` gives its numbers, which is what has an order.
"""

from __future__ import annotations

import functools

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30

MAX_ARCS = 128  # RFC 2578, section 3.5
MAX_ARC = 2**32 - 1
_MORE = bytes(0x80) + b"\x80" * 0x80  # of each byte of an OID, whether its number goes on
MAX_INTEGER = 8  # bytes of an integer: some agents use more than the four that they need


class Malformed(ValueError):
    """What came is not BER, or not SNMP."""


# ------------------------------------------------------------------ to bytes


def length(count: int) -> bytes:
    """The length field of `count` bytes."""
    if count < 0x80:
        return bytes((count,))
    if count < 0x100:
        return bytes((0x81, count))
    if count < 0x10000:
        return bytes((0x82, count >> 8, count & 0xFF))
    return b"\x84" + count.to_bytes(4, "big")


def tlv(tag: int, content: bytes) -> bytes:
    """One element."""
    count = len(content)
    if count < 0x80:
        return bytes((tag, count)) + content
    return bytes((tag,)) + length(count) + content


def integer(number: int, tag: int = INTEGER) -> bytes:
    """An integer in as few bytes as it needs."""
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return bytes((tag, size)) + number.to_bytes(size, "big", signed=True)


def oid_content(numbers: tuple[int, ...]) -> bytes:
    """The content of an object identifier. Raises ValueError if `numbers` are none."""
    if not 2 <= len(numbers) <= MAX_ARCS:
        raise ValueError(f"an object identifier has 2 to {MAX_ARCS} numbers")
    if min(numbers) < 0 or max(numbers) > MAX_ARC:
        raise ValueError(f"the numbers of an object identifier are 0 to {MAX_ARC}")
    if numbers[0] > 2 or (numbers[0] < 2 and numbers[1] > 39):
        raise ValueError("an object identifier begins with 0 or 1 and up to 39, or with 2")
    rest = (numbers[0] * 40 + numbers[1], *numbers[2:])
    if max(rest) < 0x80:
        return bytes(rest)
    content = bytearray()
    for number in rest:
        shift = max(0, (number.bit_length() - 1) // 7 * 7)
        while shift:
            content.append(0x80 | number >> shift & 0x7F)
            shift -= 7
        content.append(number & 0x7F)
    return bytes(content)


# ------------------------------------------------------------------ from bytes


def element(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Tag, begin and end of the content of the element that begins at `at` and lies before `end`."""
    if at + 2 > end:
        raise Malformed("an element is cut off")
    tag, count = data[at], data[at + 1]
    at += 2
    if count >= 0x80:
        size = count & 0x7F
        if not 1 <= size <= 4 or at + size > end:
            raise Malformed("a length that cannot be")
        count = int.from_bytes(data[at : at + size], "big")
        at += size
    if at + count > end:
        raise Malformed("an element is longer than what it is part of")
    return tag, at, at + count


def expect(data: bytes, at: int, end: int, tag: int) -> tuple[int, int]:
    """Begin and end of the content of an element that has to be of this tag."""
    found, begin, stop = element(data, at, end)
    if found != tag:
        raise Malformed(f"tag {found:#04x} where {tag:#04x} belongs")
    return begin, stop


def expect_integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number, and where the next element begins."""
    begin, stop = expect(data, at, end, INTEGER)
    return signed(data[begin:stop]), stop


def expect_octets(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """The octets, and where the next element begins."""
    begin, stop = expect(data, at, end, OCTETS)
    return data[begin:stop], stop


def signed(content: bytes) -> int:
    if not 1 <= len(content) <= MAX_INTEGER:
        raise Malformed(f"an integer of {len(content)} bytes")
    return int.from_bytes(content, "big", signed=True)


def unsigned(content: bytes, bits: int) -> int:
    """A counter and its like; agents that leave out the zero before a first bit are understood."""
    if not 1 <= len(content) <= bits // 8 + 1:
        raise Malformed(f"an integer of {len(content)} bytes where {bits} bits belong")
    number = int.from_bytes(content, "big")
    if number >> bits:
        raise Malformed(f"a number of more than {bits} bits")
    return number


def arcs(content: bytes) -> tuple[int, ...]:
    """The numbers of an object identifier."""
    if not content or len(content) > MAX_ARCS * 5:
        raise Malformed(f"an object identifier of {len(content)} bytes")
    rest = _numbers(content)
    if len(rest) >= MAX_ARCS:
        raise Malformed("an object identifier of too many numbers")
    first = rest[0]
    if first < 40:
        return (0, *rest)
    return (1, first - 40, *rest[1:]) if first < 80 else (2, first - 80, *rest[1:])


def _numbers(content: bytes) -> tuple[int, ...]:
    if content.isascii():  # all are below 128: each byte is one
        return tuple(content)
    numbers: list[int] = []
    number = 0
    for byte in content:
        if byte == 0x80 and not number:
            raise Malformed("a number of an object identifier begins with nothing")
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
        elif number > MAX_ARC:
            break
    if number or content[-1] >= 0x80 or numbers[0] > MAX_ARC + 80 or max(numbers[1:], default=0) > MAX_ARC:
        raise Malformed("an object identifier is cut off, or one of its numbers too large")
    return tuple(numbers)


def dotted(content: bytes) -> str:
    """An object identifier as people write it: `1.3.6.1.2.1.1.1.0`."""
    if 2 < len(content) < MAX_ARCS and content[-1] < 0x80:  # the rows of a column differ in the end
        if content[-2] < 0x80:
            return f"{_beginning(content[:-1])}.{content[-1]}"
        if content[-3] < 0x80 < content[-2]:
            return f"{_beginning(content[:-2])}.{(content[-2] & 0x7F) << 7 | content[-1]}"
    return ".".join(map(str, arcs(content)))


@functools.lru_cache(maxsize=4096)
def _beginning(content: bytes) -> str:
    return ".".join(map(str, arcs(content)))


def follows(content: bytes, before: bytes) -> bool:
    """Whether an object identifier comes after another one in their order; also for what both have after a common
    beginning."""
    if content.translate(_MORE) == before.translate(_MORE):  # the numbers have the same lengths
        return content > before
    return _numbers(content) > _numbers(before)
