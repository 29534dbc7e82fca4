# SPDX-License-Identifier: Apache-2.0
"""pygnmi as a program: what it is told by a target at a port, each thing a line of JSON.

`gnmi_client.py PORT [CA_FILE]`: with a file of authorities over TLS. In between it waits for lines of its input.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pygnmi.client import gNMIclient

CONFIG = "/interfaces/interface[name=Ethernet1]/config"
PATIENCE = 20


def tell(thing: Any) -> None:
    print(json.dumps(thing), flush=True)


def main(port: str, ca_file: str = "") -> None:
    tls: dict[str, Any] = {"path_root": ca_file} if ca_file else {"insecure": True}
    with gNMIclient(("127.0.0.1", int(port)), username="admin", password="admin", **tls) as client:
        tell(client.capabilities()["supported_encodings"])
        tell(client.get(path=[f"{CONFIG}/description"], encoding="json_ietf")["notification"][0]["update"])
        done = client.set(update=[(CONFIG, {"description": "by pygnmi"})], encoding="json_ietf")
        tell(done["response"])
        subscription = {"path": f"{CONFIG}/description", "mode": "on_change"}
        wanted = {"subscription": [subscription], "mode": "stream", "encoding": "json_ietf"}
        stream = client.subscribe_stream(subscribe=wanted)
        tell(stream.get_update(timeout=PATIENCE))
        tell(stream.get_update(timeout=PATIENCE))
        stream.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
