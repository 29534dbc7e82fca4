# SPDX-License-Identifier: Apache-2.0
"""Transports: SSH, telnet, a local process, memory. Each module stands alone and is imported when it is needed."""
