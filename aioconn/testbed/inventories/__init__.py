# SPDX-License-Identifier: Apache-2.0
"""Inventories of other tools, read into the tree of a testbed: the values keep the places where they stand."""
