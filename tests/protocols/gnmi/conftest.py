# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from tests.grpc_alive import grpc_alive

__all__ = ["grpc_alive"]
