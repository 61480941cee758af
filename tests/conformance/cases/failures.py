"""Filters that fail, and what their host does then."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, POST, request, response
from tests.core.wat import TRAP, Nth, Raw, Ret, call

ENDS = {"log": [], "done": [], "delete": []}
SIX = [Raw("(if (i32.eq (local.get 1) (i32.const 6)) (then (unreachable)))")]
"""Traps on a request of six headers."""
ONCE = [Nth(1, (TRAP,))]

CASES = [
    case(
        "failures/a trap in the request's headers",
        "503 without a body; the VM is not entered again: no response callbacks, no log, done or delete (Envoy)",
        plugin(request_headers=[TRAP], response_headers=[], **ENDS),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/the exchanges after it",
        "fail_closed: each gets a 503, the filter is not asked (Envoy)",
        plugin(request_headers=ONCE, **ENDS),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream 0: nothing
        client 0: 503
        upstream 1: nothing
        client 1: 503
        """,
        traffic=[GET, GET],
    ),
    case(
        "failures/fail open",
        "the exchange that traps fails, the next ones pass as if there were no filter (Envoy)",
        plugin(failure_policy="open", request_headers=ONCE, **ENDS),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream 0: nothing
        client 0: 503
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "failures/fail_open of old",
        "lets the exchange that traps pass too (Envoy)",
        plugin(fail_open=True, request_headers=ONCE, response_headers=[]),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "failures/reload waits",
        "an exchange soon after the VM's start is a 503: the fresh VM comes a second to one and a half after that at the earliest (Envoy)",
        plugin(failure_policy="reload", request_headers=ONCE),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream 0: nothing
        client 0: 503
        upstream 1: nothing
        client 1: 503
        """,
        traffic=[GET, request(at_ms=-990)],
    ),
    case(
        "failures/reload",
        "after the back-off a fresh VM starts, and the filter with it (Envoy)",
        plugin(failure_policy="reload", vm_start=[], request_headers=SIX),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 6, 1) failed
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream 0: nothing
        client 0: 503
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[request("GET", "/p", "x-trap: 1"), request(at_ms=1500)],
        paced=True,
    ),
    case(
        "failures/restart",
        "this host's own policy: a fresh VM for the next exchange",
        plugin(failure_policy="restart", vm_start=[], request_headers=SIX),
        """
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 6, 1) failed
        proxy_on_vm_start(1, 0) -> true
        proxy_on_request_headers(2, 5, 1) -> Continue
        upstream 0: nothing
        client 0: 503
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[request("GET", "/p", "x-trap: 1"), GET],
        here_only="it has no such policy",
    ),
    case(
        "failures/a trap in the request's body",
        "503 (Envoy)",
        plugin(request_headers=[], request_body=[TRAP], response_headers=[]),
        """
        proxy_on_request_headers(2, 6, 0) -> Continue
        proxy_on_request_body(2, 6, 0) failed
        upstream: nothing
        client: 503
        """,
        traffic=[POST],
    ),
    case(
        "failures/a trap in the request's trailers",
        "503 (Envoy)",
        plugin(request_trailers=[TRAP]),
        """
        proxy_on_request_trailers(2, 1) failed
        upstream: nothing
        client: 503
        """,
        traffic=[request("POST", "/p", "transfer-encoding: chunked", body=b"a", trailers=("T: 1",))],
    ),
    case(
        "failures/a trap in the response's headers",
        "503 in place of the upstream's answer (Envoy)",
        plugin(response_headers=[TRAP], response_body=[], log=[]),
        """
        proxy_on_response_headers(2, 2, 0) failed
        upstream: as sent
        client: 503
        """,
    ),
    case(
        "failures/a trap in the response's body",
        "the headers are out: the response is cut (Envoy)",
        plugin(response_body=[TRAP]),
        """
        proxy_on_response_body(2, 2, 0) failed
        upstream: as sent
        client: 200, cut short
        """,
        traffic=[(GET, response(200, "transfer-encoding: chunked", body=b"ok"))],
    ),
    case(
        "failures/a trap in the log",
        "the exchange is over by then; the next one is a 503 (Envoy)",
        plugin(log=[TRAP], done=[]),
        """
        proxy_on_log(2) failed
        upstream 0: as sent
        client 0: as answered
        upstream 1: nothing
        client 1: 503
        """,
        traffic=[GET, GET],
    ),
    case(
        "failures/a trap when a stream is created",
        "503 (Envoy)",
        plugin(context_create=[Nth(2, (TRAP,))], request_headers=[]),
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 1) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/a trap in a tick",
        "a held exchange stays held until the stream idle timeout (Envoy)",
        plugin(request_headers=[call("tick", 15), Ret(1)], tick=[TRAP], log=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(15) -> Ok
        proxy_on_tick(1) failed
        upstream: nothing
        client: 503
        """,
        left_open=True,
    ),
    case(
        "failures/gRPC clients get a gRPC answer",
        "200 with grpc-status 14, UNAVAILABLE (Envoy)",
        plugin(request_headers=[TRAP]),
        """
        proxy_on_request_headers(2, 7, 0) failed
        upstream: nothing
        client: 200
          content-type: application/grpc
          grpc-status: 14
        """,
        traffic=[request("POST", "/p", "content-type: application/grpc", "content-length: 5", body=bytes(5))],
    ),
    case(
        "failures/an answer before the trap",
        "the failure's 503 wins (cpp-host)",
        plugin(request_headers=[call("local", 403, "", "no", "", -1), TRAP]),
        """
        proxy_on_request_headers(2, 5, 1) failed
          proxy_send_local_response(403, -1) -> Ok
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/a trap on its own answer",
        "likewise (Envoy)",
        plugin(request_headers=[call("local", 403, "", "no", "", -1)], response_headers=[TRAP]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_response_headers(2, 3, 0) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/other filters live",
        "they see the failure as a local response, and the end (Envoy)",
        [
            plugin(request_headers=[], response_headers=[], log=[]),
            plugin(request_headers=[TRAP], log=[]),
            plugin(request_headers=[], log=[]),
        ],
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_request_headers(2, 5, 1) failed
        proxy_on_response_headers(2, 1, 1) -> Continue
        proxy_on_log(2)
        proxy_on_log(2)
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/other filters after a response's trap",
        "those farther out see nothing of the response (Envoy)",
        [plugin(response_headers=[], log=[]), plugin(response_headers=[TRAP]), plugin(response_headers=[], log=[])],
        """
        proxy_on_response_headers(4, 2, 0) -> Continue
        proxy_on_response_headers(2, 2, 0) failed
        proxy_on_log(3)
        proxy_on_log(4)
        upstream: as sent
        client: 503
        """,
    ),
    case(
        "failures/one VM, two filters",
        "a trap of one is the end of both (cpp-host)",
        [plugin(vm_id="kit-fail", config="1", request_headers=[Nth(2, (TRAP,))], log=[])] * 2,
        """
        proxy_on_request_headers(3, 5, 1) -> Continue
        proxy_on_request_headers(4, 5, 1) failed
        upstream 0: nothing
        client 0: 503
        upstream 1: nothing
        client 1: 503
        """,
        traffic=[GET, GET],
    ),
    case(
        "failures/out of bounds",
        "a load behind the memory traps (WebAssembly)",
        plugin(request_headers=[Raw("(drop (i32.load (i32.const -4)))")]),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/endless recursion",
        "the stack ends, the filter fails, the host lives (Envoy)",
        plugin(extra="(func $deep (call $deep) (call $deep))", request_headers=[Raw("(call $deep)")]),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream: nothing
        client: 503
        """,
    ),
    case(
        "failures/a division by zero",
        "traps (WebAssembly)",
        plugin(response_headers=[Raw("(drop (i32.div_u (i32.const 1) (i32.const 0)))")]),
        """
        proxy_on_response_headers(2, 2, 0) failed
        upstream: as sent
        client: 503
        """,
    ),
    case(
        "failures/changes before the trap are lost",
        "with the request that they were made to (Envoy)",
        plugin(failure_policy="open", request_headers=[Nth(1, (call("add", 0, "x", "1"), TRAP))]),
        """
        proxy_on_request_headers(2, 5, 1) failed
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        upstream 0: nothing
        client 0: 503
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "failures/changes before the trap, passed",
        "with fail_open the exchange goes on with them (Envoy)",
        plugin(fail_open=True, request_headers=[Nth(1, (call("add", 0, "x", "1"), TRAP))]),
        """
        proxy_on_request_headers(2, 5, 1) failed
          proxy_add_header_map_value(HttpRequestHeaders) -> Ok
        upstream: GET h/p
          x: 1
        client: as answered
        """,
    ),
    case(
        "failures/a call that does not return",
        "ends by this host's time limit, as a trap",
        plugin(request_headers=[Nth(1, (Raw("(loop (br 0))"),))]),
        """
        proxy_on_request_headers(2, 5, 1) failed
        upstream: nothing
        client: 503
        """,
        callback_limit_s=0.2,
        here_only="it has no limit: the worker stands still",
    ),
]
