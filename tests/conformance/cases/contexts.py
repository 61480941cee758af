"""Contexts: their ids, the effective one, and how they end."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import GET, POST
from tests.core.wat import OUT, Nth, Ret, call, show

LIFE = {"context_create": [], "log": [], "done": [], "delete": []}

CASES = [
    case(
        "contexts/ids count up",
        "1 is the root, each stream takes the next and none comes twice (spec, cpp-host)",
        plugin(**LIFE),
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 1)
        proxy_on_log(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_context_create(3, 1)
        proxy_on_log(3)
        proxy_on_done(3) -> true
        proxy_on_delete(3)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream 0: as sent
        client 0: as answered
        upstream 1: as sent
        client 1: as answered
        """,
        traffic=[GET, GET],
    ),
    case(
        "contexts/two plugins in one VM",
        "same code, vm_id and VM configuration: two roots, and a stream context each (cpp-host)",
        [plugin(vm_id="kit-two", config=each, configure=[show("body", 7, 0, 9, OUT, OUT)], **LIFE) for each in ("first", "second")],
        """
        proxy_on_context_create(1, 0)
        proxy_on_configure(1, 5) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> Ok
          proxy_log(info) "first" -> Ok
        proxy_on_context_create(2, 0)
        proxy_on_configure(2, 6) -> true
          proxy_get_buffer_bytes(PluginConfiguration, 0, 9) -> Ok
          proxy_log(info) "second" -> Ok
        proxy_on_context_create(3, 1)
        proxy_on_context_create(4, 2)
        proxy_on_log(3)
        proxy_on_log(4)
        proxy_on_done(3) -> true
        proxy_on_delete(3)
        proxy_on_done(4) -> true
        proxy_on_delete(4)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/two VMs for two vm_ids",
        "of the same code (cpp-host)",
        [plugin(vm_id="kit-one", **LIFE), plugin(vm_id="kit-another", **LIFE)],
        """
        proxy_on_context_create(1, 0)
        proxy_on_context_create(1, 0)
        proxy_on_context_create(2, 1)
        proxy_on_context_create(2, 1)
        proxy_on_log(2)
        proxy_on_log(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/two VMs for two VM configurations",
        "of the same code and vm_id (cpp-host)",
        [plugin(vm_id="kit-conf", vm_config="1", vm_start=[]), plugin(vm_id="kit-conf", vm_config="22", vm_start=[])],
        """
        proxy_on_vm_start(1, 1) -> true
        proxy_on_vm_start(1, 2) -> true
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/a stream in on_done returns 0",
        "it ends all the same: only roots can wait (Envoy; the spec lets streams wait)",
        plugin(request_headers=[], log=[], done=[Nth(1, (Ret(0),))], delete=[]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
        proxy_on_log(2)
        proxy_on_done(2) -> false
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/proxy_done of a stream",
        "NotFound where no root waits (cpp-host)",
        plugin(request_headers=[call("done")], log=[call("done")]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_done() -> NotFound
        proxy_on_log(2)
          proxy_done() -> NotFound
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/proxy_done within on_done of a root",
        "NotFound: it does not wait yet (cpp-host)",
        plugin(done=[call("done")], delete=[]),
        """
        proxy_on_done(1) -> true
          proxy_done() -> NotFound
        proxy_on_delete(1)
        """,
        traffic=[],
    ),
    case(
        "contexts/a root that wants to wait",
        "on_done returned 0: no on_delete without proxy_done, and when the listener goes nobody waits for that (Envoy)",
        plugin(done=[call("tick", 10), Ret(0)], tick=[call("tick", 0), call("done")], delete=[]),
        """
        proxy_on_done(1) -> false
          proxy_set_tick_period_milliseconds(10) -> Ok
        """,
        traffic=[],
    ),
    case(
        "contexts/the effective context's headers",
        "a root that chooses a held stream reaches its maps (spec)",
        plugin(
            request_headers=[call("tick", 15), Ret(1)],
            tick=[
                call("tick", 0),
                call("get", 0, ":path", OUT, OUT),
                call("effective", 2),
                show("get", 0, ":path", OUT, OUT),
                call("cont", 0),
            ],
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> StopIteration
          proxy_set_tick_period_milliseconds(15) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_set_effective_context(2) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
          proxy_continue_stream(Request) -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/an effective context that does not live",
        "BadArgument; 0 means none (cpp-host)",
        plugin(
            request_headers=[
                call("effective", 99),
                call("effective", 0),
                show("get", 0, ":path", OUT, OUT),
                call("effective", 1),
                call("get", 0, ":path", OUT, OUT),
            ]
        ),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_effective_context(99) -> BadArgument
          proxy_set_effective_context(0) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> Ok
          proxy_log(info) "/p" -> Ok
          proxy_set_effective_context(1) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/the choice ends with the callback",
        "the next one begins with its own (cpp-host)",
        plugin(request_headers=[call("effective", 1)], response_headers=[show("get", 2, ":status", OUT, OUT)]),
        """
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_set_effective_context(1) -> Ok
        proxy_on_response_headers(2, 2, 0) -> Continue
          proxy_get_header_map_value(HttpResponseHeaders) -> Ok
          proxy_log(info) "200" -> Ok
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/a filter that is not reached",
        "another one answered: its context is made for the log only (Envoy)",
        [plugin(request_headers=[call("local", 403, "", "no", "", -1)]), plugin(every=True, without=["vm_start", "configure"])],
        """
        proxy_on_context_create(1, 0)
        proxy_on_request_headers(2, 5, 1) -> Continue
          proxy_send_local_response(403, -1) -> Ok
        proxy_on_context_create(2, 1)
        proxy_on_log(2)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: nothing
        client: 403
          content-length: 2
          content-type: text/plain
          body "no"
        """,
    ),
    case(
        "contexts/log, done and delete in a chain",
        "all logs first, in chain order, then done and delete of each (Envoy)",
        [
            plugin(log=[call("log", 2, "a")], done=[call("log", 2, "a")], delete=[]),
            plugin(log=[call("log", 2, "b")], done=[call("log", 2, "b")], delete=[]),
        ],
        """
        proxy_on_log(2)
          proxy_log(info) "a" -> Ok
        proxy_on_log(2)
          proxy_log(info) "b" -> Ok
        proxy_on_done(2) -> true
          proxy_log(info) "a" -> Ok
        proxy_on_delete(2)
        proxy_on_done(2) -> true
          proxy_log(info) "b" -> Ok
        proxy_on_delete(2)
        proxy_on_done(1) -> true
          proxy_log(info) "b" -> Ok
        proxy_on_delete(1)
        proxy_on_done(1) -> true
          proxy_log(info) "a" -> Ok
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/alive while it is deleted",
        "a context can be chosen in its own on_delete, and in those of the chain's later filters (cpp-host)",
        [plugin(vm_id="kit-alive", config=each, delete=[call("effective", number) for number in (1, 2, 3, 4)]) for each in ("1", "2")],
        """
        proxy_on_delete(3)
          proxy_set_effective_context(1) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_set_effective_context(3) -> Ok
          proxy_set_effective_context(4) -> Ok
        proxy_on_delete(4)
          proxy_set_effective_context(1) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_set_effective_context(3) -> Ok
          proxy_set_effective_context(4) -> Ok
        proxy_on_delete(2)
          proxy_set_effective_context(1) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_set_effective_context(3) -> BadArgument
          proxy_set_effective_context(4) -> BadArgument
        proxy_on_delete(1)
          proxy_set_effective_context(1) -> Ok
          proxy_set_effective_context(2) -> BadArgument
          proxy_set_effective_context(3) -> BadArgument
          proxy_set_effective_context(4) -> BadArgument
        upstream: as sent
        client: as answered
        """,
    ),
    case(
        "contexts/on_done of a root",
        "no on_log for it; on_delete when on_done returned true (cpp-host)",
        plugin(log=[], done=[call("log", 2, "done")], delete=[call("log", 2, "delete")]),
        """
        proxy_on_done(1) -> true
          proxy_log(info) "done" -> Ok
        proxy_on_delete(1)
          proxy_log(info) "delete" -> Ok
        """,
        traffic=[],
    ),
    case(
        "contexts/a callback that is not exported",
        "counts as Continue, true or nothing (spec)",
        plugin(request_body=[]),
        """
        proxy_on_request_body(2, 6, 0) -> Continue
        proxy_on_request_body(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        traffic=[POST],
    ),
]
