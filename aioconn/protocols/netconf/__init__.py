# SPDX-License-Identifier: Apache-2.0
"""NETCONF (RFC 6241) over SSH (RFC 6242) or TLS (RFC 7589)."""
