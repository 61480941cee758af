"""Shared data."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET
from tests.core.wat import OUT, Bytes, Call, In, Out, Show, call, show


def get(key: str, number: object = OUT) -> Show:
    """Read and log a value; its number for `In` of the name that `Out` has."""
    return show("proxy_get_shared_data", key, OUT, OUT, number)


def put(key: str, value: str, number: object = 0) -> Call:
    """Write a value, on condition that its number is this one; 0 for none."""
    return call("proxy_set_shared_data", key, value, number)


CASES = [
    case(
        "shared_data/set and get",
        "NotFound before; an empty value and an empty key are some (spec)",
        plugin(request_headers=[get("k"), put("k", "1"), get("k"), put("k", ""), get("k"), put("", "e"), get("")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> NotFound
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "" -> Ok
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "e" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "shared_data/the number fits",
        "a set with the number of the last get is taken (spec)",
        plugin(request_headers=[put("k", "1"), get("k", Out("cas")), put("k", "2", In("cas")), get("k")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "2" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "shared_data/the number is old",
        "CasMismatch, and the value stays (spec)",
        plugin(request_headers=[put("k", "1"), get("k", Out("cas")), put("k", "2"), put("k", "3", In("cas")), get("k")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "1" -> Ok
          proxy_set_shared_data() -> Ok
          proxy_set_shared_data() -> CasMismatch
          proxy_get_shared_data() -> Ok
          proxy_log(info) "2" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "shared_data/a number for a key that is not there",
        "is accepted (cpp-host shared_data.cc; the spec says CasMismatch)",
        plugin(request_headers=[put("new", "1", 77), get("new")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "shared_data/between exchanges",
        "data outlive the stream (spec)",
        plugin(request_headers=[get("k"), put("k", "kept")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> NotFound
          proxy_set_shared_data() -> Ok
        proxy_on_request_headers(3, 5, 1) -> Continue
          proxy_get_shared_data() -> Ok
          proxy_log(info) "kept" -> Ok
          proxy_set_shared_data() -> Ok
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "shared_data/between filters of one vm_id",
        "also where their code differs (spec)",
        [
            plugin(vm_id="kit-shared", request_headers=[put("k", "a")]),
            plugin(vm_id="kit-shared", request_headers=[get("k")], log=[]),
            plugin(vm_id="kit-other", request_headers=[get("k")]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_shared_data() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> Ok
          proxy_log(info) "a" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> NotFound
        proxy_on_log(2)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "shared_data/from a root context",
        "as from a stream (spec)",
        plugin(vm_id="kit-root-data", tick=[], request_headers=[get("r")], vm_start=[put("r", "from the root")]),
        """
        proxy_on_vm_start(1, 0) -> true
          proxy_set_shared_data() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_shared_data() -> Ok
          proxy_log(info) "from the root" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "shared_data/bad memory",
        "InvalidMemoryAccess for key, value and the places of results (cpp-host)",
        plugin(
            request_headers=[
                put("k", "1"),
                call("proxy_get_shared_data", Bytes(0xFFFFFFF0, 32), OUT, OUT, OUT),
                call("proxy_set_shared_data", "k", Bytes(0xFFFFFFF0, 32), 0),
                call("proxy_get_shared_data", "k", 0xFFFFFFF0, OUT, OUT),
                call("proxy_get_shared_data", "k", OUT, OUT, 0xFFFFFFFE),
                get("k"),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_shared_data() -> Ok
          proxy_get_shared_data() -> InvalidMemoryAccess
          proxy_set_shared_data() -> InvalidMemoryAccess
          proxy_get_shared_data() -> InvalidMemoryAccess
          proxy_get_shared_data() -> InvalidMemoryAccess
          proxy_get_shared_data() -> Ok
          proxy_log(info) "1" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
]
