# SPDX-License-Identifier: Apache-2.0
"""SNMP versions 2c and 3 over UDP.

No SNMP library is underneath: what is wanted here (several requests at once on a socket of ours, values with their
types, the agent's own words about each error, SET, contexts, and walks at speed) is in none of those at hand together.
The ciphers are those of `cryptography`.

Without I/O: `ber` (the encoding), `pdu` and `messages` (what is encoded), `usm` (keys), `security` (whom to believe),
`walk`, `names` and `values`. `agent` has the socket, `opening` reaches it, `connection` is the class.
"""

from aioconn.protocols.snmp.values import Typed, VarBind

__all__ = ["Typed", "VarBind"]
