# SPDX-License-Identifier: Apache-2.0
"""aioconn's sessions inside other frameworks, which have to be installed for what is named after them."""
