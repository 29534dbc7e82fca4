# SPDX-License-Identifier: Apache-2.0
"""A gNMI target on pygnmi's generated messages and servicer: nothing of it is ours but what it answers.

As a program it says its port and serves until its standard input ends. It holds `who` called it as well.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from pygnmi.spec.v080 import gnmi_pb2, gnmi_pb2_grpc


class Target(gnmi_pb2_grpc.gNMIServicer):  # type: ignore[misc]  # the package has no types
    """`held` maps paths, written with the elements' names alone, to values."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {"system/hostname": "elsewhere", "counter/octets": 7}

    def Capabilities(self, request: Any, context: Any) -> Any:
        given = dict(context.invocation_metadata())
        self.held["who"] = {name: given.get(name, "") for name in ("username", "password")}
        return gnmi_pb2.CapabilityResponse(
            gNMI_version="0.8.0",
            supported_encodings=[gnmi_pb2.JSON_IETF, gnmi_pb2.PROTO],
            supported_models=[gnmi_pb2.ModelData(name="some-model", organization="somebody", version="1")],
        )

    def Get(self, request: Any, context: Any) -> Any:
        answer = gnmi_pb2.GetResponse()
        for path in request.path:
            name = self._name(request.prefix, path)
            if name not in self.held:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no {name}")
            notification = answer.notification.add(timestamp=time.time_ns(), prefix=request.prefix)
            notification.update.add(path=path, val=self._value(self.held[name], request.encoding))
        return answer

    def Set(self, request: Any, context: Any) -> Any:
        answer = gnmi_pb2.SetResponse(timestamp=time.time_ns(), prefix=request.prefix)
        for path in request.delete:
            self.held.pop(self._name(request.prefix, path), None)
            answer.response.add(path=path, op=gnmi_pb2.UpdateResult.DELETE)
        for op, updates in (("REPLACE", request.replace), ("UPDATE", request.update)):
            for update in updates:
                self.held[self._name(request.prefix, update.path)] = self._plain(update.val)
                answer.response.add(path=update.path, op=gnmi_pb2.UpdateResult.Operation.Value(op))
        return answer

    def Subscribe(self, requests: Any, context: Any) -> Iterator[Any]:
        asked = next(requests).subscribe
        yield from self._all(asked)
        yield gnmi_pb2.SubscribeResponse(sync_response=True)
        if asked.mode == gnmi_pb2.SubscriptionList.ONCE:
            return
        if asked.mode == gnmi_pb2.SubscriptionList.POLL:
            for _ in requests:
                yield from self._all(asked)
                yield gnmi_pb2.SubscribeResponse(sync_response=True)
            return
        while context.is_active():
            interval = max(each.sample_interval for each in asked.subscription) / 1e9
            time.sleep(min(max(interval, 0.01), 1.0))
            yield from self._all(asked)

    def _all(self, asked: Any) -> Iterator[Any]:
        for each in asked.subscription:
            name = self._name(asked.prefix, each.path)
            response = gnmi_pb2.SubscribeResponse()
            response.update.timestamp = time.time_ns()
            if name in self.held:
                response.update.update.add(path=each.path, val=self._value(self.held[name], asked.encoding))
            else:
                response.update.delete.append(each.path)
            yield response

    @staticmethod
    def _name(prefix: Any, path: Any) -> str:
        return "/".join(each.name for each in (*prefix.elem, *path.elem))

    @staticmethod
    def _value(value: Any, encoding: int) -> Any:
        if encoding == gnmi_pb2.PROTO:
            kind = "int_val" if isinstance(value, int) else "string_val"
            return gnmi_pb2.TypedValue(**{kind: value})
        return gnmi_pb2.TypedValue(json_ietf_val=json.dumps(value).encode())

    @staticmethod
    def _plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        held = getattr(value, kind)
        return json.loads(held) if kind.startswith("json") else held


def main() -> None:
    server = grpc.server(ThreadPoolExecutor(8))
    gnmi_pb2_grpc.add_gNMIServicer_to_server(Target(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0).wait()


if __name__ == "__main__":
    main()
