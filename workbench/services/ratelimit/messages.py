"""Envoy's rate-limit protocol (RLS v3) as protobuf messages, restated from its public definition: names, numbers and types alone.

Kuadrant's service takes and gives the same messages. They live in a descriptor pool of their own, where they cannot meet definitions of
the same names that other packages of the process register.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, message_factory, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.message import DecodeError

__all__ = ["CHECK", "OK", "OVER_LIMIT", "REPORT", "SHOULD", "UNITS", "UNKNOWN", "DecodeError", "RateLimitRequest", "RateLimitResponse"]

SHOULD = ("envoy.service.ratelimit.v3.RateLimitService", "ShouldRateLimit")
CHECK = ("kuadrant.service.ratelimit.v1.RateLimitService", "CheckRateLimit")
REPORT = ("kuadrant.service.ratelimit.v1.RateLimitService", "Report")
"""Service and method of the three calls."""

UNKNOWN, OK, OVER_LIMIT = 0, 1, 2
"""`RateLimitResponse.Code`."""

UNITS = {"UNKNOWN": 0, "SECOND": 1, "MINUTE": 2, "HOUR": 3, "DAY": 4, "MONTH": 5, "YEAR": 6, "WEEK": 7}
"""`RateLimitResponse.RateLimit.Unit`, and `envoy.type.v3.RateLimitUnit`, by name."""

_SERVICE, _CORE, _TYPE, _COMMON = (
    "envoy.service.ratelimit.v3",
    "envoy.config.core.v3",
    "envoy.type.v3",
    "envoy.extensions.common.ratelimit.v3",
)
_RESPONSE, _DESCRIPTOR = f".{_SERVICE}.RateLimitResponse", f".{_COMMON}.RateLimitDescriptor"
_PACKAGES: dict[str, dict[str, str | dict[str, int]]] = {
    _CORE: {"HeaderValue": "string key 1, string value 2, bytes raw_value 3"},
    _TYPE: {"RateLimitUnit": UNITS},
    _COMMON: {
        "RateLimitDescriptor": (
            f"*{_DESCRIPTOR}.Entry entries 1, {_DESCRIPTOR}.RateLimitOverride limit 2, .google.protobuf.UInt64Value hits_addend 3"
        ),
        "RateLimitDescriptor.Entry": "string key 1, string value 2",
        "RateLimitDescriptor.RateLimitOverride": f"uint32 requests_per_unit 1, .{_TYPE}.RateLimitUnit! unit 2",
    },
    _SERVICE: {
        "RateLimitRequest": f"string domain 1, *{_DESCRIPTOR} descriptors 2, uint32 hits_addend 3",
        "RateLimitResponse": (
            f"{_RESPONSE}.Code! overall_code 1, *{_RESPONSE}.DescriptorStatus statuses 2, "
            f"*.{_CORE}.HeaderValue response_headers_to_add 3, *.{_CORE}.HeaderValue request_headers_to_add 4, "
            f"bytes raw_body 5, .google.protobuf.Struct dynamic_metadata 6, {_RESPONSE}.Quota quota 7"
        ),
        "RateLimitResponse.Code": {"UNKNOWN": UNKNOWN, "OK": OK, "OVER_LIMIT": OVER_LIMIT},
        "RateLimitResponse.RateLimit": f"uint32 requests_per_unit 1, {_RESPONSE}.RateLimit.Unit! unit 2, string name 3",
        "RateLimitResponse.RateLimit.Unit": UNITS,
        "RateLimitResponse.Quota": "uint32 requests 1, .google.protobuf.Timestamp valid_until 2, string id 3",
        "RateLimitResponse.DescriptorStatus": (
            f"{_RESPONSE}.Code! code 1, {_RESPONSE}.RateLimit current_limit 2, uint32 limit_remaining 3, "
            f".google.protobuf.Duration duration_until_reset 4, {_RESPONSE}.Quota quota 5"
        ),
    },
}
"""Package -> message or enum (an inner one behind its outer) -> fields `type name number`: `*` for repeated, `!` for an enum."""

_WELL_KNOWN = (duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {"string": _Field.TYPE_STRING, "bytes": _Field.TYPE_BYTES, "uint32": _Field.TYPE_UINT32}


def _pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    before = [module.DESCRIPTOR.name for module in _WELL_KNOWN]
    for module in _WELL_KNOWN:
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    for package, content in _PACKAGES.items():
        file = descriptor_pb2.FileDescriptorProto(name=f"workbench/{package}.proto", package=package, syntax="proto3", dependency=before)
        messages: dict[str, Any] = {"": file}
        for path, given in content.items():
            outer, _, name = path.rpartition(".")
            if isinstance(given, str):
                messages[path] = (messages[outer].nested_type if outer else file.message_type).add(name=name)
                _add_fields(messages[path], given)
            else:
                enum = messages[outer].enum_type.add(name=name)
                for value, number in given.items():
                    enum.value.add(name=value, number=number)
        pool.AddSerializedFile(file.SerializeToString())
        before.append(file.name)
    return pool


def _add_fields(message: Any, fields: str) -> None:
    for field in fields.split(", "):
        kind, name, number = field.removeprefix("*").split(" ")
        made = message.field.add(name=name, number=int(number))
        made.label = _Field.LABEL_REPEATED if field.startswith("*") else _Field.LABEL_OPTIONAL
        if kind in _SCALARS:
            made.type = _SCALARS[kind]
        else:
            made.type = _Field.TYPE_ENUM if kind.endswith("!") else _Field.TYPE_MESSAGE
            made.type_name = kind.removesuffix("!")


_POOL = _pool()
RateLimitRequest: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_SERVICE}.RateLimitRequest"))
RateLimitResponse: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_SERVICE}.RateLimitResponse"))
