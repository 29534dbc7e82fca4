# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from tests.grpc_alive import grpc_alive

__all__ = ["grpc_alive"]


@pytest.fixture(autouse=True)
def recovery_is_soon(short_backoff: None) -> None: ...
