# SPDX-License-Identifier: Apache-2.0
"""What comes back: `Output` of one command, `Result` of one device, `Results` of many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Output(str):
    """What a command printed: a `str`, without echo and prompt, lines ended by a newline character.

    `.command` is what was sent, `.elapsed` the seconds from sending to the prompt, `.raw` the bytes as they came
    (echo and prompt included), `.mode` the mode whose prompt ended it, `.failure` the line by which the device
    refused (only seen with `check=False`), else None.
    """

    __slots__ = ("_raw", "command", "elapsed", "failure", "mode")

    command: str
    elapsed: float
    mode: str
    failure: str | None
    _raw: bytes | tuple[bytes, bytes]

    def __new__(
        cls,
        text: str = "",
        *,
        command: str = "",
        elapsed: float = 0.0,
        mode: str = "",
        failure: str | None = None,
        raw: bytes | tuple[bytes, bytes] = b"",
    ) -> Output:
        self = str.__new__(cls, text)
        self.command = command
        self.elapsed = elapsed
        self.mode = mode
        self.failure = failure
        self._raw = raw
        return self

    @property
    def raw(self) -> bytes:
        """The bytes as they came. A large clean output is not kept twice: this builds it from the text again."""
        if isinstance(self._raw, bytes):
            return self._raw
        head, tail = self._raw
        return head + self.encode().replace(b"\n", b"\r\n") + tail

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: getattr(self, name) for name in self.__slots__}
        return _restore_output, (str(self), state)


def _restore_output(text: str, state: dict[str, Any]) -> Output:
    output = Output(text)
    for name, value in state.items():
        setattr(output, name, value)
    return output


@dataclass(frozen=True, kw_only=True)  # no slots: typing.Generic cannot mark an instance of such a class
class Result(Generic[T]):
    """What one device gave: a value or an error, and how long it took (seconds)."""

    device: str
    value: T | None = None
    error: BaseException | None = None
    elapsed: float = 0.0

    @property
    def ok(self) -> bool:
        return self.error is None

    def unwrap(self) -> T:
        """The value; raises the error if there is one."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # None is a legitimate value of T then


class Results(Mapping[str, Result[T]]):
    """Device name -> `Result`, in the order that was asked; never shorter than what was asked."""

    __slots__ = ("_results",)

    def __init__(self, results: Mapping[str, Result[T]]) -> None:
        self._results = dict(results)

    def __getitem__(self, device: str) -> Result[T]:
        return self._results[device]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)

    def __repr__(self) -> str:
        return f"<Results {len(self.ok)} ok, {len(self.failed)} failed>"

    @property
    def ok(self) -> dict[str, T]:
        """The values of the devices that gave one."""
        return {name: result.unwrap() for name, result in self._results.items() if result.error is None}

    @property
    def failed(self) -> dict[str, BaseException]:
        """The errors of the others."""
        return {name: result.error for name, result in self._results.items() if result.error is not None}

    def raise_for_errors(self) -> Results[T]:
        """Return self if every device is ok, else raise one ExceptionGroup with all the errors."""
        if failed := self.failed:
            raise BaseExceptionGroup(f"{len(failed)} of {len(self)} devices failed", list(failed.values()))
        return self
