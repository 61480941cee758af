"""TCP connections through network filters in front of tcp_proxy."""

from __future__ import annotations

from tests.conformance.case import case, plugin
from tests.core.traffic import connection
from tests.core.wat import OUT, TRAP, Nth, Ret, call, show
from workbench.capture import Ending

DOWNSTREAM, UPSTREAM = 2, 3
ECHO = connection(">hello", "<hello!")
PUSHED = connection("<one", "<two", ending=Ending.UPSTREAM)
ALL = (
    "new_connection",
    "downstream_data",
    "upstream_data",
    "downstream_connection_close",
    "upstream_connection_close",
    "done",
    "log",
    "delete",
)
DOWN = show("body", DOWNSTREAM, 0, 99, OUT, OUT)
UP = show("body", UPSTREAM, 0, 99, OUT, OUT)


def tcp(**script: object) -> object:
    """A network filter with every callback of a connection."""
    return plugin(**(dict.fromkeys(ALL, ()) | script))


def data(*steps: object) -> object:
    """One that only sees what the client sends."""
    return plugin(downstream_data=steps)


def pause_once(*steps: object) -> tuple[object, ...]:
    """Steps, and a pause the first time."""
    return (*steps, Nth(1, (Ret(1),)))


TICK = (call("tick", 30), Ret(1))


def tick(*steps: object) -> tuple[object, ...]:
    """The root's one tick: steps for stream 2."""
    return (call("tick", 0), call("effective", 2), *steps)


