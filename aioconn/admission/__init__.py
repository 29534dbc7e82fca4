# SPDX-License-Identifier: Apache-2.0
"""Who may open a session to a device, and when.

`Budget` counts a device's places and logins, and who stands in `Line` for them; `Lesson` is what it has learned of a
device that refused one. `Breaker` remembers what attempts on a path came to. `ConnectGate` bounds how many connections
of a testbed are made at once. `Admission` is all of it to the connections of one device.
"""

from aioconn.admission.admission import Admission
from aioconn.admission.breaker import Breaker
from aioconn.admission.connect_gate import ConnectGate

__all__ = ["Admission", "Breaker", "ConnectGate"]
