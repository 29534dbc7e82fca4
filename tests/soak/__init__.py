# SPDX-License-Identifier: Apache-2.0
"""A fleet in bad weather: all that aioconn offers, at once and for minutes, every answer and deadline checked."""
