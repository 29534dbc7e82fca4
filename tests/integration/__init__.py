# SPDX-License-Identifier: Apache-2.0
"""Against servers that nobody here wrote: what works with them works with something that was not tuned for us."""
