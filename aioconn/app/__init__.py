# SPDX-License-Identifier: Apache-2.0
"""The command line. One file per command; `main` finds and starts them."""
