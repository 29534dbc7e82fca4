# SPDX-License-Identifier: Apache-2.0
"""The other sides of pools: just enough of HTTP, of redis and of PostgreSQL for their clients to open sessions, to ask
for a word and to be cancelled.
"""