CASES = [
    case(
        "tcp/a connection from begin to end",
        "each side's end is an empty piece, the upstream's close follows at once, then close, done, log, delete (Envoy wasm context.cc)",
        tcp(),
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_downstream_data(2, 5, 0) -> Continue
        proxy_on_upstream_data(2, 6, 0) -> Continue
        proxy_on_downstream_data(2, 0, 1) -> Continue
        proxy_on_upstream_data(2, 0, 1) -> Continue
        proxy_on_upstream_connection_close(2, 0)
        proxy_on_downstream_connection_close(2, 1)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/the upstream ends first",
        "then it is the client that closes: close type 2 (Envoy connection_impl.cc)",
        tcp(),
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_upstream_data(2, 3, 0) -> Continue
        proxy_on_upstream_data(2, 3, 0) -> Continue
        proxy_on_upstream_data(2, 0, 1) -> Continue
        proxy_on_upstream_connection_close(2, 0)
        proxy_on_downstream_data(2, 0, 1) -> Continue
        proxy_on_downstream_connection_close(2, 2)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
        connections=[PUSHED],
    ),
    case(
        "tcp/two filters",
        "bytes from the client go first to last, those from the upstream last to first; each ends whole before the next (Envoy)",
        [tcp(), tcp()],
        """
        proxy_on_new_connection(3) -> Continue
        proxy_on_new_connection(4) -> Continue
        proxy_on_downstream_data(3, 5, 0) -> Continue
        proxy_on_downstream_data(4, 5, 0) -> Continue
        proxy_on_upstream_data(4, 6, 0) -> Continue
        proxy_on_upstream_data(3, 6, 0) -> Continue
        proxy_on_downstream_data(3, 0, 1) -> Continue
        proxy_on_downstream_data(4, 0, 1) -> Continue
        proxy_on_upstream_data(4, 0, 1) -> Continue
        proxy_on_upstream_connection_close(4, 0)
        proxy_on_upstream_data(3, 0, 1) -> Continue
        proxy_on_upstream_connection_close(3, 0)
        proxy_on_downstream_connection_close(3, 1)
        proxy_on_done(3) -> true
        proxy_on_log(3)
        proxy_on_delete(3)
        proxy_on_downstream_connection_close(4, 1)
        proxy_on_done(4) -> true
        proxy_on_log(4)
        proxy_on_delete(4)
        proxy_on_done(2) -> true
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/the upstream is not reached",
        "the proxy closes (1), no data is read (Envoy tcp_proxy.cc)",
        tcp(),
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_downstream_connection_close(2, 1)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: not connected
        client: as answered
        """,
        connections=[connection(ending=Ending.UNREACHED)],
    ),
    case(
        "tcp/the upstream resets",
        "neither an empty piece nor an upstream close, the proxy closes (Envoy)",
        tcp(),
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_downstream_data(2, 5, 0) -> Continue
        proxy_on_upstream_data(2, 1, 0) -> Continue
        proxy_on_downstream_connection_close(2, 1)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
        connections=[connection(">hello", "<h", ending=Ending.RESET)],
    ),
    case(
        "tcp/paused bytes come again with what follows",
        "the buffer is kept whole until the filters let it pass (Envoy filter_manager_impl.cc)",
        data(*pause_once(DOWN)),
        """
        proxy_on_downstream_data(2, 3, 0) -> StopIteration
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "one" -> Ok
        proxy_on_downstream_data(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "onetwo" -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        connections=[connection(">one", ">two", "<three")],
    ),
    case(
        "tcp/a change is there again",
        "filters share the buffer: one before a filter that pauses is called again and finds what it wrote (Envoy)",
        [data(call("set_body", DOWNSTREAM, 0, 0, "+")), data(*pause_once(DOWN))],
        """
        proxy_on_downstream_data(2, 3, 0) -> Continue
          proxy_set_buffer_bytes(DownstreamData, 0, 0) -> Ok
        proxy_on_downstream_data(2, 4, 0) -> StopIteration
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "+one" -> Ok
        proxy_on_downstream_data(2, 7, 0) -> Continue
          proxy_set_buffer_bytes(DownstreamData, 0, 0) -> Ok
        proxy_on_downstream_data(2, 8, 0) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "++onetwo" -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_set_buffer_bytes(DownstreamData, 0, 0) -> Ok
        proxy_on_downstream_data(2, 1, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "+" -> Ok
        upstream: "++onetwo+"
        client: as answered
        """,
        connections=[connection(">one", ">two", "<three")],
    ),
    case(
        "tcp/paused bytes for the client",
        "are kept too, as what the upstream's connection has read (Envoy connection_impl.cc)",
        plugin(upstream_data=pause_once(UP)),
        """
        proxy_on_upstream_data(2, 3, 0) -> StopIteration
          proxy_get_buffer_bytes(UpstreamData, 0, 99) -> Ok
          proxy_log(info) "one" -> Ok
        proxy_on_upstream_data(2, 6, 0) -> Continue
          proxy_get_buffer_bytes(UpstreamData, 0, 99) -> Ok
          proxy_log(info) "onetwo" -> Ok
        proxy_on_upstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(UpstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        connections=[PUSHED],
    ),
    case(
        "tcp/a pause at the begin",
        "nothing is read before tcp_proxy, behind the filters, has connected; a continue from the root lets it (Envoy)",
        [plugin(new_connection=(*TICK,), downstream_data=[], tick=tick(call("cont", 2))), plugin(new_connection=[], downstream_data=[])],
        """
        proxy_on_new_connection(2) -> StopIteration
          proxy_set_tick_period_milliseconds(30) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_continue_stream(Downstream) -> Ok
        proxy_on_new_connection(2) -> Continue
        proxy_on_downstream_data(2, 5, 0) -> Continue
        proxy_on_downstream_data(2, 5, 0) -> Continue
        proxy_on_downstream_data(2, 0, 1) -> Continue
        proxy_on_downstream_data(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/continue from a tick",
        "the filters behind get what is held, this one is not called again (Envoy)",
        [plugin(downstream_data=(DOWN, Nth(1, TICK)), tick=tick(DOWN, call("cont", 2))), data(DOWN)],
        """
        proxy_on_downstream_data(2, 5, 0) -> StopIteration
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_set_tick_period_milliseconds(30) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_continue_stream(Downstream) -> Ok
        proxy_on_downstream_data(2, 5, 0) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/continue in the callback",
        "the filters behind are called before the result is looked at, and at the end of the stream once more (Envoy)",
        [data(call("cont", 2)), data(DOWN)],
        """
        proxy_on_downstream_data(2, 5, 0) -> Continue
          proxy_continue_stream(Downstream) -> Ok
        proxy_on_downstream_data(2, 5, 0) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_continue_stream(Downstream) -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
        upstream: as sent
        client: as answered
        """,
        connections=[connection(">hello")],
    ),
    case(
        "tcp/stream types",
        "continue: request and response do nothing, upstream is Unimplemented, 4 is none; close of request and response does nothing (8.7)",
        data(Nth(1, tuple(call("cont", kind) for kind in (0, 1, 3, 4))), Nth(1, tuple(call("close", kind) for kind in (0, 1, 4)))),
        """
        proxy_on_downstream_data(2, 5, 0) -> Continue
          proxy_continue_stream(Request) -> Ok
          proxy_continue_stream(Response) -> Ok
          proxy_continue_stream(Upstream) -> Unimplemented
          proxy_continue_stream(4) -> BadArgument
          proxy_close_stream(Request) -> Ok
          proxy_close_stream(Response) -> Ok
          proxy_close_stream(4) -> BadArgument
        proxy_on_downstream_data(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/close on the way up",
        "what is at hand goes no further, the filters behind do not see it (Envoy)",
        [tcp(downstream_data=(call("close", 2),)), tcp()],
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_new_connection(2) -> Continue
        proxy_on_downstream_data(2, 5, 0) -> Continue
          proxy_close_stream(Downstream) -> Ok
        proxy_on_downstream_connection_close(2, 1)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_downstream_connection_close(2, 1)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: nothing
        client: nothing
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/close on the way down",
        "the same for bytes to the client, by either stream type (Envoy)",
        [plugin(upstream_data=[]), plugin(upstream_data=(call("close", 3),), downstream_connection_close=[])],
        """
        proxy_on_upstream_data(2, 6, 0) -> Continue
          proxy_close_stream(Upstream) -> Ok
        proxy_on_downstream_connection_close(2, 1)
        upstream: as sent
        client: nothing
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/close at the upstream's end",
        "the upstream's close is told after on_delete, of a context that is gone (Envoy)",
        tcp(upstream_data=(Nth(2, (call("close", 2),)),)),
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_upstream_data(2, 3, 0) -> Continue
        proxy_on_upstream_data(2, 0, 1) -> Continue
          proxy_close_stream(Downstream) -> Ok
        proxy_on_downstream_connection_close(2, 1)
        proxy_on_done(2) -> true
        proxy_on_log(2)
        proxy_on_delete(2)
        proxy_on_upstream_connection_close(2, 0)
        proxy_on_done(1) -> true
        proxy_on_delete(1)
        upstream: as sent
        client: as answered
        """,
        connections=[connection("<one", ending=Ending.UPSTREAM)],
    ),
    case(
        "tcp/buffers",
        "a side's bytes can be reached in its callback and while it is paused; else they read as empty and cannot be written (8.4)",
        plugin(
            new_connection=(DOWN, call("set_body", DOWNSTREAM, 0, 0, "x")),
            downstream_data=(DOWN, UP, call("set_body", UPSTREAM, 0, 0, "x"), Nth(1, TICK)),
            tick=tick(DOWN, call("set_body", DOWNSTREAM, 99, 0, "y"), call("cont", 2)),
        ),
        """
        proxy_on_new_connection(2) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_set_buffer_bytes(DownstreamData, 0, 0) -> BadArgument
        proxy_on_downstream_data(2, 5, 0) -> StopIteration
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_get_buffer_bytes(UpstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_set_buffer_bytes(UpstreamData, 0, 0) -> BadArgument
          proxy_set_tick_period_milliseconds(30) -> Ok
        proxy_on_tick(1)
          proxy_set_tick_period_milliseconds(0) -> Ok
          proxy_set_effective_context(2) -> Ok
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "hello" -> Ok
          proxy_set_buffer_bytes(DownstreamData, 99, 0) -> Ok
          proxy_continue_stream(Downstream) -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
          proxy_get_buffer_bytes(DownstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_get_buffer_bytes(UpstreamData, 0, 99) -> Ok
          proxy_log(info) "" -> Ok
          proxy_set_buffer_bytes(UpstreamData, 0, 0) -> BadArgument
        upstream: "helloy"
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/a trap",
        "closes the connection; the filter that fell hears nothing more, the others do (Envoy)",
        [plugin(downstream_connection_close=[]), tcp(downstream_data=(TRAP,))],
        """
        proxy_on_new_connection(2) -> Continue
        proxy_on_downstream_data(2, 5, 0) failed
        proxy_on_downstream_connection_close(2, 1)
        upstream: nothing
        client: nothing
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/a trap with failure policy open",
        "closes the connection all the same: open is for the next one (Envoy)",
        plugin(failure_policy="open", downstream_data=(TRAP,)),
        """
        proxy_on_downstream_data(2, 5, 0) failed
        upstream: nothing
        client: nothing
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/a trap with fail_open",
        "the older setting lets the bytes pass (Envoy)",
        plugin(fail_open=True, downstream_data=(TRAP,)),
        """
        proxy_on_downstream_data(2, 5, 0) failed
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
    case(
        "tcp/what belongs to HTTP",
        "a local response is Ok and does nothing, there are no headers and no bodies (section 11)",
        data(
            Nth(1, (call("local", 403, "d", "b", b"\0\0\0\0", 0), call("get", 0, ":path", OUT, OUT), call("add", 0, "a", "b"))),
            Nth(1, (call("set_body", 0, 0, 0, "x"), call("body", 0, 0, 9, OUT, OUT))),
        ),
        """
        proxy_on_downstream_data(2, 5, 0) -> Continue
          proxy_send_local_response(403, 0) -> Ok
          proxy_get_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_add_header_map_value(HttpRequestHeaders) -> BadArgument
          proxy_set_buffer_bytes(HttpRequestBody, 0, 0) -> BadArgument
          proxy_get_buffer_bytes(HttpRequestBody, 0, 9) -> Ok
        proxy_on_downstream_data(2, 0, 1) -> Continue
        upstream: as sent
        client: as answered
        """,
        connections=[ECHO],
    ),
]
