from __future__ import annotations

import subprocess
import sys

from google.protobuf import descriptor_pb2, descriptor_pool

from workbench.services.ratelimit.messages import OK, UNITS, RateLimitRequest, RateLimitResponse


def test_the_bytes_are_those_of_the_wire() -> None:
    """What Kuadrant's shim was seen to send, and the shortest answers."""
    request = RateLimitRequest(domain="d", hits_addend=1)
    request.descriptors.add().entries.add(key="k", value="1")
    assert request.SerializeToString() == bytes.fromhex("0a0164 1208 0a06 0a016b 120131 1801")
    assert RateLimitResponse(overall_code=OK).SerializeToString() == b"\x08\x01"
    assert RateLimitResponse().SerializeToString() == b""


def test_every_field_has_its_number() -> None:
    answer = RateLimitResponse(overall_code=2, raw_body=b"b")
    status = answer.statuses.add(code=1, limit_remaining=3)
    status.current_limit.requests_per_unit, status.current_limit.unit, status.current_limit.name = 5, UNITS["WEEK"], "n"
    status.duration_until_reset.seconds = 9
    status.quota.requests, status.quota.id, status.quota.valid_until.seconds = 4, "q", 8
    answer.response_headers_to_add.add(key="a", value="b")
    answer.request_headers_to_add.add(key="c", raw_value=b"d")
    answer.dynamic_metadata.update({"x": True})
    answer.quota.requests = 6
    assert answer.SerializeToString().hex() == (
        "0802"
        "121c" "0801" "1207" "0805" "1007" "1a016e" "1803" "2202" "0809" "2a09" "0804" "12020808" "1a0171"
        "1a06" "0a0161" "120162"
        "2206" "0a0163" "1a0164"
        "2a0162"
        "3209" "0a07" "0a0178" "1202" "2001"
        "3a02" "0806"
    )  # fmt: skip
    request = RateLimitRequest()
    descriptor = request.descriptors.add()
    descriptor.limit.requests_per_unit, descriptor.limit.unit = 5, UNITS["HOUR"]
    descriptor.hits_addend.value = 0
    assert request.SerializeToString().hex() == "1208" "1204" "0805" "1003" "1a00"  # fmt: skip


def test_unknown_fields_are_passed_over() -> None:
    assert RateLimitRequest.FromString(bytes.fromhex("0a0164 7a0161")).domain == "d"


def test_other_definitions_of_the_same_names_do_no_harm() -> None:
    """Another package may register its own in the process's pool: before and after."""
    file = descriptor_pb2.FileDescriptorProto(name="envoy/service/ratelimit/v3/rls.proto", package="envoy.service.ratelimit.v3")
    file.message_type.add(name="RateLimitRequest").field.add(name="other", number=7, type=9, label=1)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())  # type: ignore[no-untyped-call]
    assert RateLimitRequest(domain="d").domain == "d"
    code = (
        "from google.protobuf import descriptor_pb2, descriptor_pool as p\n"
        f"p.Default().AddSerializedFile({file.SerializeToString()!r})\n"
        "from workbench.services.ratelimit.messages import RateLimitRequest as R\n"
        "assert R.FromString(R(domain='d').SerializeToString()).domain == 'd'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
