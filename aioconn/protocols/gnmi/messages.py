# SPDX-License-Identifier: Apache-2.0
"""The messages of gNMI 0.10, for this package alone.

They are described here by names and numbers and built at import, in a descriptor pool of their own: other packages may
have registered the same names in the pool that all share. Nothing is generated. Extensions, and what a newer version
adds, are unknown fields: kept, and not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from aioconn.errors import MissingDependency

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError as DecodeError
except ImportError as error:
    raise MissingDependency("gNMI needs grpcio and protobuf", hint="pip install 'aioconn[gnmi]'") from error

PACKAGE: Final = "gnmi"
VERSION: Final = "0.10.0"

# An enumeration: its names, numbered from 0.
ENUMERATIONS: Mapping[str, tuple[str, ...]] = {
    "Encoding": ("JSON", "BYTES", "PROTO", "ASCII", "JSON_IETF"),
    "SubscriptionMode": ("TARGET_DEFINED", "ON_CHANGE", "SAMPLE"),
    "SubscriptionList.Mode": ("STREAM", "ONCE", "POLL"),
    "GetRequest.DataType": ("ALL", "CONFIG", "STATE", "OPERATIONAL"),
    "UpdateResult.Operation": ("INVALID", "DELETE", "REPLACE", "UPDATE", "UNION_REPLACE"),
}

# A message: its fields, each `number name type`; `*type` is repeated, `|type` one of those that exclude each other.
MESSAGES: Mapping[str, str] = {
    "Any": "1 type_url string, 2 value bytes",
    "Value": "1 value bytes, 2 type Encoding",
    "Error": "1 code uint32, 2 message string, 3 data Any",
    "PathElem": "1 name string, 2 key {string}",
    "Path": "1 element *string, 2 origin string, 3 elem *PathElem, 4 target string",
    "Decimal64": "1 digits int64, 2 precision uint32",
    "ScalarArray": "1 element *TypedValue",
    "TypedValue": (
        "1 string_val |string, 2 int_val |int64, 3 uint_val |uint64, 4 bool_val |bool, 5 bytes_val |bytes,"
        "6 float_val |float, 7 decimal_val |Decimal64, 8 leaflist_val |ScalarArray, 9 any_val |Any,"
        "10 json_val |bytes, 11 json_ietf_val |bytes, 12 ascii_val |string, 13 proto_bytes |bytes,"
        "14 double_val |double"
    ),
    "Update": "1 path Path, 2 value Value, 3 val TypedValue, 4 duplicates uint32",
    "Notification": "1 timestamp int64, 2 prefix Path, 4 update *Update, 5 delete *Path, 6 atomic bool",
    "ModelData": "1 name string, 2 organization string, 3 version string",
    "CapabilityRequest": "",
    "CapabilityResponse": (
        "1 supported_models *ModelData, 2 supported_encodings *Encoding, 3 gNMI_version string"
    ),
    "GetRequest": (
        "1 prefix Path, 2 path *Path, 3 type GetRequest.DataType, 5 encoding Encoding, 6 use_models *ModelData"
    ),
    "GetResponse": "1 notification *Notification, 2 error Error",
    "SetRequest": "1 prefix Path, 2 delete *Path, 3 replace *Update, 4 update *Update, 6 union_replace *Update",
    "UpdateResult": "1 timestamp int64, 2 path Path, 3 message Error, 4 op UpdateResult.Operation",
    "SetResponse": "1 prefix Path, 2 response *UpdateResult, 3 message Error, 4 timestamp int64",
    "QOSMarking": "1 marking uint32",
    "Subscription": (
        "1 path Path, 2 mode SubscriptionMode, 3 sample_interval uint64, 4 suppress_redundant bool,"
        "5 heartbeat_interval uint64"
    ),
    "SubscriptionList": (
        "1 prefix Path, 2 subscription *Subscription, 4 qos QOSMarking, 5 mode SubscriptionList.Mode,"
        "6 allow_aggregation bool, 7 use_models *ModelData, 8 encoding Encoding, 9 updates_only bool"
    ),
    "Poll": "",
    "SubscribeRequest": "1 subscribe |SubscriptionList, 3 poll |Poll",
    "SubscribeResponse": "1 update |Notification, 3 sync_response |bool, 4 error |Error",
}

# How the service's methods are called, with what they take and give.
CAPABILITIES: Final = "/gnmi.gNMI/Capabilities"
GET: Final = "/gnmi.gNMI/Get"
SET: Final = "/gnmi.gNMI/Set"
SUBSCRIBE: Final = "/gnmi.gNMI/Subscribe"

Message: TypeAlias = Any
"""A message: its class is made at run time."""

_Field: TypeAlias = Any


def _enumeration(name: str, values: tuple[str, ...]) -> Any:
    made = descriptor_pb2.EnumDescriptorProto(name=name)
    for number, value in enumerate(values):
        made.value.add(name=value, number=number)
    return made


def _message(name: str, text: str) -> Any:
    made = descriptor_pb2.DescriptorProto(name=name)
    for field in filter(None, map(str.strip, text.split(","))):
        number, field_name, kind = field.split()
        _add_field(made, int(number), field_name, kind)
    for path, values in ENUMERATIONS.items():
        owner, _, inner = path.rpartition(".")
        if owner == name:
            made.enum_type.append(_enumeration(inner, values))
    return made


def _add_field(message: Any, number: int, name: str, kind: str) -> None:
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if kind[0] in "*{" else field.LABEL_OPTIONAL
    if kind[0] == "|":
        if not message.oneof_decl:
            message.oneof_decl.add(name="one")
        field.oneof_index = 0
    if kind[0] == "{":  # a map of texts: a repeated message with a key and a value
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add_field(entry, 1, "key", "string")
        _add_field(entry, 2, "value", "string")
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
        return
    kind = kind.lstrip("*|")
    if kind in MESSAGES:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
    elif kind in ENUMERATIONS:
        field.type = field.TYPE_ENUM
        field.type_name = f".{PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")


def _classes() -> Iterator[tuple[str, Any]]:
    file = descriptor_pb2.FileDescriptorProto(name="aioconn/gnmi.proto", package=PACKAGE, syntax="proto3")
    file.enum_type.extend(
        _enumeration(name, values) for name, values in ENUMERATIONS.items() if "." not in name
    )
    file.message_type.extend(_message(name, text) for name, text in MESSAGES.items())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    for name in MESSAGES:
        yield name, message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))


_made = dict(_classes())
Path: Message = _made["Path"]
PathElem: Message = _made["PathElem"]
TypedValue: Message = _made["TypedValue"]
Update: Message = _made["Update"]
UpdateResult: Message = _made["UpdateResult"]
Notification: Message = _made["Notification"]
ModelData: Message = _made["ModelData"]
CapabilityRequest: Message = _made["CapabilityRequest"]
CapabilityResponse: Message = _made["CapabilityResponse"]
GetRequest: Message = _made["GetRequest"]
GetResponse: Message = _made["GetResponse"]
SetRequest: Message = _made["SetRequest"]
SetResponse: Message = _made["SetResponse"]
Subscription: Message = _made["Subscription"]
SubscriptionList: Message = _made["SubscriptionList"]
SubscribeRequest: Message = _made["SubscribeRequest"]
SubscribeResponse: Message = _made["SubscribeResponse"]
Poll: Message = _made["Poll"]


def number(enumeration: str, name: str) -> int:
    """The number of a value of an enumeration."""
    return ENUMERATIONS[enumeration].index(name.upper())


def name(enumeration: str, number: int) -> str:
    """The name of a value, in small letters; of one that is not known, its number."""
    names = ENUMERATIONS[enumeration]
    return names[number].lower() if 0 <= number < len(names) else str(number)


# gRPC's statuses, numbered from 0.
_STATUSES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)


def status(code: int) -> str:
    """The name of a status."""
    return _STATUSES[code] if code < len(_STATUSES) else str(code)
