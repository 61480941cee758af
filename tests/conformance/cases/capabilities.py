"""Capability restriction."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, Ret, call, show, text

_HEADERS = ("proxy_on_request_headers",)
_BOTH = (*_HEADERS, "proxy_log")
_TELLS = text(request_headers=[call("log", 2, "heard?")])

CASES = [
    case(
        "capabilities/a hostcall that is not listed",
        "it links, answers InternalFailure and does nothing (cpp-host exports.cc)",
        plugin(
            allowed_capabilities=[*_HEADERS, "proxy_log"],
            request_headers=[
                call("add", 0, "a", "b"),
                call("local", 403, "", "", "", -1),
                call("prop", "request\0path", OUT, OUT),
                call("done"),
                call("log", 2, "still here"),
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_add_header_map_value(HttpRequestHeaders) -> InternalFailure
          proxy_send_local_response(403, -1) -> InternalFailure
          proxy_get_property() -> InternalFailure
          proxy_done() -> InternalFailure
          proxy_log(info) "still here" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/a function of WASI that is not listed",
        "it answers ENOTCAPABLE (76), proc_exit gives nothing anyway (cpp-host exports.cc)",
        plugin(
            allowed_capabilities=_HEADERS,
            request_headers=[
                call("random_get", 100, 4),
                call("fd_write", 1, 2048, 1, OUT),
                call("clock_time_get", 0, 0, OUT),
                call("environ_sizes_get", OUT, OUT),
                call("sched_yield"),
                call("proc_exit", 3),
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          random_get(4) -> NOTCAPABLE
          fd_write(1) -> NOTCAPABLE
          clock_time_get(0) -> NOTCAPABLE
          environ_sizes_get() -> NOTCAPABLE
          sched_yield() -> NOTCAPABLE
          proc_exit(3)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/a function of WASI that is listed",
        "its name stands alone, without the module's (cpp-host exports.cc)",
        plugin(
            allowed_capabilities=[*_HEADERS, "random_get", "wasi_snapshot_preview1.clock_time_get"],
            request_headers=[call("random_get", 100, 4), call("clock_time_get", 0, 0, OUT)],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          random_get(4) -> SUCCESS
          clock_time_get(0) -> NOTCAPABLE
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/callbacks that are not listed",
        "they count as not exported, whatever they would answer (cpp-host wasm.cc)",
        plugin(
            every=True, allowed_capabilities=["proxy_on_response_headers"], vm_start=[Ret(0)], configure=[Ret(0)], request_headers=[Ret(1)]
        ),
        """
        proxy_on_response_headers(2, 2, 0) -> Continue
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/a list of what is not there",
        "an unknown name restricts to nothing at all: no callback is left (cpp-host wasm.cc)",
        plugin(every=True, allowed_capabilities=["nosuch"]),
        """
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/what starts a module",
        "_initialize is called all the same, what it calls is restricted (cpp-host wasm.cc)",
        plugin(allowed_capabilities=_HEADERS, _initialize=[call("log", 2, "unheard")], request_headers=[call("log", 2, "unheard")]),
        """
        _initialize()
          proxy_log(info) -> InternalFailure
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) -> InternalFailure
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/the allocator",
        "malloc is never restricted (cpp-host wasm.cc)",
        plugin(
            allowed_capabilities=[*_HEADERS, "proxy_log", "proxy_get_property"], request_headers=[show("prop", "request\0path", OUT, OUT)]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_property() -> Ok
          proxy_log(info) "/p" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/foreign functions that are not listed",
        "none can be called, Envoy's own neither (cpp-host exports.cc)",
        plugin(allowed_capabilities=_HEADERS, request_headers=[call("proxy_call_foreign_function", "compress", "x", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_call_foreign_function() -> InternalFailure
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/plugins with other capabilities",
        "they have a VM each, though all else is the same; the order of the list does not matter (seen with Envoy)",
        [
            plugin(_TELLS, vm_id="restricted", config=name, allowed_capabilities=given)
            for name, given in (("1", _HEADERS), ("2", ()), ("3", _BOTH), ("4", _BOTH[::-1]))
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) -> InternalFailure
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) "heard?" -> Ok
        proxy_on_request_headers(3, 5, 1) -> Continue
          proxy_log(info) "heard?" -> Ok
        proxy_on_request_headers(4, 5, 1) -> Continue
          proxy_log(info) "heard?" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "capabilities/plugins with other environments",
        "they have a VM each, though all else is the same (seen with Envoy)",
        [plugin(_TELLS, vm_id="environment", config=name, env={"NAME": name}) for name in ("1", "2")],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) "heard?" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_log(info) "heard?" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
]
