# SPDX-License-Identifier: Apache-2.0
"""RESTCONF (RFC 8040)."""
