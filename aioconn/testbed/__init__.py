# SPDX-License-Identifier: Apache-2.0
"""Testbeds: what a file says, and the devices made of it."""
