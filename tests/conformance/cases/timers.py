"""Ticks and clocks."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, request, response
from tests.core.wat import OUT, Nth, Ret, call

GO = (call("effective", 2), call("cont", 0))

CASES = [
    case(
        "timers/a tick set by a stream",
        "runs on the root of its context; 0 stops it (spec, cpp-host)",
        plugin(request_headers=[call("tick", 20), Ret(1)], tick=[call("tick", 0), *GO]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(20) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "timers/it comes again",
        "a period after it was done (cpp-host)",
        plugin(request_headers=[call("tick", 10), Ret(1)], tick=[Nth(3, (call("tick", 0), *GO))]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(10) -> Ok
        proxy_on_tick(1)
        proxy_on_tick(1)
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "timers/the last setting counts",
        "it takes the running one's place (Envoy)",
        plugin(request_headers=[call("tick", 60000), call("tick", 10), Ret(1)], tick=[call("tick", 0), *GO]),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(60000) -> Ok
          proxy_set_tick_period_milliseconds(10) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "timers/stopped before it came",
        "it does not come (Envoy)",
        plugin(request_headers=[call("tick", 5), call("tick", 0)], tick=[call("log", 4, "it came")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_tick_period_milliseconds(5) -> Ok
          proxy_set_tick_period_milliseconds(0) -> Ok
        proxy_on_request_headers(3, 5, 1) -> Continue
          proxy_set_tick_period_milliseconds(5) -> Ok
          proxy_set_tick_period_milliseconds(0) -> Ok
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "timers/two plugins in one VM",
        "each root has its own (cpp-host)",
        [
            plugin(
                vm_id="kit-ticks",
                request_headers=[call("tick", 15), Ret(1)],
                tick=[call("tick", 0), Nth(1, (call("effective", 3), call("cont", 0))), Nth(2, (call("effective", 4), call("cont", 0)))],
            )
        ]
        * 2,
        """
        proxy_on_request_headers(3, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(15) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(3) -> Ok
          proxy_continue_stream(Request) -> Ok
        proxy_on_request_headers(4, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(15) -> Ok
        proxy_on_tick(2)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(4) -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "timers/in virtual time",
        "a tick each second falls between exchanges that are seconds apart, whatever a replay takes",
        plugin(configure=[call("tick", 1000)], tick=[], request_headers=[]),
        """
        proxy_on_configure(1, 0) -> true
          proxy_set_tick_period_milliseconds(1000) -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_tick(1)
        proxy_on_tick(1)
        proxy_on_request_headers(3, 5, 1) -> Continue
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, (request(at_ms=1500), response())],
        here_only="its time is real",
    ),
    case(
        "timers/the time",
        "is there in every callback; a bad pointer is InvalidMemoryAccess (spec)",
        plugin(
            configure=[call("proxy_get_current_time_nanoseconds", OUT)],
            request_headers=[call("proxy_get_current_time_nanoseconds", OUT), call("proxy_get_current_time_nanoseconds", 0xFFFFFFFF)],
        ),
        """
        proxy_on_configure(1, 0) -> true
          proxy_get_current_time_nanoseconds() -> Ok
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_get_current_time_nanoseconds() -> Ok
          proxy_get_current_time_nanoseconds() -> InvalidMemoryAccess
        upstream: as sent
        client: as answered
        """,
    ),
]
