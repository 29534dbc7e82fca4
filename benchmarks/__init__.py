# SPDX-License-Identifier: Apache-2.0
"""Measurements against the floor and the peers: `python -m benchmarks`. Nothing in here is installed."""
