# SPDX-License-Identifier: Apache-2.0
"""What errors and other things show of themselves: where they are from, and no secret."""

from __future__ import annotations

from typing import Any

from aioconn.errors import AioconnError


def assert_names(error: BaseException, session: Any) -> None:
    """The error says which device and which path."""
    assert isinstance(error, AioconnError), f"a foreign error: {error!r}"
    assert error.device == session.device, f"the device is not named: {error!r}"
    assert error.path == session.via, f"the path is not named: {error!r}"


def assert_keeps(secret: str, thing: object) -> None:
    """Nothing that `thing` shows has the secret in it."""
    fields = vars(thing) if isinstance(thing, AioconnError) else {}
    for shown in (repr(thing), str(thing), *(repr(value) for value in fields.values())):
        assert secret not in shown, f"a secret in a {type(thing).__name__}"
    cause = getattr(thing, "__cause__", None)
    if cause is not None:
        assert_keeps(secret, cause)
