# SPDX-License-Identifier: Apache-2.0
"""Sessions of this process for others: what goes over a Unix socket, who may come in, and what may be asked there.

`frames` and `values` say what goes over the wire, and do no I/O. Nothing is imported here, so that either side loads
what it needs and no more.
"""
