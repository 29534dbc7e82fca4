# SPDX-License-Identifier: Apache-2.0
"""Connection classes, one module each, imported when a path asks for them."""
