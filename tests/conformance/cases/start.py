"""Loading and starting: which functions are called, in which order, and what refuses a filter."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.wat import OUT, Ret, call, show

CASES = [
    case(
        "start/order of callbacks",
        "the root context starts, a stream is created, log comes before done and delete, the root ends last (cpp-host; Envoy: log first)",
        plugin(every=True),
        """
        proxy_on_context_create(1, 0)
        proxy_on_vm_start(1, 0) -> true
        proxy_on_configure(1, 0) -> true
        proxy_on_context_create(2, 1)
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_response_headers(2, 2, 0) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
        proxy_on_response_body(2, 0, 1) -> Continue
        proxy_on_log(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "start/on_vm_start refuses",
        "on_vm_start returning 0 refuses the filter before on_configure (spec)",
        plugin(vm_start=[Ret(0)], configure=[]),
        """
        proxy_on_vm_start(1, 0) -> false
        refused
        """,
    ),
    case(
        "start/configuration in on_configure",
        "the plugin configuration is buffer 7 during on_configure, its size the argument (spec; not in later callbacks: cpp-host)",
        plugin(configure=[show("body", 7, 0, 100, OUT, OUT)], request_headers=[call("body", 7, 0, 100, OUT, OUT)], config="abc"),
        """
        proxy_on_configure(1, 3) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> Ok
          proxy_log(info) "abc" -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_buffer_bytes(PluginConfiguration, 0, 100) -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
]
