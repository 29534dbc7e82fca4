# SPDX-License-Identifier: Apache-2.0
"""The protocol engine: bytes in, events out. No sockets, no clocks, no event loop."""
