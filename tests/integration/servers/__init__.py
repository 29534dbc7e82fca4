# SPDX-License-Identifier: Apache-2.0
"""Real servers on loopback, each started by the tests that need it and stopped at the end."""
