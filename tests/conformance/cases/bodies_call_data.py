"""CallData, buffer 8: whatever buffer the context looked at last, or the body that its callback is about."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.conformance.cases.callouts import GO_ON, ask
from tests.core.traffic import request, response
from tests.core.wat import OUT, Nth, Ret, call, show

READ, SIZE = show("body", 8, 0, 99, OUT, OUT), show("body_status", 8, OUT, OUT)
WRITE = call("set_body", 8, 0, 99, "zz")
VM, OWN, ANSWER, ASKED, ANSWERED = (show("body", buffer, 0, 99, OUT, OUT) for buffer in (6, 7, 4, 0, 1))
CHUNKED = [(request("POST", "/p", "transfer-encoding: chunked", body=b"abcdef"), response(200, "transfer-encoding: chunked", body=b"ok"))]

CASES = [
    case(
        "bodies/call data",
        "is the body in a body callback, empty before anything was looked at (Envoy context.cc getBuffer)",
        plugin(request_headers=[READ], request_body=[READ, SIZE], response_body=[READ]),
        """
        proxy_on_request_headers(2, 5, 0) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
          proxy_get_buffer_status(CallData) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_status(CallData) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "ok" -> Ok
        proxy_on_response_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=CHUNKED,
    ),
    case(
        "bodies/call data written",
        "changes that body (Envoy context.cc getBuffer)",
        plugin(request_body=[Nth(1, (WRITE, READ))], response_body=[Nth(1, (call("set_body", 8, 99, 0, "y"), READ))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_set_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "zz" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        proxy_on_response_body(2, 2, 0) -> Continue
          proxy_set_buffer_bytes(CallData, 99, 0) -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "oky" -> Ok
        proxy_on_response_body(2, 0, 1) -> Continue
        upstream: POST h/p
          body "zz"
        client: 200
          body "oky"
        """,
        traffic=CHUNKED,
    ),
    case(
        "bodies/call data of another direction",
        "is what was read last, here nothing (Envoy context.cc getBuffer)",
        plugin(request_body=[Nth(1, (ANSWERED, READ, ASKED, READ))]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(HttpResponseBody, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(HttpRequestBody, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=CHUNKED,
    ),
    case(
        "bodies/call data of configurations",
        "they can be read through it, not written (Envoy context.cc getBuffer)",
        plugin(configure=[READ, VM, READ, OWN, READ, WRITE], request_headers=[VM, READ, WRITE], config=b"plugin", vm_config=b"machine"),
        """
        proxy_on_configure(1, 6) -> true
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(VmConfiguration, 0, 99) -> Ok
          proxy_log(info) "machine" -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "machine" -> Ok
          proxy_get_buffer_bytes(PluginConfiguration, 0, 99) -> Ok
          proxy_log(info) "plugin" -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "plugin" -> Ok
          proxy_set_buffer_bytes(CallData, 0, 99) -> BadArgument
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_buffer_bytes(VmConfiguration, 0, 99) -> Ok
          proxy_log(info) "machine" -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "machine" -> Ok
          proxy_set_buffer_bytes(CallData, 0, 99) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "bodies/call data of a configuration later",
        "the plugin's can be read by it when it cannot be by itself (Envoy context.cc getBuffer)",
        plugin(configure=[OWN], request_headers=[ask("/ok"), Ret(1)], http_call_response=[OWN, READ, *GO_ON], config=b"plugin"),
        """
        proxy_on_configure(1, 6) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 99) -> Ok
          proxy_log(info) "plugin" -> Ok
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_buffer_bytes(PluginConfiguration, 0, 99) -> NotFound
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "plugin" -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "bodies/call data of an answer",
        "each context has its own: the root's is the answer, once it was looked at (Envoy context.cc getBuffer)",
        plugin(request_headers=[ask("/ok"), Ret(1)], http_call_response=[READ, ANSWER, READ, WRITE, *GO_ON, READ]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_http_call(5000) -> Ok
        proxy_on_http_call_response(1, 4, 4, 5, 0)
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(HttpCallResponseBody, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_set_buffer_bytes(CallData, 0, 99) -> BadArgument
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "bodies/call data that is over",
        "a body is empty when its callback has returned Continue (this host)",
        plugin(request_body=[READ], log=[READ]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "abcdef" -> Ok
        proxy_on_request_body(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_log(2)
          proxy_get_buffer_bytes(CallData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        traffic=CHUNKED,
        here_only="it reads through a pointer to what is gone",
    ),
]
